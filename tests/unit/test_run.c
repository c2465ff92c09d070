/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call from its frames in to its frames out: entries, arguments, streams, ends.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/wants.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/own.h"

static void wants_body(const struct case_call *call, const char *json)
{
    struct case_end end;

    wants_call(call, CL_F_RESULT, &end);
    assert_string_equal((const char *)end.body.bytes, json);
    case_end_fini(&end);
}

/* -------------------------------------------------------------------- entries and arguments */

static void args_and_kwargs_reach_the_entry(void **state)
{
    struct case_call call = {
        .source = "def f(a, b, *, c): return [a, b, c]",
        .entry = "f",
        .args = " [1, \"x\"]",
        .kwargs = "{\"c\": null}",
    };

    (void)state;
    wants_body(&call, "[1,\"x\",null]");
}

static void numbers_and_text_survive_both_ways(void **state)
{
    struct case_call call = { .source = "def main(*a): return a" };

    (void)state;
    call.args =
        "[1000000000000000000000000000000,0.1,-0.0,-7,\"\\u2028\",\"\xc3\xa9\xf0\x9f\x98\x80\","
        "\"\\u0000\",{\"a\":[null,true]}]";
    wants_body(&call, "[1000000000000000000000000000000,0.1,-0.0,-7,\"\\u2028\","
                      "\"\xc3\xa9\xf0\x9f\x98\x80\",\"\\u0000\",{\"a\":[null,true]}]");
}

static void entry_may_be_dotted(void **state)
{
    struct case_call call = {
        .source =
            "class P:\n    class Q:\n        @staticmethod\n        def net(x): return x / 2\n",
        .entry = "P.Q.net",
        .args = "[3]",
    };

    (void)state;
    wants_body(&call, "1.5");
}

static void entry_that_is_not_there_is_named(void **state)
{
    struct case_call call = { .source = "x = 1\nclass P: pass", .entry = "P.total" };
    struct case_end end;

    (void)state;
    wants_error("x = 1", "EntryError", "defines no function 'main'");
    wants_error("main = 3", "EntryError", "the entry 'main' is not a function but a int");
    wants_call(&call, CL_F_ERROR, &end);
    assert_non_null(strstr(end.text[1], "P.total"));
    case_end_fini(&end);
    wants_error("def main(x): pass", "TypeError",
                "missing 1 required positional argument: 'x'");
}

static void source_is_a_module_named_main(void **state)
{
    (void)state;
    wants_result("import dataclasses, typing\nname = __name__\n"
                 "if __name__ == '__main__': raise SystemExit(3)\n"
                 "@dataclasses.dataclass\nclass D:\n    a: 'int'\n"
                 "def main(): return [name, __file__, typing.get_type_hints(D)['a'].__name__]",
                 "[\"main\",\"main.py\",\"int\"]");
    wants_result("\xef\xbb\xbf# -*- coding: latin-1 -*-\ndef main(): return '\xc3\xa9'",
                 "\"\xc3\xa9\"");
}

/* ------------------------------------------------------------------- coroutines, generators */

static void coroutines_are_awaited_with_and_without_asyncio(void **state)
{
    (void)state;
    wants_result("async def part(): return 2\nasync def main(): return await part()", "2");
    wants_result(
        "import asyncio\nasync def part(n):\n    await asyncio.sleep(0.01)\n    return n\n"
        "async def main(): return await asyncio.gather(*(part(n) for n in range(5)))",
        "[0,1,2,3,4]");
    wants_result(
        "async def main():\n    import asyncio\n    await asyncio.sleep(0)\n    return 1", "1");
    wants_result("import asyncio\ndef main():\n    async def f(): return 3\n"
                 "    return asyncio.run(f())",
                 "3");
    wants_result("class A:\n    def __await__(self):\n        yield\n        return 4\n"
                 "def main(): return A()",
                 "4");
    wants_error("class A:\n    def __await__(self): yield 1\ndef main(): return A()",
                "RuntimeError", "only an event loop can finish");
}

