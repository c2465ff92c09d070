#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the integration and jailbreak tests: most wait most of the time, so a file per CPU at a time,
# and then one by one what counts on a quiet machine (`@pytest.mark.alone`).
# pytest.sh [ARGUMENT...]      arguments of pytest; -n 0 or -n 1 runs all of them one by one
set -euo pipefail

NO_TESTS=5 # pytest's status when arguments select none

run() {
    local status=0
    "${PYTHON:-/usr/bin/python3}" -m pytest -p no:cacheprovider "$@" || status=$?
    [ "$status" -eq "$NO_TESTS" ] || [ "$status" -eq 0 ] || failed=$status
}

failed=0
folders=(tests/integration tests/jailbreak)
run -n "$(nproc)" --dist loadfile -m "not alone" "$@" "${folders[@]}"
run -m alone "$@" "${folders[@]}"
exit "$failed"
