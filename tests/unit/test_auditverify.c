/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every way to tamper with an audit log, and what is none.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "api/audit/verify.h"
#include "sandbox/base/buf.h"
#include "sandbox/base/own.h"

enum { LINES = 12 };

static struct cl_buf sample = CL_BUF_INIT(1 << 20);
static size_t starts[LINES + 1]; /* of its lines */
static char heads[LINES + 1][CL_AUDIT_HEAD];
static struct cl_verify verify;

static void put(struct cl_buf *out, const void *bytes, size_t length)
{
    struct cl_err err = CL_ERR_INIT;

    assert_works(cl_buf_put(out, bytes, length, &err), &err);
}

static void put_line(struct cl_buf *out, uint64_t seq, const char *event, const char *name,
                     const char *word, char head[CL_AUDIT_HEAD])
{
    struct cl_auditline line;

    cl_auditline_open(&line, seq, 1769860800000000 + (int64_t)seq, event);
    cl_auditline_word(&line, name, word);
    cl_auditline_seal(&line, head);
    put(out, line.text, line.length);
}

static void put_open(struct cl_buf *out, uint64_t seq, char head[CL_AUDIT_HEAD])
{
    char prev[CL_AUDIT_HEAD];

    memcpy(prev, head, sizeof(prev));
    put_line(out, seq, CL_AUDIT_OPEN, "prev", prev, head);
}

static int setup(void **state)
{
    char head[CL_AUDIT_HEAD];

    (void)state;
    memcpy(head, cl_audit_no_head, sizeof(head));
    cl_buf_clear(&sample);
    for (size_t i = 0; i < LINES; i++) {
        starts[i] = sample.length;
        memcpy(heads[i], head, sizeof(head));
        if (i == 0)
            put_open(&sample, 1, head);
        else
            put_line(&sample, i + 1, "call", "verdict", i % 2 ? "ok" : "denied", head);
    }
    starts[LINES] = sample.length;
    memcpy(heads[LINES], head, sizeof(head));
    cl_verify_init(&verify);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cl_buf_fini(&sample);
    return 0;
}

/* In pieces of this size. */
static int feed(const struct cl_buf *log, size_t piece, struct cl_err *err)
{
    for (size_t at = 0; at < log->length; at += piece) {
        const size_t left = log->length - at;
        if (cl_verify_feed(&verify, (const char *)log->bytes + at, left < piece ? left : piece,
                           err) < 0)
            return -1;
    }
    return cl_verify_end_file(&verify, err);
}

static int check(const struct cl_buf *log, struct cl_err *err)
{
    cl_verify_init(&verify);
    return feed(log, log->length + 1, err);
}

static void a_whole_log_is_good_in_any_pieces(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t piece = 1; piece < 200; piece++) {
        cl_verify_init(&verify);
        assert_works(feed(&sample, piece, &err), &err);
        assert_int_equal(verify.lines, LINES);
        assert_int_equal(verify.first_seq, 1);
        assert_int_equal(verify.seq, LINES);
        assert_string_equal(verify.head, heads[LINES]);
    }
}

static void any_changed_byte_is_found(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t at = 0; at < sample.length; at++) {
        const uint8_t was = sample.bytes[at];
        for (unsigned bit = 0; bit < 8; bit++) {
            sample.bytes[at] = was ^ (uint8_t)(1u << bit);
            if (check(&sample, &err) == 0)
                fail_msg("bit %u of byte %zu", bit, at);
        }
        sample.bytes[at] = was;
    }
    assert_works(check(&sample, &err), &err);
}

static void copy(struct cl_buf *out, size_t from, size_t to)
{
    put(out, sample.bytes + starts[from], starts[to] - starts[from]);
}

/* But the last ones: a log that is shorter is found by what is known of its end. */
static void any_dropped_line_is_found(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t from = 0; from < LINES; from++) {
        for (size_t to = from + 1; to <= LINES; to++) {
            struct cl_buf CL_AUTO(cl_buf_fini) log = CL_BUF_INIT(1 << 20);
            copy(&log, 0, from);
            copy(&log, to, LINES);
            cl_verify_init(&verify);
            verify.anchors[0] = heads[LINES];
            const bool is_found =
                feed(&log, log.length + 1, &err) < 0 || verify.found[0] != LINES;
            assert_true(is_found);
        }
    }
}

