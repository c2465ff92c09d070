/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call may do to the world around it, by the policy that it runs under.
 * Runs in: tests only. There is no kernel jail here: what the hook lets through, happens.
 * Trusts: -
 */
#include "tests/support/wants.h"

#include <string.h>

#include "sandbox/base/own.h"

/* `os` and `sys` of a library, as if views of modules left a way to them. */
#define FOUND "import logging, random\nos = logging.os\nsys = logging.sys\n"

static void events_that_the_policy_does_not_open_are_denied(void **state)
{
    static const struct {
        const char *statement, *rule, *name;
    } rows[] = {
        { "os.open('/etc/passwd', 0)", "files", "/etc/passwd" },
        { "logging.io.open(b'/etc/passwd')", "files", "b'/etc/passwd'" },
        { "os.listdir('/')", "files", "os.listdir" },
        { "os.remove('/nonexistent')", "files", "os.remove" },
        { "os.mkdir('/nonexistent/x')", "files", "os.mkdir" },
        { "os.system('true')", "processes", "os.system" },
        { "os.fork()", "processes", "os.fork" },
        { "os.posix_spawn('/bin/true', ['x'], {})", "processes", "os.posix_spawn" },
        { "os.kill(1, 0)", "processes", "os.kill" },
        { "os.execv('/bin/true', ['x'])", "processes", "os.exec" },
        { "os.putenv('A', 'b')", "environment", "os.putenv" },
        { "os.environ.__setitem__('A', 'b')", "environment", "os.putenv" },
        { "logging.threading.Thread(target=print).start()", "processes", "thread" },
        { "logging.threading._start_new_thread(print, ())", "processes", "thread" },
        { "sys._getframe()", "introspection", "sys._getframe" },
        { "sys.settrace(None)", "introspection", "sys.settrace" },
        { "(x for x in ()).gi_frame", "introspection", "gi_frame" },
        { "main.__code__.replace(co_name='x')", "introspection", "code.__new__" },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        char source[512];

        snprintf(source, sizeof(source), FOUND "def main():\n    %s", rows[i].statement);
        wants_denied(source, rows[i].rule, rows[i].name);
    }
}

static void refusal_is_a_permission_error_that_can_be_caught(void **state)
{
    (void)state;
    wants_result(FOUND "def main():\n    try: os.open('/x', 0)\n"
                       "    except PermissionError as e: return str(e)",
                 "\"opening '/x' is not allowed by policy 'default'\"");
}

/* Libraries use frames, compile code and read attributes on the caller's behalf. */
static void libraries_may_do_what_the_caller_may_not(void **state)
{
    (void)state;
    wants_result("import collections, dataclasses, enum, typing, functools\n"
                 "P = collections.namedtuple('P', 'x')\n"
                 "@dataclasses.dataclass(order=True)\nclass D:\n    a: int\n    b: str = 'b'\n"
                 "E = enum.Enum('E', 'A B')\nT = typing.TypeVar('T')\n"
                 "class N(typing.NamedTuple):\n    q: int\n"
                 "def main(): return [P.__module__, D(1) < D(2), E.B.value, N(3)]",
                 "[\"main\",true,2,{\"q\":3}]");
    wants_result("import logging\ndef main():\n    try: 1 / 0\n"
                 "    except ZeroDivisionError: logging.exception('told')\n    return 1",
                 "1");
    wants_result("import copy, functools\n@functools.cache\ndef f(n): return n\n"
                 "def main(): return [copy.deepcopy({'a': [f(1)]}), f.cache_info().misses]",
                 "[{\"a\":[1]},1]");
}

static void caller_may_compile_and_look_at_its_own_functions(void **state)
{
    (void)state;
    wants_result("def main():\n    scope = {}\n    exec('y = 2', scope)\n"
                 "    return [eval('1 + 1'), scope['y'], main.__code__.co_argcount,\n"
                 "            main.__defaults__, main.__name__, id(main) > 0]",
                 "[2,2,0,null,\"main\",true]");
}

