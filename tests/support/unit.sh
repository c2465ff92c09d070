#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs unit tests and replays the corpora, one line for each; the whole output of what failed.
# BUILD=dir FUZZERS="..." unit.sh TEST...
set -uo pipefail

# Tests ask for impossible sizes on purpose: that must be an error of ours, not of the sanitizer.
export ASAN_OPTIONS="allocator_may_return_null=1:${ASAN_OPTIONS:-}"
export TSAN_OPTIONS="allocator_may_return_null=1:${TSAN_OPTIONS:-}"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0

run() { # name, then the command
    local name=$1
    shift
    if "$@" > "$log" 2>&1; then
        printf '  ok    %-28s %s\n' "$name" "$(sed -n 's/^\[  PASSED  \] //p; s/^replayed //p' "$log" | tail -1)"
        # A test that could not run says so; nothing is skipped silently.
        skipped=$(sed -n 's/^\[  SKIPPED \] \([a-z_0-9]*\)$/\1/p' "$log" | sort -u | paste -sd ' ')
        if [ -n "$skipped" ]; then
            echo "skipped: $skipped" | fold -s -w 86 | sed "s|^|        |"
            [ "${CLOCHE_REQUIRE:-}" != all ] || failed=1
        fi
    else
        printf '  FAIL  %s (exit %s)\n' "$name" "$?"
        sed 's/^/        /' "$log"
        failed=1
    fi
}

for test in "$@"; do
    run "$test" timeout 120 "$BUILD/unit/$test"
done
for fuzzer in ${FUZZERS:-}; do
    run "$fuzzer" timeout 300 "$BUILD/fuzz/$fuzzer" "fuzz/corpus/$fuzzer" "fuzz/regress/$fuzzer"
done
exit "$failed"
