/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens and closes the store; transactions; how much is in it.
 * Runs in: cloche-api, on the store thread (opening before there is one).
 * Trusts: the directory, which is this process's own; not that what lies there is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/store/files.h"
#include "api/store/schema.h"
#include "api/store/vfs.h"
#include "sandbox/base/utc.h"

/* A larger one is read in pieces as it is used: looking at every page would delay the start. */
enum { CHECK_MOST = 32 << 20 };

static const char file_name[] = "cloche.db";

const struct cl_store_caps cl_store_caps_default = {
    .bytes = 16ull << 30,
    .tenant_bytes = 4ull << 30,
    .keep_us = 7ull * 24 * 3600 * 1000000,
    .keep_calls = 100000,
};

/* ------------------------------------------------------------------------------- opening */

static int check_directory(int dir, struct cl_err *err)
{
    struct stat found;

    if (fstat(dir, &found) < 0 || !S_ISDIR(found.st_mode))
        return cl_fail(err, CL_E_DENIED, "the store directory is not there");
    if (faccessat(dir, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0)
        return cl_fail(err, CL_E_DENIED, "the store directory cannot be written: %s",
                       strerror(errno));
    return 0;
}

/* What SQLite says with "no text" would help nobody. */
static int explain(struct cl_store *store, int code, struct cl_err *err)
{
    cl_sql_fail(store->db, code, err);
    if (err->kind == CL_E_LOST)
        return cl_fail(err, CL_E_LOST,
                       "the store is damaged (%s in the store directory): put a copy back, "
                       "or move it away to start with an empty one",
                       file_name);
    return -1;
}

static int set_modes(struct cl_store *store, struct cl_err *err)
{
    static const char modes[] = "PRAGMA locking_mode = EXCLUSIVE;" /* no memory is shared */
                                "PRAGMA journal_mode = WAL;"
                                "PRAGMA synchronous = FULL;" /* each commit is on the disk */
                                "PRAGMA temp_store = MEMORY;"
                                "PRAGMA mmap_size = 0;"
                                "PRAGMA cache_size = -2048;"
                                "PRAGMA journal_size_limit = 8388608;"
                                "PRAGMA foreign_keys = ON;"
                                "PRAGMA trusted_schema = OFF;"
                                "PRAGMA cell_size_check = ON;";
    const int code = sqlite3_exec(store->db, modes, NULL, NULL, NULL);

    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return code == SQLITE_OK ? 0 : explain(store, code, err);
}

static int check_pages(struct cl_store *store, struct cl_err *err)
{
    struct stat found = { 0 };
    sqlite3_stmt *statement = NULL;
    bool is_whole;
    int code;

    if (fstatat(store->dir, file_name, &found, AT_SYMLINK_NOFOLLOW) < 0 ||
        found.st_size > CHECK_MOST)
        return 0;
    code = sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    is_whole = code == SQLITE_ROW &&
               strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    sqlite3_finalize(statement);
    if (is_whole)
        return 0;
    return explain(store, code == SQLITE_ROW ? SQLITE_CORRUPT : code, err);
}

static int open_database(struct cl_store *store, struct cl_err *err)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                      SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    int code;

    if (cl_store_vfs_set(store->dir, err) < 0)
        return -1;
    code = sqlite3_open_v2(file_name, &store->db, flags, CL_STORE_VFS);
    if (code != SQLITE_OK)
        return explain(store, code, err);
    if (set_modes(store, err) < 0)
        return -1;
    if (check_pages(store, err) < 0 ||
        cl_store_migrate(store->db, cl_store_steps, cl_store_step_count, err) < 0 ||
        cl_store_probe(store, err) < 0)
        return -1;
    return fsync(store->dir) < 0 ? cl_sql_fail_file("write the directory", err) : 0;
}

struct cl_store *cl_store_open(int dir, const struct cl_store_caps *caps, struct cl_err *err)
{
    struct cl_store *store = calloc(1, sizeof(*store));

    CL_CHECK(store);
    store->dir = dir;
    store->caps = *caps;
    if (check_directory(dir, err) == 0 && open_database(store, err) == 0 &&
        cl_store_files_sweep(store, err) == 0)
        return store;
    cl_store_close(store);
    return NULL;
}

