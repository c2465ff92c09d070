/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON validator, the walk over what it passed, and the making of strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/json/scan.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

static const struct cl_json_caps caps = { 1 << 20, 1000, 64, 32 };

struct sample {
    const char *text;
    size_t length;
};

#define SAMPLE(text)                                                                           \
    {                                                                                          \
        (text), sizeof(text) - 1                                                               \
    }

static const struct sample good[] = {
    SAMPLE("null"),
    SAMPLE("true"),
    SAMPLE("false"),
    SAMPLE(" \t\r\n1 \n"),
    SAMPLE("0"),
    SAMPLE("-0"),
    SAMPLE("-0.0e-0"),
    SAMPLE("1E+9"),
    SAMPLE("10000000000000000000000000000000"),
    SAMPLE("0.1"),
    SAMPLE("\"\""),
    SAMPLE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\""),
    SAMPLE("\"\\ud83d\\ude00\""),
    SAMPLE("\"\\uD83D\\uDE00\""),
    SAMPLE("\"\\u0000\""),
    SAMPLE("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf"
           "\xbf\""),
    SAMPLE("\"a long plain string of more than eight bytes \x7f\""),
    SAMPLE("[]"),
    SAMPLE("[ ]"),
    SAMPLE("[1,2]"),
    SAMPLE("[ 1 , [ ] , { } ]"),
    SAMPLE("{}"),
    SAMPLE("{ \"a\" : 1 , \"b\" : { } }"),
    SAMPLE("{\"a\":{\"a\":{\"a\":1}}}"),
    SAMPLE("[{\"a\":1},{\"a\":2}]"),
    SAMPLE("{\"\":1,\"\\u0000\":2}"),
    SAMPLE("{\"x\":{\"y\":1},\"y\":2}"),
};

static const struct sample bad[] = {
    SAMPLE(""),
    SAMPLE(" "),
    SAMPLE("nul"),
    SAMPLE("nullx"),
    SAMPLE("True"),
    SAMPLE("NaN"),
    SAMPLE("Infinity"),
    SAMPLE("-Infinity"),
    SAMPLE("-"),
    SAMPLE("+1"),
    SAMPLE("01"),
    SAMPLE("-01"),
    SAMPLE("1."),
    SAMPLE(".1"),
    SAMPLE("1e"),
    SAMPLE("1e+"),
    SAMPLE("0x1"),
    SAMPLE("1_0"),
    SAMPLE("1 2"),
    SAMPLE("'a'"),
    SAMPLE("\""),
    SAMPLE("\"a"),
    SAMPLE("\"\\\""),
    SAMPLE("\"\\"),
    SAMPLE("\"\\x\""),
    SAMPLE("\"\\u12\""),
    SAMPLE("\"\\u12g4\""),
    SAMPLE("\"\\0\""),
    SAMPLE("\"\\\0\""),
    SAMPLE("\"\n\""),
    SAMPLE("\"\0\""),
    SAMPLE("\"\x1f\""),
    SAMPLE("\"12345678\x01\""),
    SAMPLE("\"\\ud800\""),
    SAMPLE("\"\\udc00\""),
    SAMPLE("\"\\ud800\\u0041\""),
    SAMPLE("\"\\ud800\\ud800\""),
    SAMPLE("\"\\ud800\\n12345\""),
    SAMPLE("\"\\ude00\\ud83d\""),
    SAMPLE("\"\x80\""),
    SAMPLE("\"\xc0\x80\""),
    SAMPLE("\"\xc1\xbf\""),
    SAMPLE("\"\xe0\x9f\xbf\""),
    SAMPLE("\"\xed\xa0\x80\""),
    SAMPLE("\"\xf0\x8f\xbf\xbf\""),
    SAMPLE("\"\xf4\x90\x80\x80\""),
    SAMPLE("\"\xf5\x80\x80\x80\""),
    SAMPLE("\"\xff\""),
    SAMPLE("\"\xe2\x82\""),
    SAMPLE("\"\xe2\x82"),
    SAMPLE("\"\xe2"),
    SAMPLE("\xef\xbb\xbf"
           "1"),
    SAMPLE("["),
    SAMPLE("[1"),
    SAMPLE("[1,"),
    SAMPLE("[1,]"),
    SAMPLE("[,1]"),
    SAMPLE("[1 2]"),
    SAMPLE("]"),
    SAMPLE("[}"),
    SAMPLE("{"),
    SAMPLE("{]"),
    SAMPLE("{\"a\"}"),
    SAMPLE("{\"a\":}"),
    SAMPLE("{\"a\":1"),
    SAMPLE("{\"a\":1,}"),
    SAMPLE("{a:1}"),
    SAMPLE("{1:1}"),
    SAMPLE("{\"a\" 1}"),
    SAMPLE("{\"a\":1 \"b\":2}"),
    SAMPLE("{\"a\":1]"),
    SAMPLE("[1]]"),
    SAMPLE("1\0"),
    SAMPLE("// c\n1"),
    SAMPLE("{\"a\":1,\"a\":1}"),
    SAMPLE("{\"a\":1,\"\\u0061\":1}"),
    SAMPLE("{\"\\u0061\":1,\"b\":{},\"a\":1}"),
    SAMPLE("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":1}"),
    SAMPLE("{\"/\":1,\"\\/\":1}"),
    SAMPLE("{\"a\":{\"b\":1},\"c\":[{\"d\":1,\"d\":2}]}"),
    SAMPLE("{\"a\":{\"a\":1},\"a\":2}"),
    SAMPLE("{\"\":1,\"\":1}"),
};