static void asyncio_has_all_that_needs_no_descriptor(void **state)
{
    (void)state;
    wants_result("import asyncio\nasync def main():\n"
                 "    try: await asyncio.wait_for(asyncio.sleep(30), 0.02)\n"
                 "    except asyncio.TimeoutError: return 'timed out'",
                 "\"timed out\"");
    wants_result(
        "import asyncio\nasync def main():\n    q = asyncio.Queue()\n    got = []\n"
        "    async def feed():\n        for i in range(3): await q.put(i)\n"
        "    async with asyncio.TaskGroup() as tg:\n        tg.create_task(feed())\n"
        "        for _ in range(3): got.append(await q.get())\n"
        "    async with asyncio.timeout(1): await asyncio.Event().wait() if 0 else None\n"
        "    return got",
        "[0,1,2]");
    wants_result("import asyncio, time\nasync def main():\n    t = time.monotonic()\n"
                 "    await asyncio.gather(*(asyncio.sleep(0.1) for _ in range(10)))\n"
                 "    return 0.1 <= time.monotonic() - t < 0.5",
                 "true");
    wants_error("import asyncio\nasync def main(): await asyncio.Event().wait()",
                "RuntimeError", "every task waits and nothing can wake one");
    wants_denied("import asyncio\nasync def main(): return await asyncio.to_thread(abs, -1)",
                 "processes", "thread");
}

static void generators_become_arrays(void **state)
{
    (void)state;
    wants_result("def main():\n    yield 1\n    yield {'a': (2,)}", "[1,{\"a\":[2]}]");
    wants_result("def main():\n    return\n    yield", "[]");
    wants_result("import asyncio\nasync def main():\n    for i in range(3):\n"
                 "        await asyncio.sleep(0)\n        yield i",
                 "[0,1,2]");
    wants_result("async def main():\n    yield 1", "[1]");
    wants_error("async def main():\n    yield 1\n    yield object()", "ResultError", "$[1]");
    wants_error("async def main():\n    yield 1\n    raise ValueError('late')", "ValueError",
                "late");
}

static void items_and_events_stream_in_order(void **state)
{
    struct case_call call = {
        .source =
            "from cloche import log, progress\ndef main():\n    print('one')\n"
            "    log('careful', level='warning')\n    progress(1, total=2, message='half')\n"
            "    yield {'n': 1}\n    yield 2\n",
        .flags = CL_CALL_STREAM,
    };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_RESULT, &end);
    assert_string_equal((const char *)end.events.bytes,
                        "log careful\n"
                        "progress {\"value\":1,\"total\":2,\"message\":\"half\"}\n"
                        "item {\"n\":1}\nitem 2\n");
    assert_string_equal((const char *)end.body.bytes, "[{\"n\":1},2]");
    case_end_fini(&end);
    call.source = "async def main():\n    yield 1\n    yield 2";
    wants_call(&call, CL_F_RESULT, &end);
    assert_string_equal((const char *)end.events.bytes, "item 1\nitem 2\n");
    case_end_fini(&end);
}

static void events_check_what_they_are_given(void **state)
{
    (void)state;
    wants_error("import cloche\ndef main(): cloche.log('x', level='loud')", "ValueError",
                "not 'loud'");
    wants_error("import cloche\ndef main(): cloche.progress('x')", "TypeError",
                "value is a number");
    wants_error("import cloche\ndef main(): cloche.progress(float('nan'))", "ResultError",
                "$.value: nan");
    wants_error("import cloche\ndef main(): cloche.progress(1, message='x' * 9999)",
                "ValueError", "8 KiB");
}

/* ----------------------------------------------------------------------------------- streams */

static void wants_output(const char *source, const char *out, const char *err_out)
{
    struct case_call call = { .source = source };
    struct case_end end;

    case_run(&wants_zygote, &call, &end);
    assert_string_equal((const char *)end.out.bytes, out);
    assert_string_equal((const char *)end.err_out.bytes, err_out);
    case_end_fini(&end);
}

