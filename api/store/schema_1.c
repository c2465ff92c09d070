/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version 1 of the schema: all tables (docs/store.md tells what is in them).
 * Runs in: cloche-api, once per store.
 * Trusts: -
 */
#include "api/store/schema.h"

/* clang-format off */

/* What a tenant has is counted with each row, so that a quota costs one look-up. */
#define COUNTED(table)                                                                         \
    "CREATE TRIGGER " table "_bytes_in AFTER INSERT ON " table " BEGIN"                        \
    " INSERT INTO usage VALUES (NEW.tenant, NEW.bytes), ('', NEW.bytes)"                       \
    "  ON CONFLICT (tenant) DO UPDATE SET bytes = bytes + excluded.bytes; END;"                \
    "CREATE TRIGGER " table "_bytes_set AFTER UPDATE OF bytes ON " table " BEGIN"              \
    " UPDATE usage SET bytes = bytes + NEW.bytes - OLD.bytes"                                  \
    "  WHERE tenant IN (NEW.tenant, ''); END;"                                                 \
    "CREATE TRIGGER " table "_bytes_out AFTER DELETE ON " table " BEGIN"                       \
    " UPDATE usage SET bytes = bytes - OLD.bytes WHERE tenant IN (OLD.tenant, ''); END;"

/* A blob that is longer than 64 KiB is the number of a file, which counts who holds it. */
#define HOLDS(table, column)                                                                   \
    "CREATE TRIGGER " table "_" column "_in AFTER INSERT ON " table                            \
    " WHEN typeof(NEW." column ") = 'integer' BEGIN"                                           \
    " UPDATE file SET refs = refs + 1 WHERE id = NEW." column "; END;"                         \
    "CREATE TRIGGER " table "_" column "_set AFTER UPDATE OF " column " ON " table             \
    " WHEN 'integer' IN (typeof(OLD." column "), typeof(NEW." column ")) BEGIN"                \
    " UPDATE file SET refs = refs + 1 WHERE typeof(NEW." column ") = 'integer'"                \
    "  AND id = NEW." column ";"                                                               \
    " UPDATE file SET refs = refs - 1 WHERE typeof(OLD." column ") = 'integer'"                \
    "  AND id = OLD." column "; END;"                                                          \
    "CREATE TRIGGER " table "_" column "_out AFTER DELETE ON " table                           \
    " WHEN typeof(OLD." column ") = 'integer' BEGIN"                                           \
    " UPDATE file SET refs = refs - 1 WHERE id = OLD." column "; END;"

#define TEXT   " TEXT NOT NULL"
#define NUMBER " INTEGER NOT NULL"
#define LONG   " ANY" /* a blob, or the number of a file */

