/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepares, binds, steps; turns what SQLite says into our errors.
 * Runs in: cloche-api, on the store thread (and before there is one).
 * Trusts: the database no more than SQLite does; every value is bound, none is pasted.
 */
#include "api/store/sql.h"

#include <errno.h>
#include <string.h>

#include "api/store/files.h"

/* -------------------------------------------------------------------------------- errors */

static const struct {
    int code;
    enum cl_err_kind kind;
    const char *text;
} meanings[] = {
    { SQLITE_FULL, CL_E_LIMIT, "there is no room on the disk of the store" },
    { SQLITE_TOOBIG, CL_E_LIMIT, "this is too large to be stored" },
    { SQLITE_BUSY, CL_E_BUSY, "the store is in use by another process" },
    { SQLITE_LOCKED, CL_E_BUSY, "the store is in use" },
    { SQLITE_CORRUPT, CL_E_LOST, "the store is damaged" },
    { SQLITE_NOTADB, CL_E_LOST, "the store is damaged: its file is no database" },
    { SQLITE_READONLY, CL_E_DENIED, "the store cannot be written" },
    { SQLITE_CANTOPEN, CL_E_DENIED, "the store cannot be opened" },
    { SQLITE_PERM, CL_E_DENIED, "the store cannot be written" },
};

static bool is_no_room(int error)
{
    return error == ENOSPC || error == EDQUOT;
}

int cl_sql_fail(sqlite3 *db, int code, struct cl_err *err)
{
    errno = db ? sqlite3_system_errno(db) : 0;
    if ((code & 0xff) == SQLITE_IOERR && is_no_room(errno))
        code = SQLITE_FULL;
    for (size_t i = 0; i < CL_COUNT(meanings); i++) {
        if (meanings[i].code == (code & 0xff))
            return cl_fail(err, meanings[i].kind, "%s", meanings[i].text);
    }
    return cl_fail(err, CL_E_SYS, "store: %s", db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
}

int cl_sql_fail_file(const char *what, struct cl_err *err)
{
    if (is_no_room(errno))
        return cl_fail(err, CL_E_LIMIT, "there is no room on the disk of the store");
    return cl_fail(err, CL_E_SYS, "store: %s", what);
}

/* ---------------------------------------------------------------------------- statements */

static sqlite3_stmt *prepare(struct cl_store *store, const char *sql, struct cl_err *err)
{
    sqlite3_stmt *statement = NULL;
    int code;

    for (unsigned i = 0; i < store->statement_count; i++) {
        if (store->statements[i].sql == sql)
            return store->statements[i].statement;
    }
    CL_CHECK(store->statement_count < CL_SQL_STATEMENTS_MAX);
    code = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    if (code != SQLITE_OK) {
        cl_sql_fail(store->db, code, err);
        return NULL;
    }
    store->statements[store->statement_count].sql = sql;
    store->statements[store->statement_count++].statement = statement;
    return statement;
}

static int bind_blob(sqlite3_stmt *statement, int place, struct cl_blob blob)
{
    if (!blob.bytes)
        return sqlite3_bind_null(statement, place);
    return sqlite3_bind_blob64(statement, place, blob.bytes, blob.length, SQLITE_STATIC);
}

static int bind_text(sqlite3_stmt *statement, int place, const char *text)
{
    return sqlite3_bind_text(statement, place, text ? text : "", -1, SQLITE_STATIC);
}

static int bind_kept(struct cl_store *store, sqlite3_stmt *statement, int place,
                     struct cl_blob blob, struct cl_err *err)
{
    int64_t file = 0;

    if (blob.length <= CL_STORE_FILE_FROM)
        return bind_blob(statement, place, blob);
    if (cl_store_file_put(store, blob, &file, err) < 0)
        return -1;
    return sqlite3_bind_int64(statement, place, file);
}

/* SQLITE_OK, a code of SQLite, or -1 with err. */
static int bind_one(struct cl_store *store, sqlite3_stmt *statement, int place,
                    const struct cl_sql_value *value, struct cl_err *err)
{
    switch (value->kind) {
    case CL_SQL_TEXT:
        return bind_text(statement, place, value->text);
    case CL_SQL_MAYBE:
        return value->text && value->text[0] ? bind_text(statement, place, value->text)
                                             : sqlite3_bind_null(statement, place);
    case CL_SQL_NUMBER:
        return sqlite3_bind_int64(statement, place, value->number);
    case CL_SQL_BLOB:
        return bind_blob(statement, place, value->blob);
    case CL_SQL_KEPT:
        return bind_kept(store, statement, place, value->blob, err);
    }
    return SQLITE_MISUSE;
}

static sqlite3_stmt *bind(struct cl_store *store, const char *sql,
                          const struct cl_sql_value *values, size_t count, struct cl_err *err)
{
    sqlite3_stmt *statement = prepare(store, sql, err);

    if (!statement)
        return NULL;
    CL_CHECK(sqlite3_bind_parameter_count(statement) == (int)count);
    CL_CHECK(!sqlite3_stmt_busy(statement));
    for (size_t i = 0; i < count; i++) {
        const int code = bind_one(store, statement, (int)i + 1, &values[i], err);

        if (code == SQLITE_OK)
            continue;
        if (code > 0)
            cl_sql_fail(store->db, code, err);
        sqlite3_clear_bindings(statement);
        return NULL;
    }
    return statement;
}

static void release(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement); /* the views may be gone when it is used next */
}

