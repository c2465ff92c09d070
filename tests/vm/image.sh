#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the Debian 12 guest of `make vmtest`: OUT/vmlinuz, OUT/initrd.img, OUT/root.ext4. Root only
# (debootstrap chroots), no loop device, no mount left behind. Packages come from the mirror that this
# machine's apt uses. usage: image.sh OUT
set -eu

out=$1
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
suite=bookworm
root_size=3G

# What the guest runs: a kernel with cgroup v2, the libraries the programs link, and pytest.
packages="systemd-sysv,udev,dbus,kmod,linux-image-cloud-amd64,initramfs-tools,zstd
libevent-2.1-7,libevent-core-2.1-7,libevent-openssl-2.1-7,libjson-c5,libseccomp2,libcap2
libpython3.11,libyaml-0-2,libsodium23,libsqlite3-0,libssl3,libcurl4
python3,python3-pytest,python3-pytest-xdist,python3-httpx,python3-yaml,python3-jsonschema,python3-prometheus-client,python3-numpy,python3-pandas
iproute2,util-linux,e2fsprogs,procps,curl,openssl,groff-base,logrotate,strace,gcc,libc6-dev,nodejs"

say() { echo "vmtest: $*" >&2; }
die() { say "$*"; exit 1; }

mirror()
{
    apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' 'Component: main' |
        awk -v suite="$suite" '$1 == suite { print $2; exit }'
}

[ "$(id -u)" = 0 ] || die "building the guest needs root"
for tool in debootstrap mke2fs apt-get; do
    command -v "$tool" >/dev/null || die "$tool is missing: apt-get install debootstrap e2fsprogs"
done

from=$(mirror)
from=${from:-http://deb.debian.org/debian}
mkdir -p "$out"
tree=$(mktemp -d "$out/root.XXXXXX")
trap 'rm -rf --one-file-system "$tree"' EXIT
chmod 755 "$tree"

say "debootstrap $suite from $from (a few minutes, once)"
debootstrap --variant=minbase --include="$(echo "$packages" | tr '\n' ',')" \
    "$suite" "$tree" "$from" >"$out/debootstrap.log" 2>&1 ||
    die "debootstrap failed, see $out/debootstrap.log"

# The unit that runs the tests, in place of everything a real host would start.
install -m 644 "$here/guest/vmtest.service" "$here/guest/vmtest.target" "$tree/etc/systemd/system/"
ln -sf vmtest.target "$tree/etc/systemd/system/default.target"
echo cloche-vmtest >"$tree/etc/hostname"
echo '127.0.0.1 localhost cloche-vmtest' >"$tree/etc/hosts"
echo '/dev/vda / ext4 rw,noatime 0 1' >"$tree/etc/fstab"
: >"$tree/etc/machine-id"
rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/* "$tree/usr/share/doc" "$tree/usr/share/locale"

kernel=$(find "$tree/boot" -name 'vmlinuz-*' | sort -V | tail -n 1)
initrd=$(find "$tree/boot" -name 'initrd.img-*' | sort -V | tail -n 1)
[ -n "$kernel" ] && [ -n "$initrd" ] || die "the guest got no kernel, see $out/debootstrap.log"
cp "$kernel" "$out/vmlinuz"
cp "$initrd" "$out/initrd.img"
rm -f "$out/root.ext4"
mke2fs -q -t ext4 -d "$tree" "$out/root.ext4" "$root_size" >/dev/null
say "guest is ready in $out"
