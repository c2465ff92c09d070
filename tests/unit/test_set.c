/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies that extend each other: what a child has, and every chain that is refused.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "policies/embedded.h"
#include "policies/table.h"
#include "sandbox/base/own.h"
#include "tests/support/policy_case.h"

#define V "version: 1\n"

/* A parent called up, a child called p. */
static void open_pair(struct policy_case *made, const char *up, const char *p)
{
    policy_case_init(made);
    policy_case_add(made, "up", up);
    policy_case_add(made, "p", p);
    policy_case_resolve(made, "p");
}

static void assert_words(const struct cl_items *items, const char *words)
{
    char joined[256] = "";

    for (size_t i = 0; i < items->count; i++) {
        size_t used = strlen(joined);
        snprintf(joined + used, sizeof(joined) - used, "%s%s", i ? " " : "",
                 items->items[i].text);
    }
    assert_string_equal(joined, words);
}

static const char parent[] = V "description: the parent\n"
                               "python: {modules: [a, b, c], preload: [a]}\n"
                               "limits: {wall: 9s, cpu: 8s}\n"
                               "syscalls: {tiers: [compute, time], deny: [sched_yield]}\n";

static const struct {
    const char *child;
    const char *modules;
} merges[] = {
    { V "extends: up\n", "a b c" },
    { V "extends: up\npython: {modules: [x]}\n", "x" },
    { V "extends: up\npython: {modules: []}\n", "" },
    { V "extends: up\npython:\n  modules: +[x, b]\n", "a b c x" },
    { V "extends: up\npython:\n  modules: -[b]\n", "a c" },
    { V "extends: up\npython: {modules: {add: [x]}}\n", "a b c x" },
    { V "extends: up\npython: {modules: {remove: [a, c]}}\n", "b" },
    { V "extends: up\npython: {modules: {add: [x, y], remove: [b]}}\n", "a c x y" },
    { V "extends: up\npython: {modules: {remove: [x], add: [x]}}\n", NULL },
};

static void lists_are_replaced_unless_changed(void **state)
{
    struct policy_case made;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(merges); i++) {
        open_pair(&made, parent, merges[i].child);
        assert_true((made.spec != NULL) == (merges[i].modules != NULL));
        if (made.spec)
            assert_words(&made.spec->modules, merges[i].modules);
        policy_case_fini(&made);
    }
}

static void child_has_what_it_does_not_say_and_knows_from_where(void **state)
{
    struct policy_case made;

    (void)state;
    open_pair(&made, parent, V "extends: up\nlimits: {cpu: 1s}\n");
    assert_non_null(made.spec);
    assert_string_equal(made.spec->name, "p");
    assert_int_equal(made.spec->wall_ms, 9000);
    assert_int_equal(made.spec->cpu_ms, 1000);
    assert_words(&made.spec->deny, "sched_yield");
    assert_int_equal(made.spec->description.count, 0);
    const struct cl_place *wall =
        &made.spec->origin[cl_table_index(cl_table_find("limits.wall"))];
    assert_string_equal(wall->doc->name, "up");
    assert_int_equal(wall->line, 4);
    const struct cl_place *cpu =
        &made.spec->origin[cl_table_index(cl_table_find("limits.cpu"))];
    assert_string_equal(cpu->doc->name, "p");
    const struct cl_place *eval =
        &made.spec->origin[cl_table_index(cl_table_find("python.eval"))];
    assert_null(eval->doc);
    policy_case_fini(&made);
}

static void mappings_of_names_are_merged_and_lifted(void **state)
{
    struct policy_case made;

    (void)state;
    open_pair(&made, V "python: {modules: [a, b, c], names: {a: [x], b: [y]}}\n",
              V "extends: up\npython: {names: {a: all, b: [z], c: [w]}}\n");
    assert_non_null(made.spec);
    assert_words(&made.spec->names, "b=z c=w");
    policy_case_fini(&made);
}

static void parents_entries_for_dropped_modules_are_no_mistake(void **state)
{
    struct policy_case made;

    (void)state;
    open_pair(&made, parent, V "extends: up\npython: {modules: [c]}\n");
    assert_non_null(made.spec);
    assert_int_equal(made.report.errors, 0);
    policy_case_fini(&made);
}

static void preload_all_has_no_list_to_change(void **state)
{
    struct policy_case made;

    (void)state;
    open_pair(&made, V "python: {modules: [a], preload: all}\n",
              V "extends: up\npython:\n  preload: +[a]\n");
    assert_null(made.spec);
    assert_non_null(strstr(made.first, "p.yaml:4:12: error: python.preload: the parent says"));
    policy_case_fini(&made);

    open_pair(&made, V "python: {modules: [a], preload: all}\n",
              V "extends: up\npython:\n  preload: [a]\n");
    assert_non_null(made.spec);
    assert_int_equal(made.spec->preload_mode, CL_PRELOAD_LIST);
    assert_words(&made.spec->preload, "a");
    policy_case_fini(&made);
}

static void missing_parent_is_refused_with_the_known_ones(void **state)
{
    struct policy_case made;

    (void)state;
    policy_case_open(&made, V "extends: defaults\n");
    assert_null(made.spec);
    assert_non_null(strstr(
        made.first, "p.yaml:2:10: error: extends: there is no policy 'defaults'; known: p, "
                    "default, strict"));
    policy_case_fini(&made);
}

