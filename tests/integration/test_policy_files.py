# SPDX-License-Identifier: Apache-2.0
"""Policy files as people get them wrong: thousands of mutated copies through `check`, judged by a second
reading of the same YAML; and every key of the schema, flipped."""

import pathlib
import random
import re
import subprocess

import pytest

from service import BIN, ROOT, times

yaml = pytest.importorskip("yaml", reason="python3-yaml is not installed")

POLICYC = BIN / "cloche-policyc"
COPIES = times(2000)
AT_ONCE = 200  # files of one check
DIGEST = slice(80, 96)  # in a compiled policy

# The format as it was agreed: written down again here, not read from the program.
SCHEMA = {
    "version": None, "extends": None, "description": None, "network": None, "isolation": None,
    "python": {"modules": "list", "names": "any", "preload": "list", "transitive": None, "eval": None,
               "register": None, "builtins": {"remove": "list"}},
    "limits": dict.fromkeys(["wall", "cpu", "memory", "processes", "output", "result", "request", "files",
                             "inodes", "calls_per_worker"]),
    "cpu": dict.fromkeys(["weight", "max"]),
    "files": {"read_only": "binds"},
    "syscalls": {"tiers": "list", "allow": "list", "deny": "list", "on_violation": None},
    "sessions": dict.fromkeys(["allow", "default", "idle", "max", "threads"]),
    "pool": dict.fromkeys(["min", "max", "recycle_calls", "recycle_after"]),
    "reason": "any",
}

TOKEN = {"id": None, "hash": None, "scopes": None}
TENANT = {
    "policies": None, "functions_dir": None, "tokens": ("each", TOKEN),
    "quota": dict.fromkeys(["concurrency", "queue", "rate", "burst", "cpu", "memory", "stored", "weight"]),
}
TENANTS_SCHEMA = {"version": None, "tenants": ("named", TENANT)}

TENANTS = ROOT / "docs/examples/tenants/tenants.yaml"
POLICIES = sorted([*ROOT.glob("policies/*.yaml"), *ROOT.glob("policies/examples/*.yaml")])
SOURCES = [*POLICIES, TENANTS]
KEYS = sorted(set(re.findall(r"\b[a-z_]+(?=:)", "\n".join(file.read_text() for file in SOURCES))))
VALUES = ["0", "1", "-1", "5", "5s", "10h", "1Ki", "64Mi", "1e3", "1.5Gi", "all", "none", "true", "yes",
          "null", "~", "[]", "{}", "[json]", "+[json]", "-[open]", "{add: [json]}", "policy", "errno", "'x'",
          '"', "&a", "*a", "!!str x", "|", ">", "%", "99999999999999999999", "[[[[[[[[[1]]]]]]]]]",
          "{a: 1, a: 2}", "\u202e", "é", "default", "50/s", "600s/m", "[strict]", "{id: x}"]


def run(*args, timeout=60):
    return subprocess.run([POLICYC, *map(str, args)], capture_output=True, timeout=timeout)


# ---------------------------------------------------------------------------------------------- mutations

def misspell(dice, word):
    at = dice.randrange(len(word))
    return dice.choice([word[:at] + word[at + 1:], word[:at] + dice.choice("aeknst_.-") + word[at:],
                        word[:at] + word[at:][::-1], word + word, word.upper()])


def some_key(dice, text):
    return dice.choice(list(re.finditer(r"\b[a-z_]+(?=:)", text)) or [None])


def mutate_key(dice, text):
    found = some_key(dice, text)
    return text[:found.start()] + misspell(dice, found[0]) + text[found.end():] if found else text


def swap_key(dice, text):
    found = some_key(dice, text)
    return text[:found.start()] + dice.choice(KEYS) + text[found.end():] if found else text


def mutate_value(dice, text):
    found = list(re.finditer(r"(?<=: )[^\n,}]+", text))
    if not found:
        return text
    one = dice.choice(found)
    return text[:one.start()] + dice.choice(VALUES) + text[one.end():]


