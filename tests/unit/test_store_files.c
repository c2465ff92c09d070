/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is particular about a store in SQLite: long values as files, opening what is damaged, newer,
 * older or somebody else's.
 * Runs in: tests only.
 * Trusts: -
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/store/schema.h"
#include "sandbox/base/own.h"
#include "tests/support/store_case.h"

enum { LONG = 100000 };

/* --------------------------------------------------------------------------- long values */

static char *long_text(char fill)
{
    char *text = malloc(LONG);

    memset(text, fill, LONG);
    return text;
}

static void finish(struct store_case *at, unsigned number, char fill)
{
    char id[CL_ULID_SIZE];
    struct cl_store_call call = store_case_call("t", store_case_id(id, number));
    cl_free_auto char *text = long_text(fill);

    assert_int_equal(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), 0);
    call.verdict = "ok";
    call.envelope = (struct cl_blob){ text, LONG };
    assert_int_equal(cl_store_call_finish(at->store, &call, &at->err), 1);
}

static int see_fill(void *self, const struct cl_store_call *call, struct cl_err *err)
{
    const char *text = call->envelope.bytes;

    (void)err;
    assert_int_equal(call->envelope.length, LONG);
    for (size_t i = 0; i < LONG; i++)
        assert_int_equal(text[i], *(const char *)self);
    return 0;
}

static int read_back(struct store_case *at, unsigned number, char fill)
{
    char id[CL_ULID_SIZE];

    return cl_store_call_get(at->store, "t", store_case_id(id, number), see_fill, &fill,
                             &at->err);
}

/* Files of long values in the directory; the name of the last one. */
static int count_files(struct store_case *at, char name[NAME_MAX + 1])
{
    DIR *folder = opendir(at->path);
    const struct dirent *entry;
    int count = 0;

    while ((entry = readdir(folder))) {
        if (strlen(entry->d_name) < 64)
            continue;
        strcpy(name, entry->d_name);
        count++;
    }
    closedir(folder);
    return count;
}

static void long_values_are_files_by_content(void **state)
{
    struct store_case *at = *state;
    char name[NAME_MAX + 1];

    finish(at, 1, 'a');
    finish(at, 2, 'a');
    finish(at, 3, 'b');
    assert_int_equal(count_files(at, name), 2);
    store_case_again(at);
    assert_int_equal(read_back(at, 1, 'a'), 1);
    assert_int_equal(read_back(at, 2, 'a'), 1);
    assert_int_equal(read_back(at, 3, 'b'), 1);
}

static void files_go_with_their_last_row(void **state)
{
    struct store_case *at = *state;
    char name[NAME_MAX + 1];
    int more = 1;

    finish(at, 1, 'a');
    finish(at, 2, 'a');
    at->caps.keep_calls = 1;
    store_case_again(at);
    for (int i = 0; more && i < 10; i++)
        more = cl_store_tidy(at->store, 0, &at->err);
    assert_int_equal(count_files(at, name), 1);
    assert_int_equal(read_back(at, 2, 'a'), 1);
    finish(at, 3, 'b');
    for (int i = 0; i < 5; i++)
        assert_works(cl_store_tidy(at->store, 0, &at->err), &at->err);
    assert_int_equal(count_files(at, name), 1);
    assert_int_equal(read_back(at, 3, 'b'), 1);
}

static void what_is_undone_leaves_no_file(void **state)
{
    struct store_case *at = *state;
    char name[NAME_MAX + 1];

    assert_works(cl_store_begin(at->store, &at->err), &at->err);
    assert_works(cl_store_mark(at->store, &at->err), &at->err);
    finish(at, 1, 'a');
    assert_true(cl_store_undo(at->store));
    assert_works(cl_store_mark(at->store, &at->err), &at->err);
    finish(at, 2, 'b');
    assert_works(cl_store_keep(at->store, &at->err), &at->err);
    assert_works(cl_store_commit(at->store, &at->err), &at->err);
    assert_int_equal(count_files(at, name), 1);
    assert_int_equal(read_back(at, 2, 'b'), 1);
    assert_works(cl_store_begin(at->store, &at->err), &at->err);
    finish(at, 3, 'c');
    cl_store_rollback(at->store);
    assert_int_equal(count_files(at, name), 1);
}

