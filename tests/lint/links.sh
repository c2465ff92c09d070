#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each program may need only the libraries of its row, so that root's code can't grow one unseen.
# BIN=dir links.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

bin=${BIN:-build/bin}
libc='libc\.so\.6|ld-linux-x86-64\.so\.2|libm\.so\.6'
declare -A may=(
    [cloched]="libcap\.so\.2"
    [cloche-begin]="$libc"
    [cloche-loader]="$libc"
    [cloche-prover]="$libc"
    [cloche-zygote]="libpython3\.11\.so\.1\.0|libcap\.so\.2"
    [cloche-policyc]="libyaml-0\.so\.2|libseccomp\.so\.2"
    [cloche-api]="libevent_core-2\.1\.so\.7|libevent_extra-2\.1\.so\.7|libevent_openssl-2\.1\.so\.7|libjson-c\.so\.5|libssl\.so\.3|libcrypto\.so\.3|libsodium\.so\.23|libsqlite3\.so\.0|libyaml-0\.so\.2"
    [cloche]="libyaml-0\.so\.2|libcurl\.so\.4|libjson-c\.so\.5|libsodium\.so\.23"
)

failed=0
for program in "${!may[@]}"; do
    if [ ! -x "$bin/$program" ]; then
        echo "$bin/$program: not built"
        failed=1
        continue
    fi
    while read -r library; do
        if ! [[ $library =~ ^($libc|${may[$program]})$ ]]; then
            echo "$bin/$program: may not need $library"
            failed=1
        fi
    done < <(readelf -d "$bin/$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
done
exit "$failed"
