/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules that come with a call: imports, cycles, damaged code, and names that hide others.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/wants.h"

#include <string.h>

#include "sandbox/base/own.h"

#define FUNCTION(entry_) .entry = (entry_), .flags = CL_CALL_FUNCTION

static void wants_json(const struct case_call *call, const char *json)
{
    struct case_end end;

    wants_call(call, CL_F_RESULT, &end);
    assert_string_equal((const char *)end.body.bytes, json);
    case_end_fini(&end);
}

static void wants_raised(const struct case_call *call, const char *type, const char *part)
{
    struct case_end end;

    wants_call(call, CL_F_ERROR, &end);
    assert_string_equal(end.text[0], type);
    if (!strstr(end.text[1], part))
        fail_msg("\"%s\" is not in: %s", part, end.text[1]);
    case_end_fini(&end);
}

static void wants_refused(const struct case_call *call)
{
    struct case_end end;

    wants_call(call, CL_F_DENIED, &end);
    case_end_fini(&end);
}

/* ------------------------------------------------------------------------- calls by name */

static void function_of_a_module_is_called(void **state)
{
    const struct case_call call = {
        FUNCTION("prices.net"),
        .args = "[120]",
        .kwargs = "{\"rate\": 0.5}",
        .modules = { { .name = "prices",
                       .source = "def net(gross, rate=0.2): return gross / (1 + rate)\n" } },
    };
    const struct case_call alone = {
        FUNCTION("prices"),
        .modules = { { .name = "prices",
                       .source = "def main(): return __name__, __file__\n" } },
    };
    const struct case_call method = {
        FUNCTION("prices.Money.parse"),
        .args = "[\"3\"]",
        .modules = { { .name = "prices",
                       .source = "class Money:\n    @classmethod\n"
                                 "    def parse(cls, t): return [cls.__module__, int(t)]\n" } },
    };

    (void)state;
    wants_json(&call, "80.0");
    wants_json(&alone, "[\"prices\",\"prices.py\"]");
    wants_json(&method, "[\"prices\",3]");
}

static void function_that_is_not_there_is_named(void **state)
{
    struct case_call call = { FUNCTION("prices.nett"),
                              .modules = { { .name = "prices", .source = "net = 3" } } };

    (void)state;
    wants_raised(&call, "EntryError", "the module 'prices' defines no function 'nett'");
    call.entry = "prices";
    wants_raised(&call, "EntryError", "the module 'prices' defines no function 'main'");
    call.entry = "prices.net";
    wants_raised(&call, "EntryError", "'net' is not a function but a int");
    call.entry = "other.net"; /* not among those that came */
    wants_raised(&call, "ImportError", "hides a module");
}

static void async_functions_and_generators_are_finished(void **state)
{
    const struct case_call waits = {
        FUNCTION("m.f"),
        .modules = { { .name = "m",
                       .source =
                           "async def f():\n    import asyncio\n    await asyncio.sleep(0)\n"
                           "    return 7\n" } },
    };
    const struct case_call counts = {
        FUNCTION("m.f"),
        .modules = { { .name = "m", .source = "def f():\n    yield 1\n    yield 2\n" } },
    };

    (void)state;
    wants_json(&waits, "7");
    wants_json(&counts, "[1,2]");
}

/* ------------------------------------------------------------------------------- imports */

static void modules_import_each_other(void **state)
{
    const struct case_call call = {
        FUNCTION("shop.total"),
        .args = "[[1, 2]]",
        .modules = { { .name = "shop",
                       .source =
                           "import tax\nfrom lines import add as plus\n"
                           "def total(rows): return tax.on(plus(rows)), tax.plus is plus\n" },
                     { .name = "tax",
                       .source = "from lines import add as plus\nrate = 2\n"
                                 "def on(x): return x * rate\n" },
                     { .name = "lines", .source = "def add(rows): return sum(rows)\n" } },
    };
    const struct case_call star = {
        FUNCTION("a.f"),
        .modules = { { .name = "a",
                       .source = "from b import *\nfrom importlib import import_module\n" },
                     { .name = "b", .source = "__all__ = ['f']\ndef f(): return 1\n" } },
    };

    (void)state;
    wants_json(&call, "[6,true]");
    wants_denied("import importlib\ndef main(): pass", "modules", "importlib");
    wants_refused(&star);
}