static void leftovers_are_swept_at_the_start(void **state)
{
    struct store_case *at = *state;
    char name[NAME_MAX + 1] =
        "00000000000000000000000000000000000000000000000000000000000000aa";

    finish(at, 1, 'a');
    cl_own_close(&(int){ openat(at->dir, name, O_CREAT | O_WRONLY, 0600) });
    strcat(name, ".new");
    cl_own_close(&(int){ openat(at->dir, name, O_CREAT | O_WRONLY, 0600) });
    assert_int_equal(count_files(at, name), 3);
    store_case_again(at);
    assert_int_equal(count_files(at, name), 1);
    assert_int_equal(read_back(at, 1, 'a'), 1);
}

static void a_changed_file_is_not_believed(void **state)
{
    struct store_case *at = *state;
    char name[NAME_MAX + 1];

    finish(at, 1, 'a');
    assert_int_equal(count_files(at, name), 1);
    cl_close_auto int fd = openat(at->dir, name, O_WRONLY);
    assert_int_equal(pwrite(fd, "b", 1, LONG / 2), 1);
    assert_int_equal(read_back(at, 1, 'a'), -1);
    assert_int_equal(at->err.kind, CL_E_LOST);
    assert_int_equal(ftruncate(fd, 10), 0);
    assert_int_equal(read_back(at, 1, 'a'), -1);
    assert_int_equal(at->err.kind, CL_E_LOST);
}

/* ------------------------------------------------------------------------------- opening */

static void refuse(struct store_case *at, enum cl_err_kind kind, const char *text)
{
    at->store = cl_store_open(at->dir, &at->caps, &at->err);
    assert_null(at->store);
    assert_string_equal(cl_err_kind_name(at->err.kind), cl_err_kind_name(kind));
    if (!strstr(at->err.text, text))
        fail_msg("\"%s\" does not say \"%s\"", at->err.text, text);
}

static void overwrite(struct store_case *at, off_t place, const char *bytes, size_t length)
{
    cl_close_auto int fd = openat(at->dir, "cloche.db", O_WRONLY);

    assert_int_equal(pwrite(fd, bytes, length, place), (ssize_t)length);
}

static void close_store(struct store_case *at)
{
    cl_store_close(at->store);
    at->store = NULL;
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct store_case *at = *state;

    close_store(at);
    overwrite(at, 0, "this is no database", 19);
    refuse(at, CL_E_LOST, "damaged");
}

static void a_damaged_page_is_refused(void **state)
{
    struct store_case *at = *state;
    char id[CL_ULID_SIZE];
    struct stat found;
    char noise[4096];

    for (unsigned i = 0; i < 200; i++) {
        const struct cl_store_call call = store_case_call("t", store_case_id(id, i));
        assert_works(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), &at->err);
    }
    close_store(at);
    memset(noise, 0x5a, sizeof(noise));
    assert_int_equal(fstatat(at->dir, "cloche.db", &found, 0), 0);
    for (off_t page = found.st_size / 4096 - 8; page < found.st_size / 4096; page++)
        overwrite(at, page * 4096, noise, sizeof(noise));
    refuse(at, CL_E_LOST, "damaged");
}

