/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of api/store share: the open database, statements that are prepared once and
 * bound by value, rows that are read one at a time. No SQL is ever put together from parts that
 * are not constants of this program.
 */
#ifndef CL_API_STORE_SQL_H
#define CL_API_STORE_SQL_H

#include <sqlite3.h>

#include "api/store.h"
#include "sandbox/base/own.h"

enum {
    CL_SQL_STATEMENTS_MAX = 128,
    CL_STORE_HASH_SIZE = 32,
    CL_STORE_ROW_BYTES = 256,      /* what a row costs beside its texts and blobs, roughly */
    CL_STORE_FILE_FROM = 64 << 10, /* longer blobs lie in files of their own */
    CL_STORE_BLOB_MAX = 256 << 20,
};

struct cl_store {
    sqlite3 *db;
    int dir; /* borrowed */
    struct cl_store_caps caps;
    struct cl_store_quota *quotas; /* owned, by tenant */
    size_t quota_count;
    struct {
        const char *sql; /* a constant: its address is its name */
        sqlite3_stmt *statement;
    } statements[CL_SQL_STATEMENTS_MAX];
    unsigned statement_count;
    /* Files that were written or let go in this transaction; see files.h. */
    uint8_t (*touched)[CL_STORE_HASH_SIZE];
    size_t touched_count, touched_size;
};

/* ------------------------------------------------------------------------------- writing */

enum cl_sql_kind { CL_SQL_TEXT, CL_SQL_MAYBE, CL_SQL_NUMBER, CL_SQL_BLOB, CL_SQL_KEPT };

struct cl_sql_value {
    enum cl_sql_kind kind;
    const char *text;
    int64_t number;
    struct cl_blob blob;
};

/* clang-format off */
#define CL_TEXT(x)   { .kind = CL_SQL_TEXT, .text = (x) }
#define CL_MAYBE(x)  { .kind = CL_SQL_MAYBE, .text = (x) } /* "" is NULL */
#define CL_NUMBER(x) { .kind = CL_SQL_NUMBER, .number = (int64_t)(x) }
#define CL_PLAIN(x)  { .kind = CL_SQL_BLOB, .blob = (x) }
#define CL_KEPT(x)   { .kind = CL_SQL_KEPT, .blob = (x) } /* in a file when it is long */
/* clang-format on */

#define CL_SQL_VALUES(...)                                                                     \
    (const struct cl_sql_value[]){ __VA_ARGS__ },                                              \
        sizeof((const struct cl_sql_value[]){ __VA_ARGS__ }) / sizeof(struct cl_sql_value)

/* Runs a statement that gives no rows. Returns how many rows it changed. */
int cl_sql_run(struct cl_store *store, const char *sql, const struct cl_sql_value *values,
               size_t count, struct cl_err *err);
/* A statement without values. */
int cl_sql_do(struct cl_store *store, const char *sql, struct cl_err *err);

/* What the database said last, as an error of ours. Always -1. */
int cl_sql_fail(sqlite3 *db, int code, struct cl_err *err);
/* What a system call on a file of the store said. Always -1. */
int cl_sql_fail_file(const char *what, struct cl_err *err);

/* CL_E_LIMIT when the tenant, or all of them, may not keep `bytes` more. */
int cl_store_check_room(struct cl_store *store, const char *tenant, size_t bytes,
                        struct cl_err *err);

/* ------------------------------------------------------------------------------- reading */

enum { CL_SQL_TAKEN_MAX = 8 };

/* Rows of one statement; the blobs of a row live until the next one. */
struct cl_sql_rows {
    struct cl_store *store;
    sqlite3_stmt *statement;
    void *taken[CL_SQL_TAKEN_MAX]; /* owned: what came from files */
    unsigned taken_count;
};

/* clang-format off */
#define CL_SQL_ROWS_INIT { NULL, NULL, { NULL }, 0 }
/* clang-format on */
#define cl_sql_rows_auto __attribute__((cleanup(cl_sql_close))) struct cl_sql_rows

int cl_sql_open(struct cl_sql_rows *rows, struct cl_store *store, const char *sql,
                const struct cl_sql_value *values, size_t count, struct cl_err *err);
/* 1: there is a row; 0: there is none left. */
int cl_sql_next(struct cl_sql_rows *rows, struct cl_err *err);
void cl_sql_close(struct cl_sql_rows *rows);

const char *cl_sql_text(const struct cl_sql_rows *rows, int column); /* "" for NULL */
int64_t cl_sql_number(const struct cl_sql_rows *rows, int column);   /* 0 for NULL */
struct cl_blob cl_sql_blob(const struct cl_sql_rows *rows, int column);
/* What was bound as CL_KEPT. */
int cl_sql_kept(struct cl_sql_rows *rows, int column, struct cl_blob *blob, struct cl_err *err);

#endif