static void output_is_utf8_and_kept_apart(void **state)
{
    (void)state;
    wants_output("import logging\nsys = logging.sys\ndef main():\n    print('a', 1, sep='-')\n"
                 "    print('e', file=sys.stderr)\n    sys.stdout.write('no newline')",
                 "a-1\nno newline", "e\n");
    wants_output("def main(): print('\\u2028\\xe9\\U0001f600\\ud800')",
                 "\xe2\x80\xa8\xc3\xa9\xf0\x9f\x98\x80\\ud800\n", "");
    wants_output("import logging\ndef main():\n    b = logging.sys.stdout.buffer\n"
                 "    b.write(b'raw\\xff'); print('x', end=''); b.writelines([b'1', b'2'])",
                 "raw\xffx12", "");
}

static void output_survives_whatever_ends_the_call(void **state)
{
    (void)state;
    wants_output("import random\ndef main():\n    print('here')\n    random._os._exit(0)",
                 "here\n", "");
    wants_output("def main():\n    print('before', end='')\n    1 / 0", "before", "");
    wants_output("import logging\ndef main():\n    print('kept', end='')\n"
                 "    logging.sys.stdout = None\n    raise SystemExit(1)",
                 "kept", "");
}

static void long_output_is_whole_until_the_cap(void **state)
{
    struct case_call call = { .source =
                                  "def main():\n    for i in range(200): print('y' * 999)\n"
                                  "    print('z' * 100000)" };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_RESULT, &end);
    assert_int_equal(end.out.length, 200 * 1000 + 100001);
    case_end_fini(&end);
    call.output_bytes = 1000;
    call.source = "def main():\n    while True: print('x' * 99)";
    wants_call(&call, CL_F_LIMIT, &end);
    assert_int_equal(end.limit.limit, CL_LIMIT_OUTPUT);
    assert_int_equal(end.out.length, 1000);
    case_end_fini(&end);
}

static void streams_are_like_text_files(void **state)
{
    (void)state;
    wants_result(
        "import logging\nio, sys = logging.io, logging.sys\ndef main():\n"
        "    o = sys.stdout\n    with o: pass\n    o.close(); o.flush(); o.reconfigure()\n"
        "    try: o.fileno()\n    except io.UnsupportedOperation as e: n = str(e)\n"
        "    return [isinstance(o, io.TextIOBase), o.encoding, o.errors, o.isatty(),\n"
        "        o.writable(), o.readable(), o.closed, o.name, n, o.write('abc')]",
        "[true,\"utf-8\",\"backslashreplace\",false,true,false,false,\"<stdout>\","
        "\"<stdout> is not backed by a file\",3]");
    wants_error("import logging\ndef main(): logging.sys.stdout.write(b'x')", "TypeError",
                "must be str, not bytes");
}

static void stdin_is_readable(void **state)
{
    struct case_call call = { .source =
                                  "import logging\nsys = logging.sys\n"
                                  "def main(): return [sys.stdin.readline(), list(sys.stdin)]",
                              .stdin_text = "a \xc3\xa9\nb\nc" };

    (void)state;
    wants_body(&call, "[\"a \xc3\xa9\\n\",[\"b\\n\",\"c\"]]");
    call.stdin_text = NULL;
    wants_body(&call, "[\"\",[]]");
}

/* ------------------------------------------------------------------------------------ errors */

static void wants_traceback(const char *source, const char *traceback)
{
    struct case_call call = { .source = source };
    struct case_end end;

    wants_call(&call, CL_F_ERROR, &end);
    assert_string_equal(end.text[2], traceback);
    case_end_fini(&end);
}

static void traceback_shows_only_the_callers_frames(void **state)
{
    (void)state;
    wants_traceback("import json\ndef helper(text):\n    return json.loads(text)\n"
                    "def main():\n    return [helper('{')]\n",
                    "Traceback (most recent call last):\n"
                    "  File \"main.py\", line 5, in main\n"
                    "    return [helper('{')]\n"
                    "            ^^^^^^^^^^^\n"
                    "  File \"main.py\", line 3, in helper\n"
                    "    return json.loads(text)\n"
                    "           ^^^^^^^^^^^^^^^^\n"
                    "json.decoder.JSONDecodeError: Expecting property name enclosed in double "
                    "quotes: line 1 column 2 (char 1)\n");
}

