# SPDX-License-Identifier: Apache-2.0
"""What libraries see of `sys` where a caller may name the module: `ForwardRef(text, module=name)`,
`Enum._convert_(name, module, ...)`, a dataclass whose `__module__` says `os`. While a call runs, the
modules they find are those that the caller could import.

`is_guarding()` and `public(name)` come from modules.c.
"""

import sys


OWN = ("dataclasses", "typing")  # dataclasses asks for these two by itself


class Modules:
    def __init__(self, own):
        self.own = own

    def get(self, name, default=None):
        module = public(name) if is_guarding() else sys.modules.get(name)
        if module is None and name in self.own:
            module = sys.modules.get(name)
        return default if module is None else module

    def __getitem__(self, name):
        module = self.get(name)
        if module is None:
            raise KeyError(name)
        return module

    def __contains__(self, name):
        return self.get(name) is not None


def install(module):
    """Give `module` a `sys` of its own."""
    stand_in = type(sys)("sys")
    stand_in.__dict__.update(sys.__dict__)
    stand_in.modules = Modules(OWN if module.__name__ == "dataclasses" else ())
    module.sys = stand_in