static int check(const char *text, size_t length, struct cl_json *value, struct cl_err *err)
{
    /* an exact copy, so that a sanitizer sees one byte too many */
    static char *copy;

    free(copy);
    copy = malloc(length ? length : 1);
    if (length)
        memcpy(copy, text, length);
    return cl_json_check(copy, length, &caps, value, NULL, err);
}

static void json_takes_what_rfc_8259_permits(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(good); i++) {
        struct cl_err err = CL_ERR_INIT;
        if (check(good[i].text, good[i].length, NULL, &err) < 0)
            fail_msg("refused (%s): %s", err.text, good[i].text);
    }
}

static void json_refuses_everything_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(bad); i++) {
        struct cl_err err = CL_ERR_INIT;
        if (check(bad[i].text, bad[i].length, NULL, &err) == 0)
            fail_msg("taken: %s", bad[i].text);
        assert_int_equal(err.kind, CL_E_INPUT);
    }
}

static void json_refuses_every_true_prefix(void **state)
{
    static const char text[] =
        "{\"a\":[1,-2.5e3,\"x\\u00e9\\ud83d\\ude00\xc3\xa9\",true,null,{}]}";

    (void)state;
    for (size_t length = 0; length < sizeof(text) - 1; length++) {
        struct cl_err err = CL_ERR_INIT;
        assert_int_equal(check(text, length, NULL, &err), -1);
    }
    struct cl_err err = CL_ERR_INIT;
    assert_int_equal(check(text, sizeof(text) - 1, NULL, &err), 0);
}

static void json_of_no_text_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_int_equal(cl_json_check(NULL, 0, &caps, NULL, NULL, &err), -1);
    assert_int_equal(err.kind, CL_E_INPUT);
}

static void json_faults_have_a_place(void **state)
{
    static const char text[] = "{\n  \"\xc3\xa9\": 1,\n  \"\xc3\xa9\xc3\xa9\": x}";
    struct cl_err err = CL_ERR_INIT;
    size_t at = 0;

    (void)state;
    assert_int_equal(cl_json_check(text, sizeof(text) - 1, &caps, NULL, &at, &err), -1);
    assert_string_equal(err.text, "line 3 column 9: a value is needed here");
    assert_int_equal(text[at], 'x');
}

static void json_duplicate_is_reported_at_the_second_key(void **state)
{
    static const char text[] = "{\"a\":1,\"a\":2}";
    struct cl_err err = CL_ERR_INIT;
    size_t at = 0;

    (void)state;
    assert_int_equal(cl_json_check(text, sizeof(text) - 1, &caps, NULL, &at, &err), -1);
    assert_int_equal(at, 7);
    assert_non_null(strstr(err.text, "line 1 column 8"));
}

static void json_value_is_without_white_space(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_json value;

    (void)state;
    assert_int_equal(check(" \n[1, 2]\t ", 10, &value, &err), 0);
    assert_int_equal(value.length, 6);
    assert_memory_equal(value.text, "[1, 2]", 6);
}

/* ------------------------------------------------------------------------------------ caps */

static int check_nested(unsigned depth, const char *inner)
{
    char text[512] = "";
    struct cl_err err = CL_ERR_INIT;

    for (unsigned i = 0; i < depth; i++)
        strcat(text, i % 2 ? "[" : "{\"a\":");
    strcat(text, inner);
    for (unsigned i = depth; i > 0; i--)
        strcat(text, i % 2 ? "}" : "]");
    int result = check(text, strlen(text), NULL, &err);
    assert_int_equal(result < 0 ? CL_E_LIMIT : CL_E_NONE, err.kind);
    return result;
}

