/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workflow documents as text: what a scalar is, what is refused and where, that both readers
 * give the same tree, and that no text makes a large one.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "api/workflow/document.h"
#include "sandbox/base/own.h"

typedef int reader(struct cl_wtree *tree, const char *text, size_t length, struct cl_err *err);

static void assert_json(reader *read, const char *text, const char *wanted)
{
    struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(1 << 20);
    struct cl_err err = CL_ERR_INIT;

    assert_works(read(&tree, text, strlen(text), &err), &err);
    assert_works(cl_wnode_format(tree.root, &out, &err), &err);
    assert_works(cl_buf_put(&out, "", 1, &err), &err);
    assert_string_equal(out.bytes, wanted);
}

static const struct {
    const char *yaml, *json;
} scalars[] = {
    { "null", "null" },
    { "~", "null" },
    { "", "null" },
    { "Null", "null" },
    { "nUll", "\"nUll\"" },
    { "true", "true" },
    { "False", "false" },
    { "yes", "\"yes\"" },
    { "off", "\"off\"" },
    { "\"true\"", "\"true\"" },
    { "'12'", "\"12\"" },
    { "12", "12" },
    { "+12", "12" },
    { "-0", "-0" },
    { "007", "7" },
    { "000", "0" },
    { "123456789012345678901234567890123456789", "123456789012345678901234567890123456789" },
    { "0x1F", "31" },
    { "0o17", "15" },
    { "0o8", "\"0o8\"" },
    { "0x", "\"0x\"" },
    { "0xfffffffffffffffff", "\"0xfffffffffffffffff\"" },
    { "1.10", "1.10" },
    { ".5", "0.5" },
    { "1.", "1.0" },
    { "-.5e3", "-0.5e3" },
    { "1e3", "1e3" },
    { "1e+05", "1e+05" },
    { "1e", "\"1e\"" },
    { "1e+", "\"1e+\"" },
    { ".", "\".\"" },
    { "+", "\"+\"" },
    { "-", "[null]" },
    { "1_000", "\"1_000\"" },
    { "1:30", "\"1:30\"" },
    { "2026-01-05", "\"2026-01-05\"" },
    { "1.2.3", "\"1.2.3\"" },
    { "0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827" },
    { "\"a\\tb\\u00e9\\0\"", "\"a\\tb\xc3\xa9\\u0000\"" },
    { "${a.result}", "\"${a.result}\"" },
    { "|\n    a\n    b\n", "\"a\\nb\\n\"" },
    { "{a: 1, b: [x, 2]}", "{\"a\":1,\"b\":[\"x\",2]}" },
};

static void scalars_are_typed_by_the_core_schema(void **state)
{
    char yaml[512], json[512];

    (void)state;
    for (size_t i = 0; i < CL_COUNT(scalars); i++) {
        snprintf(yaml, sizeof(yaml), "k: %s%s\n", strcmp(scalars[i].yaml, "-") ? "" : "\n  ",
                 scalars[i].yaml);
        snprintf(json, sizeof(json), "{\"k\":%s}", scalars[i].json);
        assert_json(cl_document_parse_yaml, yaml, json);
    }
}

static void keys_are_texts(void **state)
{
    (void)state;
    assert_json(cl_document_parse_yaml, "1: a\ntrue: b\n~: c\n'': d\n",
                "{\"1\":\"a\",\"true\":\"b\",\"~\":\"c\",\"\":\"d\"}");
}

static void json_keeps_every_digit(void **state)
{
    static const char text[] =
        "{\"a\":[1e400,-0,1.10,123456789012345678901234567890],\"b\":{},\"c\":[],"
        "\"d\":\"\\n\xf0\x9f\x98\x80\",\"e\":[true,false,null]}";

    (void)state;
    assert_json(cl_document_parse_json, text, text);
    assert_json(cl_document_parse_json, "{\"\\u0061\" : \"\\ud83d\\ude00\\/\"}",
                "{\"a\":\"\xf0\x9f\x98\x80/\"}");
}

static const struct {
    reader *read;
    const char *text, *why;
} refused[] = {
    { cl_document_parse_yaml, "a: 1\nb: 2\na: 3\n", "line 3 column 1: duplicate key 'a'" },
    { cl_document_parse_yaml, "a: 1\n'a': 3\n", "line 2 column 1: duplicate key 'a'" },
    { cl_document_parse_yaml, "a: &x 1\n", "line 1 column 4: anchors are not taken" },
    { cl_document_parse_yaml, "a: &x [1]\n", "line 1 column 4: anchors are not taken" },
    { cl_document_parse_yaml, "a: *x\n", "line 1 column 4: aliases are not taken" },
    { cl_document_parse_yaml, "a: !!python/object:os.system x\n",
      "line 1 column 4: tags are not taken" },
    { cl_document_parse_yaml, "a: !!map {}\n", "line 1 column 4: tags are not taken" },
    { cl_document_parse_yaml, "%TAG ! tag:x,2000:\n---\na: 1\n", "tags are not taken" },
    { cl_document_parse_yaml, "a: 1\n---\nb: 2\n", "a second document" },
    { cl_document_parse_yaml, "? [a]\n: b\n", "a key must be a word" },
    { cl_document_parse_yaml, "a: .nan\n", "line 1 column 4: JSON has no infinities" },
    { cl_document_parse_yaml, "a: -.INF\n", "line 1 column 4: JSON has no infinities" },
    { cl_document_parse_yaml, "", "an empty text" },
    { cl_document_parse_yaml, "# only this\n", "an empty text" },
    { cl_document_parse_yaml, "a: [1, 2\n", "not YAML" },
    { cl_document_parse_yaml, "a: \xff\n", "not YAML" },
    { cl_document_parse_yaml, "\ta: 1\n", "not YAML" },
    { cl_document_parse_json, "{\"a\":1,\n \"a\":2}", "line 2" },
    { cl_document_parse_json, "{\"a\":NaN}", "line 1" },
    { cl_document_parse_json, "", "" },
    { cl_document_parse_json, "{} x", "line 1" },
};

