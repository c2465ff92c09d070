#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs libFuzzer builds, each for SECS seconds; new inputs stay in build/, crashes too.
# fuzz.sh SECS FUZZER...
set -euo pipefail

secs=$1
shift
for fuzzer in "$@"; do
    found=build/fuzz/found/$fuzzer
    mkdir -p "$found"
    seeds=()
    for folder in "fuzz/corpus/$fuzzer" "fuzz/regress/$fuzzer"; do
        [ ! -d "$folder" ] || seeds+=("$folder")
    done
    options=(-max_total_time="$secs" -artifact_prefix="build/fuzz/$fuzzer-" -print_final_stats=1)
    [ ! -f "fuzz/dict/$fuzzer.dict" ] || options+=(-dict="fuzz/dict/$fuzzer.dict")
    echo "== $fuzzer, $secs s"
    "build/fuzz/fuzz/$fuzzer" "${options[@]}" "$found" "${seeds[@]}"
done
