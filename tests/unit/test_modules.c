/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the caller's code may import, and what it is told when it may not.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/wants.h"

#include <string.h>

#include "sandbox/base/own.h"

#define OK "def main(): return 1"

static void import_of_a_listed_module_works(void **state)
{
    (void)state;
    wants_result("import json, math as m\nfrom datetime import date, datetime\n"
                 "from collections import *\n"
                 "def main(): return [json.loads('[1]'), m.floor(1.5), deque([2])]",
                 "[[1],1,[2]]");
}

/* Every module of the default policy, whether it was preloaded or lies in memory. */
static void import_of_every_listed_module_works_without_files(void **state)
{
    char names[] = CASE_DEFAULT_MODULES;
    char *keep = NULL;

    (void)state;
    for (char *name = strtok_r(names, " ", &keep); name; name = strtok_r(NULL, " ", &keep)) {
        char source[256];

        snprintf(source, sizeof(source), "import %s\n" OK, name);
        wants_result(source, "1");
    }
}

static void import_of_another_module_is_denied(void **state)
{
    static const char *const names[] = { "os",
                                         "sys",
                                         "subprocess",
                                         "ctypes",
                                         "importlib",
                                         "builtins",
                                         "urllib",
                                         "urllib.request",
                                         "os.path",
                                         "_socket",
                                         "posix",
                                         "nosuchmodule",
                                         "warnings",
                                         "json.decoder",
                                         "gc",
                                         "marshal",
                                         "_frozen_importlib" };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(names); i++) {
        char source[256];

        snprintf(source, sizeof(source), "def main():\n    import %s", names[i]);
        wants_denied(source, "modules", names[i]);
    }
    wants_denied("from json import decoder\n" OK, "modules", "json.decoder");
    wants_denied("from urllib import request\n" OK, "modules", "urllib.request");
    wants_denied("from urllib import *\n" OK, "modules", "urllib");
    wants_denied("from os import path\n" OK, "modules", "os");
    wants_denied("__import__('sy' + 's')\n" OK, "modules", "sys");
    wants_denied("__import__('sys', globals(), locals(), [], 0)\n" OK, "modules", "sys");
    wants_denied("exec('import sys')\n" OK, "modules", "sys");
    wants_denied("exec('import sys', {})\n" OK, "modules", "sys");
    wants_denied("eval('__import__(\"sys\")')\n" OK, "modules", "sys");
}

static void refusal_has_the_promised_text_and_place(void **state)
{
    struct case_call call = { .source = "import json\n\nimport socket\n" };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_DENIED, &end);
    assert_string_equal(end.text[2], "module 'socket' is not allowed by policy 'default'");
    assert_int_equal(end.line, 3);
    case_end_fini(&end);
}

static void refusal_that_is_caught_is_only_an_exception(void **state)
{
    (void)state;
    wants_result("def main():\n    try:\n        import socket\n"
                 "    except ImportError as e: return [str(e), e.name, type(e).__name__]",
                 "[\"module 'socket' is not allowed by policy 'default'\",\"socket\","
                 "\"ImportError\"]");
    wants_error("def main():\n    try:\n        import socket\n"
                "    except ImportError as e: raise ValueError('other') from e",
                "ValueError", "other");
}

static void parent_of_a_listed_module_shows_only_the_way_to_it(void **state)
{
    (void)state;
    wants_result("import urllib.parse\n"
                 "def main(): return [urllib.parse.quote('a b'), hasattr(urllib, 'request'),\n"
                 "    [n for n in dir(urllib) if not n.startswith('_')]]",
                 "[\"a%20b\",false,[\"parse\"]]");
    wants_result("import urllib.parse as p\nfrom urllib import parse\n"
                 "from urllib.parse import quote\n"
                 "def main(): return [p is parse, quote('/', safe='')]",
                 "[true,\"%2F\"]");
}

static void names_of_imports_are_checked_for_their_type(void **state)
{
    (void)state;
    wants_error("class S(str): pass\n__import__(S('json'))", "TypeError", "exactly a str");
    wants_error("class S(str): pass\n__import__('json', None, None, [S('loads')])", "TypeError",
                "exactly a str");
    wants_error("from . import json", "ImportError", "relative import");
    wants_error("__import__(1)", "TypeError", "exactly a str");
}

