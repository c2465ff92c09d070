#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs inside the guest: runs the command of the payload, writes its log and exit status to the two
# virtio ports that run.sh keeps as files on the host.
log=/dev/virtio-ports/cloche.log
port=/dev/virtio-ports/cloche.status

modprobe virtio_console
udevadm settle --timeout=120
ip link set lo up
cd /cloche || exit 90

{
    echo "guest: $(uname -srm), $(nproc) cpus, /sys/fs/cgroup is $(stat -fc %T /sys/fs/cgroup) with" \
        "$(cat /sys/fs/cgroup/cgroup.controllers)"
    CLOCHE_BIN=/cloche/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 sh ./command 2>&1
    status=$?
    echo "$status" >/run/vmtest.status
    # Where programs broke: some are meant to, and a red run is read with all of them.
    [ "$status" = 0 ] || dmesg | grep -E 'segfault|traps:|general protection'
} >"$log" 2>&1

status=$(cat /run/vmtest.status)
echo "$status" >"$port"
sync
exit "$status"