static void json_nests_to_its_cap(void **state)
{
    (void)state;
    assert_int_equal(check_nested(64, "1"), 0);
    assert_int_equal(check_nested(65, "1"), -1);
    assert_int_equal(check_nested(64, "[]"), -1);
    assert_int_equal(check_nested(63, "[]"), 0);
}

static void json_depth_of_a_million_is_refused_cheaply(void **state)
{
    cl_free_auto char *text = malloc(1000000);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    memset(text, '[', 1000000);
    assert_int_equal(check(text, 1000000, NULL, &err), -1);
    assert_int_equal(err.kind, CL_E_LIMIT);
}

static void json_counts_values_and_keys(void **state)
{
    static const struct cl_json_caps few = { 100, 5, 64, 32 };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_int_equal(cl_json_check("[1,2,3,4]", 9, &few, NULL, NULL, &err), 0);
    assert_int_equal(cl_json_check("{\"a\":1,\"b\":2}", 13, &few, NULL, NULL, &err), 0);
    assert_int_equal(cl_json_check("[1,2,3,4,5]", 11, &few, NULL, NULL, &err), -1);
    assert_int_equal(err.kind, CL_E_LIMIT);
    assert_int_equal(cl_json_check("{\"a\":1,\"b\":2,\"c\":3}", 19, &few, NULL, NULL, &err),
                     -1);
}

static void json_caps_numbers_and_size(void **state)
{
    static const struct cl_json_caps small = { 8, 10, 64, 4 };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_int_equal(cl_json_check("1234", 4, &small, NULL, NULL, &err), 0);
    assert_int_equal(cl_json_check("12345", 5, &small, NULL, NULL, &err), -1);
    assert_int_equal(err.kind, CL_E_LIMIT);
    assert_int_equal(cl_json_check("\"123456\"", 8, &small, NULL, NULL, &err), 0);
    assert_int_equal(cl_json_check("\"1234567\"", 9, &small, NULL, NULL, &err), -1);
    assert_int_equal(err.kind, CL_E_LIMIT);
}

/* ------------------------------------------------------------------------------------ keys */

/* {"k0":0,...} with `count` keys; the last one again when asked. Returns the length. */
static size_t make_object(char *text, unsigned count, bool repeat)
{
    char *at = text;

    *at++ = '{';
    for (unsigned i = 0; i < count; i++)
        at += sprintf(at, "%s\"k%u\":{\"k0\":0,\"k1\":1}", i ? "," : "", i);
    if (repeat)
        at += sprintf(at, ",\"k%u\":0", count / 2);
    *at++ = '}';
    return (size_t)(at - text);
}

static void json_finds_a_duplicate_among_many_keys(void **state)
{
    const struct cl_json_caps many = CL_JSON_CAPS(64u << 20);
    cl_free_auto char *text = malloc(16u << 20);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (unsigned count = 1; count <= 100000; count = count * 3 + 1) {
        size_t length = make_object(text, count, false);
        assert_int_equal(cl_json_check(text, length, &many, NULL, NULL, &err), 0);
        length = make_object(text, count, true);
        assert_int_equal(cl_json_check(text, length, &many, NULL, NULL, &err), -1);
        assert_non_null(strstr(err.text, "this key came before"));
    }
}

/* 150,000 keys in one object take well under a second; comparing all pairs takes minutes. */
static void json_keys_cost_linear_time(void **state)
{
    const struct cl_json_caps many = CL_JSON_CAPS(64u << 20);
    cl_free_auto char *text = malloc(16u << 20);
    struct cl_err err = CL_ERR_INIT;
    size_t length = make_object(text, 150000, false);
    uint64_t start_us = cl_clock_us();

    (void)state;
    assert_int_equal(cl_json_check(text, length, &many, NULL, NULL, &err), 0);
    assert_true(cl_clock_us() - start_us < 3000000);
}

/* ------------------------------------------------------------------------------------ walk */

