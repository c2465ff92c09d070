/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log on real files: over restarts, rotation, power cuts and full disks.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <event2/event.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "api/audit/ledger.h"
#include "api/audit/verify.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

enum { PLACE = 40 };

static struct event_base *base;
static struct cl_audit *audit;
static char folder[64];

static int open_in(const char *name, int flags)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return open(path, flags | O_CLOEXEC, 0600);
}

static void set_room(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/cloche-ledger-XXXXXX");
    base = event_base_new();
    return mkdtemp(folder) && base && dup2(STDIN_FILENO, PLACE) == PLACE ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const names[] = { "log", "log.1" };
    char path[128];

    (void)state;
    set_room(RLIM_INFINITY);
    cl_audit_free(audit);
    audit = NULL;
    close(PLACE);
    event_base_free(base);
    for (size_t i = 0; i < CL_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static int give(enum cl_audit_kind kind, const char *name, int flags, struct cl_err *err)
{
    const struct cl_msg_audit msg = { .kind = kind };
    cl_close_auto int fd = open_in(name, flags);

    assert_true(fd >= 0);
    return cl_audit_on_file(audit, &msg, &fd, err);
}

/* A new process gets the log, as the loader hands it over. */
static int start(enum cl_audit_kind end, const char *end_name, struct cl_err *err)
{
    cl_audit_free(audit);
    audit = cl_audit_new(base, PLACE);
    close(open_in("log", O_WRONLY | O_CREAT));
    if (give(end, end_name, O_RDONLY, err) < 0)
        return -1;
    return give(CL_AUDIT_LOG, "log", O_WRONLY | O_APPEND, err);
}

static void put(const char *word)
{
    struct cl_auditline line;

    if (!cl_audit_begin(audit, &line, "call"))
        return;
    cl_auditline_word(&line, "word", word);
    cl_audit_put(audit, &line);
}

static size_t read_log(const char *name, char *text, size_t size)
{
    cl_close_auto int fd = open_in(name, O_RDONLY);
    const ssize_t got = read(fd, text, size);

    assert_true(got >= 0 && (size_t)got < size);
    text[got] = '\0';
    return (size_t)got;
}

static void check_files(struct cl_verify *verify, const char *const *names, size_t count)
{
    static char text[4 << 20];
    struct cl_err err = CL_ERR_INIT;

    cl_verify_init(verify);
    for (size_t i = 0; i < count; i++) {
        const size_t length = read_log(names[i], text, sizeof(text));
        assert_works(cl_verify_feed(verify, text, length, &err), &err);
        assert_works(cl_verify_end_file(verify, &err), &err);
    }
}

static struct cl_verify check_log(void)
{
    static const char *const names[] = { "log" };
    struct cl_verify verify;

    check_files(&verify, names, 1);
    return verify;
}

static void append_bytes(const char *bytes, size_t length)
{
    cl_close_auto int fd = open_in("log", O_WRONLY | O_APPEND);

    assert_int_equal(write(fd, bytes, length), length);
}

static void turn(unsigned ms)
{
    const struct timeval wait = { ms / 1000, (suseconds_t)(ms % 1000) * 1000 };

    event_base_loopexit(base, &wait);
    event_base_dispatch(base);
}

/* -------------------------------------------------------------------------------------- tests */

static void every_line_is_in_the_file_when_put_returns(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_audit_health health;

    (void)state;
    assert_works(start(CL_AUDIT_TAIL, "log", &err), &err);
    for (uint64_t i = 0; i < 50; i++) {
        put("x");
        const struct cl_verify verify = check_log();
        assert_int_equal(verify.seq, i + 2);
        cl_audit_health(audit, &health);
        assert_string_equal(verify.head, health.head);
        assert_int_equal(health.seq, i + 2);
    }
}

static void a_restart_goes_on_where_it_ended(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (uint64_t i = 0; i < 5; i++) {
        assert_works(start(CL_AUDIT_TAIL, "log", &err), &err);
        put("x");
        assert_int_equal(check_log().seq, i + 2);
    }
}

static void a_long_log_is_gone_on_with_too(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    static char word[3000];

    (void)state;
    memset(word, 'x', sizeof(word) - 1);
    assert_works(start(CL_AUDIT_TAIL, "log", &err), &err);
    for (int i = 0; i < 500; i++) /* more than is read of its end */
        put(word);
    assert_works(start(CL_AUDIT_TAIL, "log", &err), &err);
    put("x");
    append_bytes("{\"seq\":5", 8);
    assert_works(start(CL_AUDIT_TAIL, "log", &err), &err);
    put("y");
    const struct cl_verify verify = check_log();
    assert_int_equal(verify.seq, 1 + 500 + 1 + 1 + 1);
    assert_int_equal(verify.torn_places, 1);
}

/* Whatever was left of the last lines, the chain goes on and tells of it. */
static void what_a_power_cut_left_is_told_of(void **state)
{
    static char zeros[5000], text[1 << 16];
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(start(CL_AUDIT_TAIL, "log", &err), &err);
    put("a");
    put("b");
    const size_t whole = read_log("log", text, sizeof(text));
    for (size_t cut = 1; cut < 120; cut += 7) {
        cl_close_auto int fd = open_in("log", O_WRONLY);
        assert_int_equal(ftruncate(fd, (off_t)(whole - cut)), 0);
        assert_works(start(CL_AUDIT_TAIL, "log", &err), &err);
        put("c");
        const struct cl_verify verify = check_log();
        /* All but its newline is a whole line. */
        assert_int_equal(verify.torn_places, cut == 1 ? 0 : 1);
        assert_int_equal(verify.seq, 4);
        assert_int_equal(ftruncate(fd, 0), 0);
        append_bytes(text, whole);
    }
    append_bytes(zeros, sizeof(zeros));
    assert_works(start(CL_AUDIT_TAIL, "log", &err), &err);
    assert_int_equal(check_log().torn_places, 1);
}

static void a_file_that_is_no_log_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    close(open_in("log", O_WRONLY | O_CREAT));
    append_bytes("some text\n", 10);
    assert_fails(start(CL_AUDIT_TAIL, "log", &err), &err, CL_E_INPUT);
}

static void put_aside(void)
{
    char from[128], to[128];

    snprintf(from, sizeof(from), "%s/log", folder);
    snprintf(to, sizeof(to), "%s/log.1", folder);
    assert_int_equal(rename(from, to), 0);
}

static void a_rotated_log_goes_on_in_the_next_file(void **state)
{
    static const char *const names[] = { "log.1", "log" };
    struct cl_err err = CL_ERR_INIT;
    struct cl_verify verify;

    (void)state;
    assert_works(start(CL_AUDIT_TAIL, "log", &err), &err);
    put("a");
    put_aside();
    put("b"); /* still into the old one */
    assert_works(give(CL_AUDIT_NEXT, "log", O_WRONLY | O_APPEND | O_CREAT, &err), &err);
    put("c");
    check_files(&verify, names, 2);
    assert_int_equal(verify.seq, 5); /* two that open a file, and three */
    assert_int_equal(check_log().lines, 2);

    /* A file that was put aside while nothing ran is the one before. */
    put_aside();
    assert_works(start(CL_AUDIT_BEFORE, "log.1", &err), &err);
    check_files(&verify, names, 2);
    assert_int_equal(verify.seq, 6);
}

static void a_full_disk_holds_lines_up_and_tears_none(void **state)
{
    static char text[1 << 16];
    struct cl_err err = CL_ERR_INIT;
    struct cl_audit_health health;

    (void)state;
    assert_works(start(CL_AUDIT_TAIL, "log", &err), &err);
    put("a");
    const size_t whole = read_log("log", text, sizeof(text));
    set_room(whole + 100); /* within the next line */
    put("b");
    put("c");
    cl_audit_health(audit, &health);
    assert_false(health.is_writable);
    assert_true(health.waiting > 0 && health.why[0]);
    assert_true(cl_audit_may_serve(audit));
    assert_int_equal(read_log("log", text, sizeof(text)), whole + 100);
    turn(700); /* tried again, in vain */
    set_room(RLIM_INFINITY);
    turn(700);
    cl_audit_health(audit, &health);
    assert_true(health.is_writable && health.waiting == 0 && health.lost == 0);
    put("d");
    assert_int_equal(check_log().seq, 5);
    assert_int_equal(check_log().torn_places, 0);
}

static void lines_that_find_no_room_are_counted_in_the_log(void **state)
{
    static char text[4 << 20], word[3000];
    struct cl_err err = CL_ERR_INIT;
    struct cl_audit_health health;

    (void)state;
    memset(word, 'x', sizeof(word) - 1);
    assert_works(start(CL_AUDIT_TAIL, "log", &err), &err);
    set_room(read_log("log", text, sizeof(text)) + 50);
    for (int i = 0; i < 1000; i++)
        put(word);
    cl_audit_health(audit, &health);
    assert_true(health.lost > 500 && health.waiting < 1 << 20);
    set_room(RLIM_INFINITY);
    turn(700);
    put("after");
    assert_int_equal(check_log().seq, 1 + (1000 - health.lost) + 1 + 1);
    snprintf(word, sizeof(word), "\"event\":\"audit.gap\",\"lost\":%llu,",
             (unsigned long long)health.lost);
    read_log("log", text, sizeof(text));
    assert_non_null(strstr(text, word));
}

/* The new file waits until the last line of the old one is whole. */
static void a_rotation_on_a_full_disk_tears_none(void **state)
{
    static const char *const names[] = { "log.1", "log" };
    static char text[1 << 16];
    struct cl_err err = CL_ERR_INIT;
    struct cl_verify verify;

    (void)state;
    assert_works(start(CL_AUDIT_TAIL, "log", &err), &err);
    set_room(read_log("log", text, sizeof(text)) + 50);
    put("a");
    put_aside();
    assert_works(give(CL_AUDIT_NEXT, "log", O_WRONLY | O_APPEND | O_CREAT, &err), &err);
    put("b");
    set_room(RLIM_INFINITY);
    turn(700);
    put("c");
    check_files(&verify, names, 2);
    assert_int_equal(verify.seq, 5);
    assert_int_equal(check_log().lines, 2);
}

static void a_required_log_stops_new_work_only(void **state)
{
    const struct cl_msg_audit msg = { .kind = CL_AUDIT_LOG, .is_required = 1 };
    static char text[1 << 16];
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(start(CL_AUDIT_TAIL, "log", &err), &err);
    cl_audit_free(audit);
    audit = cl_audit_new(base, PLACE);
    assert_works(give(CL_AUDIT_TAIL, "log", O_RDONLY, &err), &err);
    cl_close_auto int fd = open_in("log", O_WRONLY); /* somebody took O_APPEND from it */
    assert_works(cl_audit_on_file(audit, &msg, &fd, &err), &err);
    assert_true(cl_audit_may_serve(audit));
    set_room(read_log("log", text, sizeof(text)) + 50);
    put("a");
    assert_false(cl_audit_may_serve(audit));
    set_room(RLIM_INFINITY);
    turn(700);
    assert_true(cl_audit_may_serve(audit));
    assert_int_equal(check_log().seq, 2);
}

static void none_is_kept_where_none_is_wanted(void **state)
{
    struct cl_msg_audit msg = { .kind = CL_AUDIT_NONE };
    struct cl_err err = CL_ERR_INIT;
    cl_close_auto int fd = dup(STDIN_FILENO);
    struct cl_auditline line;

    (void)state;
    audit = cl_audit_new(base, PLACE);
    assert_false(cl_audit_is_ready(audit));
    assert_works(cl_audit_on_file(audit, &msg, &fd, &err), &err);
    assert_true(cl_audit_is_ready(audit) && !cl_audit_is_on(audit));
    assert_false(cl_audit_begin(audit, &line, "call"));
    strcpy(msg.why, "it is not a file of root");
    assert_fails(cl_audit_on_file(audit, &msg, &fd, &err), &err, CL_E_DENIED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_line_is_in_the_file_when_put_returns),
        TEST(a_restart_goes_on_where_it_ended),
        TEST(a_long_log_is_gone_on_with_too),
        TEST(what_a_power_cut_left_is_told_of),
        TEST(a_file_that_is_no_log_is_refused),
        TEST(a_rotated_log_goes_on_in_the_next_file),
        TEST(a_full_disk_holds_lines_up_and_tears_none),
        TEST(lines_that_find_no_room_are_counted_in_the_log),
        TEST(a_rotation_on_a_full_disk_tears_none),
        TEST(a_required_log_stops_new_work_only),
        TEST(none_is_kept_where_none_is_wanted),
    };

    cl_log_open("test", CL_ERROR);
    signal(SIGXFSZ, SIG_IGN);
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
