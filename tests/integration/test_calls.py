# SPDX-License-Identifier: Apache-2.0
"""What a caller sends and what comes back."""

import json
import textwrap

import pytest
from service import SLOW


def result(cloche, source, **body):
    envelope = cloche.call(textwrap.dedent(source), **body)
    assert envelope["verdict"] == "ok", envelope
    return envelope["result"]


def test_envelope_has_the_documented_keys(cloche):
    envelope = cloche.call("def main(x):\n    return x * 2\n", args=[21], metadata={"order": "17"})
    assert envelope["verdict"] == "ok"
    assert envelope["result"] == 42
    assert len(envelope["id"]) == 26
    assert (envelope["stdout"], envelope["stderr"]) == ("", "")
    assert (envelope["stdout_bytes"], envelope["stderr_bytes"]) == (0, 0)
    assert (envelope["stdout_truncated"], envelope["stderr_truncated"]) == (False, False)
    assert envelope["artifacts"] == []
    assert envelope["metadata"] == {"order": "17"}
    assert envelope["policy"]["name"] == "default"
    assert envelope["policy"]["generation"] >= 1
    usage = envelope["usage"]
    assert set(usage) == {"queue_us", "wall_us", "cpu_us", "memory_peak_bytes"}
    assert 0 < usage["wall_us"] < 5_000_000
    assert 0 < usage["memory_peak_bytes"] < 128 << 20


def test_usage_counts_cpu_of_the_call(cloche):
    envelope = cloche.call("def main():\n    n = 0\n    for i in range(3000000): n += i\n    return n")
    assert envelope["usage"]["cpu_us"] > 20_000


@pytest.mark.parametrize("rounds", [0, 20000])
def test_no_call_had_less_time_than_it_computed(cloche, rounds):
    """It may begin, and even end, before cloched's clock starts."""
    source = "def main(n):\n    for i in range(n): i * i"
    used = [cloche.call(source, args=[rounds])["usage"] for _ in range(60)]
    assert [usage for usage in used if not 0 < usage["wall_us"] >= usage["cpu_us"]] == []


def test_args_and_kwargs_reach_the_entry(cloche):
    got = result(cloche, "def f(a, b, *, c): return [a, b, c]", entry="f", args=[1, "x"], kwargs={"c": None})
    assert got == [1, "x", None]


def test_entry_may_be_dotted(cloche):
    source = """
        class Prices:
            @staticmethod
            def net(gross): return gross / 1.2
        """
    assert result(cloche, source, entry="Prices.net", args=[120]) == 100.0


