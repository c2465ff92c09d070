/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References: section 10 of the protocol, rule by rule.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "api/workflow/references.h"
#include "sandbox/base/own.h"

struct task {
    const char *id, *name, *envelope, *result;
};

static const struct task tasks[] = {
    { "load", "Load it",
      "{\"function\":\"orders.load\",\"result\":{\"a\":{\"b\":[10,20,{\"c\":null}]},\"n\":"
      "1e400,"
      "\"text\":\"x \\\"y\\\" \\u00e9\",\"result\":{\"deep\":1},\"key with space\":7},"
      "\"success\":true,\"stdout\":\"\"}",
      "{\"a\":{\"b\":[10,20,{\"c\":null}]},\"n\":1e400,\"text\":\"x \\\"y\\\" \\u00e9\","
      "\"result\":{\"deep\":1},\"key with space\":7}" },
    { "big", "load", "{\"result\":123456789012345678901234567890,\"success\":true}",
      "123456789012345678901234567890" },
    { "a.b", "dotted", "{\"result\":\"${load.result}\"}", "\"${load.result}\"" },
    { "a", "a", "{\"result\":{\"b\":\"short\"}}", "{\"b\":\"short\"}" },
    { "reg", "Register", "{\"registered\":\"f\",\"success\":true}", "" },
    { "twin1", "twin", "{\"result\":1}", "1" },
    { "twin2", "twin", "{\"result\":2}", "2" },
    { "none", "none", "", "" },
};

static struct cl_reference_value value_of(void *self, int task)
{
    (void)self;
    return (struct cl_reference_value){
        { tasks[task].envelope, strlen(tasks[task].envelope) },
        { tasks[task].result, strlen(tasks[task].result) },
    };
}

static int replace(const char *text, bool keeps_unknown, struct cl_buf *out, struct cl_err *err)
{
    struct cl_names CL_AUTO(cl_names_fini) names = CL_NAMES_INIT;

    cl_names_init(&names, CL_COUNT(tasks));
    for (size_t i = 0; i < CL_COUNT(tasks); i++)
        cl_names_add(&names, tasks[i].id, tasks[i].name);
    cl_names_sort(&names);
    const struct cl_references references = { &names, value_of, NULL, .source_depth = 1,
                                              .keeps_unknown = keeps_unknown };
    if (cl_references_put(&references, (struct cl_json){ text, strlen(text) }, out, err) < 0)
        return -1;
    return cl_buf_put(out, "", 1, err);
}

