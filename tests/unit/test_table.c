/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema by itself: every row is sound, every range has a test at its ends and beyond.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policies/keys.h"
#include "policies/pack.h"
#include "policies/policy.h"
#include "policies/table.h"
#include "policies/value.h"
#include "sandbox/base/own.h"
#include "tests/support/policy_case.h"

static bool is_number(const struct cl_key *key)
{
    return key->type >= CL_KEY_COUNT && key->type <= CL_KEY_CORES;
}

static void rows_are_unique_documented_and_below_a_section(void **state)
{
    char section[64];

    (void)state;
    for (size_t i = 0; i < cl_table_count; i++) {
        const struct cl_key *key = &cl_table[i];
        assert_ptr_equal(cl_table_find(key->path), key);
        assert_true(strlen(key->doc) > 5);
        const char *dot = strrchr(key->path, '.');
        if (!dot)
            continue;
        snprintf(section, sizeof(section), "%.*s", (int)(dot - key->path), key->path);
        assert_non_null(cl_table_find(section));
        assert_int_equal(cl_table_find(section)->type, CL_KEY_SECTION);
    }
}

static void defaults_are_in_range(void **state)
{
    uint64_t value = 0;

    (void)state;
    for (size_t i = 0; i < cl_table_count; i++) {
        const struct cl_key *key = &cl_table[i];
        if (!is_number(key) || !key->fallback)
            continue;
        assert_int_equal(cl_value_parse(key, key->fallback, &value), 0);
        assert_in_range(value, key->least, key->most);
    }
}

/* "a.b.c" and a value as YAML, with `version: 1`. */
static void nest(const char *path, const char *value, char *text, size_t size)
{
    const char *dot = strchr(path, '.');
    int used = snprintf(text, size, "%s", strcmp(path, "version") == 0 ? "" : "version: 1\n");

    if (!dot) {
        snprintf(text + used, size - (size_t)used, "%s: %s\n", path, value);
        return;
    }
    snprintf(text + used, size - (size_t)used, "%.*s: {%s: %s}\n", (int)(dot - path), path,
             dot + 1, value);
}

static bool is_taken(const struct cl_key *key, uint64_t value)
{
    struct policy_case made;
    char text[256], number[64];

    cl_value_format(key, value, number, sizeof(number));
    nest(key->path, number, text, sizeof(text));
    policy_case_open(&made, text);
    /* Only this key's range is asked: other rules may still speak of several keys. */
    bool is_refused = strstr(made.first, "out of range") != NULL;
    policy_case_fini(&made);
    return !is_refused;
}

static void ranges_hold_at_their_ends_and_end_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < cl_table_count; i++) {
        const struct cl_key *key = &cl_table[i];
        if (!is_number(key))
            continue;
        assert_true(is_taken(key, key->least));
        assert_true(is_taken(key, key->most));
        assert_false(is_taken(key, key->most + 1));
        if (key->least > 0)
            assert_false(is_taken(key, key->least - 1));
    }
}

static void wrong_types_name_what_was_found_and_what_is_allowed(void **state)
{
    static const char *const values[] = { "[a]", "{a: b}", "\"\"", "'1 2'" };
    struct policy_case made;
    char text[256];

    (void)state;
    for (size_t i = 0; i < cl_table_count; i++) {
        const struct cl_key *key = &cl_table[i];
        bool is_scalar = is_number(key) || key->type == CL_KEY_BOOL || key->type == CL_KEY_WORD;
        for (size_t j = 0; is_scalar && j < CL_COUNT(values); j++) {
            nest(key->path, values[j], text, sizeof(text));
            policy_case_open(&made, text);
            assert_null(made.spec);
            assert_non_null(strstr(made.first, key->path));
            assert_non_null(strstr(made.first, "found"));
            assert_non_null(strstr(made.first, "expected"));
            policy_case_fini(&made);
        }
    }
}

/* What the schema lets through, the readers of compiled policies take. */
static void extremes_of_every_number_compile(void **state)
{
    (void)state;
    for (int end = 0; end < 2; end++) {
        static struct cl_doc doc = { .name = "extreme" };
        struct cl_spec *spec = cl_spec_new(&doc);
        struct cl_err err = CL_ERR_INIT;
        CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(CL_POLICY_BYTES_MAX);

        for (size_t i = 0; i < cl_table_count; i++) {
            if (is_number(&cl_table[i]))
                *cl_spec_number(spec, &cl_table[i]) =
                    end ? cl_table[i].most : cl_table[i].least;
        }
        assert_works(cl_pack_make(spec, &buf, &err), &err);
        cl_spec_free(spec);
    }
}

static void sections_list_their_own_rows_only(void **state)
{
    const struct cl_keys keys = { cl_table, cl_table_count };
    const struct cl_key *key = NULL;
    size_t top = 0, builtins = 0;

    (void)state;
    while ((key = cl_keys_next(&keys, "", key)))
        top++;
    while ((key = cl_keys_next(&keys, "python.builtins", key))) {
        assert_string_equal(cl_table_word(key), "remove");
        builtins++;
    }
    assert_int_equal(top, 13);
    assert_int_equal(builtins, 1);
    assert_null(cl_keys_next(&keys, "lim", NULL));
}

static void words_are_found_by_index(void **state)
{
    (void)state;
    assert_int_equal(cl_value_word_index("kill errno", "kill"), 0);
    assert_int_equal(cl_value_word_index("kill errno", "errno"), 1);
    assert_int_equal(cl_value_word_index("kill errno", "err"), -1);
    assert_int_equal(cl_value_word_index("kill errno", "kill errno"), -1);
    assert_int_equal(cl_value_word_index("kill errno", ""), -1);
    assert_int_equal(cl_value_word_index("", "kill"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_unique_documented_and_below_a_section),
        cmocka_unit_test(defaults_are_in_range),
        cmocka_unit_test(ranges_hold_at_their_ends_and_end_there),
        cmocka_unit_test(wrong_types_name_what_was_found_and_what_is_allowed),
        cmocka_unit_test(extremes_of_every_number_compile),
        cmocka_unit_test(sections_list_their_own_rows_only),
        cmocka_unit_test(words_are_found_by_index),
    };

    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
