#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All lints, one line each and their output if they fail. A tool that is missing skips its lint;
# with CLOCHE_REQUIRE=all it fails.
# BIN=dir BUILD=dir run.sh
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0

files() { # patterns; what is tracked or will be
    git ls-files -z --cached --others --exclude-standard -- "$@"
}

lint() { # name, tool, command...
    local name=$1 tool=$2
    shift 2
    if ! command -v "$tool" > /dev/null; then
        if [ "${CLOCHE_REQUIRE:-}" = all ]; then
            printf '  FAIL  %s: %s is missing\n' "$name" "$tool"
            failed=1
        else
            printf '  skip  %s: %s is missing\n' "$name" "$tool"
        fi
        return
    fi
    if "$@" > "$log" 2>&1; then
        printf '  ok    %s\n' "$name"
        grep ' (warning)$' "$log" | sed 's/^/        /'
    else
        printf '  FAIL  %s\n' "$name"
        sed 's/^/        /' "$log"
        failed=1
    fi
}

format() {
    files '*.c' '*.h' | xargs -0 -n 8 -P "$(nproc)" clang-format --dry-run -Werror
}

# What CL_CHECK tests holds behind it, which cppcheck can only see of abort().
analyse() {
    cppcheck --quiet --std=c11 --language=c -j "$(nproc)" --error-exitcode=1 --inline-suppr \
        --enable=warning,performance,portability '-Dcl_check_failed(x,file,line)=abort()' \
        '-DPy_RETURN_NONE=return Py_None' '-DPy_RETURN_TRUE=return Py_True' \
        '-DPy_RETURN_FALSE=return Py_False' -DPy_BEGIN_ALLOW_THREADS= -DPy_END_ALLOW_THREADS= \
        --suppressions-list=tests/lint/cppcheck.txt --template='{file}:{line}: {id}: {message}' \
        -D_GNU_SOURCE -D__x86_64__ -I. sandbox policies api runtime fuzz
}

shells() {
    files '*.sh' .ci/run | xargs -0 shellcheck -x -S warning
}

# Fixtures look unused and defined twice, and runtime/py is given some by C; elsewhere a name that is nowhere is an error in whatever light.
names() {
    ! { files '*.py' ':!runtime/py' | xargs -0 pyflakes3 2>&1 || true; } | grep -E 'undefined name|syntax|unindent'
}

# Golden files and corpora are wrong on purpose.
words() {
    files '*.c' '*.h' '*.py' '*.sh' '*.md' '*.yaml' '*.mk' Makefile ':!tests/golden' \
        ':!fuzz/corpus' |
        xargs -0 codespell --ignore-words=tests/lint/codespell.txt
}

lint layers /usr/bin/python3 /usr/bin/python3 tests/lint/layers.py
lint sizes /usr/bin/python3 /usr/bin/python3 tests/lint/sizes.py
lint headers /usr/bin/python3 /usr/bin/python3 tests/lint/headers.py
lint shown /usr/bin/python3 /usr/bin/python3 tests/lint/shown.py
lint sql /usr/bin/python3 /usr/bin/python3 tests/lint/sql.py
lint events /usr/bin/python3 /usr/bin/python3 tests/lint/events.py
lint links readelf tests/lint/links.sh
lint hardened readelf tests/lint/hardened.sh
lint format clang-format format
lint cppcheck cppcheck analyse
lint shellcheck shellcheck shells
lint names pyflakes3 names
lint codespell codespell words
exit "$failed"
