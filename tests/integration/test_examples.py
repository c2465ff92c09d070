# SPDX-License-Identifier: Apache-2.0
"""The example policies: under each a program of the kind it is for, and one that it must refuse."""

import base64
import pathlib
import subprocess
import textwrap

import pytest
from service import BIN, ROOT

LICENCES = pathlib.Path("/usr/share/common-licenses")
EXAMPLES = sorted((ROOT / "policies/examples").glob("*.yaml"))


def run(cloche, policy, source, *args, **body):
    return cloche.call(textwrap.dedent(source), policy=policy, args=list(args), **body)


def result(cloche, policy, source, *args, **body):
    envelope = run(cloche, policy, source, *args, **body)
    assert envelope["verdict"] == "ok", envelope
    return envelope["result"]


def denied(cloche, policy, source, rule, **body):
    envelope = run(cloche, policy, source, **body)
    assert envelope["verdict"] == "denied", envelope
    assert envelope["denied"]["rule"] == rule, envelope
    return envelope["denied"]


def error(cloche, policy, source, kind):
    """Not a rule of the policy, but the kernel said no."""
    envelope = run(cloche, policy, source)
    assert envelope["verdict"] == "error" and envelope["error"]["type"] == kind, envelope


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_check_has_nothing_to_say(file):
    done = subprocess.run([BIN / "cloche-policyc", "check", file], capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines()
            if ": error: " in line or ": warning: " in line]
    assert done.returncode == 0
    assert said == []


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_reader_is_told_what_it_is_for(file):
    lines = file.read_text().splitlines()
    assert lines[0].startswith("# SPDX-License-Identifier:")
    assert sum(line.startswith("# ") for line in lines) >= 3, "comments for the one who reviews it"
    assert any(line.startswith("description: ") for line in lines)


def test_all_are_served(cloche):
    served = {policy["name"] for policy in cloche.http.get("/v1/policies").json()["policies"]}
    assert {file.stem for file in EXAMPLES} <= served
    assert {file.stem for file in EXAMPLES} >= {"numeric", "data", "text", "asyncio", "threads", "files",
                                                "host-data", "gleitzeit", "native"}


# -- numeric

def test_numeric_solves_a_linear_system(cloche):
    pytest.importorskip("numpy")
    source = """
        import numpy as np
        def main(rows, right):
            a, b = np.array(rows, dtype=float), np.array(right, dtype=float)
            x = np.linalg.solve(a, b)
            values, vectors = np.linalg.eigh(a)
            u, s, vt = np.linalg.svd(a)
            assert np.allclose((u * s) @ vt, a) and np.allclose(a @ vectors, vectors * values)
            return {"x": x, "det": np.linalg.det(a), "values": values, "spectrum": np.abs(np.fft.rfft(x))}
        """
    got = result(cloche, "numeric", source, [[4, 1, 0], [1, 3, 1], [0, 1, 2]], [1, 2, 3])
    assert got["x"] == pytest.approx([2 / 9, 1 / 9, 13 / 9])
    assert got["det"] == pytest.approx(18)
    assert sum(got["values"]) == pytest.approx(9) and len(got["spectrum"]) == 2


def test_numeric_multiplies_large_matrices(cloche):
    pytest.importorskip("numpy")
    source = """
        import numpy as np
        def main(n):
            a = np.random.default_rng(7).normal(size=(n, n))
            q, r = np.linalg.qr(a)
            return [bool(np.allclose(q @ r, a)), float(np.linalg.norm(q.T @ q - np.eye(n)))]
        """
    is_close, rest = result(cloche, "numeric", source, 300)
    assert is_close and rest < 1e-10


def test_numeric_random_numbers_differ_from_call_to_call(cloche):
    pytest.importorskip("numpy")
    source = "import numpy as np\ndef main(): return [np.random.random(), np.random.default_rng().random()]"
    seen = [result(cloche, "numeric", source) for _ in range(4)]
    assert len({pair[0] for pair in seen}) == len({pair[1] for pair in seen}) == 4


def test_numeric_refuses_files_and_other_modules(cloche):
    pytest.importorskip("numpy")
    denied(cloche, "numeric", "import numpy as np\ndef main(): np.save('/tmp/a', [1])", "files")
    error(cloche, "numeric", "import numpy as np\ndef main(): return np.genfromtxt('/etc/passwd')", "PermissionError")
    denied(cloche, "numeric", "import numpy as np\ndef main(): return np.fromfile('/etc/passwd')", "builtins")
    denied(cloche, "numeric", "import pandas\ndef main(): pass", "modules")
    denied(cloche, "numeric", "import numpy.f2py\ndef main(): pass", "modules")