def repeat_line(dice, text):
    lines = text.splitlines(keepends=True)
    line = dice.choice(lines)
    lines.insert(dice.randrange(len(lines) + 1), line)
    return "".join(lines)


def drop_line(dice, text):
    lines = text.splitlines(keepends=True)
    del lines[dice.randrange(len(lines))]
    return "".join(lines)


def indent_line(dice, text):
    lines = text.splitlines(keepends=True)
    at = dice.randrange(len(lines))
    lines[at] = dice.choice(["  " + lines[at], lines[at].lstrip(" "), "\t" + lines[at]])
    return "".join(lines)


def add_line(dice, text):
    lines = text.splitlines(keepends=True)
    key = dice.choice([dice.choice(KEYS), misspell(dice, dice.choice(KEYS))])
    line = " " * dice.choice([0, 0, 2, 2, 4]) + f"{key}: {dice.choice(VALUES)}\n"
    lines.insert(dice.randrange(len(lines) + 1), line)
    return "".join(lines)


def splice(dice, text):
    other = dice.choice(SOURCES).read_text()
    return text[:dice.randrange(len(text))] + other[dice.randrange(len(other)):]


def cut(dice, text):
    start = dice.randrange(len(text))
    return text[:start] + text[start + dice.randrange(40):]


def put_byte(dice, text):
    at = dice.randrange(len(text))
    character = chr(dice.choice([*range(127), 0x85, 0x2028, 0xFEFF, 0x1F512]))
    return text[:at] + character + text[at + dice.choice([0, 1]):]


MUTATIONS = [mutate_key, swap_key, mutate_value, mutate_value, repeat_line, drop_line, indent_line, add_line,
             add_line, splice, cut, put_byte]


def mutant(dice, sources):
    text = dice.choice(sources).read_text()
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        text = dice.choice(MUTATIONS)(dice, text) or "x"
    return text.encode("utf-8", "surrogatepass")


# -------------------------------------------------------------------------------------- the second reading

def faults(node, schema, path=""):
    """Unknown and duplicate keys of a node that PyYAML made."""
    kind, inner = schema if isinstance(schema, tuple) else (None, None)
    if not isinstance(node, yaml.MappingNode):
        if kind == "each" and isinstance(node, yaml.SequenceNode):
            for item in node.value:
                yield from faults(item, inner, f"{path}[].")
        if schema == "binds" and isinstance(node, yaml.SequenceNode):
            for item in node.value:
                yield from faults(item, {"source": None, "target": None}, f"{path}[]")
        return
    if schema == "list":
        schema = {"add": None, "remove": None}
    seen = set()
    for key, value in node.value:
        if kind == "named":
            schema = {key.value: inner}
        name = key.value if isinstance(key, yaml.ScalarNode) else repr(key)
        if name in seen:
            yield f"duplicate {path}{name}"
        seen.add(name)
        if schema != "any" and name not in (schema or {}):
            yield f"unknown {path}{name}"
        below = "any" if schema == "any" else (schema or {}).get(name)
        yield from faults(value, below, f"{path}{name}.")


def accepted_of(folder, names):
    """The files that one check has no error for."""
    result = run("check", *[folder / name for name in names])
    shown = result.stderr.decode()
    refused = set(re.findall(r"^[^\n]*/(m\d+)\.yaml(?::\d+:\d+)?: error: ", shown, re.M))
    assert result.returncode == (2 if refused else 0), shown
    return [name for name in names if name.removesuffix(".yaml") not in refused]


def is_of_tenants(text):
    return re.search(r"^tenants *:", text, re.M) is not None


