#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Puts the packages that FOLDER/package-lock.json names into TARGET, unless they are there. npm.sh FOLDER TARGET
set -euo pipefail

folder=$1 target=$2
registry=${NPM_CONFIG_REGISTRY:-https://registry.npmjs.org}

# Where there is no npm: Debian's brings four hundred packages along, for a dozen files.
fetch() { # path below node_modules, version, integrity
    local name=${1##*node_modules/} at=$target/$1 digest
    mkdir -p "$at"
    curl -fsSL --retry 3 -o "$target/package.tgz" "${registry%/}/$name/-/${name##*/}-$2.tgz"
    digest=sha512-$(openssl dgst -sha512 -binary "$target/package.tgz" | openssl base64 -A)
    [ "$digest" = "$3" ] || { echo "npm.sh: $name $2 is not what the lock says" >&2; return 1; }
    tar -xzf "$target/package.tgz" -C "$at" --strip-components=1 --no-same-owner
    rm "$target/package.tgz"
}

list() { # of a lock file: path, version, integrity
    /usr/bin/python3 -c 'import json, sys
for path, package in json.load(open(sys.argv[1]))["packages"].items():
    if path: print(path, package["version"], package["integrity"])' "$1"
}

cmp -s "$folder/package-lock.json" "$target/package-lock.json" && exit 0
rm -rf "$target"
mkdir -p "$target"
cp "$folder/package.json" "$target"
if command -v npm > /dev/null; then
    cp "$folder/package-lock.json" "$target/npm-shrinkwrap.json"
    (cd "$target" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
else
    list "$folder/package-lock.json" |
        while read -r path version integrity; do fetch "$path" "$version" "$integrity"; done
fi
# The lock comes last into its place: it says that all of it is there.
cp "$folder/package-lock.json" "$target"