static void cycles_work_as_in_python(void **state)
{
    const struct case_call call = {
        FUNCTION("a.f"),
        .modules = { { .name = "a",
                       .source = "import b\ndef f(): return b.g()\ndef h(): return 'h'\n" },
                     { .name = "b", .source = "import a\ndef g(): return a.h()\n" } },
    };
    const struct case_call early = {
        FUNCTION("a.f"),
        .modules = { { .name = "a", .source = "from b import g\ndef f(): return g()\n" },
                     { .name = "b", .source = "from a import f\ndef g(): return 1\n" } },
    };

    (void)state;
    wants_json(&call, "\"h\"");
    wants_raised(&early, "ImportError", "cannot import name 'f' from");
}

static void missing_one_is_denied_by_name(void **state)
{
    const struct case_call call = {
        FUNCTION("a.f"),
        .modules = { { .name = "a", .source = "import b\ndef f(): pass\n" } },
    };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_DENIED, &end);
    assert_string_equal(end.text[0], "modules");
    assert_string_equal(end.text[1], "b");
    assert_int_equal(end.line, 1);
    case_end_fini(&end);
}

static void module_that_fails_is_tried_again(void **state)
{
    const struct case_call call = {
        FUNCTION("a.f"),
        .modules = { { .name = "a",
                       .source =
                           "def f():\n    seen = []\n    for _ in range(2):\n        try:\n"
                           "            import b\n        except ZeroDivisionError as e:\n"
                           "            seen.append(str(e))\n    return seen\n" },
                     { .name = "b", .source = "1 / 0\n" } },
    };

    (void)state;
    wants_json(&call, "[\"division by zero\",\"division by zero\"]");
}

static void source_of_its_own_may_import_them(void **state)
{
    const struct case_call call = {
        .source = "import tax\ndef main(): return tax.on(1)",
        .modules = { { .name = "tax", .source = "def on(x): return x * 2\n" } },
    };

    (void)state;
    wants_json(&call, "2");
}

static void they_are_modules_as_python_has_them(void **state)
{
    const struct case_call call = {
        FUNCTION("m.f"),
        .modules = { { .name = "m",
                       .source =
                           "from dataclasses import dataclass, field\n"
                           "from enum import Enum\nimport typing\n"
                           "@dataclass\nclass P:\n    x: int\n    y: list[int] = "
                           "field(default_factory=list)\n"
                           "class C(Enum):\n    A = 1\n"
                           "def f():\n    return [P(1), C.A, sorted(k for k in globals() if "
                           "k in ('P', 'C', 'f')), typing.get_type_hints(P)['x'] is int,\n"
                           "            P.__module__]\n" } },
    };

    (void)state;
    wants_json(&call, "[{\"x\":1,\"y\":[]},1,[\"C\",\"P\",\"f\"],true,\"m\"]");
}

/* ---------------------------------------------------------------------------- tracebacks */

static void tracebacks_show_the_lines_of_every_file(void **state)
{
    const struct case_call call = {
        FUNCTION("a.f"),
        .modules = { { .name = "a", .source = "import b\ndef f():\n    return b.g(0)\n" },
                     { .name = "b", .source = "def g(x):\n    return 1 / x\n" } },
    };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_ERROR, &end);
    assert_string_equal(end.text[2], "Traceback (most recent call last):\n"
                                     "  File \"a.py\", line 3, in f\n"
                                     "    return b.g(0)\n"
                                     "           ^^^^^^\n"
                                     "  File \"b.py\", line 2, in g\n"
                                     "    return 1 / x\n"
                                     "           ^^^^^\n"
                                     "ZeroDivisionError: division by zero\n");
    assert_int_equal(end.line, 2);
    assert_int_equal(end.column, 12);
    case_end_fini(&end);
}