@pytest.mark.parametrize("text", [
    "1000000000000000000000000000000", "0.1", "-0.0", "12345678901234567890.123456789",
    '"\\u2028"', '"é😀"', '"\\u0000"', "[]", "{}", "null", "true", '{"a":{"b":[1,2,{"c":null}]}}',
])
def test_values_survive_both_ways(cloche, text):
    body = b'{"source": "def main(x):\\n    return x", "args": [%s]}' % text.encode()
    answer = cloche.raw(body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["verdict"] == "ok", answer.text
    if text == "12345678901234567890.123456789":
        assert answer.json()["result"] == float(text)
    else:
        assert json.loads(text) == answer.json()["result"]


@pytest.mark.parametrize("number", ["1" + "0" * 30, "0.1", "-7", "1.5e-9"])
def test_numbers_are_digit_for_digit(cloche, number):
    answer = cloche.raw(b'{"source": "def main(x):\\n    return x", "args": [%s]}' % number.encode())
    assert f'"result":{number}' in answer.text.replace('": ', '":').replace("1.5e-09", "1.5e-9")


def test_text_survives_both_ways(cloche):
    text = "\u2028\u2029é😀\x00\x7f\\\"\ud7ff\U0010ffff"
    assert result(cloche, "def main(x):\n    print(x, end='')\n    return x", args=[text]) == text
    assert cloche.call("def main(x): print(x, end='')", args=[text])["stdout"] == text


def test_async_entry_is_awaited(cloche):
    source = """
        import asyncio
        async def part(n):
            await asyncio.sleep(0.01)
            return n
        async def main():
            return await asyncio.gather(*(part(n) for n in range(5)))
        """
    assert result(cloche, source) == [0, 1, 2, 3, 4]


def test_asyncio_wait_for_times_out_inside(cloche):
    source = """
        import asyncio
        async def main():
            try:
                await asyncio.wait_for(asyncio.sleep(30), 0.02)
            except asyncio.TimeoutError:
                return "timed out"
        """
    assert result(cloche, source) == "timed out"


def test_asyncio_sleeps_overlap(cloche):
    seconds = 0.2 * SLOW
    source = f"""
        import asyncio, time
        async def main():
            start = time.monotonic()
            await asyncio.gather(*(asyncio.sleep({seconds}) for _ in range(10)))
            return time.monotonic() - start
        """
    assert seconds <= result(cloche, source, policy="ample") < 5 * seconds


def test_generator_becomes_an_array(cloche):
    assert result(cloche, "def main():\n    yield 1\n    yield 'two'") == [1, "two"]


def test_async_generator_becomes_an_array(cloche):
    source = "import asyncio\nasync def main():\n    for i in range(3):\n        await asyncio.sleep(0)\n        yield i"
    assert result(cloche, source) == [0, 1, 2]


def test_stdin_is_readable(cloche):
    source = "import sys\ndef main(): return sys.stdin.read().split()"
    assert result(cloche, source, stdin="a b c", policy="roomy") == ["a", "b", "c"]


def test_output_is_kept_apart(cloche):
    source = "import sys\ndef main():\n    print('out')\n    print('err', file=sys.stderr)"
    envelope = cloche.call(source, policy="roomy")
    assert (envelope["stdout"], envelope["stderr"]) == ("out\n", "err\n")
    assert (envelope["stdout_bytes"], envelope["stderr_bytes"]) == (4, 4)


@pytest.mark.parametrize("expression,value", [
    ("(1, 2)", [1, 2]), ("{3}", [3]), ("frozenset([4])", [4]), ("range(3)", [0, 1, 2]),
    ("__import__('collections').deque([1])", [1]),
    ("{1: 'a', True and 'b': 2, None: 3, 1.5: 4}", {"1": "a", "b": 2, "null": 3, "1.5": 4}),
    ("datetime.datetime(2026, 1, 5, 8, 0, 0, 1)", "2026-01-05T08:00:00.000001"),
    ("datetime.date(2026, 1, 5)", "2026-01-05"), ("datetime.time(8, 30)", "08:30:00"),
    ("datetime.timedelta(minutes=1.5)", 90.0), ("decimal.Decimal('1.10')", "1.10"),
    ("uuid.UUID(int=1)", "00000000-0000-0000-0000-000000000001"), ("1+2j", "(1+2j)"),
    ("b'\\x00\\x01'", "AAE="), ("Colour.RED", "red"), ("Point(1, 2)", {"x": 1, "y": 2}),
    ("Data(3)", {"a": 3}), ("10**30", 10**30), ("0.1", 0.1), ("True", True),
    ("(i for i in range(3))", [0, 1, 2]), ("collections.OrderedDict(a=1)", {"a": 1}),
    ("collections.Counter('aab')", {"a": 2, "b": 1}), ("bytearray(b'ab')", "YWI="),
])
def test_result_conversion(cloche, expression, value):
    source = f"""
        import collections, dataclasses, datetime, decimal, enum, uuid
        class Colour(enum.Enum):
            RED = "red"
        Point = collections.namedtuple("Point", "x y")
        @dataclasses.dataclass
        class Data:
            a: int
        def main():
            return {expression}
        """
    got = result(cloche, source)
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize("expression,place", [
    ("{'rows': [1, 2, 3, {'x': float('nan')}]}", "$.rows[3].x"), ("[float('inf')]", "$[0]"),
    ("object()", "$"), ("[print]", "$[0]"), ("{'a': '\\ud800'}", "$.a"), ("{1: 'a', '1': 'b'}", "$"),
    ("(lambda a: (a.append(a), a)[1])([])", "$[0]"), ("{(1, 2): 3}", "$"),
])
def test_what_json_cannot_hold_is_an_error_that_names_the_place(cloche, expression, place):
    envelope = cloche.call(f"def main():\n    return {expression}")
    assert envelope["verdict"] == "error", envelope
    assert place in envelope["error"]["message"]
    assert "result" not in envelope


def test_numpy_and_pandas_results(cloche):
    source = """
        import numpy, pandas
        def main():
            return {"a": numpy.arange(4).reshape(2, 2), "s": numpy.float64(0.5), "i": numpy.int64(7),
                    "f": pandas.DataFrame({"x": [1, 2], "y": ["a", "b"]}), "c": pandas.Series([1, 2])}
        """
    envelope = cloche.call(textwrap.dedent(source), policy="roomy")
    assert envelope["verdict"] == "ok", envelope
    assert envelope["result"] == {"a": [[0, 1], [2, 3]], "s": 0.5, "i": 7,
                                  "f": [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}], "c": [1, 2]}


