# SPDX-License-Identifier: Apache-2.0
"""Ways out of CPython's own objects, under the default policy: each defines `attempt()`, which returns what it
must not have (a real module, a foreign namespace, a frame, a builtin that was taken away), and shows thereby that
it got out of the Python guard. Which layer is to stop it: the GUARD, CPython itself (PYTHON: it would be stopped
without the guard and the jail too), or only the JAIL behind them."""

import functools
import subprocess

from service import BIN

GUARD, PYTHON, JAIL = "guard", "python", "jail"

# name -> (who stops it, source)
ESCAPES = {}
# name -> (who is to stop it, whether Python did alone, what was said), filled by the test
SEEN = {}


@functools.cache
def has_guard():
    """Whether the guard is in the build that is tested: `make jailbreak` leaves it out, so that the jail is alone."""
    return "without the Python guard" not in subprocess.run([BIN / "cloche", "version"], text=True, check=True,
                                                             stdout=subprocess.PIPE).stdout


def stops(by):
    """Whether an attempt that is listed so has to end within Python."""
    return by == PYTHON or by == GUARD and has_guard()


def escape(name, source, by=GUARD):
    assert name not in ESCAPES, name
    ESCAPES[name] = by, source


def returns(name, expression, imports="", by=GUARD):
    """An attempt of one expression."""
    head = f"import {imports}\n" if imports else ""
    escape(name, f"{head}def attempt():\n    return {expression}\n", by)


# -- from `object` down to every class

WALK = "next(c for c in {} if c.__name__ == 'IncrementalEncoder').__init__.__globals__"
returns("subclasses", WALK.format("object.__subclasses__()"))
returns("subclasses_of_a_tuples_base", WALK.format("().__class__.__base__.__subclasses__()"))
returns("subclasses_by_type", WALK.format("type.__subclasses__(object)"))
returns("subclasses_by_descriptor", WALK.format("type.__dict__['__subclasses__'](object)"))
returns("subclasses_by_mro", WALK.format("bool.__mro__[-1].__subclasses__()"))
returns("subclasses_by_methodcaller", WALK.format("operator.methodcaller('__subclasses__')(object)"), "operator")
returns("subclasses_by_getattr", WALK.format("getattr(object, '__sub' + 'classes__')()"))
returns("subclasses_in_lookalike_letters", WALK.format("object.__ｓｕｂclasses__()"))
returns("subclasses_by_map", WALK.format("list(map(type.__subclasses__, [object]))[0]"))
returns("subclasses_by_reduce", WALK.format("functools.reduce(lambda x, f: f(x), [type.__subclasses__], object)"),
        "functools")
returns("importer_among_subclasses",
        "next(c for c in object.__subclasses__() if c.__name__ == 'BuiltinImporter').load_module('posix')")
returns("loader_of_builtins", "__builtins__['__loader__'].load_module('posix')")
returns("spec_of_builtins", "__builtins__['__spec__'].loader.load_module('posix')")
escape("subclasses_through_a_metaclass", """
class Meta(type):
    def mro(cls):
        Meta.found = type.__subclasses__(object)
        return type.mro(cls)
class Made(metaclass=Meta): pass
def attempt():
    return next(c for c in Meta.found if c.__name__ == 'IncrementalEncoder').__init__.__globals__
""")
# -- from a library's function to its module

