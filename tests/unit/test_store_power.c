/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power that goes away: files as they are at any moment of writing, and the last transaction cut
 * at every byte. Whatever was acknowledged is there, what was not is there whole or not at all.
 * Runs in: tests only.
 * Trusts: -
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "sandbox/base/own.h"
#include "tests/support/store_case.h"

enum {
    MOMENTS = 25,
    LONG = 70000,
    FRAME_HEAD = 24, /* of the log, before each page */
    PAGE = 4096,
    STRIDE = 1021, /* within a page, unless CLOCHE_EVERY_BYTE is set */
};

/* ------------------------------------------------------------------------------- a writer */

static void write_call(struct cl_store *store, unsigned number, struct cl_err *err)
{
    static char text[LONG];
    char id[CL_ULID_SIZE];
    struct cl_store_call call = store_case_call("t", store_case_id(id, number));
    const struct cl_store_event event = { .seq = 1,
                                          .line = store_case_blob("{\"event\":\"started\"}") };

    memset(text, 'a' + (int)(number % 26), sizeof(text));
    call.verdict = "ok";
    call.ended_us = 1;
    call.envelope = (struct cl_blob){ text, number % 7 ? 500 : LONG };
    if (cl_store_begin(store, err) < 0 ||
        cl_store_call_insert(store, &call, NULL, NULL, err) < 0 ||
        cl_store_call_event_put(store, "t", id, &event, err) < 0 ||
        cl_store_call_finish(store, &call, err) < 0 || cl_store_commit(store, err) < 0)
        fail_msg("%s", err->text);
}

static int see_whole(void *self, const struct cl_store_call *call, struct cl_err *err)
{
    const unsigned number = *(const unsigned *)self;
    const size_t length = number % 7 ? 500 : LONG;
    const char *text = call->envelope.bytes;

    (void)err;
    assert_int_equal(call->envelope.length, length);
    assert_int_equal(text[0], 'a' + (int)(number % 26));
    assert_int_equal(text[length - 1], 'a' + (int)(number % 26));
    return 0;
}

static int see_event(void *self, const struct cl_store_event *event, struct cl_err *err)
{
    (void)event;
    (void)err;
    ++*(unsigned *)self;
    return 0;
}

/* Opens what was left. All up to `acknowledged` are there; returns how many there are. */
static unsigned check(const char *path, unsigned acknowledged)
{
    cl_close_auto int dir = open(path, O_RDONLY | O_DIRECTORY);
    struct cl_err err = CL_ERR_INIT;
    struct cl_store *store = cl_store_open(dir, &cl_store_caps_default, &err);
    unsigned number = 1;

    if (!store)
        fail_msg("%s", err.text);
    for (;; number++) {
        char id[CL_ULID_SIZE];
        unsigned events = 0;
        const int found =
            cl_store_call_get(store, "t", store_case_id(id, number), see_whole, &number, &err);

        if (found < 0)
            fail_msg("call %u of %u: %s", number, acknowledged, err.text);
        if (found == 0)
            break;
        assert_int_equal(cl_store_call_events(store, "t", id, 0, 9, see_event, &events, &err),
                         1);
        assert_int_equal(events, 1);
    }
    write_call(store, number, &err); /* and it goes on */
    cl_store_close(store);
    return number - 1;
}

/* ------------------------------------------------------------------------ at any moment */

static void write_for_ever(const char *path, unsigned *acknowledged)
{
    const int dir = open(path, O_RDONLY | O_DIRECTORY);
    struct cl_err err = CL_ERR_INIT;
    struct cl_store *store = cl_store_open(dir, &cl_store_caps_default, &err);

    for (unsigned number = 1; store; number++) {
        write_call(store, number, &err);
        __atomic_store_n(acknowledged, number, __ATOMIC_SEQ_CST);
    }
    _exit(1);
}

/* So that the files are copied as of one moment. */
static void stop(pid_t writer)
{
    int status = 0;

    kill(writer, SIGSTOP);
    assert_int_equal(waitpid(writer, &status, WUNTRACED), writer);
    assert_true(WIFSTOPPED(status));
}

