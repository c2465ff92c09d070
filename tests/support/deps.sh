#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs those of the named Debian packages that are missing. deps.sh PACKAGE...
set -euo pipefail

if ! command -v dpkg-query > /dev/null; then
    echo "deps: not a Debian system; needed are the counterparts of: $*"
    exit 0
fi

missing=()
for package in "$@"; do
    state=$(dpkg-query -W -f '${Status}' "$package" 2> /dev/null || true)
    [ "$state" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "deps: missing, and only root may install them: apt-get install ${missing[*]}" >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
echo "deps: installing ${missing[*]}"
# The package lists may be absent or too old; fetching them is slow, so only then.
"${install[@]}" || { apt-get update -q && "${install[@]}"; }