GLOBALS = {
    "globals": ("json.loads.__globals__", "json"),
    "globals_by_name": ("getattr(json.loads, '__glo' + 'bals__')", "json"),
    "globals_by_getattribute": ("object.__getattribute__(json.loads, '__globals__')", "json"),
    "globals_by_attrgetter": ("operator.attrgetter('__globals__')(json.loads)", "json, operator"),
    "globals_by_dotted_attrgetter": ("operator.attrgetter('loads.__globals__')(json)", "json, operator"),
    "globals_by_descriptor": ("type(json.loads).__dict__['__globals__'].__get__(json.loads)", "json"),
    "globals_by_type_in_types": ("vars(types.FunctionType)['__globals__'].__get__(json.loads)", "json, types"),
    "globals_by_reduce": ("functools.reduce(getattr, ['__globals__'], json.loads)", "functools, json"),
    "globals_in_lookalike_letters": ("json.loads.__ｇlobals__", "json"),
    "globals_of_a_method": ("random.Random.seed.__globals__", "random"),
    "globals_of_a_bound_method": ("logging.getLogger().info.__func__.__globals__", "logging"),
    "globals_of_a_property": ("fractions.Fraction.numerator.fget.__globals__", "fractions"),
    "globals_of_a_classmethod": ("fractions.Fraction.from_float.__func__.__globals__", "fractions"),
    "globals_behind_partial": ("functools.partial(json.loads).func.__globals__", "functools, json"),
    "globals_behind_a_cache": ("functools.lru_cache(json.loads).__wrapped__.__globals__", "functools, json"),
    "globals_of_singledispatch": ("functools.singledispatch(abs).register.__globals__", "functools"),
    "globals_of_a_copyreg_helper": ("object().__reduce_ex__(2)[0].__globals__", ""),
    "globals_of_an_instance": ("json.JSONDecoder().parse_object.__globals__", "json"),
    "globals_of_an_exit": ("contextlib.suppress.__exit__.__globals__", "contextlib"),
    "globals_of_an_enum_helper": ("enum.Enum.__reduce_ex__.__globals__", "enum"),
    "globals_of_statistics": ("statistics.NormalDist.__init__.__globals__", "statistics"),
    "globals_of_a_loop": ("type(asyncio.new_event_loop()).__init__.__globals__", "asyncio"),
    "globals_of_the_loops_policy": ("type(asyncio.get_event_loop_policy())._loop_factory.__init__.__globals__", "asyncio"),
    "globals_of_systemrandom": ("random.SystemRandom.random.__globals__", "random"),
    "globals_of_a_template": ("string.Template.substitute.__globals__", "string"),
    "globals_of_a_zone": ("zoneinfo.available_timezones.__globals__", "zoneinfo"),
    "builtins_of_a_function": ("json.loads.__builtins__", "json"),
    "cells_of_a_wrapper": ("functools.singledispatch(abs).register.__closure__", "functools"),
    "code_of_a_function": ("json.loads.__code__", "json"),
    "defaults_of_a_function": ("json.dumps.__kwdefaults__", "json"),
}
for name, (expression, imports) in GLOBALS.items():
        returns(name, expression, imports)
escape("globals_by_match", """
import json, types
def attempt():
    match json.loads:
        case types.FunctionType(__globals__=found):
            return found
""")
escape("globals_with_builtins_of_ones_own", """
import json
def attempt():
    space = {"__builtins__": {}, "f": json.loads}
    exec("found = f.__globals__", space)
    return space["found"]
""")
escape("code_put_into_a_library", """
import json
def mine(s, **kw):
    return codecs
def attempt():
    json.loads.__code__ = mine.__code__
    return json.loads("")
""")
escape("function_over_foreign_globals", """
import json, types
def attempt():
    return types.FunctionType(compile("codecs", "x", "eval"), json.loads.__globals__)()
""")
escape("made_up_code", """
import types
def attempt():
    return types.CodeType(0, 0, 0, 0, 1, 64, b"\\x97\\x00d\\x00S\\x00", (1,), (), (), "f", "n", "q", 1, b"", b"")
""")
escape("changed_code", """
def attempt():
    return (lambda: 0).__code__.replace(co_code=b"\\x64\\x7f" * 8)
""")
returns("module_of_a_builtin", "len.__self__")
returns("import_of_the_module_of_a_builtin", "print.__self__.__import__('posix')")
returns("module_of_a_builtin_by_descriptor", "type(len).__dict__['__self__'].__get__(len)")
returns("module_of_build_class", "__builtins__['__build_class__'].__self__")
returns("module_of_math", "math.floor.__self__", "math")

# -- what modules import for themselves

for module, road in [("random", "_os"), ("statistics", "random"), ("logging", "os"), ("logging", "threading"),
                     ("logging", "atexit"), ("typing", "sys"), ("dataclasses", "inspect"), ("json", "codecs"),
                     ("asyncio", "subprocess"), ("asyncio", "base_events"), ("contextlib", "sys"), ("enum", "bltns"),
                     ("json", "decoder.scanner"), ("uuid", "os"), ("urllib.parse", "sys"), ("re", "enum.sys"),
                     ("decimal", "sys"), ("zoneinfo", "_tzpath.os"), ("string", "_re.enum.sys")]:
    if (module, road) != ("decimal", "sys"):
        returns(f"{module}.{road}", f"m.{road}", f"{module} as m")
