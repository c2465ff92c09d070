# SPDX-License-Identifier: Apache-2.0
"""Find everything that a policy's modules need, in a scratch child of the zygote.

The child imports all of it, writes the bytecode of every Python module into a memfd and tells the
zygote where each lies; then it is gone, and the zygote has grown by one small table.
"""

import _frozen_importlib_external
import marshal
import posix
import sys
from _frozen_importlib_external import (ExtensionFileLoader, NamespaceLoader, PathFinder,
                                        SourceFileLoader, SourcelessFileLoader)

# Whoever imports one of these may ask for a time zone by its name.
ZONED = {"zoneinfo", "pytz", "dateutil.tz"}
# What functions import only when they are called, so that importing does not show it.
LAZY = {
    "asyncio": ("concurrent.futures.thread",),
    "concurrent.futures": ("concurrent.futures.thread",),
    "datetime": ("_strptime",),
    "functools": ("typing", "types", "weakref"),
    "logging": ("traceback",),
    "pandas": ("pandas.core.interchange.dataframe", "pandas.core.resample",
               "pandas.core.reshape.reshape", "pandas.io.formats.csvs",
               "pandas.io.formats.html", "pandas.io.formats.string"),
    "time": ("_strptime",),
    "zoneinfo": ("importlib.resources",),
}
ALWAYS = ("_json", "copyreg", "gc", "unicodedata", "warnings", "stringprep")
# Most who import these do without them, and each of their libraries makes every clone dearer:
# a group is left out unless a policy lists one of it, or a listed module fails for want of it.
OPTIONAL = (("ssl", "_ssl"), ("_hashlib",), ("bz2", "_bz2", "lzma", "_lzma"),
            ("queue", "_queue"), ("_uuid",), ("_typing",), ("curses", "_curses"), ("readline",),
            ("multiprocessing",))
# Of these groups the public module works alone.
PURE = ("queue", "curses")

ZONE_MOST = 1 << 16  # bytes; the longest has 4 KiB, and the room for it is made for each

PYTHON, EXTENSION, BUILTIN, FROZEN, NAMESPACE = range(5)
KINDS = {SourceFileLoader: PYTHON, SourcelessFileLoader: PYTHON,
         ExtensionFileLoader: EXTENSION, NamespaceLoader: NAMESPACE}


def kind_of(spec):
    if spec.origin == "built-in":
        return BUILTIN
    if spec.origin == "frozen":
        return FROZEN
    return KINDS.get(type(spec.loader))


class Kept(dict):
    """The bytecode that importing read and found valid, by module: it needs no second reading."""

    def __init__(self):
        self.unmarshal = _frozen_importlib_external._compile_bytecode
        _frozen_importlib_external._compile_bytecode = self.keep

    def keep(self, data, name=None, **places):
        self[name] = bytes(data)
        return self.unmarshal(data, name, **places)


class Blob:
    """Appends code to a memfd."""

    def __init__(self, fd, kept=()):
        self.fd = fd
        self.at = 0
        self.kept = kept

    def put_code(self, name, loader):
        if name not in self.kept:
            code = loader.get_code(name)  # may be kept now
            if name not in self.kept:
                return self.put(marshal.dumps(code))
        return self.put(self.kept[name])

    def put(self, text):
        start = self.at
        while self.at < start + len(text):
            self.at += posix.write(self.fd, text[self.at - start:])
        return start, len(text)


def describe(name, spec, blob):
    """(kind, is_package, origin, search locations, offset, length), or None if unknown."""
    kind = kind_of(spec)
    if kind is None:
        return None
    offset = length = 0
    if kind == PYTHON:
        offset, length = blob.put_code(name, spec.loader)
    where = spec.submodule_search_locations
    return kind, where is not None, spec.origin, where and list(where), offset, length


def codecs(blob):
    """Every codec written in Python, unimported: `str.encode` asks for them by name."""
    import encodings
    index = {}
    for file in sorted(posix.listdir(encodings.__path__[0])):
        name = "encodings." + file.removesuffix(".py")
        if not file.endswith(".py") or file == "__init__.py":
            continue
        spec = PathFinder.find_spec(name, encodings.__path__)
        index[name] = describe(name, spec, blob)
    return index


def read_file(path):
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(fd, ZONE_MOST)
    finally:
        posix.close(fd)