static void removed_builtin_is_denied_when_called(void **state)
{
    (void)state;
    wants_denied("def main(): return open('/etc/passwd')", "builtins", "open");
    wants_denied("def main(): breakpoint()", "builtins", "breakpoint");
    wants_result("def main(): return [callable(open), len([1])]", "[true,1]");
}

static void late_import_by_a_library_is_served_from_memory(void **state)
{
    (void)state;
    wants_result("import datetime\n"
                 "def main(): return datetime.datetime.strptime('2026-01-05', '%Y-%m-%d')",
                 "\"2026-01-05T00:00:00\"");
    wants_result("import time\ndef main(): return time.strptime('2026', '%Y').tm_year", "2026");
    wants_result(
        "import datetime\ndef main(): return datetime.date(2026, 1, 5).strftime('%d.%m.')",
        "\"05.01.\"");
    wants_result("def main(): return 'h\\xe9'.encode('cp1252').decode('latin-1')",
                 "\"h\xc3\xa9\"");
    wants_result("def main(): return '\\N{SNOWMAN}'", "\"\xe2\x98\x83\"");
    wants_result(
        "from functools import singledispatch\n@singledispatch\ndef f(x): return 'any'\n"
        "@f.register\ndef _(x: int): return 'int'\ndef main(): return [f(1), f('a')]",
        "[\"int\",\"any\"]");
    wants_result("import hashlib\ndef main(): return hashlib.sha256(b'').hexdigest()[:8]",
                 "\"e3b0c442\"");
}

/* What libraries import with, in the caller's hands: the finder is the next line. */
static void import_around_the_guard_meets_the_finder(void **state)
{
    (void)state;
    wants_denied("import importlib\nfind = importlib._bootstrap._gcd_import\n"
                 "def main(): return find('subprocess')",
                 "modules", "subprocess");
    wants_denied("import importlib\nfind = importlib._bootstrap._gcd_import\n"
                 "def main(): return find('nosuchmodule')",
                 "modules", "nosuchmodule");
    wants_denied(
        "import importlib\nfind = importlib._bootstrap._gcd_import\n"
        "exec(compile('def f(): return find(\"queue\")', '<frozen importlib>', 'exec'))\n"
        "def main(): return f()",
        "modules", "queue");
}

/* C code may ask in the caller's name for what it needs; an imitation gets nothing. */
static void import_in_the_manner_of_c_gives_nothing(void **state)
{
    (void)state;
    wants_result("def main(): return __import__('warnings', globals(), globals(), [], 0)",
                 "null");
    wants_denied("def main(): return __import__('socket', globals(), globals(), [], 0)",
                 "modules", "socket");
}

static void view_is_a_module_with_the_public_names(void **state)
{
    (void)state;
    wants_result("import json, types\nimport json as again\ndef main():\n"
                 "    return [isinstance(json, types.ModuleType), json is again,\n"
                 "        json.__name__, type(json.__doc__).__name__, sorted(json.__all__),\n"
                 "        sorted(n for n in dir(json) if n[0] != '_')]",
                 "[true,true,\"json\",\"str\",[\"JSONDecodeError\",\"JSONDecoder\","
                 "\"JSONEncoder\",\"dump\",\"dumps\",\"load\",\"loads\"],"
                 "[\"JSONDecodeError\",\"JSONDecoder\",\"JSONEncoder\",\"detect_encoding\","
                 "\"dump\",\"dumps\",\"load\",\"loads\"]]");
    wants_result("from collections import *\nfrom statistics import *\n"
                 "def main(): return [len(Counter('aa')), mean([1, 3]), 'random' in globals()]",
                 "[1,2,false]");
    wants_result("import json\njson.loads = None\njson.x = 1\nimport json as j\n"
                 "def main(): return [json.x, j.dumps(json.JSONDecoder().decode('[1]'))]",
                 "[1,\"[1]\"]");
    wants_error("import json, copy\ndef main(): return copy.deepcopy(json)", "TypeError",
                "cannot pickle 'module' object");
    wants_error("import json\ndef main(): return json.nosuchname", "AttributeError",
                "module 'json' has no attribute 'nosuchname'");
    wants_error("from json import nosuchname\n" OK, "ImportError", "cannot import name");
    wants_result("import random\ndef main(): return [hasattr(random, '_os'),\n"
                 "    getattr(random, '__path__', 1), getattr(random, '_os', 2)]",
                 "[false,1,2]");
}

