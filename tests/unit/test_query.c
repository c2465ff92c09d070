/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries: what is read, and what is refused by name.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/query.h"
#include "sandbox/base/own.h"

static struct cl_query known[] = { { .name = "wait" },
                                   { .name = "after" },
                                   { .name = "\xc3\xbc" } };
static struct cl_refusal refusal;

static int parse(const char *query)
{
    refusal = (struct cl_refusal)CL_REFUSAL_INIT;
    return cl_query_parse(query, known, CL_COUNT(known), &refusal);
}

static void nothing_is_given_at_first(void **state)
{
    (void)state;
    assert_int_equal(parse("wait=1"), 0);
    assert_int_equal(parse(""), 0);
    for (size_t i = 0; i < CL_COUNT(known); i++) {
        assert_false(known[i].is_given);
        assert_string_equal(known[i].value, "");
    }
}

static void names_and_values_are_decoded(void **state)
{
    (void)state;
    assert_int_equal(parse("after=a%20b+c%2Bd=%C3%bc&w%61it=&%c3%bc=1"), 0);
    assert_string_equal(known[1].value, "a b c+d=\xc3\xbc");
    assert_true(known[0].is_given && known[0].value[0] == '\0');
    assert_string_equal(known[2].value, "1");
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *query, *part;
    } rows[] = {
        { "waits=1", "no parameter \"waits\" here; known: wait, after" },
        { "=1", "no parameter \"\" here" },
        { "wait=1&", "ends in '&'" },
        { "&wait=1", "no parameter \"\"" },
        { "wait=1&&after=1", "no parameter \"\"" },
        { "wait=1&wait=1", "\"wait\" came twice" },
        { "wait", "\"wait\" needs a value" },
        { "wait=%", "\"wait\" is no text" },
        { "wait=%4", "\"wait\" is no text" },
        { "wait=%zz", "\"wait\" is no text" },
        { "wait=%00", "\"wait\" is no text" },
        { "wait=a%0ab", "\"wait\" is no text" },
        { "wait=%ff", "\"wait\" is no text" },
        { "wait=%ed%a0%80", "\"wait\" is no text" },
        { "%00=1", "no parameter \"...\"" },
        { "wait%00=1", "no parameter \"...\"" },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        assert_int_equal(parse(rows[i].query), -1);
        assert_int_equal(refusal.kind, CL_R_MALFORMED);
        if (!strstr(refusal.detail, rows[i].part))
            fail_msg("%s: %s", rows[i].query, refusal.detail);
    }
    assert_int_equal(cl_query_parse("a=1", NULL, 0, &refusal), -1);
    assert_string_equal(refusal.detail, "no query has a meaning here");
}

static void a_value_may_be_as_long_as_its_room(void **state)
{
    char query[CL_QUERY_VALUE_MAX + 8] = "wait=";

    (void)state;
    memset(query + 5, 'x', CL_QUERY_VALUE_MAX - 1);
    assert_int_equal(parse(query), 0);
    assert_int_equal(strlen(known[0].value), CL_QUERY_VALUE_MAX - 1);
    query[5 + CL_QUERY_VALUE_MAX - 1] = 'x';
    assert_int_equal(parse(query), -1);
}

static void numbers_have_bounds(void **state)
{
    static const char *const wrong[] = {
        "",   "-1", "0", "101", "1 ", " 1", "0x1", "1e1", "+1", "99999999999999999999999999",
        "1.0"
    };
    struct cl_query query = { "limit", true, "100" };
    uint64_t number = 7;

    (void)state;
    assert_int_equal(cl_query_u64(&query, 1, 100, &number, &refusal), 0);
    assert_int_equal(number, 100);
    for (size_t i = 0; i < CL_COUNT(wrong); i++) {
        strcpy(query.value, wrong[i]);
        assert_int_equal(cl_query_u64(&query, 1, 100, &number, &refusal), -1);
        assert_non_null(strstr(refusal.detail, "\"limit\" is a whole number from 1 to 100"));
    }
    query.is_given = false;
    assert_int_equal(cl_query_u64(&query, 1, 100, &number, &refusal), 0);
    assert_int_equal(number, 100);
}

static void flags_times_and_words(void **state)
{
    static const char *const words[] = { "queued", "done", NULL };
    struct cl_query query = { "q", true, "1" };
    uint64_t ms = 0;
    bool flag = false;
    int place = -1;

    (void)state;
    assert_int_equal(cl_query_flag(&query, &flag, &refusal), 0);
    assert_true(flag);
    strcpy(query.value, "2");
    assert_int_equal(cl_query_flag(&query, &flag, &refusal), -1);
    strcpy(query.value, "");
    assert_int_equal(cl_query_flag(&query, &flag, &refusal), -1);
    strcpy(query.value, "30s");
    assert_int_equal(cl_query_ms(&query, 60000, &ms, &refusal), 0);
    assert_int_equal(ms, 30000);
    strcpy(query.value, "999999h");
    assert_int_equal(cl_query_ms(&query, 60000, &ms, &refusal), -1);
    assert_non_null(strstr(refusal.detail, "at most 60s"));
    strcpy(query.value, "done");
    assert_int_equal(cl_query_word(&query, words, &place, &refusal), 0);
    assert_int_equal(place, 1);
    strcpy(query.value, "Done");
    assert_int_equal(cl_query_word(&query, words, &place, &refusal), -1);
    assert_non_null(strstr(refusal.detail, "one of queued, done"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_given_at_first),
        cmocka_unit_test(names_and_values_are_decoded),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(a_value_may_be_as_long_as_its_room),
        cmocka_unit_test(numbers_have_bounds),
        cmocka_unit_test(flags_times_and_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
