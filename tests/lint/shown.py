#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the documents name is there: each file of the tree, each test, and, where a table says what shows a promise,
each function of a test. A document that names a test which is gone promises what nobody looks at."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = ["README.md", *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").glob("*.md")))]
FOLDERS = ("api", "docs", "fuzz", "policies", "runtime", "sandbox", "tests")
PROOFS = ("tests/", "fuzz/")
FUNCTION = re.compile(r"^(?:static )?(?:async )?(?:def|void) (\w+)\(", re.M)
SUFFIXES = (".c", ".h", ".py", ".sh", ".yaml", ".md")


def tracked():
    """Also what is not committed yet: a test and the line that names it are written together."""
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *FOLDERS], cwd=ROOT,
                           capture_output=True, text=True, check=True).stdout.split()
    return {name for name in names if (ROOT / name).exists()}


def functions_of(files):
    """File name -> the functions it defines."""
    found = {}
    for name in files:
        if name.startswith(("tests/", "fuzz/")) and name.endswith((".py", ".c")):
            text = (ROOT / name).read_text(errors="replace")
            found.setdefault(pathlib.PurePath(name).name, set()).update(FUNCTION.findall(text))
    return found


class Names:
    def __init__(self):
        self.files = tracked()
        self.folders = {str(parent) for name in self.files for parent in pathlib.PurePath(name).parents}
        self.bases = {pathlib.PurePath(name).name for name in self.files}
        self.functions = functions_of(self.files)
        self.any_function = set().union(*self.functions.values())
        self.last_file = None

    def has_path(self, word):
        return word.rstrip("/") in self.folders or any(pathlib.PurePath(name).match(word) for name in self.files)

    def fault(self, word, is_proof):
        """What is wrong with a word in backticks, or None. Words that name nothing of ours are left alone."""
        file, colons, function = word.partition("::")
        if colons:
            self.last_file = pathlib.PurePath(file).name or self.last_file
            if function not in self.functions.get(self.last_file, ()):
                return f"{self.last_file} has no function {function}"
        elif "/" in word and word.startswith(tuple(folder + "/" for folder in FOLDERS)):
            self.last_file = pathlib.PurePath(word).name
            if is_proof and not word.startswith(PROOFS):
                return "shows nothing: only what is in " + " or ".join(PROOFS) + " goes red"
            return None if self.has_path(word) else "there is no such file"
        elif re.fullmatch(r"(test|fuzz)_\w+\.(py|c)", word):
            self.last_file = word
            return None if word in self.bases else "there is no such test"
        elif re.fullmatch(r"(test|fuzz)_\w+", word):
            return None if word in self.any_function or word + ".c" in self.bases else "there is no such test"
        elif is_proof and re.fullmatch(r"[a-z]\w+", word):
            return None if word in self.any_function else "no test has this function"
        return None


def proof_column(cells):
    """Of the head of a table: the column that says what shows a promise, or None."""
    heads = [cell.strip() for cell in cells]
    return next((at for at, head in enumerate(heads) if head in ("shown by", "test")), None)


def faults_of(document, names):
    proof, is_table, in_block = None, False, False
    for number, line in enumerate((ROOT / document).read_text().splitlines(), 1):
        in_block ^= line.startswith("```")
        cells = line.split("|") if line.startswith("|") else [line]
        if not is_table:
            proof = proof_column(cells)
        is_table = line.startswith("|")
        for at, part in enumerate(cells if not in_block else []):
            for word in re.findall(r"`([^`\s<>]+)`", part):
                fault = names.fault(word, at == proof)
                if fault:
                    yield f"{document}:{number}: `{word}`: {fault}"


def main():
    names = Names()
    found = [fault for document in DOCUMENTS for fault in faults_of(document, names)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