/* What libraries import for themselves, their private parts and their submodules. */
static void view_leads_to_no_other_module(void **state)
{
    static const struct {
        const char *module, *name, *rule, *named;
    } rows[] = {
        { "random", "_os", "names", "_os" },
        { "statistics", "random", "names", "random" },
        { "logging", "os", "names", "os" },
        { "typing", "sys", "names", "sys" },
        { "dataclasses", "inspect", "names", "inspect" },
        { "json", "decoder", "modules", "json.decoder" },
        { "asyncio", "subprocess", "modules", "asyncio.subprocess" },
        { "re", "enum", "names", "enum" },
        { "logging", "_levelToName", "names", "_levelToName" },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        char source[256];

        snprintf(source, sizeof(source), "import %s as m\ndef main(): return m.%s",
                 rows[i].module, rows[i].name);
        wants_denied(source, rows[i].rule, rows[i].named);
        snprintf(source, sizeof(source), "from %s import %s\n" OK, rows[i].module,
                 rows[i].name);
        wants_denied(source, rows[i].rule, rows[i].named);
    }
}

static int open_default(void **state)
{
    static const struct case_policy policy = CASE_DEFAULT;

    (void)state;
    return wants_open(&policy);
}

static void names_narrow_a_module(void **state)
{
    (void)state;
    wants_result("import uuid\nfrom uuid import UUID\nfrom uuid import *\n"
                 "def main(): return [uuid.UUID is UUID, UUID(int=1), NAMESPACE_URL,\n"
                 "    uuid.uuid4().version]",
                 "[true,\"00000000-0000-0000-0000-000000000001\","
                 "\"6ba7b811-9dad-11d1-80b4-00c04fd430c8\",4]");
    wants_denied("from uuid import getnode\n" OK, "names", "getnode");
    wants_denied("import uuid\ndef main(): return uuid.getnode()", "names", "getnode");
    wants_error("import uuid\ndef main(): return uuid.nosuchname", "AttributeError",
                "module 'uuid' has no attribute 'nosuchname'");
    wants_result("import uuid\ndef main(): return [hasattr(uuid, 'os'), uuid.__name__]",
                 "[false,\"uuid\"]");
    wants_denied("from uuid import os\n" OK, "names", "os");
}

/* xml.etree is only a parent, email.mime is listed and so is a module below it. */
static void deep_names_follow_the_same_rules(void **state)
{
    (void)state;
    wants_result(
        "import xml.etree.ElementTree as ET\nfrom xml.etree import ElementTree\n"
        "def main(): return [ET is ElementTree, ET.fromstring('<a b=\"1\"/>').get('b')]",
        "[true,\"1\"]");
    wants_result("import xml.etree.ElementTree\ndef main():\n"
                 "    return [xml.etree.ElementTree.Element('a').tag, hasattr(xml, 'sax')]",
                 "[\"a\",false]");
    wants_denied("import xml.etree\n" OK, "modules", "xml.etree");
    wants_denied("import xml.etree.ElementPath\n" OK, "modules", "xml.etree.ElementPath");
    wants_result("import importlib\ndef main():\n"
                 "    try: importlib.import_module('socket')\n"
                 "    except ImportError as e: return e.name",
                 "\"socket\"");
    wants_denied("import importlib\ndef main(): importlib.import_module('socket')", "modules",
                 "socket");
}

