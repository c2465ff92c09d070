/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numpy and pandas: preloaded or from memory, and what becomes of their values.
 * Runs in: tests only; skipped where the host has not got them.
 * Trusts: -
 */
#include "tests/support/wants.h"

#include <string.h>

#include "sandbox/base/own.h"

static const struct case_policy late = { .name = "late", .modules = "numpy pandas datetime" };
static const struct case_policy early = { .name = "early",
                                          .modules = "numpy numpy.linalg pandas io sys",
                                          .names = "sys=modules",
                                          .flags = CL_POLICY_PRELOAD_ALL };
static bool is_there;

static int open_policy(const struct case_policy *policy)
{
    struct cl_err err = CL_ERR_INIT;

    is_there = case_zygote_start(&wants_zygote, policy, &err) == 0;
    if (is_there)
        return 0;
    print_message("%s\n", err.text);
    return strstr(err.text, "does not exist on this host") ? 0 : -1;
}

static int open_late(void **state)
{
    (void)state;
    return open_policy(&late);
}

static int open_early(void **state)
{
    (void)state;
    return open_policy(&early);
}

static void wants(const char *expression, const char *json)
{
    char source[1024];

    snprintf(source, sizeof(source), "import numpy as np, pandas as pd\ndef main(): return %s",
             expression);
    wants_result(source, json);
}

static void wants_bad(const char *expression, const char *message)
{
    char source[1024];

    snprintf(source, sizeof(source), "import numpy as np, pandas as pd\ndef main(): return %s",
             expression);
    wants_error(source, "ResultError", message);
}

static void numeric_values_become_json(void **state)
{
    (void)state;
    if (!is_there)
        skip();
    wants("[np.float64(0.5), np.int64(7), np.bool_(True), np.str_('s'), np.float32(0.25)]",
          "[0.5,7,true,\"s\",0.25]");
    wants("[np.arange(4).reshape(2, 2), np.array(3), np.array([], int), np.array(['a'])]",
          "[[[0,1],[2,3]],3,[],[\"a\"]]");
    wants("[np.datetime64('2026-01-05'), np.array(['2026-01-05T08:00'], 'M8[ns]')]",
          "[\"2026-01-05\",[\"2026-01-05T08:00:00.000000000\"]]");
    wants("pd.DataFrame({'x': [1, 2], 'y': ['a', 'b']})",
          "[{\"x\":1,\"y\":\"a\"},{\"x\":2,\"y\":\"b\"}]");
    wants("[pd.Series([1, 2]), pd.Index(['a']), pd.Timestamp('2026-01-05')]",
          "[[1,2],[\"a\"],\"2026-01-05T00:00:00\"]");
    wants("[np.abs(-1.5), np.round(1.26, 1), np.max([1, 3])]", "[1.5,1.3,3]");
    wants("[np.arange(5).sum(), np.linalg.norm([3, 4]), pd.DataFrame({'a': [2, 1]})"
          ".sort_values('a')['a'].tolist()]",
          "[10,5.0,[1,2]]");
}

static void numeric_values_that_are_not_json_are_named(void **state)
{
    (void)state;
    if (!is_there)
        skip();
    wants_bad("{'a': np.array([[1.5, np.nan]])}", "$.a[0][1]: nan");
    wants_bad("pd.DataFrame({'x': [1, None]})", "$[1].x: nan");
    wants_bad("[pd.NaT]", "$[0]: NaT");
    wants_bad("pd.DataFrame([[1, 2]], columns=['a', 'a'])",
              "$: two columns have the same name");
    wants_limit("import numpy\ndef main(): return numpy.zeros(10**8, 'b')", CL_LIMIT_RESULT,
                1 << 20);
}

static void legacy_random_numbers_differ_between_clones(void **state)
{
    struct case_call call = { .source =
                                  "import numpy\ndef main(): return numpy.random.rand()" };
    struct case_end first, second;

    (void)state;
    if (!is_there)
        skip();
    wants_call(&call, CL_F_RESULT, &first);
    wants_call(&call, CL_F_RESULT, &second);
    assert_string_not_equal((char *)first.body.bytes, (char *)second.body.bytes);
    case_end_fini(&first);
    case_end_fini(&second);
}

/* The worker's own way to seed leaves a generator that works as numpy's: the seeds of callers give
 * what they always gave, and no call begins with the second half of a pair of normal numbers. */
static void seeded_random_numbers_are_numpys(void **state)
{
    (void)state;
    if (!is_there)
        skip();
    wants("[np.random.seed(5), np.random.rand(), np.random.RandomState(5).rand()]",
          "[null,0.22199317108973948,0.22199317108973948]");
    wants("np.random.get_state()[2:4]", "[624,0]");
    wants("[bool(0.49 < np.random.rand(100000).mean() < 0.51),"
          " len(set(np.random.randint(0, 2**31, 5000))) > 4990]",
          "[true,true]");
}

/* to_csv imports a module of its own; what nothing has called is not there. */
static void zygote_has_called_them_before_any_caller(void **state)
{
    (void)state;
    if (!is_there)
        skip();
    wants_result(
        "import sys\ndef main():\n"
        "    return ['pandas.io.formats.' + n in sys.modules for n in ('csvs', 'xml')]",
        "[true,false]");
}

int main(void)
{
    const struct CMUnitTest from_memory[] = {
        cmocka_unit_test(numeric_values_become_json),
    };
    const struct CMUnitTest preloaded[] = {
        cmocka_unit_test(numeric_values_become_json),
        cmocka_unit_test(numeric_values_that_are_not_json_are_named),
        cmocka_unit_test(legacy_random_numbers_differ_between_clones),
        cmocka_unit_test(seeded_random_numbers_are_numpys),
        cmocka_unit_test(zygote_has_called_them_before_any_caller),
    };

    return cmocka_run_group_tests(from_memory, open_late, wants_close) +
           cmocka_run_group_tests(preloaded, open_early, wants_close);
}
