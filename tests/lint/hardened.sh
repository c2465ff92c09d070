#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each release program must be what the release flags ask for.
# BIN=dir BUILD=dir hardened.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

bin=${BIN:-build/bin}
objects=${BUILD:-build/release}/obj
failed=0

# program, what it is called, text that must be there, output of readelf or nm
must_have() {
    if ! grep -qE -- "$3" <<< "$4"; then
        echo "$bin/$1: no $2"
        failed=1
    fi
}

must_lack() {
    if grep -qE -- "$3" <<< "$4"; then
        echo "$bin/$1: $2"
        failed=1
    fi
}

for program in cloched cloche-begin cloche-loader cloche-prover cloche-api cloche-policyc cloche-zygote cloche; do
    file=$bin/$program
    if [ ! -x "$file" ]; then
        echo "$file: not built"
        failed=1
        continue
    fi
    head=$(readelf -hW "$file")
    segments=$(readelf -lW "$file")
    dynamic=$(readelf -dW "$file")
    symbols=$(readelf --dyn-syms -W "$file")

    must_have "$program" "position independence" 'Type:[[:space:]]+DYN' "$head"
    must_have "$program" "PIE mark" 'FLAGS_1.*PIE' "$dynamic"
    must_have "$program" "immediate binding" 'FLAGS_1.*NOW' "$dynamic"
    must_have "$program" "RELRO segment" 'GNU_RELRO' "$segments"
    must_have "$program" "non-executable stack" 'GNU_STACK[^E]*RW ' "$segments"
    must_lack "$program" "has a segment that is writable and executable" ' RWE ' "$segments"
    must_lack "$program" "has text relocations" 'TEXTREL' "$dynamic"
    must_lack "$program" "has a library path" 'RPATH|RUNPATH' "$dynamic"
    must_have "$program" "stack protector" '__stack_chk_fail' "$symbols"
    must_have "$program" "fortified calls" '_chk(@|$|[[:space:]])' "$symbols"
done

# A program keeps its CET notes only if every object has them, and Debian's crt1.o has none; so
# it is our objects that are asked.
while read -r object; do
    if ! readelf -nW "$object" | grep -qE 'IBT, SHSTK'; then
        echo "$object: no CET notes"
        failed=1
    fi
done < <(find "$objects"/{sandbox,api,runtime,policies} -name '*.o')
exit "$failed"