@pytest.mark.parametrize("sources", [POLICIES, [TENANTS]], ids=["policies", "tenants"])
def test_no_mutated_copy_is_accepted_with_an_unknown_or_duplicate_key(tmp_path, sources):
    dice = random.Random(20261121)
    names = [f"m{i:04}.yaml" for i in range(COPIES)]
    for name in names:
        (tmp_path / name).write_bytes(mutant(dice, sources))

    accepted = []
    for start in range(0, COPIES, AT_ONCE):
        accepted += accepted_of(tmp_path, names[start:start + AT_ONCE])
    for name in accepted:
        text = (tmp_path / name).read_text().replace("\t", " ")  # PyYAML has no tabs between [ and ]
        schema = TENANTS_SCHEMA if is_of_tenants(text) else SCHEMA
        assert list(faults(yaml.compose(text, Loader=yaml.SafeLoader), schema)) == [], text
    # Both verdicts must be common, or the copies prove nothing.
    assert COPIES // 20 < len(accepted) < COPIES // 2


def test_the_second_reading_sees_what_it_looks_for():
    def seen(text):
        return list(faults(yaml.compose(text, Loader=yaml.SafeLoader), SCHEMA))

    assert seen("version: 1\nlimits: {wall: 5s}\nreason: {a.b: x}\n") == []
    assert seen("limits: {wal: 5s}") == ["unknown limits.wal"]
    assert seen("limits: {wall: 5s, wall: 6s}") == ["duplicate limits.wall"]
    assert seen("reason: {a: x, a: y}") == ["duplicate reason.a"]
    assert seen("python: {modules: {plus: [a]}}") == ["unknown python.modules.plus"]
    assert seen("files: {read_only: [{source: /a, to: /b}]}") == ["unknown files.read_only.[]to"]

    def of_tenants(text):
        return list(faults(yaml.compose(text, Loader=yaml.SafeLoader), TENANTS_SCHEMA))

    assert of_tenants("version: 1\ntenants: {a: {policies: [b]}, c: {tokens: [{id: d}]}}") == []
    assert of_tenants("tenants: {a: {}, a: {}}") == ["duplicate tenants.a"]
    assert of_tenants("tenants: {a: {quota: {rat: 1}}}") == ["unknown tenants.a.quota.rat"]
    assert of_tenants("tenants: {a: {tokens: [{id: b, id: c}]}}") == ["duplicate tenants.a.tokens.[].id"]


def test_every_problem_of_many_files_is_told_in_one_run(tmp_path):
    files = []
    for i in range(100):
        files.append(tmp_path / f"p{i}.yaml")
        files[-1].write_text(f"version: 1\nlimits:\n  memry: 64Mi\n  wal{i}: 5s\n  cpu: 5\n")
    shown = run("check", *files).stderr.decode()
    for file in files:
        assert f"{file}:3:3: error: unknown key 'memry' in 'limits'; did you mean 'memory'? allowed" in shown
        assert f"{file}:5:8: error: limits.cpu: found 5, expected a time" in shown
    assert shown.count(": error: ") == 300
    assert "\033" not in shown


# ------------------------------------------------------------------------------------------- every key

