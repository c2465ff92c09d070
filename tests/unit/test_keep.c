/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First and last part of a long output.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "api/calls/keep.h"
#include "api/json/scan.h"
#include "sandbox/base/own.h"

static struct cl_keep keep;

static int setup(void **state)
{
    (void)state;
    keep = (struct cl_keep)CL_KEEP_INIT;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cl_keep_fini(&keep);
    return 0;
}

/* The kept text, unescaped and terminated. */
static char *text_of(size_t *length)
{
    struct cl_buf CL_AUTO(cl_buf_fini) json = CL_BUF_INIT(16 << 20);
    struct cl_buf plain = CL_BUF_INIT(16 << 20);
    const struct cl_json_caps caps = CL_JSON_CAPS(16 << 20);
    struct cl_err err = CL_ERR_INIT;
    size_t at = 0;

    assert_works(cl_keep_format(&keep, &json, &err), &err);
    const struct cl_json value = { (const char *)json.bytes, json.length };
    assert_works(cl_json_check(value.text, value.length, &caps, NULL, &at, &err), &err);
    assert_works(cl_json_string(value, &plain, &err), &err);
    assert_works(cl_buf_put(&plain, "", 1, &err), &err);
    *length = plain.length - 1;
    return (char *)plain.bytes;
}

static void put(const char *text, size_t length)
{
    struct cl_err err = CL_ERR_INIT;

    assert_works(cl_keep_put(&keep, text, length, &err), &err);
}

static void nothing_is_an_empty_string(void **state)
{
    size_t length = 1;
    cl_free_auto char *text = text_of(&length);

    (void)state;
    assert_string_equal(text, "");
    assert_int_equal(length, 0);
    assert_false(cl_keep_is_truncated(&keep));
}

/* Byte number `i` of an output that never repeats soon. */
static char byte_at(size_t i)
{
    return (char)('a' + i % 26);
}

static void put_bytes(size_t total, size_t step)
{
    cl_free_auto char *piece = malloc(step);

    for (size_t at = 0; at < total; at += step) {
        const size_t length = total - at < step ? total - at : step;

        for (size_t i = 0; i < length; i++)
            piece[i] = byte_at(at + i);
        put(piece, length);
    }
}

static void up_to_both_halves_everything_is_kept(void **state)
{
    const size_t total = 2 * CL_KEEP_HALF;
    size_t length = 0;

    (void)state;
    put_bytes(total, 65521);
    cl_free_auto char *text = text_of(&length);
    assert_int_equal(length, total);
    assert_false(cl_keep_is_truncated(&keep));
    for (size_t i = 0; i < total; i++)
        assert_int_equal(text[i], byte_at(i));
}

static void expect_ends(size_t total)
{
    size_t length = 0;
    cl_free_auto char *text = text_of(&length);
    char marker[64];

    assert_true(cl_keep_is_truncated(&keep));
    assert_int_equal(keep.total, total);
    snprintf(marker, sizeof(marker), "\n[... %zu bytes left out ...]\n",
             total - 2 * CL_KEEP_HALF);
    assert_int_equal(length, 2 * CL_KEEP_HALF + strlen(marker));
    for (size_t i = 0; i < CL_KEEP_HALF; i++)
        assert_int_equal(text[i], byte_at(i));
    assert_memory_equal(text + CL_KEEP_HALF, marker, strlen(marker));
    for (size_t i = 0; i < CL_KEEP_HALF; i++)
        assert_int_equal(text[length - 1 - i], byte_at(total - 1 - i));
}

static void beyond_that_the_ends_are_kept(void **state)
{
    static const size_t totals[] = { 2 * CL_KEEP_HALF + 1, 3 * CL_KEEP_HALF,
                                     3 * CL_KEEP_HALF + 17, 10 * CL_KEEP_HALF - 1 };
    static const size_t steps[] = { 997, 65536, CL_KEEP_HALF, 3 * CL_KEEP_HALF };

    (void)state;
    for (size_t t = 0; t < CL_COUNT(totals); t++) {
        for (size_t s = 0; s < CL_COUNT(steps); s++) {
            setup(NULL);
            put_bytes(totals[t], steps[s]);
            expect_ends(totals[t]);
            teardown(NULL);
        }
    }
    setup(NULL);
}

static void a_cut_never_splits_a_character(void **state)
{
    size_t length = 0;

    (void)state;
    put("x", 1);
    for (size_t i = 0; i < CL_KEEP_HALF; i++)
        put("\xe2\x82\xac", 3);
    cl_free_auto char *text = text_of(&length);
    assert_null(strstr(text, "\xef\xbf\xbd")); /* U+FFFD */
    assert_memory_equal(text + length - 3, "\xe2\x82\xac", 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(nothing_is_an_empty_string),
        CASE(up_to_both_halves_everything_is_kept),
        CASE(beyond_that_the_ends_are_kept),
        CASE(a_cut_never_splits_a_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
