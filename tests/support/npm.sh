#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Puts the packages that FOLDER/package-lock.json names into TARGET, unless they are there. npm.sh FOLDER TARGET
set -euo pipefail

folder=$1 target=$2

cmp -s "$folder/package-lock.json" "$target/package-lock.json" && exit 0
command -v npm > /dev/null || "$(dirname "$0")/deps.sh" npm
rm -rf "$target"
mkdir -p "$target"
cp "$folder/package.json" "$target"
# The lock comes last into its place: it says that all of it is there.
cp "$folder/package-lock.json" "$target/npm-shrinkwrap.json"
(cd "$target" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
cp "$folder/package-lock.json" "$target"