static void traceback_shows_causes_and_notes(void **state)
{
    (void)state;
    wants_traceback(
        "class E(Exception): pass\ndef main():\n    try: {}['k']\n"
        "    except KeyError as e:\n        x = E('own')\n        x.add_note('a note')\n"
        "        raise x from e\n",
        "Traceback (most recent call last):\n"
        "  File \"main.py\", line 3, in main\n    try: {}['k']\n         ^^^^^^^\n"
        "KeyError: 'k'\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        "Traceback (most recent call last):\n"
        "  File \"main.py\", line 7, in main\n    raise x from e\n"
        "E: own\na note\n");
    wants_traceback(
        "def main():\n    try: 1 / 0\n    except Exception: raise ValueError from None",
        "Traceback (most recent call last):\n"
        "  File \"main.py\", line 3, in main\n"
        "    except Exception: raise ValueError from None\n"
        "                      ^^^^^^^^^^^^^^^^^^^^^^^^^^\nValueError\n");
}

static void tracebacks_that_the_caller_prints_have_source_lines(void **state)
{
    struct case_call call = { .source =
                                  "import logging\ndef main():\n    try: 1 / 0\n"
                                  "    except ZeroDivisionError: logging.exception('told')" };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_RESULT, &end);
    assert_string_equal((const char *)end.err_out.bytes,
                        "ERROR:root:told\nTraceback (most recent call last):\n"
                        "  File \"main.py\", line 3, in main\n    try: 1 / 0\n"
                        "         ~~^~~\nZeroDivisionError: division by zero\n");
    case_end_fini(&end);
}

static void error_names_the_innermost_place(void **state)
{
    struct case_call call = {
        .source = "def main():\n    \xc3\xa9 = 0\n    return '\xc3\xa9' + 1 / \xc3\xa9\n"
    };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_ERROR, &end);
    assert_string_equal(end.text[0], "ZeroDivisionError");
    assert_int_equal(end.line, 3);
    assert_int_equal(end.column, 18);
    case_end_fini(&end);
}

static void syntax_error_has_a_place_and_its_line(void **state)
{
    struct case_call call = { .source = "def main():\n    return 1 +\n" };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_ERROR, &end);
    assert_string_equal(end.text[0], "SyntaxError");
    assert_string_equal(end.text[1], "invalid syntax");
    assert_int_equal(end.line, 2);
    assert_int_equal(end.column, 15);
    assert_string_equal(end.text[2], "  File \"main.py\", line 2\n    return 1 +\n"
                                     "              ^\nSyntaxError: invalid syntax\n");
    case_end_fini(&end);
    wants_error("if x:\n  y\n z", "IndentationError", "unindent");
    wants_error("x = '\\N{NOSUCH NAME}'", "SyntaxError", "unknown Unicode character");
}

static void source_with_a_null_byte_is_a_syntax_error(void **state)
{
    struct case_call call = { .source = "x = 1\0y", .source_length = 7 };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_ERROR, &end);
    assert_string_equal(end.text[0], "SyntaxError");
    case_end_fini(&end);
}

static void empty_source_defines_nothing(void **state)
{
    (void)state;
    wants_error("", "EntryError", "no function 'main'");
    wants_error("# nothing", "EntryError", "no function 'main'");
}

static void recursion_is_an_error_not_a_crash(void **state)
{
    static const char *const sources[] = {
        "def f(n): return f(n + 1)\ndef main(): f(0)",
        "class A:\n    def __repr__(self): return repr(self)\ndef main(): repr(A())",
        "class A:\n    def __getattr__(self, n): return getattr(self, n + 'x')\ndef main(): "
        "A().y",
        "def main():\n    x = []\n    for _ in range(100000): x = [x]\n    repr(x)",
        "def main():\n    x = y = None\n    for _ in range(100000): x, y = {1: x}, {1: y}\n    "
        "x == y",
        "class A:\n    def __eq__(self, o): return [self] == [o]\ndef main(): A() == A()",
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(sources); i++)
        wants_error(sources[i], "RecursionError", "recursion");
    wants_error("def main(): eval('(' * 300 + ')' * 300)", "SyntaxError", "too many nested");
}

