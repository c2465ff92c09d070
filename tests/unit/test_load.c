/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML as the loader takes it: places, signed lists, and every part of YAML that it refuses.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/load.h"
#include "sandbox/base/own.h"

static struct cl_report report;

static struct cl_doc *parse_bytes(const char *text, size_t length)
{
    report = (struct cl_report)CL_REPORT_INIT;
    return cl_load_parse("p", "p.yaml", text, length, &report);
}

static struct cl_doc *parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void drop(struct cl_doc *doc)
{
    cl_doc_free(doc);
    cl_report_fini(&report);
}

static void places_are_lines_and_columns_of_characters(void **state)
{
    struct cl_doc *doc = parse("# \xc3\xa4\na: {b: [x, \"\xc3\xa4\", z]}\nc: d\n");

    (void)state;
    assert_non_null(doc->root);
    const struct cl_node *b = cl_node_find(cl_node_find(doc->root, "a"), "b");
    assert_int_equal(b->kind, CL_NODE_LIST);
    assert_int_equal(b->count, 3);
    assert_int_equal(b->place.line, 2);
    assert_int_equal(b->place.column, 8);
    assert_int_equal(b->last->place.column, 17);
    assert_string_equal(b->last->text, "z");
    assert_true(b->last->is_plain);
    assert_false(b->first->next->is_plain);
    assert_int_equal(cl_node_find(doc->root, "c")->key->place.line, 3);
    drop(doc);
}

static void signed_lists_know_the_place_of_each_item(void **state)
{
    struct cl_doc *doc = parse("m: +[os,\n    a.b , c_d]\nn: -[x]\ne: +[]\nt: -[y,]\n");

    (void)state;
    assert_non_null(doc->root);
    const struct cl_node *m = cl_node_find(doc->root, "m");
    assert_int_equal(m->kind, CL_NODE_LIST);
    assert_int_equal(m->sign, '+');
    assert_int_equal(m->count, 3);
    assert_int_equal(m->first->place.column, 6);
    assert_string_equal(m->first->next->text, "a.b");
    assert_int_equal(m->first->next->place.line, 2);
    assert_int_equal(m->first->next->place.column, 5);
    assert_int_equal(m->last->place.column, 11);
    assert_int_equal(m->last->place.width, 3);
    assert_int_equal(cl_node_find(doc->root, "n")->sign, '-');
    assert_int_equal(cl_node_find(doc->root, "e")->count, 0);
    assert_int_equal(cl_node_find(doc->root, "t")->count, 1);
    drop(doc);
}

static void quoted_text_is_never_a_signed_list(void **state)
{
    struct cl_doc *doc = parse("m: '+[os]'\n");

    (void)state;
    assert_int_equal(cl_node_find(doc->root, "m")->kind, CL_NODE_SCALAR);
    drop(doc);
}

static const struct {
    const char *text;
    unsigned line, column;
    const char *says;
} refused[] = {
    { "", 0, 0, "an empty file" },
    { "# nothing\n", 0, 0, "an empty file" },
    { "- a\n- b\n", 1, 1, "a mapping of keys to values" },
    { "word\n", 1, 1, "a mapping of keys to values" },
    { "a: 1\nb: 2\na: 3\n", 3, 1, "duplicate key 'a', first on line 1" },
    { "a: {b: 1, c: 2, b: 3}\n", 1, 17, "duplicate key 'b'" },
    { "a: 1\n\"a\": 2\n", 2, 1, "duplicate key 'a'" },
    { "a: &x 1\n", 1, 4, "anchors are not allowed" },
    { "a: &x [1]\n", 1, 4, "anchors are not allowed" },
    { "&x a: 1\n", 1, 1, "anchors are not allowed" },
    { "a: *x\n", 1, 4, "aliases are not allowed" },
    { "a: !!int 1\n", 1, 4, "tags are not allowed" },
    { "a: !x [1]\n", 1, 4, "tags are not allowed" },
    { "a: !x {b: 1}\n", 1, 4, "tags are not allowed" },
    { "%YAML 1.1\n---\na: 1\n", 1, 1, "directives are not allowed" },
    { "%TAG ! tag:x:\n---\na: 1\n", 1, 1, "directives are not allowed" },
    { "a: 1\n---\nb: 2\n", 2, 1, "a second document" },
    { "[a]: 1\n", 1, 1, "a key must be a word" },
    { "{a: b}: 1\n", 1, 1, "a key must be a word" },
    { "a: [1, 2\n", 2, 1, "not YAML" },
    { "a: 'open\n", 2, 1, "not YAML" },
    { "a:\n\tb: 1\n", 2, 1, "not YAML" },
    { "a: {b: +[c]}\n", 1, 9, "within {..} write {add: [..], remove: [..]}" },
    { "a: b: c\n", 1, 5, "not YAML" },
    { "a: +[b\n", 2, 1, "expected ',' or ']'" },
    { "a: +[b c]\n", 1, 8, "expected ',' or ']'" },
    { "a: +[\"b\"]\n", 1, 6, "expected a name" },
    { "a: +[,]\n", 1, 6, "expected a name" },
    { "a: +[[b]]\n", 1, 6, "expected a name" },
    { "a: +[b] c\n", 1, 4, "unexpected text after the +[...] list" },
    { "a: -[b]]\n", 1, 4, "unexpected text after the -[...] list" },
    { "a: \"x\\0y\"\n", 1, 4, "control characters" },
    { "a: \"x\\ey\"\n", 1, 4, "control characters" },
    { "a: \x01\n", 1, 4, "byte 0x01: not UTF-8, or a control character" },
    { "b: 1\na: \xff\n", 2, 4, "byte 0xff: not UTF-8, or a control character" },
    { "\xef\xbb\xbf"
      "a: 1\n",
      1, 1, "byte 0xef" },
    { "a: [[[[[[[[1]]]]]]]]\n", 1, 11, "nested deeper than 8 levels" },
};