# Two values of each key; the rest of the policy that they need stands behind. A sentence instead of the
# second value: nothing else may be asked for, and this is what is said of the third.
FLIPS = {
    "version": ("1", "version: 2 is out of range, expected a whole number: 1", "2"),
    "python.modules": ("[json]", "[json, math]"),
    "python.names": ("{}", "{json: [loads]}", "python: {modules: [json]}"),
    "python.preload": ("none", "[json]", "python: {modules: [json]}"),
    "python.transitive": ("allow", "listed"),
    "python.eval": ("false", "true"),
    "python.register": ("true", "false"),
    "python.builtins.remove": ("[open]", "[]"),
    "limits.wall": ("5s", "6s"),
    "limits.cpu": ("2s", "3s"),
    "limits.memory": ("128Mi", "64Mi"),
    "limits.processes": ("1", "2"),
    "limits.output": ("1Mi", "2Mi"),
    "limits.result": ("1Mi", "2Mi"),
    "limits.request": ("4Mi", "5Mi"),
    "limits.files": ("1Mi", "2Mi", "syscalls: {tiers: [compute, tmp_files]}"),
    "limits.inodes": ("1024", "512"),
    "limits.calls_per_worker": ("1", "limits.calls_per_worker: 2 is out of range, expected a whole number: 1",
                                "2"),
    "cpu.weight": ("100", "200"),
    "cpu.max": ("1.0", "0.5"),
    "network": ("none", "network: found all, expected one of: none; a jail has no network, and this version "
                "cannot give it any", "all"),
    "files.read_only": ("[]", "[{source: /srv, target: /data}]"),
    "syscalls.tiers": ("[compute, time]", "[compute]"),
    "syscalls.allow": ("[]", "[getcpu]"),
    "syscalls.deny": ("[]", "[uname]"),
    "syscalls.on_violation": ("kill", "errno"),
    "sessions.allow": ("false", "true"),
    "sessions.default": ("none", "token", "sessions: {allow: true}"),
    "sessions.idle": ("15m", "1m"),
    "sessions.max": ("4h", "1h"),
    "sessions.threads": ("4", "5"),
    "isolation": ("tenant", "policy"),
    "pool.min": ("2", "1"),
    "pool.max": ("32", "16"),
    "pool.recycle_calls": ("10000", "1000"),
    "pool.recycle_after": ("10m", "1m"),
}
FOR_PEOPLE = {"extends", "description", "reason"}  # say nothing to a jail


def paths(schema=None, prefix=""):
    for key, below in (schema or SCHEMA).items():
        if isinstance(below, dict):
            yield from paths(below, f"{prefix}{key}.")
        else:
            yield prefix + key


def written(path, value, rest):
    """A policy with one key, beside what `rest` says in the same or another section."""
    tree = yaml.safe_load(rest) if rest else {}
    tree.setdefault("version", 1)
    node = tree
    *sections, last = path.split(".")
    for section in sections:
        node = node.setdefault(section, {})
    node[last] = yaml.safe_load(value)
    return yaml.safe_dump(tree)


def compiled(tmp_path, text):
    file, out = tmp_path / "p.yaml", tmp_path / "p.out"
    file.write_text(text)
    result = run("compile", file, "-o", out)
    assert result.returncode == 0, result.stderr.decode()
    content = bytearray(out.read_bytes())
    content[DIGEST] = bytes(16)
    return content


def test_reference_has_every_key_and_no_other():
    shown = run("reference").stdout.decode()
    assert set(re.findall(r"^- \*\*`([a-z_.]+)`\*\*", shown.split("\n## Tiers")[0], re.M)) == set(paths())


def test_every_key_is_flipped_here():
    assert set(FLIPS) | FOR_PEOPLE == set(paths())


@pytest.mark.parametrize("path", FLIPS)
def test_a_key_changes_what_is_compiled_or_says_why_it_cannot(path, tmp_path):
    first, second, *more = FLIPS[path]
    rest = more[0] if more and ":" in more[0] else ""
    before = compiled(tmp_path, written(path, first, rest))
    if more and not rest:
        file = tmp_path / "p.yaml"
        file.write_text(written(path, more[0], ""))
        result = run("check", file)
        assert result.returncode == 2 and second in result.stderr.decode()
        return
    assert compiled(tmp_path, written(path, second, rest)) != before


# ------------------------------------------------------------------------------------- the command itself

