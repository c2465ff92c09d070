/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an INSPECT call says of a source, and that it runs none of it.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/wants.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/own.h"

static void inspect(const char *name, const char *source, uint32_t final, struct case_end *end)
{
    const struct case_call call = { .source = source, .entry = name, .flags = CL_CALL_INSPECT };

    wants_call(&call, final, end);
}

/* The result must hold each of these texts. */
static void wants_parts(const char *source, const char *const *parts)
{
    struct case_end end;

    inspect("prices", source, CL_F_RESULT, &end);
    for (; *parts; parts++) {
        if (!strstr((const char *)end.body.bytes, *parts))
            fail_msg("%s\nis not in\n%s", *parts, (const char *)end.body.bytes);
    }
    case_end_fini(&end);
}

#define PARTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void functions_have_signature_schema_doc_and_line(void **state)
{
    (void)state;
    wants_parts(
        "\"\"\"Prices.\"\"\"\n"
        "def net(gross: float, rate: float = 0.2, *, round_to: int | None = None) -> float:\n"
        "    \"\"\"Without tax.\n\n      More.\n    \"\"\"\n"
        "    1 / 0\n"
        "async def fetch(*ids: int, **rest): pass\n",
        PARTS(
            "{\"name\":\"net\",\"signature\":\"(gross: float, rate: float = 0.2, *, "
            "round_to: int | None = None) -> float\"",
            "\"schema\":{\"type\":\"object\",\"properties\":{\"gross\":{\"type\":\"number\"},"
            "\"rate\":{\"type\":\"number\",\"default\":0.2},\"round_to\":{\"anyOf\":[{\"type\":"
            "\"integer\"},{\"type\":\"null\"}],\"default\":null}},\"required\":[\"gross\"],"
            "\"additionalProperties\":false}",
            "\"doc\":\"Without tax.\\n\\nMore.\",\"is_async\":false,\"line\":2",
            "{\"name\":\"fetch\",\"signature\":\"(*ids: int, **rest)\"",
            "\"x-more-args\":{\"type\":\"integer\"}", "\"additionalProperties\":true",
            "\"is_async\":true,\"line\":8", "\"doc\":\"Prices.\"", "\"hides\":false"));
}

static void schema_follows_the_annotation(void **state)
{
    static const struct {
        const char *annotation, *schema;
    } rows[] = {
        { "str", "{\"type\":\"string\"}" },
        { "bool", "{\"type\":\"boolean\"}" },
        { "None", "{\"type\":\"null\"}" },
        { "'int'", "{\"type\":\"integer\"}" },
        { "list[int]", "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}" },
        { "typing.List[str]", "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}" },
        { "dict[str, float]",
          "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"number\"}}" },
        { "Optional[int]", "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"null\"}]}" },
        { "Union[int, str, int]",
          "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}" },
        { "Literal['a', 2, -1]", "{\"enum\":[\"a\",2,-1]}" },
        { "tuple[int, ...]", "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}" },
        { "tuple[int, str]",
          "{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}],"
          "\"minItems\":2,\"maxItems\":2}" },
        { "Any", "{}" },
        { "int | Any", "{}" },
        { "Decimal", "{}" },
        { "f(1)", "{}" },
        { "'not an annotation('", "{}" },
        { "Annotated[int, 'positive']", "{\"type\":\"integer\"}" },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        char source[200];
        char wanted[200];

        snprintf(source, sizeof(source), "def f(x: %s): pass", rows[i].annotation);
        snprintf(wanted, sizeof(wanted), "\"properties\":{\"x\":%s}", rows[i].schema);
        wants_parts(source, PARTS(wanted));
    }
}

static void defaults_are_those_that_json_has(void **state)
{
    (void)state;
    wants_parts(
        "def f(a=[1, {'k': (True, None)}], b=1e999, c=b'x', d=g(), e=10**30, g=-1): pass",
        PARTS("\"a\":{\"default\":[1,{\"k\":[true,null]}]}", "\"b\":{},\"c\":{},\"d\":{}",
              "\"e\":{},\"g\":{\"default\":-1}", "\"required\":[]"));
    wants_parts("def f(a, /, b): pass",
                PARTS("\"signature\":\"(a, /, b)\"", "\"x-positional-only\":[\"a\"]"));
}