# -- data

CSV = "day,shop,sold,price\n2026-01-05,north,3,1.50\n2026-01-05,south,,2.00\n2026-02-01,north,4,1.25\n"


def test_data_reads_csv_and_groups(cloche):
    pytest.importorskip("pandas")
    source = """
        import io
        import pandas as pd
        def main(text):
            f = pd.read_csv(io.StringIO(text), parse_dates=["day"])
            f["sold"] = f["sold"].fillna(0).astype(int)
            f["value"] = f["sold"] * f["price"]
            by = f.groupby("shop", as_index=False)["value"].sum()
            month = f.set_index("day").resample("MS")["sold"].sum()
            wide = f.pivot_table(index="shop", columns=f["day"].dt.month, values="sold", fill_value=0)
            return {"by": by, "month": month, "wide": wide.to_dict(), "csv": by.to_csv(index=False)}
        """
    got = result(cloche, "data", source, CSV)
    assert got["by"] == [{"shop": "north", "value": 9.5}, {"shop": "south", "value": 0.0}]
    assert got["month"] == [3, 4] or list(got["month"].values()) == [3, 4]
    assert got["wide"] == {"1": {"north": 3, "south": 0}, "2": {"north": 4, "south": 0}}
    assert got["csv"] == "shop,value\nnorth,9.5\nsouth,0.0\n"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "dateutil/Europe/Berlin"])
def test_data_knows_named_time_zones(cloche, zone):
    pytest.importorskip("pandas")
    source = """
        import pandas as pd
        def main(zone):
            days = pd.Series(pd.to_datetime(["2026-01-15 12:00", "2026-07-15 12:00"], utc=True))
            return [str(t) for t in days.dt.tz_convert(zone)]
        """
    assert result(cloche, "data", source, zone) == ["2026-01-15 13:00:00+01:00", "2026-07-15 14:00:00+02:00"]


def test_data_names_a_time_zone_that_is_none(cloche):
    pytest.importorskip("pandas")
    envelope = run(cloche, "data", "import pandas as pd\ndef main(): return pd.Timestamp(0, tz='Mars/Base')")
    assert envelope["verdict"] == "error" and "UnknownTimeZone" in envelope["error"]["type"], envelope


def test_data_refuses_files_and_urls(cloche):
    pytest.importorskip("pandas")
    denied(cloche, "data", "import pandas as pd\ndef main(): pd.read_csv('/etc/passwd')", "files")
    denied(cloche, "data", "import pandas as pd\ndef main(): pd.read_pickle('/tmp/x')", "files")
    error(cloche, "data", "import pandas as pd\ndef main(): pd.DataFrame([1]).to_csv('/tmp/x')", "PermissionError")
    error(cloche, "data", "import pandas as pd\ndef main(): pd.read_csv('http://127.0.0.1:1/')", "ModuleNotFoundError")


# -- text

def test_text_counts_words_of_many_scripts(cloche):
    source = r"""
        import csv, difflib, html, io, re, string, textwrap, unicodedata
        from collections import Counter
        def main(text):
            plain = html.unescape(re.sub(r"<[^>]+>", " ", text))
            words = re.findall(r"\w+", unicodedata.normalize("NFC", plain).casefold())
            bare = "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))
            out = io.StringIO()
            csv.writer(out).writerows(Counter(words).most_common(2))
            return {"words": words, "bare": bare.split(), "csv": out.getvalue(),
                    "near": difflib.get_close_matches("straße", words, 1),
                    "named": [m["year"] for m in re.finditer(r"(?P<year>\b\d{4}\b)", plain)],
                    "lines": textwrap.wrap(plain, 20)[0]}
        """
    got = result(cloche, "text", source, "<p>Stra\u00dfe &amp; stra\u00dfe, cafe\u0301 1999, \u6771\u4eac</p>")
    assert got["words"] == ["strasse", "strasse", "caf\u00e9", "1999", "\u6771\u4eac"]
    assert got["bare"][3:] == ["cafe", "1999,", "\u6771\u4eac"]
    assert got["csv"] == "strasse,2\r\ncaf\u00e9,1\r\n"
    assert got["near"] == ["strasse"] and got["named"] == ["1999"]


def test_text_ends_a_runaway_pattern(cloche):
    envelope = run(cloche, "text", "import re\ndef main(): return re.match('(a+)+$', 'a' * 60 + 'b')")
    assert envelope["verdict"] == "limit", envelope
    assert (envelope["limit"]["name"], envelope["limit"]["value"]) == ("cpu", 1000)