/* A library's function, frame or builtin leads to its module; the caller's own do not. */
static void attributes_that_lead_to_a_library_are_denied(void **state)
{
    static const char *const rows[][2] = {
        { "json.loads.__globals__", "__globals__" },
        { "json.loads.__builtins__", "__builtins__" },
        { "json.loads.__code__", "__code__" },
        { "json.dumps.__kwdefaults__", "__kwdefaults__" },
        { "functools.singledispatch(len).register.__closure__", "__closure__" },
        { "setattr(json.loads, '__code__', main.__code__)", "__code__" },
        { "delattr(json.loads, '__defaults__')", "__defaults__" },
        { "len.__self__", "__self__" },
        { "object.__subclasses__()", "__subclasses__" },
        { "operator.attrgetter('__globals__')(json.loads)", "__globals__" },
        { "asyncio.sleep(0).cr_frame", "cr_frame" },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        char source[512];

        snprintf(source, sizeof(source),
                 "import asyncio, functools, json, operator\ndef main():\n    return %s",
                 rows[i][0]);
        wants_denied(source, "introspection", rows[i][1]);
    }
    wants_result("class Plugin: pass\nclass A(Plugin): pass\n"
                 "def outer(x=1, *, y=2):\n    def inner(): return x\n    return inner\n"
                 "def main():\n    f = outer()\n    f.__code__ = f.__code__\n"
                 "    outer.__defaults__ = (3,)\n"
                 "    return [f.__globals__ is globals(), f.__closure__[0].cell_contents,\n"
                 "        outer.__kwdefaults__, Plugin.__subclasses__() == [A],\n"
                 "        [].append.__self__, outer()()]",
                 "[true,1,{\"y\":2},true,[],3]");
}

/* Code that looks at an attribute by a name that it was handed, looks in the name of who handed it. */
static void library_is_no_messenger(void **state)
{
    (void)state;
    wants_denied("import json, string\ndef main():\n"
                 "    return string.Formatter().get_field('0.__globals__', (json.loads,), {})",
                 "introspection", "__globals__");
    wants_denied("import functools, json\nclass H: pass\ndef main():\n"
                 "    functools.update_wrapper(H(), json.loads, ('__globals__',), ())",
                 "introspection", "__globals__");
    wants_denied("import json\ndef main():\n"
                 "    exec('f.__globals__', {'__builtins__': {}, 'f': json.loads})",
                 "introspection", "__globals__");
    wants_result("import functools, json\n@functools.wraps(json.loads)\ndef f(): return 1\n"
                 "def main(): return [f(), f.__name__]",
                 "[1,\"loads\"]");
}

/* eval() and its kin, called by a library, would work on the library's own names. */
static void scopes_of_libraries_are_out_of_reach(void **state)
{
    (void)state;
    wants_denied(
        "import json\ndef main(): return json.JSONDecoder(parse_float=eval).decode('[1.5]')",
        "introspection", "eval");
    wants_denied("import heapq\ndef main(): return next(heapq.merge(iter(globals, None)))",
                 "introspection", "globals");
    wants_denied("import contextlib\ndef main():\n"
                 "    with contextlib.ExitStack() as s: s.callback(exec, 'import os')",
                 "introspection", "exec");
    wants_result("import typing\nclass C:\n    x: 'int'\n    y: 'typing.List[C]'\n"
                 "def main():\n    h = typing.get_type_hints(C)\n"
                 "    return [h['x'] is int, h['y'] == typing.List[C], eval('1 + 1'),\n"
                 "        sorted(vars()), eval('x', {'x': 3}), list(map(eval, ['2']))]",
                 "[true,true,2,[\"h\"],3,[2]]");
    wants_denied("import typing\ndef f(x: '__import__(\"os\")'): pass\n"
                 "def main(): typing.get_type_hints(f, globalns={})",
                 "modules", "os");
}