returns("loader_of_a_module", "json.__loader__.exec_module.__globals__", "json")
returns("spec_of_a_module", "json.__spec__.loader", "json")
returns("dict_of_a_module", "json.__dict__['codecs']", "json")
returns("vars_of_a_module", "vars(json)['scanner']", "json")
returns("module_getattribute", "types.ModuleType.__getattribute__(random, '_os')", "random, types")
returns("sys_modules_through_typing", "typing.sys.modules['os']", "typing")
returns("sys_modules_through_logging", "logging.sys.modules['posix']", "logging")
returns("import_as_c_does", "__import__('warnings', globals(), globals(), [], 0).sys")
returns("import_with_a_str_of_ones_own",
        "__import__(type('S', (str,), {'__hash__': lambda s: hash('json'), '__eq__': lambda s, o: True})('os'))")
escape("import_of_a_submodule_by_from", """
def attempt():
    from json import scanner
    return scanner
""")
escape("import_in_lookalike_letters", """
def attempt():
    import ｏｓ
    return ｏｓ
""")
escape("import_by_a_changed_builtins", """
import json
class Fake: __name__ = "json"
def attempt():
    __builtins__["__import__"] = lambda *a: Fake()
    from fake import decoder
    return decoder
""", JAIL)
escape("module_class_changed", """
import random, types
class Open(types.ModuleType):
    def __getattr__(self, name): return object.__getattribute__(self, name)
def attempt():
    random.__class__ = Open
    return random._os
""")
escape("attribute_error_remembers", """
import json
def attempt():
    try:
        json.nosuchname
    except AttributeError as e:
        return e.obj.codecs
""")
escape("name_error_remembers", """
def attempt():
    try:
        nosuchname
    except NameError as e:
        return e.__traceback__.tb_frame.f_builtins
""")

# -- frames

escape("frame_of_a_traceback", """
import json
def attempt():
    try:
        json.loads("{")
    except ValueError as e:
        return e.__traceback__.tb_next.tb_frame.f_globals
""")
escape("frame_of_an_exit", """
import json
class Catch:
    def __enter__(self): return self
    def __exit__(self, kind, value, traceback):
        self.frame = traceback.tb_next.tb_frame
        return True
def attempt():
    with Catch() as c:
        json.loads("{")
    return c.frame.f_globals
""")
escape("frame_of_an_exception_group", """
import json
def fail():
    try:
        json.loads("{")
    except ValueError as e:
        raise ExceptionGroup("g", [e])
def attempt():
    found = []
    try:
        fail()
    except* ValueError as group:
        found.append(group.exceptions[0].__traceback__.tb_next.tb_frame.f_globals)
    return found[0]
""")
escape("frame_by_match", """
import json
def attempt():
    try:
        json.loads("{")
    except ValueError as e:
        match e.__traceback__.tb_next:
            case object(tb_frame=frame):
                return frame.f_globals
""")
escape("frame_of_a_generator", """
import heapq
def attempt():
    g = heapq.merge([1], [2])
    next(g)
    return g.gi_frame.f_globals
""")
escape("frame_of_a_running_generator", """
def attempt():
    def g():
        yield me.gi_frame.f_back
    me = g()
    return next(me)
""")
escape("frame_of_a_coroutine", """
import asyncio
def attempt():
    c = asyncio.sleep(0)
    try:
        return c.cr_frame.f_globals
    finally:
        c.close()
""")
escape("frame_of_an_async_generator", """
def attempt():
    async def g():
        yield 1
    return g().ag_frame
""")
escape("frame_of_a_task", """
import asyncio
async def look():
    task = asyncio.ensure_future(asyncio.sleep(0.01))
    await asyncio.sleep(0)
    return task.get_stack()[0].f_globals
def attempt():
    return asyncio.run(look())
""")
escape("frame_through_types_coroutine", """
import heapq, types
def attempt():
    g = types.coroutine(lambda: heapq.merge([1], [2]))()
    return g.gi_frame.f_globals
""")
escape("frame_through_logging", """
import logging
def attempt():
    return logging.currentframe().f_globals
""")
escape("frame_of_a_callback", """
import json
def attempt():
    def hook(pairs):
        try:
            1 / 0
        except ZeroDivisionError as e:
            return e.__traceback__.tb_frame.f_back.f_globals
    return json.loads("{}", object_pairs_hook=hook)
""")
escape("frame_in_lookalike_letters", """
import heapq
def attempt():
    g = heapq.merge([1])
    next(g)
    return g.gi_ｆrame
""")

# -- libraries as messengers