static void json_walks_objects_and_arrays(void **state)
{
    static const char text[] =
        "{ \"a\" : [1, \"]}\\\"\", {\"x\":[]} ] , \"b\":{},\"c\" :-1.5e3\n}";
    struct cl_err err = CL_ERR_INIT;
    struct cl_json object, key, value, element, none;
    size_t cursor = 0, inner = 0;

    (void)state;
    assert_int_equal(check(text, sizeof(text) - 1, &object, &err), 0);
    assert_true(cl_json_next(object, &cursor, &key, &value));
    assert_true(cl_json_is(key, "a"));
    assert_int_equal(cl_json_kind(value), CL_JSON_ARRAY);
    assert_true(cl_json_next(value, &inner, &none, &element));
    assert_int_equal(none.length, 0);
    assert_int_equal(cl_json_kind(element), CL_JSON_NUMBER);
    assert_true(cl_json_next(value, &inner, &none, &element));
    assert_true(cl_json_is(element, "]}\""));
    assert_true(cl_json_next(value, &inner, &none, &element));
    assert_int_equal(element.length, 8);
    assert_false(cl_json_next(value, &inner, &none, &element));
    assert_false(cl_json_next(value, &inner, &none, &element));
    assert_true(cl_json_next(object, &cursor, &key, &value));
    assert_int_equal(cl_json_kind(value), CL_JSON_OBJECT);
    inner = 0;
    assert_false(cl_json_next(value, &inner, &none, &element));
    assert_true(cl_json_next(object, &cursor, &key, &value));
    assert_int_equal(value.length, 6);
    assert_memory_equal(value.text, "-1.5e3", 6);
    assert_false(cl_json_next(object, &cursor, &key, &value));
    assert_int_equal(key.length, 0);
}

static void json_kinds_are_told(void **state)
{
    static const struct {
        const char *text;
        enum cl_json_kind kind;
    } samples[] = {
        { "", CL_JSON_NONE },       { "null", CL_JSON_NULL }, { "true", CL_JSON_TRUE },
        { "false", CL_JSON_FALSE }, { "-1", CL_JSON_NUMBER }, { "\"\"", CL_JSON_STRING },
        { "[]", CL_JSON_ARRAY },    { "{}", CL_JSON_OBJECT },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(samples); i++) {
        struct cl_json value = { samples[i].text, strlen(samples[i].text) };
        assert_int_equal(cl_json_kind(value), samples[i].kind);
    }
}

static void json_strings_are_unescaped(void **state)
{
    static const char text[] = "\"a\\n\\u0000\\u00e9\\ud83d\\ude00\\u20ac\\/z\"";
    static const char plain[] = "a\n\0\xc3\xa9\xf0\x9f\x98\x80\xe2\x82\xac/z";
    CL_AUTO(cl_buf_fini) struct cl_buf out = CL_BUF_INIT(64);
    CL_AUTO(cl_buf_fini) struct cl_buf tight = CL_BUF_INIT(3);
    struct cl_err err = CL_ERR_INIT;
    struct cl_json value;

    (void)state;
    assert_int_equal(check(text, sizeof(text) - 1, &value, &err), 0);
    assert_int_equal(cl_json_string(value, &out, &err), 0);
    assert_int_equal(out.length, sizeof(plain) - 1);
    assert_memory_equal(out.bytes, plain, sizeof(plain) - 1);
    assert_int_equal(cl_json_string(value, &tight, &err), -1);
    assert_int_equal(err.kind, CL_E_LIMIT);
    assert_int_equal(cl_json_string((struct cl_json){ "12", 2 }, &out, &err), -1);
    assert_int_equal(err.kind, CL_E_INPUT);
}

static void json_keys_compare_unescaped(void **state)
{
    (void)state;
    assert_true(cl_json_is((struct cl_json){ "\"k\\u0065y\"", 10 }, "key"));
    assert_false(cl_json_is((struct cl_json){ "\"k\\u0065y\"", 10 }, "keys"));
    assert_false(cl_json_is((struct cl_json){ "\"keys\"", 6 }, "key"));
    assert_false(cl_json_is((struct cl_json){ "\"a\\u0000\"", 9 }, "a"));
    assert_true(cl_json_is((struct cl_json){ "\"\\u00e9\"", 8 }, "\xc3\xa9"));
    assert_false(cl_json_is((struct cl_json){ "1", 1 }, "1"));
    assert_true(cl_json_is((struct cl_json){ "\"\"", 2 }, ""));
}