static void every_moment_holds_what_was_acknowledged(void **state)
{
    unsigned *acknowledged = mmap(NULL, sizeof(*acknowledged), PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char from[64], to[64];
    int dir, copy;
    pid_t writer;

    (void)state;
    store_case_make_dir(from, &dir);
    writer = fork();
    if (writer == 0)
        write_for_ever(from, acknowledged);
    for (int i = 0; i < MOMENTS; i++) {
        unsigned before;

        poll(NULL, 0, 3 + i % 5 * 7);
        store_case_make_dir(to, &copy);
        stop(writer);
        before = __atomic_load_n(acknowledged, __ATOMIC_SEQ_CST);
        store_case_copy(from, to);
        assert_true(check(to, before) >= before);
        kill(writer, SIGCONT);
        close(copy);
        store_case_remove_dir(to);
    }
    kill(writer, SIGKILL);
    waitpid(writer, NULL, 0);
    assert_true(check(from, *acknowledged) >= *acknowledged);
    close(dir);
    store_case_remove_dir(from);
    munmap(acknowledged, sizeof(*acknowledged));
}

/* -------------------------------------------------------------------------- at any byte */

static off_t log_size(int dir)
{
    struct stat found;

    assert_int_equal(fstatat(dir, "cloche.db-wal", &found, 0), 0);
    return found.st_size;
}

/* From `at` on the log is gone, or never came to the disk. */
static void cut(const char *path, off_t at, bool is_zeroed)
{
    char name[96];
    struct stat found;

    snprintf(name, sizeof(name), "%s/cloche.db-wal", path);
    cl_close_auto int fd = open(name, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &found) == 0);
    assert_int_equal(ftruncate(fd, at), 0);
    if (is_zeroed)
        assert_int_equal(ftruncate(fd, found.st_size), 0);
}

static void check_cut(const char *from, unsigned acknowledged, off_t at, bool is_zeroed)
{
    char to[64];
    int dir;
    unsigned found;

    store_case_make_dir(to, &dir);
    store_case_copy(from, to);
    cut(to, at, is_zeroed);
    found = check(to, acknowledged);
    if (found != acknowledged)
        fail_msg("cut at %lld: %u of %u calls", (long long)at, found, acknowledged);
    close(dir);
    store_case_remove_dir(to);
}

static bool is_worth_it(off_t at, off_t first)
{
    const off_t place = (at - first) % (FRAME_HEAD + PAGE);

    return getenv("CLOCHE_EVERY_BYTE") || place <= FRAME_HEAD || place % STRIDE == 0 ||
           place == FRAME_HEAD + PAGE - 1;
}

static void a_cut_transaction_is_not_there(void **state)
{
    enum { KEPT = 13 }; /* the next is 14, with a file */
    char from[64], whole[64];
    struct cl_err err = CL_ERR_INIT;
    struct cl_store *store;
    int dir, copy;
    off_t first, last;

    (void)state;
    store_case_make_dir(from, &dir);
    store_case_make_dir(whole, &copy);
    store = cl_store_open(dir, &cl_store_caps_default, &err);
    assert_non_null(store);
    for (unsigned number = 1; number <= KEPT; number++)
        write_call(store, number, &err);
    first = log_size(dir);
    write_call(store, KEPT + 1, &err);
    last = log_size(dir);
    assert_true(last > first && (last - first) % (FRAME_HEAD + PAGE) == 0);
    store_case_copy(from, whole);
    cl_store_close(store);

    for (off_t at = first; at < last; at++) {
        if (is_worth_it(at, first))
            check_cut(whole, KEPT, at, at % 2);
    }
    assert_int_equal(check(whole, KEPT + 1), KEPT + 1); /* uncut, it is there */
    close(dir);
    close(copy);
    store_case_remove_dir(from);
    store_case_remove_dir(whole);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_moment_holds_what_was_acknowledged),
        cmocka_unit_test(a_cut_transaction_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