escape("format_string", """
import json
def attempt():
    text = "{0.__globals__}".format(json.loads)
    return text if "codecs" in text else None
""")
escape("format_map", """
import json
def attempt():
    text = "{f.__globals__[codecs].sys.modules}".format_map({"f": json.loads})
    return text if "module" in text else None
""")
escape("string_formatter", """
import json, string
def attempt():
    return string.Formatter().get_field("0.__globals__", (json.loads,), {})[0]
""")
escape("string_formatter_whole", """
import json, string
def attempt():
    text = string.Formatter().vformat("{0.__globals__[codecs]}", (json.loads,), {})
    return text if "module" in text else None
""")
escape("logging_brace_style", """
import json, logging
def attempt():
    record = logging.makeLogRecord({"f": json.loads})
    text = logging.Formatter("{f.__globals__[codecs]}", style="{").format(record)
    return text if "module" in text else None
""")
escape("update_wrapper", """
import functools, json
class Holder: pass
def attempt():
    holder = Holder()
    functools.update_wrapper(holder, json.loads, assigned=("__globals__",), updated=())
    return vars(holder)["__globals__"]
""")
escape("wraps", """
import functools, json
class Holder: pass
def attempt():
    return vars(functools.wraps(json.loads, assigned=("__builtins__",), updated=())(Holder()))["__builtins__"]
""")
escape("getattr_called_by_a_library", """
import functools, json
class Name(str): pass
def attempt():
    getter = functools.cached_property(functools.partial(getattr, json.loads))
    getter.__set_name__(Name, "found")
    return getter.__get__(Name("__globals__"))
""")
escape("attrgetter_called_by_a_library", """
import heapq, json, operator
def attempt():
    return next(heapq.merge(map(operator.attrgetter("__globals__"), [json.loads])))
""")
escape("eval_called_by_json", """
import json
def attempt():
    return json.JSONDecoder(parse_constant=lambda x: 0, parse_int=eval, parse_float=eval).decode("[1]") and \\
        json.loads('{"a": NaN}', parse_constant=lambda n: eval("codecs", json.loads.__globals__))
""")
escape("eval_called_by_cached_property", """
import functools
class Text(str): pass
def attempt():
    getter = functools.cached_property(eval)
    getter.__set_name__(Text, "found")
    return getter.__get__(Text("__builtins__"))
""")
escape("exec_called_by_an_exit_stack", """
import contextlib
box = []
class Text(str): pass
def attempt():
    with contextlib.ExitStack() as stack:
        stack.callback(exec, "__import__('sys').modules['__main__'].box.append(sys.modules)")
    return box[0]
""")
escape("exec_called_by_a_loop", """
import asyncio
box = []
async def run():
    asyncio.get_running_loop().call_soon(exec, "__import__('sys').modules['__main__'].box.append(contextvars)")
    await asyncio.sleep(0)
def attempt():
    asyncio.run(run())
    return box[0]
""")
escape("eval_called_by_copy", """
import copy
class Made:
    def __reduce_ex__(self, protocol): return eval, ("__builtins__",)
def attempt():
    return copy.copy(Made())
""")
escape("globals_called_by_a_library", """
import heapq
def attempt():
    return next(heapq.merge(iter(globals, None)))
""")
escape("locals_called_by_a_library", """
import heapq
def attempt():
    return next(heapq.merge(iter(locals, None)))["iterables"] and next(heapq.merge(iter(globals, None)))
""")
escape("vars_called_by_a_library", """
import heapq
def attempt():
    found = next(heapq.merge(iter(vars, None)))
    return found if "h_append" in found or "iterables" in found else None
""")
escape("get_type_hints_by_module", """
import typing
class Made:
    __module__ = "os"
    x: "sys.modules"
def attempt():
    try:
        return typing.get_type_hints(Made)["x"]
    except TypeError as e:
        return str(e) if "<module" in str(e) else None
""")
escape("get_type_hints_of_a_class_elsewhere", """
import logging, typing
class Made:
    __module__ = "logging"
    x: "sys._getframe"
def attempt():
    return typing.get_type_hints(Made)["x"]
""")
escape("get_type_hints_of_a_wrapped", """
import json, typing
class Made:
    __wrapped__ = json.loads
    __annotations__ = {"x": "codecs.builtins.open"}
def attempt():
    return typing.get_type_hints(Made())["x"]
""")
escape("get_type_hints_with_real_builtins", """
import typing
def f(x: "__import__('posix').listdir"): pass
def attempt():
    return typing.get_type_hints(f, globalns={})["x"]
""")
escape("forward_reference", """
import typing
def attempt():
    return typing.ForwardRef("sys", module="os")._evaluate({}, {}, frozenset())
""")
escape("dataclass_of_another_module", """
import dataclasses, random
class Made: pass
Made.__module__ = "random"
def mine(self):
    self.__class__.found = _os
def attempt():
    made = dataclasses.dataclass(Made)
    made.__init__.__code__ = mine.__code__
    return made().found
""")
escape("dataclass_with_foreign_globals", """
import dataclasses, random
class Made: pass
Made.__module__ = "random"
def attempt():
    return dataclasses.dataclass(Made).__init__.__globals__["_os"]
""")
escape("namedtuple_that_says_more", """
import collections
def attempt():
    return collections.namedtuple("P", ["x", "y=__import__"])
""", PYTHON)
escape("enum_converts_os", """
import enum, logging
def attempt():
    return enum.Enum._convert_("Made", "os", lambda name: name in ("sys", "abc")).sys.value
""")
escape("redirect_of_any_attribute", """
import contextlib
class Any(contextlib.redirect_stdout):
    _stream = "modules"
def attempt():
    r = Any(None)
    r.__enter__()
    return r._old_targets[0]
""")
escape("redirect_of_an_import_hook", """
import contextlib
class Any(contextlib.redirect_stdout):
    _stream = "meta_path"
def attempt():
    r = Any([])
    r.__enter__()
    return r._old_targets[0]
""")