static int open_narrow(void **state)
{
    static const struct case_policy policy = {
        .name = "narrow",
        .modules = "uuid xml.etree.ElementTree importlib",
        .names = "uuid=UUID,uuid4,NAMESPACE_URL importlib=import_module,_bootstrap "
                 "importlib._bootstrap=_gcd_import",
    };

    (void)state;
    return wants_open(&policy);
}

static void module_that_the_host_lacks_fails_the_preparation(void **state)
{
    static const struct case_policy policy = { .name = "odd", .modules = "json nosuchmodule" };
    struct case_zygote zygote;
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_fails(case_zygote_start(&zygote, &policy, &err), &err, CL_E_INPUT);
    assert_non_null(strstr(err.text, "'nosuchmodule' does not exist"));
    case_zygote_stop(&zygote);
}

static void submodule_that_is_missing_fails_the_preparation(void **state)
{
    static const struct case_policy policy = { .name = "odd", .modules = "json.nosuchpart" };
    struct case_zygote zygote;
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_fails(case_zygote_start(&zygote, &policy, &err), &err, CL_E_INPUT);
    assert_non_null(strstr(err.text, "json.nosuchpart"));
    case_zygote_stop(&zygote);
}

static void listed_transitive_modules_must_all_be_listed(void **state)
{
    struct case_policy policy = { .name = "tight",
                                  .modules = "bisect fractions",
                                  .flags = CL_POLICY_TRANSITIVE_LISTED };
    struct case_zygote zygote;
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_fails(case_zygote_start(&zygote, &policy, &err), &err, CL_E_INPUT);
    assert_non_null(strstr(err.text, "transitive: listed"));
    case_zygote_stop(&zygote);
    policy.modules = "bisect math heapq";
    assert_works(case_zygote_start(&zygote, &policy, &err), &err);
    case_zygote_stop(&zygote);
}

static void preload_all_loads_every_listed_module(void **state)
{
    struct case_policy policy = { .name = "all",
                                  .modules = "json decimal",
                                  .flags = CL_POLICY_PRELOAD_ALL };
    struct case_zygote all, none;
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(case_zygote_start(&all, &policy, &err), &err);
    policy.flags = 0;
    assert_works(case_zygote_start(&none, &policy, &err), &err);
    assert_true(all.loaded.preloaded > none.loaded.preloaded + 10);
    assert_true(all.loaded.mapped < none.loaded.mapped);
    case_zygote_stop(&all);
    case_zygote_stop(&none);
}

int main(void)
{
    const struct CMUnitTest guard[] = {
        cmocka_unit_test(import_of_a_listed_module_works),
        cmocka_unit_test(import_of_every_listed_module_works_without_files),
        cmocka_unit_test(import_of_another_module_is_denied),
        cmocka_unit_test(refusal_has_the_promised_text_and_place),
        cmocka_unit_test(refusal_that_is_caught_is_only_an_exception),
        cmocka_unit_test(parent_of_a_listed_module_shows_only_the_way_to_it),
        cmocka_unit_test(names_of_imports_are_checked_for_their_type),
        cmocka_unit_test(removed_builtin_is_denied_when_called),
        cmocka_unit_test(late_import_by_a_library_is_served_from_memory),
        cmocka_unit_test(import_in_the_manner_of_c_gives_nothing),
        cmocka_unit_test(view_is_a_module_with_the_public_names),
        cmocka_unit_test(view_leads_to_no_other_module),
    };
    const struct CMUnitTest narrow[] = {
        cmocka_unit_test(names_narrow_a_module),
        cmocka_unit_test(deep_names_follow_the_same_rules),
        cmocka_unit_test(import_around_the_guard_meets_the_finder),
    };
    const struct CMUnitTest preparation[] = {
        cmocka_unit_test(module_that_the_host_lacks_fails_the_preparation),
        cmocka_unit_test(submodule_that_is_missing_fails_the_preparation),
        cmocka_unit_test(listed_transitive_modules_must_all_be_listed),
        cmocka_unit_test(preload_all_loads_every_listed_module),
    };

    return cmocka_run_group_tests(guard, open_default, wants_close) +
           cmocka_run_group_tests(narrow, open_narrow, wants_close) +
           cmocka_run_group_tests(preparation, NULL, NULL);
}
