/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python values to JSON: every kind that is promised, and what each other one is told.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/wants.h"

#include <string.h>

#include "sandbox/base/own.h"

struct value {
    const char *expression;
    const char *json;
};

static void wants_all(const struct value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wants_value(values[i].expression, values[i].json);
}

static void convert_keeps_scalars_digit_for_digit(void **state)
{
    static const struct value values[] = {
        { "None", "null" },
        { "[True, False]", "[true,false]" },
        { "0", "0" },
        { "-7", "-7" },
        { "10**30", "1000000000000000000000000000000" },
        { "[2**63 - 1, -2**63, 2**63]",
          "[9223372036854775807,-9223372036854775808,9223372036854775808]" },
        { "0.1", "0.1" },
        { "[-0.0, 1e16, 1e-7, 1.5e300, 5e-324]", "[-0.0,1e+16,1e-07,1.5e+300,5e-324]" },
        { "Num(5)", "5" },
        { "Fl(0.5)", "0.5" },
    };

    (void)state;
    wants_all(values, CL_COUNT(values));
}

static void convert_escapes_text(void **state)
{
    static const struct value values[] = {
        { "''", "\"\"" },
        { "'a\"b\\\\c'", "\"a\\\"b\\\\c\"" },
        { "'\\n\\t\\r\\b\\f\\x00\\x1f\\x7f'", "\"\\n\\t\\r\\b\\f\\u0000\\u001f\\u007f\"" },
        { "'\\u2028\\u2029'", "\"\\u2028\\u2029\"" },
        { "'\\xe9\\u20ac\\U0001f600'", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
        { "'\\ud7ff\\ue000\\U0010ffff'", "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"" },
    };

    (void)state;
    wants_all(values, CL_COUNT(values));
}

static void convert_makes_arrays_of_what_holds_items(void **state)
{
    static const struct value values[] = {
        { "[]", "[]" },
        { "(1, (2, 3))", "[1,[2,3]]" },
        { "{3, 1, 2}", "[1,2,3]" },
        { "frozenset('ba')", "[\"a\",\"b\"]" },
        { "len({1, 'a'}) and sorted(map(str, {1, 'a'}))", "[\"1\",\"a\"]" },
        { "collections.deque([1, 2])", "[1,2]" },
        { "range(0, 6, 2)", "[0,2,4]" },
        { "(i * i for i in range(3))", "[0,1,4]" },
        { "{'g': (i for i in 'ab')}", "{\"g\":[\"a\",\"b\"]}" },
        { "[{'a': 1}.keys(), {'a': 1}.values(), {'a': 1}.items()]",
          "[[\"a\"],[1],[[\"a\",1]]]" },
        { "[map(str, [1]), zip('a', [2]), filter(None, [0, 3]), enumerate('x'), iter([4])]",
          "[[\"1\"],[[\"a\",2]],[3],[[0,\"x\"]],[4]]" },
        { "itertools.islice(itertools.count(), 2)", "[0,1]" },
    };

    (void)state;
    wants_all(values, CL_COUNT(values));
}

static void convert_makes_objects_with_text_keys(void **state)
{
    static const struct value values[] = {
        { "{}", "{}" },
        { "{'a': {'b': [1, {'c': None}]}}", "{\"a\":{\"b\":[1,{\"c\":null}]}}" },
        { "{1: 'a', True and 'b': 2, None: 3, 1.5: 4, False: 5}",
          "{\"1\":\"a\",\"b\":2,\"null\":3,\"1.5\":4,\"false\":5}" },
        { "collections.OrderedDict(b=1, a=2)", "{\"b\":1,\"a\":2}" },
        { "collections.defaultdict(int, a=1)", "{\"a\":1}" },
        { "collections.Counter('aab')", "{\"a\":2,\"b\":1}" },
        { "Point(1, 2)", "{\"x\":1,\"y\":2}" },
        { "Data(3, Data(4))", "{\"a\":3,\"b\":{\"a\":4,\"b\":null}}" },
        { "{Name.A: 1}", "{\"a\":1}" },
    };

    (void)state;
    wants_all(values, CL_COUNT(values));
}

static void convert_writes_other_types_as_documented(void **state)
{
    static const struct value values[] = {
        { "datetime.datetime(2026, 1, 5, 8, 0, 0, 1)", "\"2026-01-05T08:00:00.000001\"" },
        { "datetime.datetime(2026, 1, 5, tzinfo=datetime.timezone.utc)",
          "\"2026-01-05T00:00:00+00:00\"" },
        { "[datetime.date(2026, 1, 5), datetime.time(8, 30)]",
          "[\"2026-01-05\",\"08:30:00\"]" },
        { "datetime.timedelta(minutes=1.5)", "90.0" },
        { "decimal.Decimal('1.10')", "\"1.10\"" },
        { "uuid.UUID(int=1)", "\"00000000-0000-0000-0000-000000000001\"" },
        { "1+2j", "\"(1+2j)\"" },
        { "[b'', b'\\x00', b'\\x00\\x01', b'abc', bytearray(b'abcd'), memoryview(b'ab')]",
          "[\"\",\"AA==\",\"AAE=\",\"YWJj\",\"YWJjZA==\",\"YWI=\"]" },
        { "[Colour.RED, Colour.PAIR, Level.LOW, Name.A]", "[\"red\",[1,2],1,\"a\"]" },
    };

    (void)state;
    wants_all(values, CL_COUNT(values));
}

static void convert_reads_only_the_real_contents_of_subclasses(void **state)
{
    static const struct value values[] = {
        { "Sly(b=3)", "{\"b\":3}" },
        { "type('L', (list,), {'__iter__': lambda s: iter([9])})([1])", "[1]" },
        { "type('S', (str,), {'__str__': lambda s: 'no'})('yes')", "\"yes\"" },
        { "type('T', (tuple,), {'_fields': ('only',)})((1, 2))", "[1,2]" },
    };

    (void)state;
    wants_all(values, CL_COUNT(values));
}

static void convert_names_the_place_of_what_is_not_json(void **state)
{
    static const struct value values[] = {
        { "{'rows': [1, 2, 3, {'x': float('nan')}]}", "$.rows[3].x: nan is not a JSON number" },
        { "[float('-inf')]", "$[0]: -inf" },
        { "object()", "$: a value of type 'object' is not JSON" },
        { "[print]", "$[0]: a value of type 'builtin_function_or_method'" },
        { "{'odd key': {1, 2, None, print}}", "$['odd key'][" },
        { "{'a': '\\ud800'}", "$.a: text with a lone surrogate \\ud800" },
        { "{'\\udfff': 1}", "lone surrogate" },
        { "{1: 'a', '1': 'b'}", "$: two keys become the same text '1'" },
        { "{Key('a'): 1, Key('a'): 2}", "two keys become the same text 'a'" },
        { "{'k': {(1, 2): 3}}", "$.k: a key of type 'tuple' is not JSON" },
        { "{float('nan'): 1}", "a key of type 'float'" },
        { "self_list()", "$[1]: this list contains itself" },
        { "(lambda d: (d.update(me=d), d)[1])({})", "$.me: this dict contains itself" },
        { "10**70000", "more than 65536 digits" },
        { "Data(1, float('inf'))", "$.b: inf" },
        { "Point(1, object())", "$.y" },
        { "(x for x in [1, object()])", "$[1]" },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(values); i++)
        wants_bad_value(values[i].expression, values[i].json);
}

static void convert_lets_a_number_of_65536_digits_pass(void **state)
{
    struct case_call call = { .source = "def main(): return 10**65535 - 1" };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_RESULT, &end);
    assert_int_equal(end.body.length, 65535);
    case_end_fini(&end);
}

static void convert_stops_at_the_depth(void **state)
{
    struct case_call call = { .source = "def main():\n    x = {}\n"
                                        "    for _ in range(3): x = [x]\n    return x",
                              .depth = 4 };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_RESULT, &end);
    case_end_fini(&end);
    call.depth = 3;
    wants_call(&call, CL_F_LIMIT, &end);
    assert_int_equal(end.limit.limit, CL_LIMIT_DEPTH);
    assert_int_equal(end.limit.value, 3);
    case_end_fini(&end);
    wants_limit("def main():\n    x = 1\n    for _ in range(64): x = [x]\n    return x",
                CL_LIMIT_DEPTH, 64);
    wants_limit("def main():\n    x = 1\n    for _ in range(9999): x = {'a': x}\n    return x",
                CL_LIMIT_DEPTH, 64);
}

