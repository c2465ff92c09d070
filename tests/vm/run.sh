#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Boots the guest of image.sh with a build and its tests, and exits with the status of the tests.
# The guest disk is opened read-mostly (-snapshot): every run starts from the same state.
# usage: run.sh OUT BIN [COMMAND]      COMMAND runs in the guest instead of pytest
set -eu

out=$1
bin=$2
command=${3:-"CLOCHE_AGAIN=10 tests/support/pytest.sh -v --tb=short --durations=25"}
# An emulated CPU has no speculation to mitigate, and is ten times slower than the real one, twenty
# times when the host has other work; deadlines of the tests stretch.
slow=${CLOCHE_SLOW:-20}
seconds=${VM_SECONDS:-10800}
accel=${VM_ACCEL:-tcg,thread=multi}
clock=

say() { echo "vmtest: $*" >&2; }
die() { say "$*"; exit 1; }

command -v qemu-system-x86_64 >/dev/null || die "missing: apt-get install qemu-system-x86"
[ -x "$bin/cloched" ] || die "no build in $bin"

case $accel in
tcg*) # the emulated counter is the host's, and the guest can not measure it
    [ -x "$bin/vm-ticks" ] || die "no vm-ticks in $bin: make vmtest builds it"
    clock="tsc=reliable tsc_early_khz=$("$bin/vm-ticks")"
    ;;
esac

exec 9>"$out/lock"
flock -n 9 || die "another run uses $out"
work=$(mktemp -d "$out/run.XXXXXX")
qemu=
leave()
{
    [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
    rm -rf "$work"
}
trap leave EXIT
trap 'exit 130' INT TERM HUP
payload=$work/payload
mkdir -p "$payload/bin" "$payload/build" "$payload/tests"
find "$bin" -maxdepth 1 -type f -exec cp {} "$payload/bin/" \;
ln -s ../bin "$payload/build/bin"
cp -r policies docs debian "$payload/"
mkdir "$payload/api"
cp -r api/clients api/routes.c "$payload/api/"
cp "$(dirname -- "$0")/guest/vmtest.sh" "$payload/"
for part in conftest.py support unit integration jailbreak golden; do
    [ ! -e "tests/$part" ] || cp -r "tests/$part" "$payload/tests/"
done
find "$payload/tests" -name __pycache__ -prune -exec rm -rf {} +
printf 'CLOCHE_SLOW=%s CLOCHE_REQUIRE=all exec env %s\n' "$slow" "$command" >"$payload/command"
mke2fs -q -t ext4 -d "$payload" "$work/payload.ext4" 512M >/dev/null

say "booting (console in $out/console.log)"
: >"$out/pytest.log"
timeout --foreground "$seconds" qemu-system-x86_64 -accel "$accel" -cpu max -smp 2 -m 3G \
    -display none -monitor none -parallel none -no-reboot -nic none \
    -kernel "$out/vmlinuz" -initrd "$out/initrd.img" \
    -append "root=/dev/vda rw console=ttyS0 quiet log_buf_len=4M panic=-1 mitigations=off $clock systemd.show_status=false" \
    -drive "file=$out/root.ext4,format=raw,if=virtio,snapshot=on" \
    -drive "file=$work/payload.ext4,format=raw,if=virtio,readonly=on" \
    -device virtio-rng-pci -device virtio-serial-pci \
    -chardev "file,id=log,path=$out/pytest.log" \
    -device virtserialport,chardev=log,name=cloche.log \
    -chardev "file,id=status,path=$work/status" \
    -device virtserialport,chardev=status,name=cloche.status \
    -serial "file:$out/console.log" </dev/null 9>&- &
qemu=$!
# In the background, because a trap has to wait for what runs in the foreground.
tail -n +1 -f --pid="$qemu" "$out/pytest.log" &
wait "$qemu" || die "qemu failed or took longer than $seconds s"
qemu=
wait

status=$(tr -dc 0-9 <"$work/status")
[ -n "$status" ] || die "the guest ended without a result, see $out/console.log"
say "tests ended with $status"
exit "$status"