def test_text_refuses_files(cloche):
    denied(cloche, "text", "import io\ndef main(): io.open('/etc/passwd')", "files")
    denied(cloche, "text", "import codecs\ndef main(): codecs.open('/etc/passwd')", "files")


# -- asyncio

def test_asyncio_gathers_with_queues_and_timeouts(cloche):
    source = """
        import asyncio, time
        async def work(queue, done):
            while (n := await queue.get()) is not None:
                await asyncio.sleep(0.05)
                done.append(n * n)
        async def main(n):
            queue, done, start = asyncio.Queue(), [], time.monotonic()
            tasks = [asyncio.create_task(work(queue, done)) for _ in range(n)]
            for i in range(n): queue.put_nowait(i)
            for _ in tasks: queue.put_nowait(None)
            await asyncio.gather(*tasks)
            took = time.monotonic() - start
            try:
                async with asyncio.timeout(0.02): await asyncio.sleep(60)
            except TimeoutError: ended = True
            return [sorted(done), took < n * 0.05, ended]
        """
    squares, is_concurrent, ended = result(cloche, "asyncio", source, 20)
    assert squares == [n * n for n in range(20)] and is_concurrent and ended


def test_asyncio_makes_loops_of_its_own(cloche):
    source = """
        import asyncio, contextvars
        name = contextvars.ContextVar("name")
        async def later(n):
            name.set(n)
            await asyncio.sleep(0.01)
            return name.get()
        def main():
            loop = asyncio.new_event_loop()
            first = loop.run_until_complete(later(1))
            loop.close()
            return [first, asyncio.run(later(2)), type(loop).__module__]
        """
    first, second, module = result(cloche, "asyncio", source)
    assert (first, second) == (1, 2)
    # The loop of CPython, which `default` has no system calls for.
    assert module == "asyncio.unix_events"


def test_asyncio_refuses_the_network_and_threads(cloche):
    error(cloche, "asyncio", "import asyncio\nasync def main(): await asyncio.open_connection('127.0.0.1', 80)",
          "PermissionError")
    denied(cloche, "asyncio", "import asyncio\nasync def main(): return await asyncio.to_thread(abs, -1)", "processes")
    denied(cloche, "asyncio", "import socket\ndef main(): pass", "modules")


# -- threads

def test_threads_run_a_pool(cloche):
    source = """
        import queue, threading
        from concurrent.futures import ThreadPoolExecutor, as_completed
        def main(n):
            meet, seen, lock = threading.Barrier(7), queue.Queue(), threading.Lock()
            def work(i):
                if i < 7: meet.wait(5)  # seven at the same time, or this breaks
                with lock: seen.put(threading.get_ident())
                return i * i
            with ThreadPoolExecutor(7) as pool:
                done = sorted(f.result() for f in as_completed([pool.submit(work, i) for i in range(n)]))
            return [done, len({seen.get() for _ in range(n)})]
        """
    assert result(cloche, "threads", source, 30) == [[n * n for n in range(30)], 7]


def test_threads_refuses_an_eighth_thread_and_processes(cloche):
    source = """
        import threading
        def main():
            gate = threading.Event()
            for _ in range(8): threading.Thread(target=gate.wait, daemon=True).start()
        """
    envelope = run(cloche, "threads", source)
    assert envelope["verdict"] == "limit", envelope
    assert (envelope["limit"]["name"], envelope["limit"]["value"]) == ("processes", 8)
    denied(cloche, "threads", "import multiprocessing\ndef main(): pass", "modules")


# -- files

def test_files_are_written_listed_and_returned(cloche):
    source = """
        import csv, glob, os, pathlib, shutil, tempfile, zipfile
        def main():
            rows = list(csv.reader(open("in.csv")))
            out = pathlib.Path("out"); out.mkdir()
            (out / "sum.txt").write_text(str(sum(int(row[1]) for row in rows)))
            shutil.copy(out / "sum.txt", out / "copy.txt")
            with zipfile.ZipFile("all.zip", "w") as zip: zip.write(out / "sum.txt")
            with tempfile.NamedTemporaryFile("w+") as file:
                file.write("gone"); file.flush()
                assert os.path.getsize(file.name) == 4
            return [os.getcwd(), sorted(glob.glob("**", recursive=True)), zipfile.ZipFile("all.zip").namelist()]
        """
    envelope = run(cloche, "files", source, files=[{"path": "in.csv", "text": "a,40\nb,2\n"}],
                   artifacts=["out/*.txt"])
    assert envelope["verdict"] == "ok", envelope
    where, names, zipped = envelope["result"]
    assert where == "/tmp" and zipped == ["out/sum.txt"]
    assert names == ["all.zip", "in.csv", "out", "out/copy.txt", "out/sum.txt"]
    got = {file["path"]: base64.b64decode(file["base64"]) for file in envelope["artifacts"]}
    assert got == {"out/sum.txt": b"42", "out/copy.txt": b"42"}