static const struct {
    const char *text, *wanted;
} replaced[] = {
    /* exactly one reference keeps its type */
    { "\"${load.result.a.b}\"", "[10,20,{\"c\":null}]" },
    { "\"${load.result.a.b[2].c}\"", "null" },
    { "\"${load.result.n}\"", "1e400" },
    { "\"${big.result}\"", "123456789012345678901234567890" },
    { "\"${load.result.result}\"", tasks[0].result },
    { "\"${load.result.result.a.b[1]}\"", "20" },
    { "\"${load.result.result.result.deep}\"", "1" },
    { "\"${load.result.key with space}\"", "7" },
    { "\"${load.function}\"", "\"orders.load\"" },
    { "\"${load.success}\"", "true" },
    { "\"${load}\"", tasks[0].envelope },
    { "\"${ load.result.a.b[0] }\"", "10" },
    /* by name, spaces included; the id wins, and so does the longer one */
    { "\"${Load it.result.a.b[0]}\"", "10" },
    { "\"${load.result.a.b[0]}\"", "10" },
    { "\"${a.b}\"", "{\"result\":\"${load.result}\"}" },
    { "\"${a.result.b}\"", "\"short\"" },
    { "\"${dotted.result}\"", "\"${load.result}\"" },
    /* an envelope without result is its own */
    { "\"${reg.result.registered}\"", "\"f\"" },
    { "\"${reg.registered}\"", "\"f\"" },
    /* inside longer text: strings bare, the rest as json.dumps */
    { "\"<${load.result.text}>\"", "\"<x \\\"y\\\" \xc3\xa9>\"" },
    { "\"b=${load.result.a.b}!\"", "\"b=[10, 20, {\\\"c\\\": null}]!\"" },
    { "\"${big.result} ${load.result.a.b[2].c} ${load.success}\"",
      "\"123456789012345678901234567890 null true\"" },
    { "\"${load.result.a.b[0]}${load.result.a.b[1]}\"", "\"1020\"" },
    { "\" ${load.result.a.b[0]}\"", "\" 10\"" },
    /* anywhere in values, never in keys */
    { "{\"${a.result.b}\":[\"${a.result.b}\",{\"x\":{\"y\":\"${a.result.b}\"}}]}",
      "{\"${a.result.b}\":[\"short\",{\"x\":{\"y\":\"short\"}}]}" },
    { "{\"function\":\"${load.function}\",\"args\":[1, \"${a.result.b}\" , true]}",
      "{\"function\":\"orders.load\",\"args\":[1, \"short\" , true]}" },
    /* stays as it is */
    { "\"$X $ ${} ${ } $\"", "\"$X $ ${} ${ } $\"" },
    { "\"costs $5 {x} ${unclosed\"", "\"costs $5 {x} ${unclosed\"" },
    { "\"${a{b}\"", "\"${a{b}\"" },
    { "\"$${a.result}\"", "\"${a.result}\"" },
    { "\"$$${a.result.b}\"", "\"$${a.result.b}\"" },
    { "\"$${\"", "\"${\"" },
    { "\"\\u0024{a.result.b}\"", "\"short\"" },
    { "\"\\n\\u0000 plain\"", "\"\\n\\u0000 plain\"" },
    { "[12345678901234567890.10,-0,1E5]", "[12345678901234567890.10,-0,1E5]" },
    /* defaults */
    { "\"${a.result.x:-0}\"", "0" },
    { "\"${a.result.x:-}\"", "\"\"" },
    { "\"${a.result.x:-two words}\"", "\"two words\"" },
    { "\"${a.result.x:-null}\"", "null" },
    { "\"${a.result.x:-\\\"0\\\"}\"", "\"0\"" },
    { "\"${a.result.x:-{\\\"k\\\": [\\\"}\\\"]}}\"", "{\"k\": [\"}\"]}" },
    { "\"${a.result.b:-0}\"", "\"short\"" },
    { "\"${load.result.a.b[2].c:-0}\"", "null" },
    { "\"n=${a.result.x:-0}.\"", "\"n=0.\"" },
    { "\"n=${a.result.x:-\\\"q\\\"}.\"", "\"n=q.\"" },
    { "\"${none.result:-7}\"", "7" },
    /* a value is never looked at again */
    { "\"${a.b.result}\"", "\"${load.result}\"" },
    { "\"-${a.b.result}-\"", "\"-${load.result}-\"" },
    /* nothing is pasted into a program; deeper keys of that name are values */
    { "{\"code\":\"r = ${a.result.b}\",\"context\":{\"code\":\"${a.result.b}\"}}",
      "{\"code\":\"r = ${a.result.b}\",\"context\":{\"code\":\"short\"}}" },
    { "{\"lambda\":\"${a.result.b}\",\"source\":\"${a.result.b}\",\"name\":\"${a.result.b}\"}",
      "{\"lambda\":\"${a.result.b}\",\"source\":\"${a.result.b}\",\"name\":\"short\"}" },
};

static void references_are_replaced(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(replaced); i++) {
        struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(1 << 20);
        struct cl_err err = CL_ERR_INIT;

        if (replace(replaced[i].text, false, &out, &err) < 0)
            fail_msg("%s: %s", replaced[i].text, err.text);
        if (strcmp((char *)out.bytes, replaced[i].wanted) != 0)
            fail_msg("%s\ngives  %s\nwanted %s", replaced[i].text, (char *)out.bytes,
                     replaced[i].wanted);
    }
}

static const struct {
    const char *text, *why;
} failing[] = {
    { "\"${load.result.x}\"", "reference ${load.result.x} does not resolve" },
    { "\"${load.result.a.b[3]}\"", "does not resolve" },
    { "\"${load.result.a.b[99999999999999999999999]}\"", "does not resolve" },
    { "\"${load.result.a.b.0}\"", "does not resolve" },
    { "\"${load.result.a[0]}\"", "does not resolve" },
    { "\"${load.result.text.upper}\"", "does not resolve" },
    { "\"${load.__class__}\"", "does not resolve" },
    { "\"${big.result.real}\"", "does not resolve" },
    { "\"${none}\"", "does not resolve" },
    { "\"in ${load.result.x} text\"", "does not resolve" },
    { "\"${load.result.a.b[-1]}\"", "has no sound path" },
    { "\"${load.result.a.b[x]}\"", "has no sound path" },
    { "\"${load.result..a}\"", "has no sound path" },
    { "\"${load.result.}\"", "has no sound path" },
    { "\"${load.result[0}\"", "has no sound path" },
    { "\"${load.result[0]x}\"", "has no sound path" },
    { "\"${zz.result}\"", "names no task" },
    { "\"${loader.result}\"", "names no task" },
    { "\"${twin.result}\"", "names several tasks" },
};