def zone_files(root, below=""):
    """(key, text) of each, as zoneinfo.available_timezones() finds them, which reads all twice."""
    for entry in posix.scandir(f"{root}/{below}"):
        key = below + entry.name
        if entry.is_dir():
            if key not in ("posix", "right"):
                yield from zone_files(root, key + "/")
        elif key != "posixrules" and (text := read_file(entry.path)).startswith(b"TZif"):
            yield key, text


def zones(blob):
    """The host's time zones: {key: (offset, length)}. Many names are one file's."""
    import zoneinfo
    places = {}
    index = {}
    for root in zoneinfo.TZPATH:
        try:
            found = sorted(zone_files(root))
        except FileNotFoundError:
            continue
        for key, text in found:
            if text not in places:
                places[text] = blob.put(text)
            index.setdefault(key, places[text])
    return index


class Readers:
    """Names of modules that read files of their own while they are imported: a worker could not."""

    def __init__(self):
        self.names = []

    def __call__(self, event, args):
        if event not in ("open", "os.listdir", "os.scandir"):
            return
        frame = sys._getframe(1)
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return  # the import itself
        while frame and frame.f_code.co_name != "<module>":
            frame = frame.f_back
        if frame and frame.f_globals.get("__spec__"):
            self.names.append(frame.f_globals["__name__"])


class Missed(Exception):
    """A listed module does need an optional one; its argument is the group."""


def leave_out(names, missed):
    """Blocks the optional modules that nobody lists or missed; returns {name: group}."""
    wanted = {name.partition(".")[0] for name in names}.union(*missed)
    left = {name: group for group in OPTIONAL if wanted.isdisjoint(group)
            for name in group if name not in PURE}
    sys.modules.update(dict.fromkeys(left))
    return left


def import_all(names, left):
    """Returns what failed: [(name, why)]; a module that is not there has `why` None."""
    failed = []
    for name in names:
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            if error.name in left:
                raise Missed(left[error.name]) from None
            absent = error.name and (name + ".").startswith(error.name + ".")
            failed.append((name, None if absent else str(error)))
        except BaseException as error:
            failed.append((name, f"{type(error).__name__}: {error}"))
    return failed


def child(names, base, fd, missed):
    blob = Blob(fd, Kept())
    lazy = [late for name in names for late in LAZY.get(name, ())]
    left = leave_out(names, missed)
    readers = Readers()
    sys.addaudithook(readers)
    failed = import_all([*names, *ALWAYS], left)
    import_all(lazy, left)  # a later version of a library may do without one
    early = list(dict.fromkeys(readers.names))
    index = codecs(blob)
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if name in base or spec is None or spec.name != name:
            continue
        entry = describe(name, spec, blob)
        if entry:
            index[name] = entry
    # Last, because it imports what nobody may have listed.
    known_zones = {} if ZONED.isdisjoint(sys.modules) else zones(blob)
    return index, failed, early, known_zones


def ask_child(names, base, fd, missed):
    """What `child` made, or the group that it missed and None."""
    reader, writer = posix.pipe()
    pid = posix.fork()
    if pid == 0:
        status = 1
        try:
            posix.close(reader)
            try:
                answer = (), child(names, base, fd, missed)
            except Missed as error:
                answer = error.args[0], None
            Blob(writer).put(marshal.dumps(answer))
            status = 0
        finally:
            posix._exit(status)
    posix.close(writer)
    parts = []
    while part := posix.read(reader, 1 << 16):
        parts.append(part)
    posix.close(reader)
    _, status = posix.waitpid(pid, 0)
    if status:
        raise RuntimeError(f"the scan of modules ended with status {status:#x}")
    return marshal.loads(b"".join(parts))


def scan(names, base, fd):
    """Fill the memfd; returns (index, failed, early, zones) as `child` made them."""
    missed = []
    while True:
        group, result = ask_child(names, base, fd, missed)
        if result:
            return result
        missed.append(group)  # and all over again: a module can be imported halfway only once


def unlisted(names, index, base):
    """Under `transitive: listed`: what is needed and neither listed nor part of a listed module."""
    listed = set(names)
    roots = {name.partition(".")[0] for name in names}

    def is_covered(name):
        root, _, rest = name.partition(".")
        return name in listed or root.startswith("_") or (rest and root in roots)

    implied = {*ALWAYS, *sum((LAZY.get(name, ()) for name in names), ())}
    return [name for name in index
            if name not in base and name not in implied
            and not name.startswith("encodings.") and not is_covered(name)]
