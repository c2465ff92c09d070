/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings a database to this version's schema, step by step.
 * Runs in: cloche-api, before it reads anything of a caller.
 * Trusts: the version that the database says it has, if it says that it is ours.
 */
#include "api/store/schema.h"

#include <stdio.h>

#include "api/store/sql.h"

enum { APPLICATION_ID = 0x436c6f63 }; /* "Cloc" */

const char *const *const cl_store_steps[] = { cl_store_step_1, cl_store_step_2 };
const size_t cl_store_step_count = CL_COUNT(cl_store_steps);

static int do_text(sqlite3 *db, const char *sql, struct cl_err *err)
{
    const int code = sqlite3_exec(db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : cl_sql_fail(db, code, err);
}

static int ask_number(sqlite3 *db, const char *sql, int64_t *number, struct cl_err *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : cl_sql_fail(db, code, err);
}

static int do_all(sqlite3 *db, const char *const *step, struct cl_err *err)
{
    for (; *step; step++) {
        if (do_text(db, *step, err) < 0)
            return -1;
    }
    return 0;
}

static int take_step(sqlite3 *db, const char *const *step, size_t version, struct cl_err *err)
{
    char seal[96];

    /* The only text that is put together, of two numbers of ours: a pragma binds nothing. */
    snprintf(seal, sizeof(seal), "PRAGMA user_version = %zu; PRAGMA application_id = %d;",
             version, APPLICATION_ID);
    if (do_text(db, "BEGIN IMMEDIATE", err) == 0 && do_all(db, step, err) == 0 &&
        do_text(db, seal, err) == 0 && do_text(db, "COMMIT", err) == 0)
        return 0;
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return cl_err_context(err, "bring the store to version %zu", version);
}

int cl_store_migrate(sqlite3 *db, const char *const *const *steps, size_t count,
                     struct cl_err *err)
{
    int64_t version = 0, application = 0, tables = 0;

    if (ask_number(db, "PRAGMA user_version", &version, err) < 0 ||
        ask_number(db, "PRAGMA application_id", &application, err) < 0 ||
        ask_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0)
        return -1;
    if (tables > 0 && application != APPLICATION_ID)
        return cl_fail(err, CL_E_INPUT, "the store was made by another program");
    if (version < 0 || (uint64_t)version > count)
        return cl_fail(err, CL_E_INPUT,
                       "the store has version %lld, which is newer than this Cloche's %zu: "
                       "start the Cloche that made it, or another state directory",
                       (long long)version, count);
    for (size_t next = (size_t)version; next < count; next++) {
        if (take_step(db, steps[next], next + 1, err) < 0)
            return -1;
    }
    return 0;
}