def test_error_names_type_message_line_and_shows_only_own_frames(cloche):
    source = "import json\ndef helper(text):\n    return json.loads(text)\ndef main():\n    return helper('{')\n"
    error = cloche.call(source)["error"]
    assert error["type"].endswith("JSONDecodeError")
    assert "Expecting property name" in error["message"]
    assert error["line"] == 3
    assert "return json.loads(text)" in error["traceback"]
    assert "return helper('{')" in error["traceback"]
    assert "decoder.py" not in error["traceback"] and "/usr/" not in error["traceback"]


def test_syntax_error_has_line_and_column(cloche):
    error = cloche.call("def main():\n    return 1 +\n")["error"]
    assert error["type"] == "SyntaxError"
    assert error["line"] == 2 and error["column"] > 0


def test_missing_entry_is_an_error_that_names_it(cloche):
    envelope = cloche.call("x = 1", entry="total")
    assert envelope["verdict"] == "error"
    assert "total" in envelope["error"]["message"]


def test_deep_recursion_is_an_error_not_a_crash(cloche):
    envelope = cloche.call("def f(n): return f(n + 1)\ndef main(): return f(0)")
    assert envelope["verdict"] == "error" and envelope["error"]["type"] == "RecursionError"


def test_raising_str_does_not_hide_the_error(cloche):
    source = "class E(Exception):\n    def __str__(self): raise ValueError\ndef main(): raise E()"
    envelope = cloche.call(source)
    assert envelope["verdict"] == "error" and envelope["error"]["type"].endswith("E")


def test_files_and_artifacts(cloche):
    source = """
        import os
        def main():
            text = open("in.csv").read()
            os.mkdir("out")
            with open("out/a.bin", "wb") as f: f.write(b"\\x00\\x01" + open("x.bin", "rb").read())
            return text
        """
    body = {"files": [{"path": "in.csv", "text": "a,b\n"}, {"path": "x.bin", "base64": "AAE="}],
            "artifacts": ["out/*.bin"], "policy": "roomy"}
    envelope = cloche.call(textwrap.dedent(source), **body)
    assert envelope["verdict"] == "ok", envelope
    assert envelope["result"] == "a,b\n"
    [artifact] = envelope["artifacts"]
    assert artifact["path"] == "out/a.bin" and artifact["base64"] == "AAEAAQ=="


def test_calls_differ_in_randomness(cloche):
    source = "import random, uuid\ndef main(): return [random.random(), str(uuid.uuid4())]"
    seen = {str(result(cloche, source)) for _ in range(20)}
    assert len(seen) == 20


def test_traceparent_reaches_the_environment(cloche):
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = cloche.post({"source": "import os\ndef main(): return os.environ.get('TRACEPARENT')",
                          "policy": "roomy"}, headers={"traceparent": parent})
    assert answer.json()["result"][:36] == parent[:36]  # the trace; the span is a new one
