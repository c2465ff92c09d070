# SPDX-License-Identifier: Apache-2.0
"""The only finder of a worker: bytecode in memory, and nothing else exists.

`load(offset, length)`, `find_entry(name)`, `loading(more)` and `loaded(name)` come from mapped.c.
"""

import sys
from _frozen_importlib import BuiltinImporter, FrozenImporter, ModuleSpec
from _frozen_importlib_external import ExtensionFileLoader

INDEX = {}
PYTHON, EXTENSION, BUILTIN, FROZEN, NAMESPACE = range(5)


class Loader:
    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        name = module.__spec__.name
        entry = INDEX[name]
        if entry[0] == PYTHON:
            code = load(entry[4], entry[5])
            loading(1)
            try:
                exec(code, module.__dict__)
            finally:
                loading(-1)
            loaded(name)

    @staticmethod
    def get_data(path):
        with open(path, "rb") as file:
            return file.read()


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in INDEX and sys.meta_path[-1] is not Finder:
            return None  # a library (six) brought a finder for modules that it makes up
        kind, is_package, origin, where, _, _ = find_entry(name)
        if kind == BUILTIN:
            return BuiltinImporter.find_spec(name)
        if kind == FROZEN:
            return FrozenImporter.find_spec(name)
        loader = ExtensionFileLoader(name, origin) if kind == EXTENSION else Loader
        spec = ModuleSpec(name, loader, origin=origin, is_package=is_package)
        spec.submodule_search_locations = where and list(where)
        spec.has_location = kind != NAMESPACE
        return spec


def install():
    """From now on every import is served from memory."""
    sys.meta_path[:] = [Finder]
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    sys.path.clear()


def forget(keep):
    """Drop what was loaded only to get here."""
    for name in list(sys.modules):
        if name not in keep and name not in INDEX:
            del sys.modules[name]
