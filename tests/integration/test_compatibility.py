# SPDX-License-Identifier: Apache-2.0
"""docs/compatibility.md against the tests: every feature of the reference has its row, every row a test of its own
that is there, and every test that says it holds a row is named by one."""

import re

from service import ROOT

HERE = ROOT / "tests/integration"
ROW = re.compile(r"^\| (.+) \| (`test_.+) \|$", re.M)
# The features that the protocol's specification maps, one by one, in its own order: words of each row.
FEATURES = [
    "`execute` with `function`, `args`, `kwargs`", "built-ins: math, string, list, JSON", "`file.function`",
    "`async def` functions", "register a `lambda`", "register `module` and `function`", "every task key",
    "`${task.result.result}`, also in lists", "four-step pipeline with `kwargs.rules`", "`CustomFunctionProvider(",
    "`handle_request(method, params)`", "`SocketIOPythonFunctionProvider(", "`workflow submit --wait`",
    "type hints, validation", "registration at run time", "introspection: name, signature, docstring, `is_async`",
    "`globals()`", "`set_state`, `get_state`", "13 default modules", "`eval` with `expression`, `context`, `allow_eval`",
    "system commands disabled", "network only", "unit tests import a file", "`CentralServer`, `load_yaml`",
    "troubleshooting: not found, imports", "troubleshooting: parameters, async", "`lru_cache`, `asyncio.gather`",
    "example files: data, ML, scraping, files, API",
]


def rows():
    """feature -> [(file, test or None)]"""
    text = (ROOT / "docs/compatibility.md").read_text().split("## Every feature of the reference")[1]
    found = {}
    for feature, cell in ROW.findall(text):
        file, tests = None, []
        for part in re.findall(r"`([^`]+)`", cell):
            named, _, test = part.partition("::")
            file = named or file
            tests.append((file, test or None))
        found[feature] = tests
    return found


def names_in(file):
    return set(re.findall(r"^def (test_\w+)", (HERE / file).read_text(), re.M))


def test_every_feature_has_its_row():
    found = list(rows())
    for words in FEATURES:
        assert len([row for row in found if words in row]) == 1, words
    assert len(found) == len(FEATURES), found


def test_every_row_has_a_test_of_its_own():
    for feature, tests in rows().items():
        assert any(test and test.startswith("test_row_") for _, test in tests), feature
        for file, test in tests:
            assert test is None or test in names_in(file), f"{feature}: {file} has no {test}"
            assert (HERE / file).is_file(), f"{feature}: {file}"


def test_every_test_of_a_row_is_named():
    named = {(file, test) for tests in rows().values() for file, test in tests}
    for file in sorted(HERE.glob("test_*.py")):
        for test in names_in(file.name):
            assert not test.startswith("test_row_") or (file.name, test) in named, f"{file.name}::{test}"