static void exported_is_what_the_file_defines(void **state)
{
    static const char source[] =
        "from math import sqrt, pi\nimport json\n"
        "__all__ = ['sqrt', 'shown', '_hidden', 'absent', 'NUMBER']\n"
        "NUMBER = 3\n"
        "def _hidden(): pass\n"
        "double = lambda x: x * 2\n"
        "try:\n    def inner(): pass\nexcept ImportError:\n    def other(): pass\n"
        "class Money:\n    '''Cash.'''\n    def __init__(self, cents: int): pass\n"
        "    def method(self): pass\n"
        "class Error(ValueError): pass\n"
        "def shown():\n    def nested(): pass\n";
    struct case_end end;
    char names[400] = "";

    (void)state;
    inspect("m", source, CL_F_RESULT, &end);
    for (const char *at = (const char *)end.body.bytes; (at = strstr(at, "{\"name\":\"")); at++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%.*s ",
                 (int)strcspn(at + 9, "\""), at + 9);
    assert_string_equal(names, "double inner other Money Error shown sqrt ");
    assert_non_null(strstr((const char *)end.body.bytes,
                           "{\"name\":\"Money\",\"signature\":\"(cents: int)\""));
    assert_non_null(strstr((const char *)end.body.bytes,
                           "{\"name\":\"Error\",\"signature\":\"N/A\",\"schema\":{}"));
    case_end_fini(&end);
}

static void computed_all_is_not_run(void **state)
{
    (void)state;
    wants_parts("__all__ = [n for n in dir()] + exit()\ndef f(): pass",
                PARTS("\"functions\":[{\"name\":\"f\""));
}

static void imports_are_found_wherever_they_are(void **state)
{
    (void)state;
    wants_parts("import a.b, c\nfrom d import e\nfrom . import f\n"
                "def g():\n    import h\n    importlib.import_module('i')\n"
                "    importlib.import_module(name)\n",
                PARTS("\"imports\":[\"a.b\",\"c\",\"d\",\"h\",\"i\"]"));
}

static void source_that_does_not_compile_has_its_place(void **state)
{
    struct case_end end;

    (void)state;
    inspect("m", "x = 1\ndef f(:\n", CL_F_ERROR, &end);
    assert_string_equal(end.text[0], "SyntaxError");
    assert_int_equal(end.line, 2);
    assert_int_equal(end.column, 7);
    assert_non_null(strstr(end.text[2], "File \"m.py\", line 2"));
    case_end_fini(&end);
    inspect("m", "def f():\n\treturn 1\n        return 2\n", CL_F_ERROR, &end);
    assert_string_equal(end.text[0], "TabError");
    assert_int_equal(end.line, 3);
    case_end_fini(&end);
}

static void names_that_hide_a_module_are_told(void **state)
{
    static const char *const names[] = { "json",    "sys",    "main",   "__main__",
                                         "tkinter", "cloche", "urllib", "__init__" };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(names); i++) {
        struct case_end end;

        inspect(names[i], "x = 1", CL_F_RESULT, &end);
        assert_non_null(strstr((const char *)end.body.bytes, "\"hides\":true"));
        case_end_fini(&end);
    }
}

