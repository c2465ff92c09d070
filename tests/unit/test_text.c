/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small texts of a policy: UTF-8, names, quantities, and which word was meant.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "policies/text.h"
#include "sandbox/base/own.h"

struct quantity {
    const char *text;
    uint64_t value;
};

static const struct quantity good_bytes[] = {
    { "0", 0 },
    { "1", 1 },
    { "1000", 1000 },
    { "1k", 1000 },
    { "64Ki", 65536 },
    { "64Mi", 64ull << 20 },
    { "1Gi", 1ull << 30 },
    { "2Ti", 2ull << 40 },
    { "1.5Gi", 3ull << 29 },
    { "0.5Ki", 512 },
    { "2M", 2000000 },
    { "18446744073709551615", UINT64_MAX },
};

static const char *const bad_bytes[] = {
    "",
    "Mi",
    "1MiB",
    "1mi",
    "1 Mi",
    "-1",
    "+1",
    "0x10",
    "1e3",
    "1.Mi",
    ".5Mi",
    "1.5",
    "0.3Ki",
    "18446744073709551616",
    "18446744073709551615k",
    "16777216Ti",
    "99999999999999999999999",
    "1m",
    "1.0000001Mi",
    "1,5Mi",
    " 1",
    "1 ",
};

static const struct quantity good_times[] = {
    { "5s", 5000 },     { "250ms", 250 }, { "1.5s", 1500 }, { "10m", 600000 },
    { "4h", 14400000 }, { "0s", 0 },      { "0.001s", 1 },  { "0.5m", 30000 },
};

static const char *const bad_times[] = { "5",   "s",  "5 s",   "5sec", "5S",
                                         "-5s", "1d", "0.5ms", "1us",  "0.0001s" };

static void quantities_with_units_are_exact(void **state)
{
    uint64_t value = 0;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(good_bytes); i++) {
        assert_int_equal(cl_text_parse_bytes(good_bytes[i].text, &value), 0);
        assert_true(value == good_bytes[i].value);
    }
    for (size_t i = 0; i < CL_COUNT(good_times); i++) {
        assert_int_equal(cl_text_parse_time(good_times[i].text, &value), 0);
        assert_true(value == good_times[i].value);
    }
    assert_int_equal(cl_text_parse_milli("1.25", &value), 0);
    assert_int_equal(value, 1250);
    assert_int_equal(cl_text_parse_count("10000", &value), 0);
    assert_int_equal(value, 10000);
}

static void quantities_without_sense_are_refused(void **state)
{
    uint64_t value = 0;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(bad_bytes); i++) {
        if (cl_text_parse_bytes(bad_bytes[i], &value) == 0)
            fail_msg("'%s' passed", bad_bytes[i]);
    }
    for (size_t i = 0; i < CL_COUNT(bad_times); i++) {
        if (cl_text_parse_time(bad_times[i], &value) == 0)
            fail_msg("'%s' passed", bad_times[i]);
    }
    assert_int_equal(cl_text_parse_count("1.0", &value), -1);
    assert_int_equal(cl_text_parse_count("010x", &value), -1);
    assert_int_equal(cl_text_parse_milli("1.0005", &value), -1);
}

static void formatted_quantities_parse_back(void **state)
{
    static const uint64_t values[] = { 0,     1,       999,        1000,       1024,
                                       1500,  65536,   3ull << 29, 1ull << 40, 60000,
                                       90000, 3600000, 86400000,   UINT64_MAX };
    char text[64];
    uint64_t back = 0;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(values); i++) {
        cl_text_format_bytes(values[i], text, sizeof(text));
        assert_int_equal(cl_text_parse_bytes(text, &back), 0);
        assert_true(back == values[i]);
        cl_text_format_time(values[i], text, sizeof(text));
        assert_int_equal(cl_text_parse_time(text, &back), 0);
        assert_true(back == values[i]);
        cl_text_format_milli(values[i], text, sizeof(text));
        if (values[i] != UINT64_MAX) {
            assert_int_equal(cl_text_parse_milli(text, &back), 0);
            assert_true(back == values[i]);
        }
    }
    cl_text_format_bytes(64ull << 20, text, sizeof(text));
    assert_string_equal(text, "64Mi");
    cl_text_format_time(600000, text, sizeof(text));
    assert_string_equal(text, "10m");
    cl_text_format_milli(1500, text, sizeof(text));
    assert_string_equal(text, "1.5");
}