# -- files, processes, sockets

returns("open", "open('/etc/passwd').read()")
returns("open_in_a_fresh_exec", "eval('open', {})('/etc/passwd').read()")
returns("open_of_a_log_handler", "logging.FileHandler('/etc/passwd', 'r')", "logging")
returns("open_kept_by_a_log_handler", "logging.FileHandler('/x', delay=True)._builtin_open('/etc/passwd').read()", "logging")
returns("log_to_a_file", "logging.basicConfig(filename='/tmp/cloche-escaped') or 1", "logging")
returns("zone_by_path", "zoneinfo.ZoneInfo('/etc/passwd')", "zoneinfo", by=PYTHON)
returns("zone_by_dots", "zoneinfo.ZoneInfo('../../../etc/passwd')", "zoneinfo", by=PYTHON)
returns("zone_search_path", "zoneinfo.reset_tzpath(['/etc']) or zoneinfo.ZoneInfo('passwd')", "zoneinfo", by=PYTHON)
returns("codec_by_path", "'x'.encode('../../../os')", by=PYTHON)
returns("codec_by_module", "'x'.encode('os')", by=PYTHON)
returns("thread_of_asyncio", "asyncio.run(asyncio.to_thread(abs, -1))", "asyncio")
returns("executor_of_a_loop", "asyncio.new_event_loop().run_in_executor(None, abs, -1)", "asyncio")
returns("process_of_asyncio", "asyncio.run(asyncio.create_subprocess_exec('/bin/true'))", "asyncio", by=PYTHON)
returns("shell_of_asyncio", "asyncio.run(asyncio.create_subprocess_shell('true'))", "asyncio", by=PYTHON)
returns("connection_of_asyncio", "asyncio.run(asyncio.open_connection('127.0.0.1', 80))", "asyncio")
returns("server_of_asyncio", "asyncio.run(asyncio.start_server(print, '127.0.0.1', 0)).sockets or None", "asyncio", by=PYTHON)
returns("unix_socket_of_asyncio", "asyncio.run(asyncio.open_unix_connection('/run/x'))", "asyncio", by=PYTHON)
returns("breakpoint", "breakpoint() or 1")

# -- memory as such

returns("memoryview_beyond_its_end", "memoryview(bytearray(8)).cast('B', (4096,))[4000]", by=PYTHON)
returns("bytes_beyond_their_end", "b'abc'.__getitem__(1 << 62)", by=PYTHON)
returns("bytearray_freed_while_seen", "(lambda b: (memoryview(b), b.extend(b'x' * 4096)))(bytearray(8))", by=PYTHON)
returns("struct_beyond_its_end", "memoryview(b'abcd').cast('P')[0]", by=PYTHON)
returns("uuid_asks_the_system", "uuid._generate_time_safe or uuid._load_system_functions.__globals__", "uuid")
returns("ctypes_by_name", "__import__('ctypes').string_at(id(1), 16)")
returns("marshal_by_name", "__import__('marshal').loads(b'i\\x01\\x00\\x00\\x00')")
returns("pickle_by_name", "__import__('pickle').loads(b'cposix\\ngetpid\\n.')")
returns("gc_by_name", "__import__('gc').get_objects()")