/* RFC 4648, of a JSON string up to its closing quote. */
static size_t unbase64(const char *text, unsigned char *plain)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = 0;
    uint32_t bits = 0;

    for (size_t i = 0; text[i] != '"' && text[i] != '='; i++) {
        const char *digit = strchr(digits, text[i]);

        assert_non_null(digit);
        bits = bits << 6 | (uint32_t)(digit - digits);
        if (i % 4 != 0)
            plain[length++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    return length;
}

/* The code of one inspection serves a call, and another one's does not. */
static void code_is_what_a_call_takes(void **state)
{
    struct case_call call = {
        .entry = "m.f",
        .flags = CL_CALL_FUNCTION,
        .modules = { { .name = "m", .source = "def f(): return 'compiled anew'\n" } },
    };
    struct case_end end;

    (void)state;
    inspect("m", "def f(): return 'from the code'\n", CL_F_RESULT, &end);
    char *code = strstr((const char *)end.body.bytes, "\"code\":\"");
    assert_non_null(code);
    static unsigned char plain[4096];
    call.modules[0].code = plain;
    call.modules[0].code_length = unbase64(code + 8, plain);
    case_end_fini(&end);

    wants_call(&call, CL_F_RESULT, &end);
    assert_string_equal((const char *)end.body.bytes, "\"from the code\"");
    case_end_fini(&end);
    plain[call.modules[0].code_length - 3] ^= 1; /* damaged */
    wants_call(&call, CL_F_RESULT, &end);
    assert_string_equal((const char *)end.body.bytes, "\"compiled anew\"");
    case_end_fini(&end);
    plain[call.modules[0].code_length - 3] ^= 1;
    call.modules[0].name = "n"; /* another file's */
    call.entry = "n.f";
    wants_call(&call, CL_F_RESULT, &end);
    assert_string_equal((const char *)end.body.bytes, "\"compiled anew\"");
    case_end_fini(&end);
}

static void repeat(char *at, const char *text, int count)
{
    while (count-- > 0)
        at = stpcpy(at, text);
}

static void hostile_sources_end_in_an_error(void **state)
{
    static char source[1 << 20];
    static const char *const nests[] = { "(", "[", "-", "not ", "f(", "lambda: ", "{0:" };
    struct case_end end;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(nests); i++) {
        repeat(source, nests[i], 50000);
        inspect("m", source, CL_F_ERROR, &end);
        case_end_fini(&end);
    }
    wants_parts("x = 'a' * 10**9\ny = 10**10**10\nz = (0,) * 10**9\n",
                PARTS("\"functions\":[]"));
    strcpy(source, "x = 1");
    repeat(source + 5, ".a", 50000);
    inspect("m", source, CL_F_ERROR, &end);
    case_end_fini(&end);
    strcpy(source, "def f(x: ");
    repeat(source + strlen(source), "list[", 90);
    strcat(source, "int");
    repeat(source + strlen(source), "]", 90);
    strcat(source, "): pass");
    wants_parts(source, PARTS("\"name\":\"f\""));
    wants_parts("def f(x='\\ud800'):\n    '\\ud800'\n",
                PARTS("\"default\":\"?\"", "\"doc\":\"?\""));

    const struct case_call nul = {
        .source = "x\0y", .source_length = 3, .entry = "m", .flags = CL_CALL_INSPECT
    };
    wants_call(&nul, CL_F_ERROR, &end);
    assert_string_equal(end.text[0], "SyntaxError");
    case_end_fini(&end);
}

static void many_functions_are_refused(void **state)
{
    static char source[64 << 10];
    char *at = source;
    struct case_end end;

    (void)state;
    for (int i = 0; i < 2001; i++)
        at += sprintf(at, "def f%d(): pass\n", i);
    inspect("m", source, CL_F_ERROR, &end);
    assert_non_null(strstr(end.text[1], "more than 2000 functions"));
    case_end_fini(&end);
}

static int setup(void **state)
{
    static const struct case_policy policy = CASE_DEFAULT;

    (void)state;
    return wants_open(&policy);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_have_signature_schema_doc_and_line),
        cmocka_unit_test(schema_follows_the_annotation),
        cmocka_unit_test(defaults_are_those_that_json_has),
        cmocka_unit_test(exported_is_what_the_file_defines),
        cmocka_unit_test(computed_all_is_not_run),
        cmocka_unit_test(imports_are_found_wherever_they_are),
        cmocka_unit_test(source_that_does_not_compile_has_its_place),
        cmocka_unit_test(names_that_hide_a_module_are_told),
        cmocka_unit_test(code_is_what_a_call_takes),
        cmocka_unit_test(hostile_sources_end_in_an_error),
        cmocka_unit_test(many_functions_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, wants_close);
}