/* Whoever is told a module's name finds what the caller could import. */
static void modules_by_name_are_the_callers(void **state)
{
    (void)state;
    wants_error("import logging, enum\ndef main():\n"
                "    enum.Enum._convert_('X', 'os', lambda n: n == 'sys')",
                "KeyError", "os");
    wants_error("import contextlib\nclass R(contextlib.redirect_stdout): _stream = 'nosuch'\n"
                "def main(): R(None).__enter__()",
                "AttributeError", "nosuch");
    wants_denied("import contextlib\nclass R(contextlib.redirect_stdout): _stream = 'modules'\n"
                 "def main(): R(None).__enter__()",
                 "names", "modules");
    wants_result("import contextlib, enum, dataclasses, typing\n"
                 "@dataclasses.dataclass\nclass D:\n    a: 'typing.ClassVar[int]' = 1\n"
                 "    b: 'int' = 2\nclass E(enum.Flag):\n    A = 1\n    B = 2\n"
                 "class Out:\n    text = ''\n    def write(self, t): Out.text += t\n"
                 "    def flush(self): pass\n"
                 "def main():\n    with contextlib.redirect_stdout(Out()): print('x', end='')\n"
                 "    return [dataclasses.asdict(D()), (E.A | E.B).value, Out.text]",
                 "[{\"b\":2},3,\"x\"]");
}

static int open_plain(void **state)
{
    static const struct case_policy policy = CASE_DEFAULT;

    (void)state;
    return wants_open(&policy);
}

static int open_leaky(void **state)
{
    static const struct case_policy policy = {
        .name = "default",
        .modules = CASE_DEFAULT_MODULES,
        .names = "logging=os,sys,io,threading,exception "
                 "sys=_getframe,settrace,setprofile,addaudithook,_current_frames,modules "
                 "threading=Thread,_start_new_thread",
        .builtins_removed = "open input breakpoint",
    };

    (void)state;
    return wants_open(&policy);
}

/* A row is open when the policy lists the module it belongs to, or grants files. */
static void policy_that_lists_a_module_opens_its_events(void **state)
{
    (void)state;
    wants_result(
        "import os\ndef main():\n    os.environ['A'] = 'b'\n    return os.listdir('/')[:0]",
        "[]");
    wants_result("import sys\ndef main(): return sys._getframe().f_lineno", "2");
    wants_result("import threading\ndef main():\n    got = []\n"
                 "    t = threading.Thread(target=got.append, args=(1,))\n"
                 "    t.start()\n    t.join()\n    return got",
                 "[1]");
    wants_result(
        "import asyncio\nasync def main():\n"
        "    return await asyncio.gather(asyncio.to_thread(abs, -1), asyncio.sleep(0, 2))",
        "[1,2]");
    wants_result("import gc, marshal\ndef main(): return [len(gc.get_objects()) > 0,\n"
                 "    marshal.loads(marshal.dumps([1]))]",
                 "[true,[1]]");
    wants_result("def main():\n    with open('/dev/null') as f: return f.read()", "\"\"");
    wants_denied("import os\ndef main(): os.read(os.open('/dev/null', 0), 1)\n"
                 "import socket",
                 "modules", "socket");
}

static int open_roomy(void **state)
{
    static const struct case_policy policy = {
        .name = "roomy",
        .modules = "os sys threading asyncio gc marshal",
        .names = "sys=_getframe",
        .tiers = CL_TIER_THREADS,
        .processes = 8,
        .files_bytes = 1 << 20,
    };

    (void)state;
    return wants_open(&policy);
}

int main(void)
{
    const struct CMUnitTest tight[] = {
        cmocka_unit_test(events_that_the_policy_does_not_open_are_denied),
        cmocka_unit_test(refusal_is_a_permission_error_that_can_be_caught),
        cmocka_unit_test(libraries_may_do_what_the_caller_may_not),
        cmocka_unit_test(caller_may_compile_and_look_at_its_own_functions),
    };
    const struct CMUnitTest plain[] = {
        cmocka_unit_test(attributes_that_lead_to_a_library_are_denied),
        cmocka_unit_test(library_is_no_messenger),
        cmocka_unit_test(scopes_of_libraries_are_out_of_reach),
        cmocka_unit_test(modules_by_name_are_the_callers),
    };
    const struct CMUnitTest roomy[] = {
        cmocka_unit_test(policy_that_lists_a_module_opens_its_events),
    };

    return cmocka_run_group_tests(tight, open_leaky, wants_close) +
           cmocka_run_group_tests(plain, open_plain, wants_close) +
           cmocka_run_group_tests(roomy, open_roomy, wants_close);
}
