#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs libFuzzer builds side by side, all of them for SECS seconds, which is the time in all. New
# inputs stay in build/, and so does what each said.
# BUILD=dir fuzz.sh SECS FUZZER...
set -euo pipefail

secs=$1
shift
out=${BUILD:-build/fuzz}
pids=()

begin() { # one fuzzer, in the background
    local fuzzer=$1 folder
    local options=(-max_total_time="$secs" -artifact_prefix="$out/$fuzzer-" -print_final_stats=1
        -rss_limit_mb=1024 -timeout=120)
    local seeds=("$out/found/$fuzzer")
    mkdir -p "$out/found/$fuzzer" "$out/log"
    for folder in "fuzz/corpus/$fuzzer" "fuzz/regress/$fuzzer"; do
        [ ! -d "$folder" ] || seeds+=("$folder")
    done
    [ ! -f "fuzz/dict/$fuzzer.dict" ] || options+=(-dict="fuzz/dict/$fuzzer.dict")
    nice -n 19 "$out/fuzz/$fuzzer" "${options[@]}" "${seeds[@]}" > "$out/log/$fuzzer" 2>&1 &
    pids+=("$!")
}

trap 'kill "${pids[@]}" 2> /dev/null; exit 130' INT TERM

for fuzzer in "$@"; do
    begin "$fuzzer"
done
failed=0
for fuzzer in "$@"; do
    log=$out/log/$fuzzer
    if wait "${pids[0]}"; then
        printf '  ok    %-28s %s runs\n' "$fuzzer" \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
    else
        printf '  FAIL  %s; the input belongs into fuzz/regress/%s\n' "$fuzzer" "$fuzzer"
        tail -n 40 "$log" | sed 's/^/        /'
        failed=1
    fi
    pids=("${pids[@]:1}")
done
echo "$# fuzzers side by side, $secs s in all"
exit "$failed"