static void what_does_not_resolve_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(failing); i++) {
        struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(1 << 20);
        struct cl_err err = CL_ERR_INIT;

        assert_fails(replace(failing[i].text, false, &out, &err), &err, CL_E_INPUT);
        if (!strstr(err.text, failing[i].why))
            fail_msg("%s: says %s", failing[i].text, err.text);
    }
}

static void parameters_leave_other_references_alone(void **state)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(1 << 20);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(replace("[\"${a.result.b} ${x.result:-1} $${y}\",\"${z}\",\"$${z}\"]", true,
                         &out, &err),
                 &err);
    assert_string_equal(out.bytes, "[\"short ${x.result:-1} $${y}\",\"${z}\",\"$${z}\"]");
}

static void dumps_writes_what_python_writes(void **state)
{
    static const char value[] = "{ \"k\\u0001\" :[1,\n2.50 , {} ,[ "
                                "]],\"\xc3\xa9\xf0\x9f\x98\x80\\ud83d\\ude00\\/\\u007f\":"
                                "\"\\\"\\\\\\b\\f\\n\\r\\t\"}";
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(1 << 20);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(cl_references_dump((struct cl_json){ value, sizeof(value) - 1 }, &out, &err),
                 &err);
    assert_works(cl_buf_put(&out, "", 1, &err), &err);
    assert_string_equal(out.bytes, "{\"k\\u0001\": [1, 2.50, {}, []], "
                                   "\"\\u00e9\\ud83d\\ude00\\ud83d\\ude00/\\u007f\": "
                                   "\"\\\"\\\\\\b\\f\\n\\r\\t\"}");
}

/* ----------------------------------------------------------------------------------- bombs */

static const char *bomb; /* what a reference stands for */

static struct cl_reference_value bomb_value(void *self, int task)
{
    (void)self;
    (void)task;
    return (struct cl_reference_value){ { bomb, strlen(bomb) }, { bomb, strlen(bomb) } };
}

static void assert_bomb_fails(const char *reference, const char *between, size_t count)
{
    struct cl_names CL_AUTO(cl_names_fini) names = CL_NAMES_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(1 << 24);
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(1 << 26);
    struct cl_err err = CL_ERR_INIT;
    const struct cl_references references = { &names, bomb_value, NULL, 1, false };

    cl_names_init(&names, 1);
    cl_names_add(&names, "a", "a");
    cl_names_sort(&names);
    cl_buf_put_text(&text, "[\"", &err);
    for (size_t i = 0; i < count; i++)
        cl_buf_format(&text, &err, "%s%s", i ? between : "", reference);
    cl_buf_put_text(&text, "\"]", &err);
    assert_fails(cl_references_put(&references,
                                   (struct cl_json){ (char *)text.bytes, text.length }, &out,
                                   &err),
                 &err, CL_E_LIMIT);
    assert_true(out.length <= CL_REFERENCES_OUT_MAX + 1024);
}

static void values_that_blow_up_are_stopped(void **state)
{
    char *large = malloc((1 << 20) + 1);

    (void)state;
    memset(large, 'x', 1 << 20);
    large[0] = large[(1 << 20) - 1] = '"';
    large[1 << 20] = '\0';
    bomb = large;
    assert_bomb_fails("${a.result}", "\",\"", 1000); /* values in a list */
    assert_bomb_fails("${a.result}", " ", 1000);     /* one text */
    free(large);
}

static void walking_far_too_often_is_stopped(void **state)
{
    char *large = malloc(1 << 21);

    (void)state;
    large[0] = '[';
    for (size_t i = 1; i < (1 << 20) - 1; i += 2)
        memcpy(large + i, "1,", 2);
    strcpy(large + (1 << 20) - 1, "1]");
    bomb = large;
    assert_bomb_fails("${a.result[500000]}", "\",\"", 1000);
    free(large);
}

static void texts_of_braces_are_read_once(void **state)
{
    static const char *const pieces[] = { "${", "${a:-", "$", "${a:-{", "$${" };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(pieces); i++) {
        const size_t size = strlen(pieces[i]), count = (1 << 20) / size;
        char *text = malloc(size * count);
        struct cl_piece piece;
        size_t at = 0, seen = 0;

        for (size_t k = 0; k < count; k++)
            memcpy(text + k * size, pieces[i], size);
        while (cl_piece_next(text, size * count, &at, &piece) != CL_PIECE_END)
            seen += piece.length;
        assert_int_equal(seen, size * count);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_replaced),
        cmocka_unit_test(what_does_not_resolve_is_named),
        cmocka_unit_test(parameters_leave_other_references_alone),
        cmocka_unit_test(dumps_writes_what_python_writes),
        cmocka_unit_test(values_that_blow_up_are_stopped),
        cmocka_unit_test(walking_far_too_often_is_stopped),
        cmocka_unit_test(texts_of_braces_are_read_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
