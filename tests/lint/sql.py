#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No SQL is put together from parts that are not constants of the program. Every statement that the store gives
to the database is a literal, a macro made of literals, or static const text; so no text of a caller can be SQL."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
# Function -> which of its arguments is SQL.
TAKES_SQL = {"cl_sql_run": 1, "cl_sql_do": 1, "cl_sql_open": 2, "sqlite3_exec": 1,
             **{f"sqlite3_prepare{kind}": 1 for kind in ("", "_v2", "_v3", "16", "16_v2", "16_v3")}}
# What makes SQL of parts, or takes some that nobody here could follow.
FORBIDDEN = re.compile(r"\b(sqlite3_(?:v?mprintf|v?snprintf|str_\w+|get_table|create_module\w*|load_extension))\b")
# (file, function, word): a parameter or a variable that is SQL all the same, and why that is well.
PASSED_ON = {
    ("api/store/sql.c", "sqlite3_prepare_v3", "sql"): "cl_sql_*() hand it on",
    ("api/store/schema.c", "sqlite3_exec", "sql"): "do_text(), whose callers are looked at below",
    ("api/store/schema.c", "sqlite3_prepare_v2", "sql"): "ask_number(), likewise",
    ("api/store/sql.c", "cl_sql_run", "sql"): "cl_sql_do() hands it on",
    ("api/store/schema.c", "do_text", "*step"): "a row of cl_store_steps, which are constants",
    ("api/store/schema.c", "do_text", "seal"): "two numbers of ours: a pragma binds nothing",
}
INNER = {"do_text": 1, "ask_number": 1}  # of one file: they take SQL as those above do
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|DROP|ALTER|ATTACH|REPLACE INTO|VACUUM)\b")
LITERAL = r'"(?:[^"\\]|\\.)*"'


def files():
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "api/*.c", "api/*.h"],
                           cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [name for name in names if (ROOT / name).exists()]


def without_comments(text):
    keep = re.compile(rf"({LITERAL})|/\*.*?\*/|//[^\n]*", re.S)
    return keep.sub(lambda m: m.group(1) or "\n" * m.group(0).count("\n"), text)


def arguments_at(text, at):
    """Of a call whose opening bracket is at `at`, split where commas part them."""
    depth, start, found = 0, at + 1, []
    for part in re.finditer(rf"{LITERAL}|'(?:[^'\\]|\\.)'|[()\[\]{{}},]", text[at:]):
        sign, here = part.group(0), at + part.start()
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        if (sign == "," and depth == 1) or depth == 0:
            found.append(" ".join(text[start:here].split()))
            start = here + 1
        if depth == 0:
            return found
    return found


class File:
    def __init__(self, name, text):
        self.name, self.text = name, without_comments(text)
        self.macros = dict(re.findall(r"^#define (\w+)(?:\([^)]*\))?[ \t]+((?:[^\n\\]|\\.|\\\n)*)", self.text, re.M))
        self.constants = set(self.arrays()) | set(self.members())

    def is_literal(self, words, seen=()):
        """Literals and macros of literals, and nothing between them."""
        rest = re.sub(LITERAL, " ", words.replace("\\\n", " "))
        names = re.findall(r"\w+", rest)
        return not re.sub(r"[\w\s()]", "", rest) and all(
            name in self.macros and name not in seen and self.is_literal(self.macros[name], (*seen, name))
            for name in names)

    def arrays(self):
        """Texts and tables of texts. What is static begins as a constant: C has it so."""
        return re.findall(r"\bstatic const char (?:\*const )?(\w+)\[\] =", self.text)

    def members(self):
        """Texts in structs of which there are none but static constants, through a pointer to one of those."""
        for tag, body in re.findall(r"\bstatic const struct (\w+) \{([^}]*)\}", self.text):
            others = re.sub(rf"static const struct {tag} \{{|const struct {tag} \*", "", self.text)
            if not re.search(rf"struct {tag}\b", others):
                pointers = set(re.findall(rf"const struct {tag} \*(\w+)", self.text))
                texts = re.findall(r"const char \*(\w+);", body)
                yield from (f"{pointer}->{text}" for pointer in pointers for text in texts)

    def is_constant(self, words):
        """A literal, a constant, a row of a table, or a choice between such."""
        choice = re.fullmatch(r"[^?]+\?(.+):(.+)", re.sub(LITERAL, '""', words))
        if choice:
            return all(self.is_constant(part.strip()) for part in choice.groups())
        row_of = re.sub(r"\[[^\]]*\]$", "", words)
        return words != "" and (self.is_literal(words) or row_of in self.constants)

    def line(self, at):
        return self.text.count("\n", 0, at) + 1

    def faults(self):
        for match in re.finditer(r"\b(\w+)(\()", self.text):
            name = match.group(1)
            place = TAKES_SQL.get(name, INNER.get(name) if self.name == "api/store/schema.c" else None)
            given = arguments_at(self.text, match.start(2)) if place is not None else []
            if place is None or re.search(r"\bconst char \*sql\b", " ".join(given)):
                continue  # no statement, or a declaration
            words = given[place] if len(given) > place else ""
            if not (self.is_constant(words) or (self.name, name, words) in PASSED_ON):
                yield self.line(match.start()), f"{name}() is given SQL that is no constant: {words}"
        for match in FORBIDDEN.finditer(self.text):
            yield self.line(match.start()), f"{match.group(1)}() makes SQL of parts"
        for match in re.finditer(r"\w*printf\w*\(|cl_buf_format\(", self.text):
            words = "".join(re.findall(LITERAL, " ".join(arguments_at(self.text, match.end() - 1))))
            if SQL.search(words) and re.search(r"%[-+ #0-9.*hlzjt]*[sc]", words):
                yield self.line(match.start()), f"SQL with a text in it: {words}"


def main():
    found = []
    for name in files():
        text = (ROOT / name).read_text()
        if not name.startswith("api/store/") and re.search(r"\bsqlite3_(?!\w*version)\w+\(|cl_sql_\w+\(", text):
            found.append(f"{name}:1: talks to the database; only api/store/ does")
        if name.startswith("api/store/"):
            found += [f"{name}:{line}: {fault}" for line, fault in File(name, text).faults()]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