static void what_is_refused_has_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(refused); i++) {
        struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
        struct cl_err err = CL_ERR_INIT;

        assert_fails(refused[i].read(&tree, refused[i].text, strlen(refused[i].text), &err),
                     &err, CL_E_INPUT);
        if (!strstr(err.text, refused[i].why))
            fail_msg("%s\nsays: %s\nnot: %s", refused[i].text, err.text, refused[i].why);
        assert_null(tree.root);
    }
}

static void a_nul_byte_is_no_end(void **state)
{
    static const char text[] = "a: 1\nb: \0c: 2\n";
    struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_fails(cl_document_parse_yaml(&tree, text, sizeof(text) - 1, &err), &err, CL_E_INPUT);
    assert_non_null(strstr(err.text, "line 2"));
}

static const struct cl_wnode *at(const struct cl_wnode *node, size_t index)
{
    for (node = node->first; index > 0; index--)
        node = node->next;
    return node;
}

static void nodes_know_their_place(void **state)
{
    static const struct {
        reader *read;
        const char *text;
    } rows[] = {
        { cl_document_parse_yaml, "\xc3\xa9: [1,\n    {\xc3\xa9\xc3\xa9: x, b: 2}]\n" },
        { cl_document_parse_json, "{\"\xc3\xa9\":[1,\n  {\"\xc3\xa9\":0,\"b\":2}]}" },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
        struct cl_err err = CL_ERR_INIT;

        assert_works(rows[i].read(&tree, rows[i].text, strlen(rows[i].text), &err), &err);
        const struct cl_wnode *map = at(at(tree.root, 0), 1);
        const struct cl_wnode *b = cl_wnode_find(map, "b");
        assert_int_equal(at(tree.root, 0)->key_place.line, 1);
        assert_int_equal(at(tree.root, 0)->key_place.column, i == 0 ? 1 : 2);
        assert_int_equal(map->place.line, 2);
        assert_int_equal(map->place.column, i == 0 ? 5 : 3);
        assert_int_equal(b->key_place.column, i == 0 ? 13 : 10);
        assert_int_equal(b->place.column, i == 0 ? 16 : 14);
    }
}

/* ----------------------------------------------------------------------------------- caps */

static char *repeat(const char *head, const char *piece, size_t count, const char *tail)
{
    const size_t size = strlen(piece);
    char *text = malloc(strlen(head) + size * count + strlen(tail) + 1);
    char *end = text + sprintf(text, "%s", head);

    for (size_t i = 0; i < count; i++, end += size)
        memcpy(end, piece, size);
    strcpy(end, tail);
    return text;
}

static void assert_too_much(reader *read, char *text)
{
    struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
    struct cl_err err = CL_ERR_INIT;

    assert_fails(read(&tree, text, strlen(text), &err), &err, CL_E_LIMIT);
    free(text);
}

static void texts_that_are_too_much_are_refused(void **state)
{
    (void)state;
    assert_too_much(cl_document_parse_yaml, repeat("a: ", "[", 100, "]"));
    assert_too_much(cl_document_parse_json, repeat("", "[", 100, "]"));
    assert_too_much(cl_document_parse_yaml,
                    repeat("a: [", "1,", CL_DOCUMENT_NODES_MAX + 1, "]"));
    assert_too_much(cl_document_parse_json, repeat("[1", ",1", CL_DOCUMENT_NODES_MAX + 1, "]"));
    assert_too_much(cl_document_parse_yaml, repeat("", "#", CL_DOCUMENT_YAML_MAX + 1, ""));
    assert_too_much(cl_document_parse_json, repeat("", " ", CL_DOCUMENT_JSON_MAX + 1, ""));
}

static void as_deep_as_allowed_is_read(void **state)
{
    reader *const reads[] = { cl_document_parse_yaml, cl_document_parse_json };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        for (size_t more = 0; more < 2; more++) {
            struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
            struct cl_err err = CL_ERR_INIT;
            char *close = repeat("", "]", CL_DOCUMENT_DEPTH_MAX + more, "");
            char *text = repeat("", "[", CL_DOCUMENT_DEPTH_MAX + more, close);

            assert_int_equal(reads[i](&tree, text, strlen(text), &err), more ? -1 : 0);
            free(text);
            free(close);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_are_typed_by_the_core_schema),
        cmocka_unit_test(keys_are_texts),
        cmocka_unit_test(json_keeps_every_digit),
        cmocka_unit_test(what_is_refused_has_its_place),
        cmocka_unit_test(a_nul_byte_is_no_end),
        cmocka_unit_test(nodes_know_their_place),
        cmocka_unit_test(texts_that_are_too_much_are_refused),
        cmocka_unit_test(as_deep_as_allowed_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
