/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups v1: memory, pids and cpu, each in a hierarchy of its own.
 * Runs in: cloched.
 * Trusts: the kernel's cgroup files.
 */
#include "sandbox/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

enum { PERIOD_US = 100000, RESIDUE_BYTES = 1 << 20 };

/* Memory alone can never be above memory and swap together, so the order depends on which way
 * the limit goes. Without swap accounting the second file is missing. */
static int limit_memory(int dir, uint64_t bytes, struct cl_err *err)
{
    static const char *const alone = "memory.limit_in_bytes";
    static const char *const with_swap = "memory.memsw.limit_in_bytes";
    const bool is_done = cl_file_put_u64(dir, alone, bytes, err) == 0;

    if (faccessat(dir, with_swap, F_OK, 0) == 0 &&
        cl_file_put_u64(dir, with_swap, bytes, err) < 0)
        return -1;
    return is_done ? 0 : cl_file_put_u64(dir, alone, bytes, err);
}

/* It entered its leaf by itself, and its workers are given open files. */
static int zygote_settle(const struct cl_cgroup *zygote, pid_t pid, uid_t owner,
                         uint64_t memory_bytes, struct cl_err *err)
{
    cl_close_auto int leaf = cl_file_dir(zygote->dirs[CL_CG_MEMORY], "zygote", 0, err);

    (void)pid, (void)owner;
    return leaf < 0 ? -1 : limit_memory(leaf, memory_bytes, err);
}

static int slot_limit(struct cl_slot *slot, uint64_t memory_bytes, uint32_t processes,
                      struct cl_err *err)
{
    if (limit_memory(slot->group.dirs[CL_CG_MEMORY], memory_bytes, err) < 0)
        return -1;
    return cl_file_put_u64(slot->group.dirs[CL_CG_PIDS], "pids.max", processes, err);
}

/* The period is the kernel's own. */
static int limit_cpu(int dir, const struct cl_policy *policy, struct cl_err *err)
{
    uint64_t shares = (uint64_t)policy->cpu_weight * 1024 / 100;
    uint64_t quota_us = (uint64_t)policy->cpu_max_milli * (PERIOD_US / 1000);

    if (cl_file_put_u64(dir, "cpu.shares", shares < 2 ? 2 : shares, err) < 0)
        return -1;
    return quota_us == 0 ? 0 : cl_file_put_u64(dir, "cpu.cfs_quota_us", quota_us, err);
}

static int slot_prepare(struct cl_slot *slot, struct cl_err *err)
{
    const int *dirs = slot->group.dirs;
    const int memory = dirs[CL_CG_MEMORY];
    int *counters = slot->counters;

    for (size_t i = 0; i < CL_CG_COUNT; i++) {
        slot->procs.dirs[i] = openat(dirs[i], "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (slot->procs.dirs[i] < 0)
            return cl_fail(err, CL_E_SYS, "open cgroup.procs of a slot");
    }
    counters[CL_CG_PEAK] = openat(memory, "memory.max_usage_in_bytes", O_RDWR | O_CLOEXEC);
    /* failcnt does not rise when the OOM killer ends a worker; this one does. */
    counters[CL_CG_OOM] = openat(memory, "memory.oom_control", O_RDONLY | O_CLOEXEC);
    counters[CL_CG_PIDS_EVENTS] = openat(dirs[CL_CG_PIDS], "pids.events", O_RDONLY | O_CLOEXEC);
    counters[CL_CG_TASKS] = openat(dirs[CL_CG_PIDS], "pids.current", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < CL_CG_COUNTERS; i++) {
        if (counters[i] < 0)
            return cl_fail(err, CL_E_SYS, "open the counters of a slot");
    }
    if (cl_file_put(memory, "memory.swappiness", "0", err) < 0)
        return -1;
    return limit_cpu(dirs[CL_CG_CPU], slot->policy, err);
}

static int slot_reset(struct cl_slot *slot)
{
    struct cl_err err;

    /* The peak falls to what is used now. Pages that outlived the worker are rare, and dropping
     * them is not free. */
    if (pwrite(slot->counters[CL_CG_PEAK], "0", 1, 0) != 1)
        return -1;
    if (cl_cgroup_counter(slot->counters[CL_CG_PEAK], NULL) <= RESIDUE_BYTES)
        return 0;
    cl_file_put(slot->group.dirs[CL_CG_MEMORY], "memory.force_empty", "0", &err);
    return pwrite(slot->counters[CL_CG_PEAK], "0", 1, 0) == 1 ? 0 : -1;
}

const struct cl_cgroup_ops cl_cgroup_v1 = {
    .memory_now = "memory.usage_in_bytes",
    .zygote_settle = zygote_settle,
    .slot_prepare = slot_prepare,
    .slot_limit = slot_limit,
    .slot_reset = slot_reset,
};