void cl_store_close(struct cl_store *store)
{
    if (!store)
        return;
    for (unsigned i = 0; i < store->statement_count; i++)
        sqlite3_finalize(store->statements[i].statement);
    sqlite3_close(store->db);
    free(store->touched);
    free(store->quotas);
    free(store);
}

/* -------------------------------------------------------------------------- transactions */

int cl_store_begin(struct cl_store *store, struct cl_err *err)
{
    return cl_sql_do(store, "BEGIN IMMEDIATE", err);
}

int cl_store_commit(struct cl_store *store, struct cl_err *err)
{
    if (cl_sql_do(store, "COMMIT", err) < 0) {
        cl_store_rollback(store);
        return -1;
    }
    cl_store_files_settle(store);
    return 0;
}

void cl_store_rollback(struct cl_store *store)
{
    struct cl_err ignored = CL_ERR_INIT;

    /* What failed for want of room or of a disk may have been rolled back already. */
    if (!sqlite3_get_autocommit(store->db))
        cl_sql_do(store, "ROLLBACK", &ignored);
    cl_store_files_settle(store);
}

int cl_store_mark(struct cl_store *store, struct cl_err *err)
{
    return cl_sql_do(store, "SAVEPOINT work", err);
}

int cl_store_keep(struct cl_store *store, struct cl_err *err)
{
    return cl_sql_do(store, "RELEASE work", err);
}

bool cl_store_undo(struct cl_store *store)
{
    struct cl_err ignored = CL_ERR_INIT;

    return !sqlite3_get_autocommit(store->db) &&
           cl_sql_do(store, "ROLLBACK TO work", &ignored) == 0 &&
           cl_sql_do(store, "RELEASE work", &ignored) == 0;
}

int cl_store_probe(struct cl_store *store, struct cl_err *err)
{
    return cl_sql_run(store,
                      "INSERT INTO probe VALUES (1, ?)"
                      " ON CONFLICT (id) DO UPDATE SET at_us = excluded.at_us",
                      CL_SQL_VALUES(CL_NUMBER(cl_utc_us())), err) < 0
               ? -1
               : 0;
}

/* --------------------------------------------------------------------------------- usage */

static int ask_usage(struct cl_store *store, const char *tenant, uint64_t *bytes,
                     struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;
    int found;

    if (cl_sql_open(&rows, store, "SELECT bytes FROM usage WHERE tenant = ?",
                    CL_SQL_VALUES(CL_TEXT(tenant)), err) < 0)
        return -1;
    found = cl_sql_next(&rows, err);
    *bytes = found > 0 ? (uint64_t)cl_sql_number(&rows, 0) : 0;
    return found < 0 ? -1 : 0;
}

int cl_store_usage(struct cl_store *store, const char *tenant, struct cl_store_usage *usage,
                   struct cl_err *err)
{
    if (ask_usage(store, tenant, &usage->tenant_bytes, err) < 0 ||
        ask_usage(store, "", &usage->bytes, err) < 0)
        return -1;
    return 0;
}

void cl_store_take_quotas(struct cl_store *store, struct cl_store_quota **quotas, size_t count)
{
    free(store->quotas);
    store->quotas = cl_take_ptr(quotas);
    store->quota_count = count;
}

static int by_tenant(const void *name, const void *quota)
{
    return strcmp(name, ((const struct cl_store_quota *)quota)->tenant);
}

static uint64_t most_of(const struct cl_store *store, const char *tenant)
{
    const struct cl_store_quota *quota =
        store->quota_count ? bsearch(tenant, store->quotas, store->quota_count,
                                     sizeof(*store->quotas), by_tenant)
                           : NULL;

    return quota && quota->bytes < store->caps.tenant_bytes ? quota->bytes
                                                            : store->caps.tenant_bytes;
}

int cl_store_check_room(struct cl_store *store, const char *tenant, size_t bytes,
                        struct cl_err *err)
{
    struct cl_store_usage usage;

    if (cl_store_usage(store, tenant, &usage, err) < 0)
        return -1;
    if (usage.tenant_bytes + bytes > most_of(store, tenant))
        return cl_fail(err, CL_E_LIMIT, "%" PRIu64 " of %" PRIu64 " bytes are stored already",
                       usage.tenant_bytes, most_of(store, tenant));
    if (usage.bytes + bytes > store->caps.bytes)
        return cl_fail(err, CL_E_LIMIT, "the store is full");
    return 0;
}