static void json_whole_numbers_are_read(void **state)
{
    static const char *const wrong[] = {
        "-1", "1.0", "1e3", "18446744073709551616", "\"1\"", "", "99999999999999999999", "true"
    };
    struct cl_err err = CL_ERR_INIT;
    uint64_t number = 7;

    (void)state;
    assert_int_equal(cl_json_u64((struct cl_json){ "18446744073709551615", 20 }, &number, &err),
                     0);
    assert_true(number == UINT64_MAX);
    assert_int_equal(cl_json_u64((struct cl_json){ "0", 1 }, &number, &err), 0);
    assert_int_equal(number, 0);
    for (size_t i = 0; i < CL_COUNT(wrong); i++) {
        struct cl_json value = { wrong[i], strlen(wrong[i]) };
        assert_int_equal(cl_json_u64(value, &number, &err), -1);
        assert_int_equal(err.kind, CL_E_INPUT);
    }
}

/* ------------------------------------------------------------------------------------ make */

static void assert_puts(const char *text, size_t length, const char *json)
{
    CL_AUTO(cl_buf_fini) struct cl_buf out = CL_BUF_INIT(1024);
    struct cl_err err = CL_ERR_INIT;

    assert_int_equal(cl_json_put_string(&out, text, length, &err), 0);
    assert_int_equal(out.length, strlen(json));
    assert_memory_equal(out.bytes, json, out.length);
    assert_int_equal(check((const char *)out.bytes, out.length, NULL, &err), 0);
}

static void json_makes_strings_of_any_bytes(void **state)
{
    (void)state;
    assert_puts("", 0, "\"\"");
    assert_puts(NULL, 0, "\"\"");
    assert_puts("plain text, long enough", 23, "\"plain text, long enough\"");
    assert_puts("a\"b\\c/\b\f\n\r\t", 11, "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\"");
    assert_puts("\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\"");
    assert_puts("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", 12,
                "\"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa\"");
    assert_puts("\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    assert_puts("\xff"
                "a\xc3",
                3,
                "\"\xef\xbf\xbd"
                "a\xef\xbf\xbd\"");
    assert_puts("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void json_string_past_the_cap_fails_as_limit(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf out = CL_BUF_INIT(8);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_int_equal(cl_json_put_string(&out, "1234567", 7, &err), -1);
    assert_int_equal(err.kind, CL_E_LIMIT);
}

static void json_prefix_cuts_no_character(void **state)
{
    (void)state;
    assert_int_equal(cl_json_utf8_prefix("", 0), 0);
    assert_int_equal(cl_json_utf8_prefix("abc", 3), 3);
    assert_int_equal(cl_json_utf8_prefix("a\xc3", 2), 1);
    assert_int_equal(cl_json_utf8_prefix("a\xc3\xa9", 3), 3);
    assert_int_equal(cl_json_utf8_prefix("\xe2\x82", 2), 0);
    assert_int_equal(cl_json_utf8_prefix("\xe2\x82\xac", 3), 3);
    assert_int_equal(cl_json_utf8_prefix("\xf0\x9f\x98", 3), 0);
    assert_int_equal(cl_json_utf8_prefix("x\xf0\x9f\x98\x80", 5), 5);
    assert_int_equal(cl_json_utf8_prefix("\x80\x80\x80\x80", 4), 4);
    assert_int_equal(cl_json_utf8_prefix("a\xff", 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_takes_what_rfc_8259_permits),
        cmocka_unit_test(json_refuses_everything_else),
        cmocka_unit_test(json_refuses_every_true_prefix),
        cmocka_unit_test(json_of_no_text_is_refused),
        cmocka_unit_test(json_faults_have_a_place),
        cmocka_unit_test(json_duplicate_is_reported_at_the_second_key),
        cmocka_unit_test(json_value_is_without_white_space),
        cmocka_unit_test(json_nests_to_its_cap),
        cmocka_unit_test(json_depth_of_a_million_is_refused_cheaply),
        cmocka_unit_test(json_counts_values_and_keys),
        cmocka_unit_test(json_caps_numbers_and_size),
        cmocka_unit_test(json_finds_a_duplicate_among_many_keys),
        cmocka_unit_test(json_keys_cost_linear_time),
        cmocka_unit_test(json_walks_objects_and_arrays),
        cmocka_unit_test(json_kinds_are_told),
        cmocka_unit_test(json_strings_are_unescaped),
        cmocka_unit_test(json_keys_compare_unescaped),
        cmocka_unit_test(json_whole_numbers_are_read),
        cmocka_unit_test(json_makes_strings_of_any_bytes),
        cmocka_unit_test(json_string_past_the_cap_fails_as_limit),
        cmocka_unit_test(json_prefix_cuts_no_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