static void cycles_are_refused(void **state)
{
    struct policy_case made;

    (void)state;
    policy_case_open(&made, V "extends: p\n");
    assert_null(made.spec);
    assert_non_null(strstr(made.first, "p.yaml:2:10: error: extends: 'p' extends itself"));
    policy_case_fini(&made);

    open_pair(&made, V "extends: p\n", V "extends: up\n");
    assert_null(made.spec);
    assert_non_null(strstr(made.first, "up.yaml:2:10: error: extends: 'p' extends itself"));
    policy_case_fini(&made);
}

static void child_of_a_refused_parent_is_refused(void **state)
{
    struct policy_case made;

    (void)state;
    open_pair(&made, V "limits: {wall: 1}\n", V "extends: up\n");
    assert_null(made.spec);
    assert_int_equal(made.report.errors, 2);
    assert_non_null(strstr(made.report.problems[1].text, "'up' was refused itself"));
    policy_case_fini(&made);

    /* A parent that is no YAML at all. */
    open_pair(&made, "a: [\n", V "extends: up\n");
    assert_null(made.spec);
    assert_int_equal(made.report.errors, 2);
    policy_case_fini(&made);
}

static void open_chain(struct policy_case *made, int length)
{
    char name[16] = "", text[64];

    policy_case_init(made);
    for (int i = 0; i < length; i++) {
        if (i == 0)
            snprintf(text, sizeof(text), V);
        else
            snprintf(text, sizeof(text), V "extends: c%d\n", i - 1);
        snprintf(name, sizeof(name), "c%d", i);
        policy_case_add(made, name, text);
    }
    policy_case_resolve(made, name);
}

static void chains_are_capped(void **state)
{
    struct policy_case made;

    (void)state;
    open_chain(&made, 16);
    assert_non_null(made.spec);
    policy_case_fini(&made);
    open_chain(&made, 17);
    assert_null(made.spec);
    assert_non_null(strstr(made.first, "more than 16 ancestors"));
    policy_case_fini(&made);
}

static void given_file_hides_the_embedded_policy(void **state)
{
    struct policy_case made;

    (void)state;
    policy_case_init(&made);
    policy_case_add(&made, "default", V "limits: {wall: 77s}\n");
    policy_case_add(&made, "p", V "extends: default\n");
    policy_case_resolve(&made, "p");
    assert_non_null(made.spec);
    assert_int_equal(made.spec->wall_ms, 77000);
    assert_int_equal(cl_set_add_embedded(made.set, "default", &made.report), -1);
    policy_case_fini(&made);
}

static void names_are_checked_and_unique(void **state)
{
    static const char *const bad[] = { "", "A", "../p", "a.b", "-p" };
    struct policy_case made;

    (void)state;
    policy_case_init(&made);
    for (size_t i = 0; i < CL_COUNT(bad); i++)
        assert_int_equal(cl_set_add(made.set, bad[i], "f", V, strlen(V), &made.report), -1);
    assert_int_equal(made.set->count, 0);
    assert_int_equal(cl_set_add(made.set, "p", "f", V, strlen(V), &made.report), 0);
    assert_int_equal(cl_set_add(made.set, "p", "f", V, strlen(V), &made.report), -1);
    assert_int_equal(cl_set_add_embedded(made.set, "nothing", &made.report), -1);
    policy_case_fini(&made);
}

static void set_is_capped(void **state)
{
    struct policy_case made;
    char name[16];

    (void)state;
    policy_case_init(&made);
    for (int i = 0; i < CL_SET_MAX; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        assert_int_equal(cl_set_add(made.set, name, name, V, strlen(V), &made.report), 0);
    }
    assert_int_equal(cl_set_add(made.set, "more", "more", V, strlen(V), &made.report), -1);
    assert_int_equal(cl_set_add_embedded(made.set, "strict", &made.report), -1);
    policy_case_fini(&made);
}

static void embedded_policies_are_without_fault(void **state)
{
    struct policy_case made;

    (void)state;
    for (const struct cl_embedded *row = cl_embedded; row->name; row++) {
        policy_case_init(&made);
        assert_int_equal(cl_set_add_embedded(made.set, row->name, &made.report), 0);
        policy_case_resolve(&made, row->name);
        if (!made.spec || made.report.count > 0)
            fail_msg("%s", made.first);
        assert_non_null(made.spec->description.items);
        policy_case_fini(&made);
    }
}

static void strict_is_default_with_thirteen_modules(void **state)
{
    struct policy_case made;

    (void)state;
    policy_case_init(&made);
    assert_int_equal(cl_set_add_embedded(made.set, "strict", &made.report), 0);
    policy_case_resolve(&made, "strict");
    assert_int_equal(made.spec->modules.count, 13);
    assert_int_equal(made.spec->wall_ms, 5000);
    assert_int_equal(cl_spec_tiers(made.spec), 3);
    policy_case_fini(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_replaced_unless_changed),
        cmocka_unit_test(child_has_what_it_does_not_say_and_knows_from_where),
        cmocka_unit_test(mappings_of_names_are_merged_and_lifted),
        cmocka_unit_test(parents_entries_for_dropped_modules_are_no_mistake),
        cmocka_unit_test(preload_all_has_no_list_to_change),
        cmocka_unit_test(missing_parent_is_refused_with_the_known_ones),
        cmocka_unit_test(cycles_are_refused),
        cmocka_unit_test(child_of_a_refused_parent_is_refused),
        cmocka_unit_test(chains_are_capped),
        cmocka_unit_test(given_file_hides_the_embedded_policy),
        cmocka_unit_test(names_are_checked_and_unique),
        cmocka_unit_test(set_is_capped),
        cmocka_unit_test(embedded_policies_are_without_fault),
        cmocka_unit_test(strict_is_default_with_thirteen_modules),
    };

    return cmocka_run_group_tests_name("set", tests, NULL, NULL);
}
