#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Branch coverage of rooms of the tree, from the counters in build/cover; each must reach 90 %.
# Not counted: branches that gcc itself knows to be dead, and those of CL_CHECK, which abort.
# cover.sh ROOM...      base, enter, policyview, wire, http1, jsonscan
set -euo pipefail

least=90
out=build/cover
count=(gcovr --root . --object-directory "$out/obj" --exclude-unreachable-branches
    --exclude-branches-by-pattern '.*CL_CHECK\(.*')

declare -A files=(
    [base]='sandbox/base/'
    [enter]='sandbox/enter/'
    [policyview]='sandbox/base/(policyview|tenantview|bpfcheck|sealed)\.[ch]'
    [wire]='sandbox/base/(wire|frame|fdpass)\.[ch]'
    [http1]='api/http1/'
    [jsonscan]='api/json/'
)

mkdir -p "$out/html"
"${count[@]}" --filter sandbox/ --filter api/ --filter policies/ --filter runtime/ --branches \
    --txt "$out/branches.txt" --html-details "$out/html/index.html" --json "$out/all.json" "$out/obj"
failed=0
for room in "$@"; do
    if "${count[@]}" --add-tracefile "$out/all.json" --filter "${files[$room]}" --branches \
        --fail-under-branch "$least" --txt "$out/$room.txt" 2> "$out/$room.err"; then
        word=ok
    else
        word=FAIL
        failed=1
    fi
    printf '  %-5s %-12s %s of branches\n' "$word" "$room" "$(awk '/^TOTAL/ { print $4 }' "$out/$room.txt")"
done
echo "each file: $out/branches.txt, each line: $out/html/index.html"
exit "$failed"