static void what_a_policy_does_not_need_of_yaml_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(refused); i++) {
        struct cl_doc *doc = parse(refused[i].text);
        assert_true(!doc->root || doc->is_refused);
        assert_int_equal(report.count, 1);
        const struct cl_problem *problem = &report.problems[0];
        if (!strstr(problem->text, refused[i].says) || problem->place.line != refused[i].line ||
            problem->place.column != refused[i].column)
            fail_msg("row %zu: %u:%u: %s", i, problem->place.line, problem->place.column,
                     problem->text);
        drop(doc);
    }
}

static void nul_bytes_are_refused(void **state)
{
    struct cl_doc *doc = parse_bytes("a: 1\0\nb: 2\n", 11);

    (void)state;
    assert_null(doc->root);
    assert_non_null(strstr(report.problems[0].text, "byte 0x00"));
    drop(doc);
}

static void depth_at_the_cap_passes(void **state)
{
    struct cl_doc *doc = parse("a: [[[[[[[1]]]]]]]\n");

    (void)state;
    assert_non_null(doc->root);
    drop(doc);
}

/* `head`, then `count` times `part`. */
static char *repeat(const char *head, const char *part, size_t count)
{
    char *text = malloc(strlen(head) + count * strlen(part) + 1);

    assert_non_null(text);
    char *at = stpcpy(text, head);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, part);
    return text;
}

static void lists_are_capped(void **state)
{
    cl_free_auto char *most = repeat("a:\n", "- x\n", CL_LOAD_ITEMS_MAX);
    cl_free_auto char *over = repeat("a:\n", "- x\n", CL_LOAD_ITEMS_MAX + 1);

    (void)state;
    struct cl_doc *doc = parse(most);
    assert_non_null(doc->root);
    drop(doc);
    doc = parse(over);
    assert_null(doc->root);
    assert_non_null(strstr(report.problems[0].text, "more than 4096 entries"));
    drop(doc);
}

static void mappings_are_capped(void **state)
{
    char text[CL_LOAD_KEYS_MAX * 8 + 16];

    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        size_t used = 0;
        for (int i = 0; i < CL_LOAD_KEYS_MAX + extra; i++)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "k%d: 1\n", i);
        struct cl_doc *doc = parse(text);
        assert_true((doc->root != NULL) == (extra == 0));
        drop(doc);
    }
}

static void scalars_are_capped(void **state)
{
    cl_free_auto char *most = repeat("a: ", "x", CL_LOAD_TEXT_MAX);
    cl_free_auto char *over = repeat("a: ", "x", CL_LOAD_TEXT_MAX + 1);

    (void)state;
    struct cl_doc *doc = parse(most);
    assert_non_null(doc->root);
    drop(doc);
    doc = parse(over);
    assert_null(doc->root);
    assert_non_null(strstr(report.problems[0].text, "at most 4096"));
    drop(doc);
}

static void files_are_capped(void **state)
{
    cl_free_auto char *most = repeat("a: 1\n", "\n", CL_LOAD_BYTES_MAX - 5);
    cl_free_auto char *over = repeat("a: 1\n", "\n", CL_LOAD_BYTES_MAX - 4);

    (void)state;
    struct cl_doc *doc = parse(most);
    assert_non_null(doc->root);
    drop(doc);
    doc = parse(over);
    assert_null(doc->root);
    assert_non_null(strstr(report.problems[0].text, "longer than the 262144 bytes"));
    drop(doc);
}

static void endless_nesting_ends_at_the_cap(void **state)
{
    cl_free_auto char *text = repeat("a: ", "[", 200000);
    struct cl_doc *doc = parse(text);

    (void)state;
    assert_null(doc->root);
    drop(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_lines_and_columns_of_characters),
        cmocka_unit_test(signed_lists_know_the_place_of_each_item),
        cmocka_unit_test(quoted_text_is_never_a_signed_list),
        cmocka_unit_test(what_a_policy_does_not_need_of_yaml_is_refused),
        cmocka_unit_test(nul_bytes_are_refused),
        cmocka_unit_test(depth_at_the_cap_passes),
        cmocka_unit_test(lists_are_capped),
        cmocka_unit_test(mappings_are_capped),
        cmocka_unit_test(scalars_are_capped),
        cmocka_unit_test(files_are_capped),
        cmocka_unit_test(endless_nesting_ends_at_the_cap),
    };

    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