static void utf8_is_strict_and_without_controls(void **state)
{
    static const struct {
        const char *text;
        size_t good;
    } rows[] = {
        { "plain", 5 },
        { "tab\tline\nend", 12 },
        { "crlf\r\n", 6 },
        { "lone\rcr", 4 },
        { "\xc3\xa4", 2 },
        { "\xe2\x82\xac", 3 },
        { "\xf0\x9f\x90\x8d", 4 },
        { "\xf4\x8f\xbf\xbf", 4 },
        { "a\x01", 1 },
        { "a\x7f", 1 },
        { "a\x80", 1 },
        { "a\xc0\xaf", 1 },         /* overlong */
        { "a\xe0\x80\xaf", 1 },     /* overlong */
        { "a\xf0\x80\x80\xaf", 1 }, /* overlong */
        { "a\xed\xa0\x80", 1 },     /* surrogate */
        { "a\xf4\x90\x80\x80", 1 }, /* above U+10FFFF */
        { "a\xf5\x80\x80\x80", 1 },
        { "a\xc3", 1 }, /* cut off */
        { "a\xe2\x82", 1 },
        { "a\xc2\x85", 1 },     /* next line */
        { "a\xe2\x80\xa8", 1 }, /* line separator */
        { "a\xe2\x80\xae", 1 }, /* right-to-left override */
        { "\xef\xbb\xbf", 0 },  /* byte order mark */
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (cl_text_check(rows[i].text, strlen(rows[i].text)) != rows[i].good)
            fail_msg("row %zu", i);
    }
    assert_int_equal(cl_text_check("a\0b", 3), 1);
}

static void names_keep_to_their_grammar(void **state)
{
    char longest[80];

    (void)state;
    assert_true(cl_text_is_module("urllib.parse"));
    assert_true(cl_text_is_module("_a1.b"));
    assert_false(cl_text_is_module(""));
    assert_false(cl_text_is_module("."));
    assert_false(cl_text_is_module("a."));
    assert_false(cl_text_is_module(".a"));
    assert_false(cl_text_is_module("a..b"));
    assert_false(cl_text_is_module("a b"));
    assert_false(cl_text_is_module("1a"));
    assert_false(cl_text_is_module("os;"));
    assert_false(cl_text_is_identifier("a.b"));
    assert_true(cl_text_is_identifier("UUID"));
    assert_true(cl_text_is_policy_name("a-b_9"));
    assert_false(cl_text_is_policy_name("-a"));
    assert_false(cl_text_is_policy_name("A"));
    assert_false(cl_text_is_policy_name("../a"));
    assert_false(cl_text_is_policy_name(""));

    memset(longest, 'a', sizeof(longest));
    longest[63] = '\0';
    assert_true(cl_text_is_policy_name(longest));
    assert_true(cl_text_is_identifier(longest));
    longest[63] = 'a';
    longest[64] = '\0';
    assert_false(cl_text_is_policy_name(longest));
    assert_false(cl_text_is_identifier(longest));
}

static const char *nearest_of(const char *wanted)
{
    static const char *const words[] = { "wall", "cpu", "memory", "processes", "output" };
    struct cl_text_nearest nearest = CL_TEXT_NEAREST_INIT(wanted);

    for (size_t i = 0; i < CL_COUNT(words); i++)
        cl_text_nearest_try(&nearest, words[i]);
    return nearest.word;
}

static void nearest_word_is_near_or_none(void **state)
{
    char longest[200];

    (void)state;
    assert_string_equal(nearest_of("wal"), "wall");
    assert_string_equal(nearest_of("walls"), "wall");
    assert_string_equal(nearest_of("memorry"), "memory");
    assert_string_equal(nearest_of("process"), "processes");
    assert_string_equal(nearest_of("cpus"), "cpu");
    assert_null(nearest_of("network"));
    assert_null(nearest_of("x"));
    memset(longest, 'w', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_null(nearest_of(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantities_with_units_are_exact),
        cmocka_unit_test(quantities_without_sense_are_refused),
        cmocka_unit_test(formatted_quantities_parse_back),
        cmocka_unit_test(utf8_is_strict_and_without_controls),
        cmocka_unit_test(names_keep_to_their_grammar),
        cmocka_unit_test(nearest_word_is_near_or_none),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