static void convert_stops_at_the_result_cap(void **state)
{
    struct case_call call = { .source = "def main(): return 'abcd'", .result_bytes = 6 };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_RESULT, &end);
    case_end_fini(&end);
    call.result_bytes = 5;
    wants_call(&call, CL_F_LIMIT, &end);
    assert_int_equal(end.limit.limit, CL_LIMIT_RESULT);
    assert_int_equal(end.limit.value, 5);
    case_end_fini(&end);
    wants_limit("def main(): return [['x' * 1000] * 1000] * 1000000", CL_LIMIT_RESULT, 1 << 20);
    wants_limit("import itertools\ndef main(): return itertools.count()", CL_LIMIT_RESULT,
                1 << 20);
    wants_limit("def main():\n    while True: yield 'x' * 1000", CL_LIMIT_RESULT, 1 << 20);
}

/* A generator that changes what is being read, while it is being read. */
static void convert_survives_containers_that_change(void **state)
{
    (void)state;
    wants_error(
        "d = {'a': 0}\ndef grow():\n    for i in range(1000): d[str(i)] = i\n    yield 1\n"
        "\n"
        "d['a'] = grow()\n"
        "d['b'] = 2\n"
        "def main(): return d",
        "ResultError", "$: the dict changed while it was read");
    wants_result("x = [1]\ndef cut():\n    x.clear()\n    yield 2\nx += [cut(), 3, 4]\n"
                 "def main(): return x",
                 "[1,[2]]");
    wants_error("s = {1}\ndef main():\n    s.add(str)\n    return s", "ResultError", "$[");
}