static void any_moved_or_repeated_line_is_found(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t line = 0; line < LINES; line++) {
        for (size_t place = 0; place <= LINES; place++) {
            struct cl_buf CL_AUTO(cl_buf_fini) twice = CL_BUF_INIT(1 << 20);
            copy(&twice, 0, place);
            copy(&twice, line, line + 1);
            copy(&twice, place, LINES);
            assert_fails(check(&twice, &err), &err, CL_E_INPUT);
        }
        for (size_t other = line + 1; other < LINES; other++) {
            struct cl_buf CL_AUTO(cl_buf_fini) swapped = CL_BUF_INIT(1 << 20);
            copy(&swapped, 0, line);
            copy(&swapped, other, other + 1);
            copy(&swapped, line + 1, other);
            copy(&swapped, line, line + 1);
            copy(&swapped, other + 1, LINES);
            assert_fails(check(&swapped, &err), &err, CL_E_INPUT);
        }
    }
}

static void any_added_line_is_found(void **state)
{
    static const char *const words[] = { "\n", "x\n", "{}\n", "\r\n", " \n" };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t place = 0; place <= LINES; place++) {
        for (size_t i = 0; i < CL_COUNT(words) + 1; i++) {
            struct cl_buf CL_AUTO(cl_buf_fini) log = CL_BUF_INIT(1 << 20);
            char head[CL_AUDIT_HEAD];
            memcpy(head, heads[place], sizeof(head));
            copy(&log, 0, place);
            if (i < CL_COUNT(words))
                put(&log, words[i], strlen(words[i]));
            else /* one that follows; but what comes after it does not */
                put_line(&log, place + 1, "call", "verdict", "lost", head);
            copy(&log, place, LINES);
            if (i == CL_COUNT(words) && place == LINES)
                continue; /* at the end it is a line like any other */
            assert_fails(check(&log, &err), &err, CL_E_INPUT);
        }
    }
}

/* What is left of a line, and what the service says of it at its next start. */
static void put_torn(struct cl_buf *log, const char *rest, size_t length, uint64_t seq,
                     char head[CL_AUDIT_HEAD])
{
    uint8_t hash[CL_AUDIT_HASH];
    char text[CL_AUDIT_HEAD];
    struct cl_auditline line;

    crypto_generichash(hash, sizeof(hash), (const uint8_t *)rest, length, NULL, 0);
    sodium_bin2hex(text, sizeof(text), hash, sizeof(hash));
    put(log, rest, length);
    put(log, "\n", 1);
    cl_auditline_open(&line, seq, 0, CL_AUDIT_TORN);
    cl_auditline_number(&line, "bytes", length);
    cl_auditline_word(&line, "torn", text);
    cl_auditline_seal(&line, head);
    put(log, line.text, line.length);
}

static void a_torn_line_that_is_told_of_is_no_break(void **state)
{
    static char zeros[9000];
    struct cl_err err = CL_ERR_INIT;
    const struct {
        const char *text;
        size_t length;
    } rests[] = {
        { "{\"seq\":13,\"ti", 13 }, { "x", 1 },      { zeros, sizeof(zeros) }, { zeros, 4096 },
        { "a\n\nb\n", 5 },          { zeros, 4095 },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rests); i++) {
        struct cl_buf CL_AUTO(cl_buf_fini) log = CL_BUF_INIT(1 << 20);
        char head[CL_AUDIT_HEAD];
        memcpy(head, heads[LINES], sizeof(head));
        copy(&log, 0, LINES);
        put_torn(&log, rests[i].text, rests[i].length, LINES + 1, head);
        put_line(&log, LINES + 2, "call", "verdict", "ok", head);
        for (size_t piece = 1; piece < 6000; piece = piece * 3 + 1) {
            cl_verify_init(&verify);
            assert_works(feed(&log, piece, &err), &err);
            assert_int_equal(verify.lines, LINES + 2);
            assert_int_equal(verify.torn_places, 1);
        }
        /* And of what is left no byte can be changed, either. */
        for (size_t at = starts[LINES]; at < log.length; at += 1 + rests[i].length / 50) {
            log.bytes[at] ^= 1;
            assert_fails(check(&log, &err), &err, CL_E_INPUT);
            log.bytes[at] ^= 1;
        }
    }
}

/* Half of a good line told of as torn: that needs the chain after it to be made anew. */
static void a_change_can_not_be_told_of_as_torn(void **state)
{
    struct cl_buf CL_AUTO(cl_buf_fini) log = CL_BUF_INIT(1 << 20);
    struct cl_err err = CL_ERR_INIT;
    char head[CL_AUDIT_HEAD];

    (void)state;
    memcpy(head, heads[4], sizeof(head));
    copy(&log, 0, 4);
    put_torn(&log, (const char *)sample.bytes + starts[4], 20, 5, head);
    copy(&log, 5, LINES);
    assert_fails(check(&log, &err), &err, CL_E_INPUT);
    assert_non_null(strstr(err.text, "line 7"));
}

