/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of the audit log, whatever is put into it.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/audit/line.h"
#include "api/audit/verify.h"
#include "api/json/scan.h"
#include "sandbox/base/own.h"

static struct cl_auditline line;
static char head[CL_AUDIT_HEAD];

static int setup(void **state)
{
    (void)state;
    memcpy(head, cl_audit_no_head, sizeof(head));
    return sodium_init() < 0 ? -1 : 0;
}

/* Printable ASCII, one newline, and that last; JSON; and the next of its chain. */
static void check(const char *before)
{
    static const struct cl_json_caps caps = CL_JSON_CAPS(CL_AUDIT_LINE_MAX);
    struct cl_err err = CL_ERR_INIT;
    struct cl_verify verify;
    size_t at = 0;

    assert_true(line.length <= CL_AUDIT_LINE_MAX && line.text[line.length - 1] == '\n');
    for (size_t i = 0; i + 1 < line.length; i++)
        assert_in_range(line.text[i], 0x20, 0x7e);
    assert_works(cl_json_check(line.text, line.length - 1, &caps, NULL, &at, &err), &err);
    cl_verify_init(&verify);
    verify.is_first = false;
    memcpy(verify.head, before, sizeof(verify.head));
    assert_works(cl_verify_feed(&verify, line.text, line.length, &err), &err);
    assert_string_equal(verify.head, head);
    assert_int_equal(verify.lines, 1);
}

static void seal(void)
{
    char before[CL_AUDIT_HEAD];

    memcpy(before, head, sizeof(before));
    cl_auditline_seal(&line, head);
    check(before);
}

static void a_line_has_its_parts_in_their_order(void **state)
{
    static const char wanted[] =
        "{\"seq\":7,\"time\":\"2026-01-31T12:00:00.123Z\",\"event\":\"call\","
        "\"tenant\":\"local\",\"usage\":{\"wall_us\":5,"
        "\"cpu_us\":18446744073709551615},\"hash\":\"";

    (void)state;
    cl_auditline_open(&line, 7, 1769860800123456, "call");
    cl_auditline_word(&line, "tenant", "local");
    cl_auditline_word(&line, "key", "");
    cl_auditline_object(&line, "usage");
    cl_auditline_number(&line, "wall_us", 5);
    cl_auditline_number(&line, "cpu_us", UINT64_MAX);
    cl_auditline_close(&line);
    seal();
    assert_ptr_equal(strstr(line.text, wanted), line.text);
}

/* b2sum -l 256 of 64 zeros and the line's beginning says so. */
static void the_hash_is_blake2b_of_what_stands_before(void **state)
{
    (void)state;
    cl_audit_hash(cl_audit_no_head, "{\"seq\":1", 8, head);
    assert_string_equal(head,
                        "da62f43d7adfa91e3af66e923230bcc9a5d69b1ce50ea55b98826609af359aa8");
}

static void texts_can_neither_end_a_line_nor_a_string(void **state)
{
    static const struct {
        const char *text;
        size_t length;
        const char *shown;
    } rows[] = {
        { "a\nb\r\tc", 6, "a\\u000ab\\u000d\\u0009c" },
        { "\",\"verdict\":\"ok", 15, "\\u0022,\\u0022verdict\\u0022:\\u0022ok" },
        { "\\", 1, "\\u005c" },
        { "\x00\x1b\x7f", 3, "\\u0000\\u001b\\u007f" },
        { "\xc2\x85", 2, "\\u0085" },
        { "\xe2\x80\xa8\xe2\x80\xae", 6, "\\u2028\\u202e" },
        { "\xf0\x9f\x98\x80", 4, "\\ud83d\\ude00" },
        { "\xff\xc0\x80\xed\xa0\x80", 6, "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd" },
        { "\xe2\x80", 2, "\\ufffd\\ufffd" },
        { "", 0, "" },
    };
    char wanted[256];

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        cl_auditline_open(&line, 1, 0, "call");
        cl_auditline_text(&line, "name", rows[i].text, rows[i].length, 64);
        seal();
        snprintf(wanted, sizeof(wanted), ",\"name\":\"%s\",\"hash\":", rows[i].shown);
        assert_non_null(memmem(line.text, line.length, wanted, strlen(wanted)));
    }
}

static void any_bytes_make_a_line(void **state)
{
    static char text[6000];

    (void)state;
    srandom(7);
    for (int round = 0; round < 400; round++) {
        const size_t length = (size_t)random() % sizeof(text);
        for (size_t i = 0; i < length; i++)
            text[i] = (char)(random() % 4 ? random() : "\n\"\\{}\xe2\x80\xa8"[random() % 8]);
        cl_auditline_open(&line, (uint64_t)round + 1, (int64_t)random() << 20, "call");
        cl_auditline_text(&line, "rule", text, length, 256);
        cl_auditline_object(&line, "denied");
        cl_auditline_text(&line, "name", text, length, length);
        cl_auditline_number(&line, "number", (uint64_t)random());
        cl_auditline_close(&line);
        cl_auditline_text(&line, "message", text, length, 1024);
        memcpy(head, cl_audit_no_head, sizeof(head));
        seal();
    }
}

static void what_does_not_fit_is_left_out_and_said(void **state)
{
    static char text[CL_AUDIT_LINE_MAX];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t length = CL_AUDIT_LINE_MAX - 400; length < CL_AUDIT_LINE_MAX; length++) {
        cl_auditline_open(&line, 1, 0, "call");
        cl_auditline_text(&line, "long", text, length, length);
        cl_auditline_object(&line, "inside");
        cl_auditline_object(&line, "deeper");
        cl_auditline_number(&line, "n", UINT64_MAX);
        cl_auditline_close(&line);
        cl_auditline_close(&line);
        const bool was_cut = line.is_cut;
        cl_auditline_text(&line, "behind", text, sizeof(text),
                          sizeof(text)); /* never has room */
        assert_null(memmem(line.text, line.length, "\"behind\"", 8));
        line.is_cut = was_cut;
        memcpy(head, cl_audit_no_head, sizeof(head));
        seal();
        const bool has_all = memmem(line.text, line.length, "\"long\"", 6) &&
                             memmem(line.text, line.length, "\"n\":1", 5);
        assert_int_equal(memmem(line.text, line.length, "\"cut\":true", 10) == NULL, has_all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_has_its_parts_in_their_order, setup),
        cmocka_unit_test_setup(the_hash_is_blake2b_of_what_stands_before, setup),
        cmocka_unit_test_setup(texts_can_neither_end_a_line_nor_a_string, setup),
        cmocka_unit_test_setup(any_bytes_make_a_line, setup),
        cmocka_unit_test_setup(what_does_not_fit_is_left_out_and_said, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