static void source_that_is_nested_too_deeply_is_an_error(void **state)
{
    char source[20000];

    (void)state;
    memset(source, '-', sizeof(source));
    snprintf(source + sizeof(source) - 3, 3, "1\n");
    wants_error(source, "RecursionError", "the source is nested too deeply");
    for (size_t i = 0; i < 15000; i += 15)
        memcpy(source + i, "(lambda:[{1:\"a\"", 15);
    source[15000] = '\0';
    wants_error(source, "SyntaxError", "too many nested parentheses");
}

static void exceptions_may_not_hide_themselves(void **state)
{
    (void)state;
    wants_error("class E(Exception):\n    def __str__(self): raise ValueError\n"
                "def main(): raise E()",
                "E", "<exception str() failed>");
    wants_error("class E(BaseException): pass\nE.__qualname__ = 'Q\"}'\n"
                "def main(): raise E('\"}\\u2028')",
                "Q\"}", "\"}\xe2\x80\xa8");
    wants_error("class E(Exception): __module__ = 5\ndef main(): raise E('m')", "E", "m");
    wants_error("def main(): raise KeyboardInterrupt", "KeyboardInterrupt", "");
    wants_error("def main(): raise GeneratorExit", "GeneratorExit", "");
    wants_error("def main(): raise ExceptionGroup('two', [ValueError(1), KeyError(2)])",
                "ExceptionGroup", "two (2 sub-exceptions)");
    wants_error("def main(): raise Exception('\\ud800')", "Exception", "\\ud800");
}

static void error_texts_may_hold_null_bytes(void **state)
{
    struct case_call call = { .source = "def main(): raise ValueError('a\\x00b')" };
    struct cl_frame_error head;
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_ERROR, &end);
    memcpy(&head, end.body.bytes, sizeof(head));
    assert_int_equal(head.message_length, 3);
    assert_memory_equal(end.body.bytes + sizeof(head) + head.type_length, "a\0b", 3);
    case_end_fini(&end);
}

static void exit_codes_decide(void **state)
{
    (void)state;
    wants_result("def main(): raise SystemExit", "null");
    wants_result("raise SystemExit(0)", "null");
    wants_error("def main(): raise SystemExit(3)", "SystemExit", "3");
    wants_error("def main(): raise SystemExit('why')", "SystemExit", "why");
}

static void memory_that_cannot_be_had_is_the_memory_limit(void **state)
{
    (void)state;
    wants_limit("def main(): return len(b'x' * 10**15)", CL_LIMIT_MEMORY, 128 << 20);
    wants_limit("def main(): return [0] * 10**17", CL_LIMIT_MEMORY, 128 << 20);
}

static void eval_of_expressions_is_denied(void **state)
{
    struct case_call call = { .source = "1 + 1", .flags = CL_CALL_EVAL };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_DENIED, &end);
    assert_string_equal(end.text[0], "eval");
    case_end_fini(&end);
}

static void files_are_denied_where_there_is_no_room_for_them(void **state)
{
    struct case_call call = { .source = "def main(): pass",
                              .file_path = "../x",
                              .file_content = "y" };
    struct case_end end;

    (void)state;
    wants_call(&call, CL_F_DENIED, &end);
    assert_string_equal(end.text[0], "files");
    case_end_fini(&end);
}

static void time_zones_come_from_memory(void **state)
{
    (void)state;
    wants_result("import zoneinfo, datetime\ndef main():\n"
                 "    b = zoneinfo.ZoneInfo('Europe/Berlin')\n"
                 "    return [datetime.datetime(2026, 7, 1, tzinfo=b), b.key,\n"
                 "            len(zoneinfo.available_timezones()) > 400]",
                 "[\"2026-07-01T00:00:00+02:00\",\"Europe/Berlin\",true]");
    wants_error("import zoneinfo\ndef main(): zoneinfo.ZoneInfo('Europe/Nix')",
                "zoneinfo._common.ZoneInfoNotFoundError", "No time zone found");
}