static void syntax_errors_name_their_file(void **state)
{
    const struct case_call call = {
        FUNCTION("a.f"),
        .modules = { { .name = "a", .source = "import b\ndef f(): pass\n" },
                     { .name = "b", .source = "x = 1\ndef (:\n" } },
    };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_ERROR, &end);
    assert_string_equal(end.text[0], "SyntaxError");
    assert_non_null(strstr(end.text[2], "File \"b.py\", line 2\n    def (:\n"));
    assert_int_equal(end.line, 2);
    case_end_fini(&end);
}

/* -------------------------------------------------------------------------- hostile input */

static void damaged_code_is_made_again(void **state)
{
    static const char old[] = "\x01\x02\x03\x04\x10\0\0\0________0123456789abcdef";
    struct case_call call = {
        FUNCTION("m.f"),
        .modules = { { .name = "m", .source = "def f(): return 1\n", "x", 1 } },
    };

    (void)state;
    wants_json(&call, "1");
    call.modules[0].code = old;
    call.modules[0].code_length = sizeof(old) - 1;
    wants_json(&call, "1");
}

static void names_of_others_are_left_to_them(void **state)
{
    static const char *const names[] = {
        "json",         "main",     "__main__", "cloche", "sys",
        "__builtins__", "builtins", "marshal",  "_imp",   "_frozen_importlib"
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(names); i++) {
        struct case_call call = {
            .source = "import json\ndef main(): return json.dumps([1])",
            .modules = { { .name = names[i], .source = "def dumps(x): return 'stolen'\n" } },
        };

        wants_json(&call, "\"[1]\"");
        call.source = NULL;
        call.flags = CL_CALL_FUNCTION;
        call.entry = names[i];
        wants_raised(&call, "ImportError", "hides a module");
    }
}

static void forged_names_are_no_modules(void **state)
{
    static const char *const names[] = { "a.b", "../m", "m/x", "", "1m", "m\n", "\xff\xfe" };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(names); i++) {
        struct case_call call = {
            .source = "def main(): return 1",
            .modules = { { .name = names[i], .source = "1 / 0" } },
        };
        struct case_end end;

        case_run(&wants_zygote, &call, &end);
        assert_true(end.type == CL_F_RESULT || end.type == CL_F_FAILED ||
                    end.type == CL_F_ERROR);
        case_end_fini(&end);
    }
}

static void module_gets_no_road_that_a_source_has_not(void **state)
{
    static const char *const tries[] = {
        "import sys",  "import marshal",          "import importlib",
        "import _imp", "import builtins",         "__import__('os')",
        "import os",   "from sys import modules", "__builtins__['__import__']('gc')",
    };
    char source[200];

    (void)state;
    for (size_t i = 0; i < CL_COUNT(tries); i++) {
        struct case_call call = { FUNCTION("m.f"),
                                  .modules = { { .name = "m", .source = source } } };

        snprintf(source, sizeof(source), "def f():\n    %s\n", tries[i]);
        wants_refused(&call);
    }
    const struct case_call loader = {
        FUNCTION("m.f"),
        .modules = { { .name = "m", .source = "def f(): return [__loader__, __spec__]\n" } },
    };
    wants_json(&loader, "[null,null]");
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
        cmocka_unit_test(function_of_a_module_is_called),
        cmocka_unit_test(function_that_is_not_there_is_named),
        cmocka_unit_test(async_functions_and_generators_are_finished),
        cmocka_unit_test(modules_import_each_other),
        cmocka_unit_test(cycles_work_as_in_python),
        cmocka_unit_test(missing_one_is_denied_by_name),
        cmocka_unit_test(module_that_fails_is_tried_again),
        cmocka_unit_test(source_of_its_own_may_import_them),
        cmocka_unit_test(they_are_modules_as_python_has_them),
        cmocka_unit_test(tracebacks_show_the_lines_of_every_file),
        cmocka_unit_test(syntax_errors_name_their_file),
        cmocka_unit_test(damaged_code_is_made_again),
        cmocka_unit_test(names_of_others_are_left_to_them),
        cmocka_unit_test(forged_names_are_no_modules),
        cmocka_unit_test(module_gets_no_road_that_a_source_has_not),
    };

    return cmocka_run_group_tests(tests, setup, wants_close);
}