static void tell(struct store_case *at, const char *sql)
{
    sqlite3 *db = NULL;

    close_store(at);
    assert_int_equal(sqlite3_open_v2("cloche.db", &db, SQLITE_OPEN_READWRITE, "cloche"),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_newer_store_is_refused(void **state)
{
    struct store_case *at = *state;

    tell(at, "PRAGMA user_version = 999");
    refuse(at, CL_E_INPUT, "version 999, which is newer");
}

static void another_programs_store_is_refused(void **state)
{
    struct store_case *at = *state;

    tell(at, "PRAGMA application_id = 17");
    refuse(at, CL_E_INPUT, "another program");
}

static void a_directory_that_cannot_be_written_is_refused(void **state)
{
    struct store_case *at = *state;
    int status = 0;
    pid_t child;

    close_store(at);
    if (geteuid() != 0)
        skip();
    child = fork();
    if (child == 0) {
        struct cl_err err = CL_ERR_INIT;
        const bool is_refused =
            setuid(65534) == 0 && !cl_store_open(at->dir, &at->caps, &err) &&
            err.kind == CL_E_DENIED && strstr(err.text, "store directory cannot be written");
        _exit(is_refused ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void only_names_of_the_directory_are_opened(void **state)
{
    static const char *const names[] = { "/etc/passwd", "../cloche.db", "a/b", ".." };
    struct store_case *at = *state;
    sqlite3 *db = NULL;

    (void)at;
    for (size_t i = 0; i < CL_COUNT(names); i++) {
        assert_int_equal(sqlite3_open_v2(names[i], &db,
                                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "cloche"),
                         SQLITE_CANTOPEN);
        sqlite3_close(db);
    }
}

/* ---------------------------------------------------------------------------- migrations */

static const char *const first[] = { "CREATE TABLE one (a TEXT)",
                                     "INSERT INTO one VALUES ('x')", NULL };
static const char *const second[] = { "ALTER TABLE one ADD COLUMN b TEXT",
                                      "UPDATE one SET b = a || 'y'", NULL };
static const char *const broken[] = { "INSERT INTO one VALUES ('lost', '')",
                                      "CREATE TABLE one (a TEXT)", NULL };
static const char *const *const steps[] = { first, second };
static const char *const *const bad_steps[] = { first, second, broken };

static void assert_says(sqlite3 *db, const char *sql, const char *wanted)
{
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), wanted);
    sqlite3_finalize(statement);
}

static void an_older_store_is_brought_forward(void **state)
{
    struct store_case *at = *state;
    sqlite3 *db = NULL;

    (void)at;
    assert_int_equal(
        sqlite3_open_v2("old.db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "cloche"),
        SQLITE_OK);
    assert_works(cl_store_migrate(db, steps, 1, &at->err), &at->err);
    assert_works(cl_store_migrate(db, steps, 2, &at->err), &at->err);
    assert_works(cl_store_migrate(db, steps, 2, &at->err), &at->err); /* nothing to do */
    assert_says(db, "SELECT group_concat(a || b) FROM one", "xxy");
    assert_says(db, "PRAGMA user_version", "2");
    assert_fails(cl_store_migrate(db, steps, 1, &at->err), &at->err, CL_E_INPUT);
    /* A step that fails leaves the version, and the rows, as they were. */
    assert_int_equal(cl_store_migrate(db, bad_steps, 3, &at->err), -1);
    assert_says(db, "PRAGMA user_version", "2");
    assert_says(db, "SELECT group_concat(a || b) FROM one", "xxy");
    sqlite3_close(db);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, store_case_open, store_case_close)
    static const struct CMUnitTest tests[] = {
        CASE(long_values_are_files_by_content),
        CASE(files_go_with_their_last_row),
        CASE(what_is_undone_leaves_no_file),
        CASE(leftovers_are_swept_at_the_start),
        CASE(a_changed_file_is_not_believed),
        CASE(a_file_that_is_no_database_is_refused),
        CASE(a_damaged_page_is_refused),
        CASE(a_newer_store_is_refused),
        CASE(another_programs_store_is_refused),
        CASE(a_directory_that_cannot_be_written_is_refused),
        CASE(only_names_of_the_directory_are_opened),
        CASE(an_older_store_is_brought_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