const char *const cl_store_step_1[] = {
    "CREATE TABLE probe (id INTEGER PRIMARY KEY, at_us" NUMBER ") STRICT;",
    "CREATE TABLE usage (tenant" TEXT " PRIMARY KEY, bytes" NUMBER ") STRICT, WITHOUT ROWID;",
    "CREATE TABLE file ("
    "  id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, bytes" NUMBER ","
    "  refs" NUMBER " DEFAULT 0) STRICT;",
    "CREATE INDEX file_loose ON file (id) WHERE refs <= 0;",

    /* ---- modules */
    "CREATE TABLE module ("
    "  serial INTEGER PRIMARY KEY, tenant" TEXT ", name" TEXT ", version" TEXT ", key" TEXT ","
    "  description" TEXT ", policy" TEXT ", retry" NUMBER ", updated_us" NUMBER ","
    "  UNIQUE (tenant, name)) STRICT;",
    "CREATE TABLE module_version ("
    "  serial INTEGER PRIMARY KEY, module" NUMBER " REFERENCES module ON DELETE CASCADE,"
    "  tenant" TEXT ", version" TEXT ", magic" TEXT ", source" LONG ", code" LONG ","
    "  functions" LONG ", imports" LONG ", created_us" NUMBER ", bytes" NUMBER ","
    "  UNIQUE (module, version)) STRICT;",
    COUNTED("module_version"),
    HOLDS("module_version", "source"),
    HOLDS("module_version", "code"),
    HOLDS("module_version", "functions"),
    HOLDS("module_version", "imports"),

    /* ---- calls; serial rises with each one, so that `the newest 100,000` needs no counting */
    "CREATE TABLE call ("
    "  serial INTEGER PRIMARY KEY, id" TEXT ", tenant" TEXT ", key" TEXT ", function" TEXT ","
    "  policy" TEXT ", verdict" TEXT ", idem_key TEXT, idem_hash BLOB, request" LONG ","
    "  envelope" LONG ", state" NUMBER ", priority" NUMBER ", attempts" NUMBER ","
    "  retry" NUMBER ", is_cancelled" NUMBER ", not_before_us" NUMBER ", created_us" NUMBER ","
    "  started_us" NUMBER ", ended_us" NUMBER ", bytes" NUMBER ", UNIQUE (tenant, id)) STRICT;",
    "CREATE INDEX call_function ON call (tenant, function, id);",
    "CREATE INDEX call_state ON call (tenant, state, id);",
    "CREATE INDEX call_left ON call (priority DESC, id) WHERE state < 2;",
    "CREATE INDEX call_ended ON call (ended_us) WHERE state = 2;",
    "CREATE UNIQUE INDEX call_idem ON call (tenant, key, idem_key) WHERE idem_key IS NOT NULL;",
    COUNTED("call"),
    HOLDS("call", "request"),
    HOLDS("call", "envelope"),
    "CREATE TABLE call_event ("
    "  call" NUMBER " REFERENCES call ON DELETE CASCADE, seq" NUMBER ", tenant" TEXT ","
    "  line" LONG ", bytes" NUMBER ", PRIMARY KEY (call, seq)) STRICT, WITHOUT ROWID;",
    COUNTED("call_event"),
    HOLDS("call_event", "line"),

    /* ---- sessions */
    "CREATE TABLE session ("
    "  serial INTEGER PRIMARY KEY, id" TEXT ", tenant" TEXT ", key" TEXT ", policy" TEXT ","
    "  is_default" NUMBER ", created_us" NUMBER ", used_us" NUMBER ", bytes" NUMBER ","
    "  UNIQUE (tenant, id)) STRICT;",
    "CREATE UNIQUE INDEX session_default ON session (tenant, key) WHERE is_default;",
    COUNTED("session"),
    "CREATE TABLE registration ("
    "  session" NUMBER " REFERENCES session ON DELETE CASCADE, name" TEXT ", tenant" TEXT ","
    "  kind" TEXT ", position" NUMBER ", content" LONG ", bytes" NUMBER ","
    "  PRIMARY KEY (session, name)) STRICT;",
    COUNTED("registration"),
    HOLDS("registration", "content"),

    /* ---- workflows */
    "CREATE TABLE workflow ("
    "  serial INTEGER PRIMARY KEY AUTOINCREMENT, id" TEXT ", tenant" TEXT ", key" TEXT ","
    "  name" TEXT ", status" TEXT ", session" TEXT ", policy" TEXT ", document" LONG ","
    "  error" LONG ","
    "  task_count" NUMBER ", is_task" NUMBER ", is_done" NUMBER ", is_cancelled" NUMBER ","
    "  deadline_us" NUMBER ", created_us" NUMBER ", started_us" NUMBER ", ended_us" NUMBER ","
    "  bytes" NUMBER ", UNIQUE (tenant, id)) STRICT;",
    "CREATE INDEX workflow_newest ON workflow (tenant, serial);",
    "CREATE INDEX workflow_left ON workflow (serial) WHERE is_done = 0;",
    "CREATE INDEX workflow_ended ON workflow (ended_us) WHERE is_done = 1;",
    COUNTED("workflow"),
    HOLDS("workflow", "document"),
    HOLDS("workflow", "error"),
    "CREATE TABLE task ("
    "  workflow" NUMBER " REFERENCES workflow ON DELETE CASCADE, position" NUMBER ", id" TEXT ","
    "  tenant" TEXT ", status" TEXT ", error_code" TEXT ", result" LONG ", error" LONG ","
    "  attempts" NUMBER ", code" NUMBER ", due_us" NUMBER ", started_us" NUMBER ","
    "  ended_us" NUMBER ", bytes" NUMBER ", PRIMARY KEY (workflow, position),"
    "  UNIQUE (workflow, id)) STRICT;",
    COUNTED("task"),
    HOLDS("task", "result"),
    HOLDS("task", "error"),
    "CREATE TABLE workflow_event ("
    "  workflow" NUMBER " REFERENCES workflow ON DELETE CASCADE, seq" NUMBER ", tenant" TEXT ","
    "  line" LONG ", bytes" NUMBER ", PRIMARY KEY (workflow, seq)) STRICT, WITHOUT ROWID;",
    COUNTED("workflow_event"),
    HOLDS("workflow_event", "line"),
    NULL,
};
