/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups v2: one hierarchy, workers born in their group, cgroup.kill.
 * Runs in: cloched.
 * Trusts: the kernel's cgroup files.
 */
#include "sandbox/cgroup.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

enum { PERIOD_US = 100000 };

/* Whether cloched may make its own group an inner node: nobody else is in it. */
static bool is_alone(int dir)
{
    struct cl_err err;
    char text[64];
    ssize_t length = cl_file_get(dir, "cgroup.procs", text, sizeof(text), &err);
    char *end;

    return length > 0 && strtol(text, &end, 10) == getpid() && end == text + length - 1;
}

/* The host's root group has no cgroup.type and alone may hold processes beside children. */
static bool is_root(int dir)
{
    return faccessat(dir, "cgroup.type", F_OK, 0) < 0;
}

/* The group to build in: our own if it is the root or we are alone in it (Delegate=yes), else
 * the root of the hierarchy, found by walking up. */
static int move_aside(struct cl_cgroup_host *host, struct cl_err *err)
{
    int *own = &host->own.dirs[CL_CG_V2];

    if (!is_root(*own) && is_alone(*own)) {
        cl_close_auto int leaf = cl_file_dir(*own, "main", 0755, err);
        if (leaf < 0 || cl_file_put(leaf, "cgroup.procs", "0", err) < 0)
            return -1;
        return 0;
    }
    while (!is_root(*own)) {
        int above = openat(*own, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (above < 0 || faccessat(above, "cgroup.procs", F_OK, 0) < 0) {
            cl_own_close(&above);
            return cl_fail(err, CL_E_DENIED,
                           "cloched shares its cgroup and sees no root group: "
                           "start it in one of its own (Delegate=yes)");
        }
        close(*own);
        *own = above;
    }
    return 0;
}

static int own_open(struct cl_cgroup_host *host, struct cl_err *err)
{
    if (move_aside(host, err) < 0)
        return -1;
    return cl_cgroup_delegate(&cl_cgroup_v2, host->own.dirs[CL_CG_V2], err);
}

static int give(int dir, uid_t owner, struct cl_err *err)
{
    if (fchownat(dir, "cgroup.procs", owner, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0)
        return cl_fail(err, CL_E_SYS, "chown cgroup.procs");
    return 0;
}

/* Swap accounting may be off in this kernel: then there is no swap to limit. */
static int limit_swap(int dir, const char *name, struct cl_err *err)
{
    return faccessat(dir, name, F_OK, 0) < 0 ? 0 : cl_file_put(dir, name, "0", err);
}

/* The zygote's cgroup namespace is rooted at z<k> by now. A group with controllers may hold no
 * process, hence the leaf. Cloning into a slot needs write access to cgroup.procs of the slot and
 * of the common ancestor, z<k>. */
static int zygote_settle(const struct cl_cgroup *zygote, pid_t pid, uid_t owner,
                         uint64_t memory_bytes, struct cl_err *err)
{
    int dir = zygote->dirs[CL_CG_V2];

    if (cl_file_put_u64(dir, "zygote/cgroup.procs", (uint64_t)pid, err) < 0 ||
        cl_cgroup_delegate(&cl_cgroup_v2, dir, err) < 0 ||
        cl_file_put_u64(dir, "zygote/memory.max", memory_bytes, err) < 0 ||
        limit_swap(dir, "zygote/memory.swap.max", err) < 0)
        return cl_err_context(err, "settle a zygote");
    return give(dir, owner, err);
}

static int slot_limit(struct cl_slot *slot, uint64_t memory_bytes, uint32_t processes,
                      struct cl_err *err)
{
    int dir = slot->group.dirs[CL_CG_V2];

    if (cl_file_put_u64(dir, "pids.max", processes, err) < 0)
        return -1;
    return cl_file_put_u64(dir, "memory.max", memory_bytes, err);
}

static int slot_prepare(struct cl_slot *slot, struct cl_err *err)
{
    const struct cl_policy *policy = slot->policy;
    int *counters = slot->counters, dir = slot->group.dirs[CL_CG_V2];

    /* Read-only before 6.12: then the slot is made anew after each use. Not there before 5.19. */
    counters[CL_CG_PEAK] = openat(dir, "memory.peak", O_RDWR | O_CLOEXEC);
    if (counters[CL_CG_PEAK] < 0)
        counters[CL_CG_PEAK] = openat(dir, "memory.peak", O_RDONLY | O_CLOEXEC);
    if (counters[CL_CG_PEAK] < 0)
        counters[CL_CG_PEAK] = openat(dir, "memory.current", O_RDONLY | O_CLOEXEC);
    counters[CL_CG_OOM] = openat(dir, "memory.events", O_RDONLY | O_CLOEXEC);
    counters[CL_CG_PIDS_EVENTS] = openat(dir, "pids.events", O_RDONLY | O_CLOEXEC);
    counters[CL_CG_TASKS] = openat(dir, "pids.current", O_RDONLY | O_CLOEXEC);
    if (give(dir, slot->owner, err) < 0 || limit_swap(dir, "memory.swap.max", err) < 0 ||
        cl_file_put(dir, "memory.oom.group", "1", err) < 0 ||
        cl_file_put_u64(dir, "cpu.weight", policy->cpu_weight, err) < 0)
        return -1;
    /* The period is the kernel's own. */
    if (policy->cpu_max_milli == 0)
        return 0;
    return cl_file_put_u64(dir, "cpu.max", policy->cpu_max_milli * (PERIOD_US / 1000), err);
}

static int slot_reset(struct cl_slot *slot)
{
    return pwrite(slot->counters[CL_CG_PEAK], "0", 1, 0) == 1 ||
                   faccessat(slot->group.dirs[CL_CG_V2], "memory.peak", F_OK, 0) < 0
               ? 0
               : -1;
}

const struct cl_cgroup_ops cl_cgroup_v2 = {
    .memory_now = "memory.current",
    .own_open = own_open,
    .delegated = "+memory +pids +cpu",
    .zygote_settle = zygote_settle,
    .slot_prepare = slot_prepare,
    .slot_limit = slot_limit,
    .slot_reset = slot_reset,
};