/* ------------------------------------------------------------------------- what clones share */

static void clones_differ_in_randomness(void **state)
{
    struct case_call call = { .source =
                                  "import random, uuid\ndef main(): return [random.random(),\n"
                                  "    random.gauss(0, 1), str(uuid.uuid4())]" };
    char seen[8][256];

    (void)state;
    for (size_t i = 0; i < CL_COUNT(seen); i++) {
        struct case_end end;

        wants_call(&call, CL_F_RESULT, &end);
        snprintf(seen[i], sizeof(seen[i]), "%s", (const char *)end.body.bytes);
        case_end_fini(&end);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(seen[i], seen[j]);
    }
}

static void warm_up_leaves_no_trace(void **state)
{
    (void)state;
    wants_result("import logging\nmodules = logging.sys.modules\ndef main():\n"
                 "    return [sorted(n for n in globals() if not n.startswith('__')),\n"
                 "        modules['main'] is modules['__main__']]",
                 "[[\"logging\",\"main\",\"modules\"],true]");
}

static int open_default(void **state)
{
    static const struct case_policy policy = {
        .name = "default",
        .modules = CASE_DEFAULT_MODULES,
        .preload = "json re random",
        /* ways to look at what no policy shows */
        .names = "logging=sys,io,exception,warning,error,info,basicConfig,getLogger "
                 "random=_os,random,gauss,Random,seed,randint sys=stdin,stdout,stderr,modules",
        .builtins_removed = "open input breakpoint",
    };

    (void)state;
    return wants_open(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(args_and_kwargs_reach_the_entry),
        cmocka_unit_test(numbers_and_text_survive_both_ways),
        cmocka_unit_test(entry_may_be_dotted),
        cmocka_unit_test(entry_that_is_not_there_is_named),
        cmocka_unit_test(source_is_a_module_named_main),
        cmocka_unit_test(coroutines_are_awaited_with_and_without_asyncio),
        cmocka_unit_test(asyncio_has_all_that_needs_no_descriptor),
        cmocka_unit_test(generators_become_arrays),
        cmocka_unit_test(items_and_events_stream_in_order),
        cmocka_unit_test(events_check_what_they_are_given),
        cmocka_unit_test(output_is_utf8_and_kept_apart),
        cmocka_unit_test(output_survives_whatever_ends_the_call),
        cmocka_unit_test(long_output_is_whole_until_the_cap),
        cmocka_unit_test(streams_are_like_text_files),
        cmocka_unit_test(stdin_is_readable),
        cmocka_unit_test(traceback_shows_only_the_callers_frames),
        cmocka_unit_test(traceback_shows_causes_and_notes),
        cmocka_unit_test(tracebacks_that_the_caller_prints_have_source_lines),
        cmocka_unit_test(error_names_the_innermost_place),
        cmocka_unit_test(syntax_error_has_a_place_and_its_line),
        cmocka_unit_test(source_with_a_null_byte_is_a_syntax_error),
        cmocka_unit_test(empty_source_defines_nothing),
        cmocka_unit_test(recursion_is_an_error_not_a_crash),
        cmocka_unit_test(source_that_is_nested_too_deeply_is_an_error),
        cmocka_unit_test(exceptions_may_not_hide_themselves),
        cmocka_unit_test(error_texts_may_hold_null_bytes),
        cmocka_unit_test(exit_codes_decide),
        cmocka_unit_test(memory_that_cannot_be_had_is_the_memory_limit),
        cmocka_unit_test(eval_of_expressions_is_denied),
        cmocka_unit_test(files_are_denied_where_there_is_no_room_for_them),
        cmocka_unit_test(time_zones_come_from_memory),
        cmocka_unit_test(clones_differ_in_randomness),
        cmocka_unit_test(warm_up_leaves_no_trace),
    };

    return cmocka_run_group_tests(tests, open_default, wants_close);
}