def test_cloche_policy_answers_as_the_compiler_does(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nlimits: {wal: 5s}\n")
    for args, status in ((["check", bad], 2), (["check", ROOT / "policies/default.yaml"], 0),
                         (["diff", "default", "strict"], 1), (["diff", "strict", "strict"], 0),
                         (["diff", "strict", bad], 2), (["explain", "default", "--syscalls"], 0),
                         (["list"], 0), (["reference"], 0)):
        direct = run(*args)
        command = subprocess.run([BIN / "cloche", "policy", *map(str, args)], capture_output=True, timeout=60)
        assert (command.returncode, command.stdout, command.stderr) == (status, direct.stdout, direct.stderr)
        assert direct.returncode == status


def test_cloche_policy_names_itself_where_it_is_used_wrongly():
    for args, says in ((["diff", "default"], "usage: cloche policy diff A B"),
                       ([], "usage: cloche policy VERB"),
                       (["verify"], 'cloche: there is no verb "policy verify"')):
        result = subprocess.run([BIN / "cloche", "policy", *args], capture_output=True, text=True, timeout=60)
        assert result.returncode == 2 and result.stderr.startswith(says) and result.stdout == ""


def test_colours_are_for_terminals_only(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nlimits: {wal: 5s}\n")
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        setting = " ".join(f"{name}={value}" for name, value in {"TERM": "xterm", **extra}.items())
        command = f"env -u NO_COLOR {setting} {BIN}/cloche policy check {bad}"
        shown = subprocess.run(["script", "-qec", command, "/dev/null"], capture_output=True, timeout=60,
                               stdin=subprocess.DEVNULL).stdout
        assert b"unknown key 'wal'" in shown
        assert (b"\033[" in shown) == coloured


def test_an_imported_profile_is_a_policy(tmp_path):
    profile = pathlib.Path(ROOT / "tests/golden/policies/profile.json")
    result = run("check", "--oci", profile)
    assert result.returncode == 0 and b"note: 'ptrace' is never granted" in result.stderr
    file = tmp_path / "imported.yaml"
    file.write_bytes(b"version: 1\nextends: default\n" + result.stdout)
    check = run("check", file)
    assert check.returncode == 0, check.stderr.decode()


# ------------------------------------------------------------------------------------------ the documents

def assert_shown(wanted, shown):
    """Line by line; a line of one … stands for any number of others."""
    lines = wanted.splitlines(keepends=True)
    pattern = "".join("(?:.*\\n)*?" if line == "…\n" else re.escape(line) for line in lines)
    assert re.fullmatch(pattern, shown), f"the guide says\n{wanted}\nand the command\n{shown}"


def test_guide_shows_what_the_commands_say(tmp_path):
    """Files are made as the guide shows them, in its order, and its commands are run between."""
    guide = (ROOT / "docs/policies.md").read_text()
    commands = 0
    for kind, block in re.findall(r"^```(yaml|json|console)\n(.*?)^```$", guide, re.M | re.S):
        if kind != "console":
            name = "profile.json" if kind == "json" else re.match(r"# (\S+)\n", block)[1]
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(block)
            continue
        line, _, wanted = block.partition("\n")
        words = line.removeprefix("$ ").split()
        assert words[:2] == ["cloche", "policy"]
        result = subprocess.run([BIN / "cloche", *words[1:]], capture_output=True, text=True, cwd=tmp_path,
                                timeout=60)
        assert_shown(wanted, result.stdout + result.stderr)
        commands += 1
    assert commands > 8
    for file in sorted(tmp_path.glob("*/*.yaml")):
        result = run("check", file)
        assert result.returncode == 0, result.stderr.decode()


def keys_of(text, entry):
    """What a document says of each key, however it is wrapped and quoted."""
    return {key: " ".join(said.replace("`", "").lower().split())
            for key, said in re.findall(entry, text, re.M | re.S)}


def test_manual_page_says_of_every_key_what_the_reference_does():
    page = keys_of((ROOT / "docs/man/cloche-policies.5").read_text().split(".Sh TIERS")[0],
                   r"^\.It Cm ([a-z_.]+)\n(.*?)(?=^\.[IE])")
    reference = keys_of(run("reference").stdout.decode().split("\n## Tiers")[0] + "\n\n",
                        r"^- \*\*`([a-z_.]+)`\*\*: (.*?)(?=^- |^$)")
    assert set(page) == set(paths())
    assert page == reference


def test_manual_pages_are_clean():
    for page in sorted((ROOT / "docs/man").glob("cloche-polic*")):
        result = subprocess.run(["groff", "-mandoc", "-ww", "-z", page], capture_output=True, timeout=60)
        assert result.returncode == 0 and result.stderr == b"", result.stderr.decode()