static void the_end_of_a_file_is_the_end_of_a_line(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t cut = starts[LINES - 1] + 1; cut < starts[LINES]; cut++) {
        struct cl_buf log = sample;
        log.length = cut;
        assert_fails(check(&log, &err), &err, CL_E_INPUT);
        assert_non_null(strstr(err.text, "ends within it"));
    }
}

static void files_follow_one_another(void **state)
{
    struct cl_buf CL_AUTO(cl_buf_fini) next = CL_BUF_INIT(1 << 20);
    struct cl_err err = CL_ERR_INIT;
    char head[CL_AUDIT_HEAD];

    (void)state;
    memcpy(head, heads[LINES], sizeof(head));
    put_open(&next, LINES + 1, head);
    put_line(&next, LINES + 2, "call", "verdict", "ok", head);
    assert_works(check(&sample, &err), &err);
    assert_works(feed(&next, 100, &err), &err);
    assert_int_equal(verify.seq, LINES + 2);

    assert_works(check(&next, &err),
                 &err); /* alone, too: its first number says where it begins */
    assert_int_equal(verify.first_seq, LINES + 1);
    assert_fails(feed(&sample, 100, &err), &err, CL_E_INPUT); /* in the wrong order */

    sample.length = starts[LINES - 1]; /* the end of the first one is missing */
    assert_works(check(&sample, &err), &err);
    assert_fails(feed(&next, 100, &err), &err, CL_E_INPUT);
}

/* A last line with another content under its number, well chained: only the next file tells. */
static void a_file_that_ends_otherwise_is_found_by_the_next(void **state)
{
    struct cl_buf CL_AUTO(cl_buf_fini) next = CL_BUF_INIT(1 << 20);
    struct cl_buf CL_AUTO(cl_buf_fini) made_anew = CL_BUF_INIT(1 << 20);
    struct cl_err err = CL_ERR_INIT;
    char head[CL_AUDIT_HEAD];

    (void)state;
    memcpy(head, heads[LINES], sizeof(head));
    put_open(&next, LINES + 1, head);
    copy(&made_anew, 0, LINES - 1);
    memcpy(head, heads[LINES - 1], sizeof(head));
    put_line(&made_anew, LINES, "call", "verdict", "lost", head);
    assert_works(check(&made_anew, &err), &err);
    assert_fails(feed(&next, 100, &err), &err, CL_E_INPUT);
    assert_non_null(strstr(err.text, "does not go on"));
}

static void only_its_own_event_begins_a_file(void **state)
{
    struct cl_buf CL_AUTO(cl_buf_fini) log = CL_BUF_INIT(1 << 20);
    struct cl_err err = CL_ERR_INIT;
    char head[CL_AUDIT_HEAD];

    (void)state;
    memcpy(head, cl_audit_no_head, sizeof(head));
    put_line(&log, 1, "call", "prev", cl_audit_no_head, head);
    assert_fails(check(&log, &err), &err, CL_E_INPUT);
    assert_non_null(strstr(err.text, "beginning"));
}

static void a_long_line_ends_the_search_in_constant_memory(void **state)
{
    static char piece[1 << 16];
    struct cl_err err = CL_ERR_INIT;
    int got = 0;

    (void)state;
    memset(piece, 'x', sizeof(piece));
    for (size_t at = 0; got == 0 && at < 64; at++)
        got = cl_verify_feed(&verify, piece, sizeof(piece), &err);
    assert_int_equal(got, -1);
    assert_non_null(strstr(err.text, "line 1: "));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_whole_log_is_good_in_any_pieces),
        TEST(any_changed_byte_is_found),
        TEST(any_dropped_line_is_found),
        TEST(any_moved_or_repeated_line_is_found),
        TEST(any_added_line_is_found),
        TEST(a_torn_line_that_is_told_of_is_no_break),
        TEST(a_change_can_not_be_told_of_as_torn),
        TEST(the_end_of_a_file_is_the_end_of_a_line),
        TEST(files_follow_one_another),
        TEST(a_file_that_ends_otherwise_is_found_by_the_next),
        TEST(only_its_own_event_begins_a_file),
        TEST(a_long_line_ends_the_search_in_constant_memory),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
