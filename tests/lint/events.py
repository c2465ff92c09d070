#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every event of the log is in the table of docs/log.md with its level, and the other way round; every format is
pairs of key=value with conversions that sandbox/base/logline.c knows."""

import pathlib
import re
import subprocess
import sys

LEVELS = {"CL_ERROR": "error", "CL_WARN": "warn", "CL_INFO": "info", "CL_DEBUG": "debug"}
# Texts that a format is put together of, as sources write them.
MACROS = {"CL_JOB_TEXT": '"id=%s tenant=%s trace=%s"', "CL_ASYNC_TEXT": '"id=%s tenant=%s trace=%s"',
          "PRIu64": '"lu"', "PRIu32": '"u"', "PRId32": '"d"', "PRId64": '"ld"'}
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
CONVERSION = r"%(?:\.\d+)?(?:l{1,2}|z)?[sdiu]"
BARE = rf"(?:[^\s\"%]|{CONVERSION})+"
QUOTED = rf'"(?:[^"%]|{CONVERSION})*"'
PAIRS = re.compile(rf"[a-z_0-9]+=(?:{QUOTED}|{BARE})(?: [a-z_0-9]+=(?:{QUOTED}|{BARE}))*")
ROW = re.compile(r"^\| `([a-z_.]+)` \| ([a-z, ]+) \|", re.MULTILINE)


def calls(text):
    """The arguments of each cl_log( as one text each."""
    for start in re.finditer(r"\bcl_log\(", text):
        depth, at, quoted = 1, start.end(), False
        while depth:
            byte = text[at]
            if byte == "\\":
                at += 1
            elif byte == '"':
                quoted = not quoted
            elif not quoted:
                depth += {"(": 1, ")": -1}.get(byte, 0)
            at += 1
        yield text[start.end():at - 1]


def split(arguments):
    """(words of the level, names of events, the format)"""
    parts, depth, quoted, word = [], 0, False, ""
    for i, byte in enumerate(arguments):
        if byte == '"' and arguments[i - 1] != "\\":
            quoted = not quoted
        depth += 0 if quoted else {"(": 1, ")": -1}.get(byte, 0)
        if byte == "," and depth == 0 and not quoted and len(parts) < 2:
            parts.append(word)
            word = ""
        elif byte == "," and depth == 0 and not quoted:
            break
        else:
            word += byte
    level, event, text = *parts, word
    for name, stands_for in MACROS.items():
        text = re.sub(rf"\b{name}\b", stands_for.replace("\\", r"\\"), text)
    return re.findall(r"CL_[A-Z]+", level), STRING.findall(event), "".join(STRING.findall(text))


def main():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "api/*.c",
                             "sandbox/*.c", "runtime/*.c", "policies/*.c"], capture_output=True, text=True, check=True)
    told = {name: set(levels.split(", ")) for name, levels in ROW.findall(pathlib.Path("docs/log.md").read_text())}
    seen, faults = {}, []
    for path in filter(pathlib.Path.exists, map(pathlib.Path, listed.stdout.split())):
        text = path.read_text()
        if path.name in ("log.c", "logline.c"):
            continue
        for arguments in calls(text):
            levels, events, format_ = split(arguments)
            plain = format_.replace('\\"', '"')
            if not PAIRS.fullmatch(plain):
                faults.append(f"{path}: {events}: \"{plain}\" is not key=value pairs")
            for event in events:
                seen.setdefault(event, set()).update(LEVELS[level] for level in levels if level in LEVELS)
    seen["said"] = {"info", "error"}
    faults += [f"{event}: not in the table of docs/log.md" for event in sorted(seen.keys() - told.keys())]
    faults += [f"{event}: in docs/log.md, and nowhere else" for event in sorted(told.keys() - seen.keys())]
    faults += [f"{event}: levels {sorted(seen[event])}, docs/log.md says {sorted(told[event])}"
               for event in sorted(seen.keys() & told.keys()) if seen[event] != told[event]]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
