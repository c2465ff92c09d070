/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries one system call, or tells what the worker sees of its jail.
 * Runs in: a worker that never gets a call.
 * Trusts: cloche-prover, which holds this worker's socket.
 */
#include "runtime/probe.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FDS_LOOKED_AT = 64 };

static struct cl_jail_seen seen_at_entry;

void cl_probe_open(const struct cl_jail_seen *seen)
{
    seen_at_entry = *seen;
}

/* lseek is in every tier and says EBADF for a descriptor that is not there. */
static uint32_t count_fds(void)
{
    uint32_t count = 0;

    for (int fd = 0; fd < FDS_LOOKED_AT; fd++)
        count += syscall(SYS_lseek, fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
    return count;
}

static int make_syscall(const struct cl_frame_probe *probe)
{
    const uint64_t *args = probe->args;
    const uint64_t second =
        probe->kind == CL_PROBE_PATH ? (uint64_t)(uintptr_t)probe->path : args[1];
    long got =
        syscall((long)probe->number, args[0], second, args[2], args[3], args[4], args[5]);

    if (getpid() != 1)
        _exit(0); /* the call was a fork that should have been refused; the parent tells */
    return got < 0 ? errno : 0;
}

void cl_probe_run(const struct cl_frame_probe *probe, struct cl_frame_probed *probed)
{
    memset(probed, 0, sizeof(*probed));
    if (probe->kind != CL_PROBE_JAIL)
        probed->sys = make_syscall(probe);
    probed->pid = getpid();
    probed->uid = seen_at_entry.uid;
    probed->gid = seen_at_entry.gid;
    probed->no_new_privs = seen_at_entry.no_new_privs;
    probed->caps = seen_at_entry.caps;
    probed->fd_count = count_fds();
}