def test_files_are_gone_with_the_call(cloche):
    result(cloche, "files", "def main(): open('/tmp/kept', 'w').write('x')")
    assert result(cloche, "files", "import os\ndef main(): return os.listdir('/tmp')") == []


def test_files_refuses_more_than_16_mib_and_the_rest_of_the_tree(cloche):
    fill = "def main():\n    with open('big', 'wb') as f:\n        for _ in range({}): f.write(bytes(1 << 20))"
    assert run(cloche, "files", fill.format(15))["verdict"] == "ok"
    envelope = run(cloche, "files", fill.format(17))
    assert envelope["verdict"] == "limit", envelope
    assert (envelope["limit"]["name"], envelope["limit"]["value"]) == ("files", 16 << 20)
    error(cloche, "files", "def main(): open('/x', 'w')", "OSError")
    error(cloche, "files", "def main(): open('/etc/passwd')", "FileNotFoundError")
    error(cloche, "files", "def main(): open('/proc/self/status')", "FileNotFoundError")


# -- host-data

def test_host_data_reads_the_file_of_the_host(cloche):
    source = """
        import os.path, pathlib
        def main():
            data = pathlib.Path("/data")
            text = (data / "GPL-3").read_text()
            return {"text": text, "names": sorted(p.name for p in data.iterdir()), "is": os.path.isdir("/data"),
                    "none": os.path.exists("/data/nowhere"), "etc": os.path.exists("/etc")}
        """
    got = result(cloche, "host-data", source)
    assert got["text"] == (LICENCES / "GPL-3").read_text()
    assert got["names"] == sorted(path.name for path in LICENCES.iterdir())
    assert got["is"] and not got["none"] and not got["etc"]


def test_host_data_refuses_to_write_there_and_to_read_elsewhere(cloche):
    writing = """
        import pathlib
        def main():
            path, said = pathlib.Path("/data/GPL-3"), []
            for attempt in (lambda: open("/data/new", "w"), lambda: open(path, "a"), lambda: open(path, "r+"),
                            path.unlink, lambda: path.rename("/data/x"), pathlib.Path("/data/d").mkdir):
                try: said.append(str(attempt()))
                except OSError as error: said.append(type(error).__name__)
            return said
        """
    assert result(cloche, "host-data", writing) == ["PermissionError"] * 6
    error(cloche, "host-data", "def main(): open('/data/../etc/passwd')", "FileNotFoundError")
    assert (LICENCES / "GPL-3").exists()
    denied(cloche, "host-data", "import os\ndef main(): pass", "modules")


# -- gleitzeit

def test_gleitzeit_imports_what_function_files_import(cloche):
    source = """
        import abc, asyncio, bisect, contextlib, copy, dataclasses, decimal, enum, fractions, heapq, logging, random
        import base64, collections, datetime, functools, hashlib, inspect, itertools, json, math, operator, re
        import statistics, string, textwrap, time, traceback, typing, urllib.parse, uuid
        @dataclasses.dataclass
        class Order:
            price: decimal.Decimal
            tax: float = 0.2
        async def price(order):
            return await asyncio.to_thread(lambda: float(order.price) * (1 + order.tax))
        async def main(prices):
            orders = [Order(decimal.Decimal(p)) for p in prices]
            return [await asyncio.gather(*map(price, orders)), inspect.iscoroutinefunction(price),
                    str(inspect.signature(Order))]
        """
    totals, is_async, signature = result(cloche, "gleitzeit", source, ["10", "5"])
    assert totals == [12.0, 6.0] and is_async and signature.startswith("(price: decimal.Decimal")


def test_gleitzeit_says_that_eval_and_sessions_are_allowed(cloche):
    shown = cloche.http.get("/v1/policies/gleitzeit").json()
    assert shown["python"]["eval"] is True
    assert shown["sessions"] == {"allow": True, "default": "token", "idle_ms": 900_000, "max_ms": 14_400_000,
                                 "threads": 4}


def test_gleitzeit_refuses_pickle_files_and_processes(cloche):
    for module in ("pickle", "os", "subprocess", "socket", "ctypes"):
        denied(cloche, "gleitzeit", f"import {module}\ndef main(): pass", "modules")
    denied(cloche, "gleitzeit", "import random\ndef main(): random._os.fork()", "names")
    denied(cloche, "gleitzeit", "def main(): open('/etc/passwd')", "builtins")