int cl_sql_run(struct cl_store *store, const char *sql, const struct cl_sql_value *values,
               size_t count, struct cl_err *err)
{
    sqlite3_stmt *statement = bind(store, sql, values, count, err);
    int code;

    if (!statement)
        return -1;
    code = sqlite3_step(statement);
    if (code != SQLITE_DONE && code != SQLITE_ROW) {
        cl_sql_fail(store->db, code, err);
        release(statement);
        return -1;
    }
    release(statement);
    return sqlite3_changes(store->db);
}

int cl_sql_do(struct cl_store *store, const char *sql, struct cl_err *err)
{
    return cl_sql_run(store, sql, NULL, 0, err) < 0 ? -1 : 0;
}

/* ------------------------------------------------------------------------------- reading */

int cl_sql_open(struct cl_sql_rows *rows, struct cl_store *store, const char *sql,
                const struct cl_sql_value *values, size_t count, struct cl_err *err)
{
    rows->store = store;
    rows->taken_count = 0;
    rows->statement = bind(store, sql, values, count, err);
    return rows->statement ? 0 : -1;
}

static void drop_taken(struct cl_sql_rows *rows)
{
    while (rows->taken_count > 0)
        free(rows->taken[--rows->taken_count]);
}

int cl_sql_next(struct cl_sql_rows *rows, struct cl_err *err)
{
    int code;

    drop_taken(rows);
    code = sqlite3_step(rows->statement);
    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : cl_sql_fail(rows->store->db, code, err);
}

void cl_sql_close(struct cl_sql_rows *rows)
{
    drop_taken(rows);
    if (rows->statement)
        release(rows->statement);
    rows->statement = NULL;
}

const char *cl_sql_text(const struct cl_sql_rows *rows, int column)
{
    const unsigned char *text = sqlite3_column_text(rows->statement, column);

    return text ? (const char *)text : "";
}

int64_t cl_sql_number(const struct cl_sql_rows *rows, int column)
{
    return sqlite3_column_int64(rows->statement, column);
}

struct cl_blob cl_sql_blob(const struct cl_sql_rows *rows, int column)
{
    struct cl_blob blob = CL_BLOB_NONE;

    if (sqlite3_column_type(rows->statement, column) == SQLITE_NULL)
        return blob;
    blob.bytes = sqlite3_column_blob(rows->statement, column);
    blob.length = (size_t)sqlite3_column_bytes(rows->statement, column);
    if (!blob.bytes)
        blob.bytes = ""; /* empty is not none */
    return blob;
}

int cl_sql_kept(struct cl_sql_rows *rows, int column, struct cl_blob *blob, struct cl_err *err)
{
    void *bytes = NULL;

    if (sqlite3_column_type(rows->statement, column) != SQLITE_INTEGER) {
        *blob = cl_sql_blob(rows, column);
        return 0;
    }
    CL_CHECK(rows->taken_count < CL_SQL_TAKEN_MAX);
    if (cl_store_file_get(rows->store, cl_sql_number(rows, column), &bytes, &blob->length,
                          err) < 0)
        return -1;
    blob->bytes = rows->taken[rows->taken_count++] = bytes;
    return 0;
}
