#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs inside the guest: mounts the payload, runs its tests, writes the log and the exit status to the
# two serial ports that run.sh keeps as files on the host.
log=/dev/virtio-ports/cloche.log
status=/dev/virtio-ports/cloche.status

mkdir -p /cloche
mount -o ro /dev/vdb /cloche || { echo 90 >"$status"; exit 90; }
ip link set lo up
cd /cloche || exit 90

{
    echo "guest: $(uname -srm), $(cat /proc/sys/kernel/osrelease), cgroup $(stat -fc %T /sys/fs/cgroup)"
    echo "guest: controllers $(cat /sys/fs/cgroup/cgroup.controllers)"
    CLOCHE_BIN=/cloche/bin PYTHONDONTWRITEBYTECODE=1 sh /cloche/command 2>&1
    echo $? >/run/vmtest.status
} >"$log" 2>&1

cat /run/vmtest.status >"$status"
sync
exit "$(cat /run/vmtest.status)"