/* What the caller's code raises while its value is read is an ordinary error of the call. */
static void convert_passes_on_what_the_value_raises(void **state)
{
    (void)state;
    wants_error("def main():\n    yield 1\n    raise KeyError('late')", "KeyError", "late");
    wants_error("import decimal\nclass D(decimal.Decimal):\n    def __str__(self): 1 / 0\n"
                "def main(): return [D(1)]",
                "ZeroDivisionError", "division");
}

static int open_default(void **state)
{
    static const struct case_policy policy = CASE_DEFAULT;

    (void)state;
    return wants_open(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convert_keeps_scalars_digit_for_digit),
        cmocka_unit_test(convert_escapes_text),
        cmocka_unit_test(convert_makes_arrays_of_what_holds_items),
        cmocka_unit_test(convert_makes_objects_with_text_keys),
        cmocka_unit_test(convert_writes_other_types_as_documented),
        cmocka_unit_test(convert_reads_only_the_real_contents_of_subclasses),
        cmocka_unit_test(convert_names_the_place_of_what_is_not_json),
        cmocka_unit_test(convert_lets_a_number_of_65536_digits_pass),
        cmocka_unit_test(convert_stops_at_the_depth),
        cmocka_unit_test(convert_stops_at_the_result_cap),
        cmocka_unit_test(convert_survives_containers_that_change),
        cmocka_unit_test(convert_passes_on_what_the_value_raises),
    };

    return cmocka_run_group_tests(tests, open_default, wants_close);
}
