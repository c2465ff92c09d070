#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the integration and jailbreak tests: most wait most of the time, so a file per CPU at a time,
# and then one by one what counts on a quiet machine (`@pytest.mark.alone`).
# pytest.sh [ARGUMENT...]      arguments of pytest; -n 0 or -n 1 runs all of them one by one
# CLOCHE_AGAIN=N runs what failed beside others once more by itself, unless more than N failed: it tells
# what only company breaks, where a run takes hours. The status stays that of the first time.
set -euo pipefail

NO_TESTS=5 # pytest's status when arguments select none

run() {
    local status=0
    "${PYTHON:-/usr/bin/python3}" -m pytest -p no:cacheprovider "$@" || status=$?
    [ "$status" -eq "$NO_TESTS" ] || [ "$status" -eq 0 ] || failed=$status
}

again() {
    local names
    mapfile -t names < <(sort -u "$CLOCHE_FAILED")
    [ "${#names[@]}" -gt 0 ] && [ "${#names[@]}" -le "$CLOCHE_AGAIN" ] || return 0
    printf '\nagain, one by one:\n'
    printf '  %s\n' "${names[@]}"
    for name in "${names[@]}"; do
        run "$@" "$name"
    done
}

failed=0
folders=(tests/integration tests/jailbreak)
if [ -n "${CLOCHE_AGAIN:-}" ]; then
    CLOCHE_FAILED=$(mktemp)
    export CLOCHE_FAILED PYTHONPATH=tests/support
    trap 'rm -f "$CLOCHE_FAILED"' EXIT
    set -- -p tell "$@"
fi
run -n "$(nproc)" --dist loadfile -m "not alone" "$@" "${folders[@]}"
run -m alone "$@" "${folders[@]}"
[ -z "${CLOCHE_AGAIN:-}" ] || again "$@"
exit "$failed"
