/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups, one interface over v1 and v2. Below cloched's own group:
 *
 *   cloche.<instance>/z<k>/zygote    the zygote itself
 *   cloche.<instance>/z<k>/s<n>      slot n: at most one worker at a time, pooled
 *
 * Nothing here blocks for long: on v1 it is the worker that moves itself (that can stall for
 * milliseconds), on v2 it is born in its group.
 */
#ifndef CL_CGROUP_H
#define CL_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "policies/policy.h"
#include "sandbox/base/err.h"
#include "sandbox/base/list.h"

enum cl_cgroup_controller { CL_CG_MEMORY, CL_CG_PIDS, CL_CG_CPU, CL_CG_COUNT };
/* PEAK of memory: on v1, and from 6.12 on v2, one that can be reset. */
enum cl_cgroup_counter {
    CL_CG_PEAK,
    CL_CG_OOM,
    CL_CG_PIDS_EVENTS,
    CL_CG_TASKS,
    CL_CG_COUNTERS
};
enum { CL_CG_V2 = 0 }; /* index of the only directory on v2 */

struct cl_cgroup_usage {
    uint64_t memory_peak_bytes;
    uint32_t pids_refused;
    uint32_t oom_kills;
};

/* A group in every hierarchy: on v1 one directory per controller, on v2 one. -1 when unused. */
struct cl_cgroup {
    int dirs[CL_CG_COUNT];
};

/* clang-format off */
#define CL_CGROUP_INIT { { -1, -1, -1 } }
/* clang-format on */

struct cl_slot {
    struct cl_list node; /* its owner's */
    struct cl_cgroup group;
    struct cl_cgroup procs;       /* v1: open cgroup.procs of each directory, for the worker */
    int counters[CL_CG_COUNTERS]; /* kept open and read at offset 0; -1 when unused */
    unsigned number;
    uid_t owner;                    /* the zygote, on the host */
    struct cl_cgroup_usage base;    /* what cannot be reset, as it was before this use */
    const struct cl_policy *policy; /* its limits */
    bool narrowed;                  /* those of a call are in force instead */
};

struct cl_cgroup_host;

struct cl_cgroup_ops {
    const char *memory_now; /* the file that says what a group holds */
    /* Settles on a group to build in, from where cl_cgroup_find saw that we are. NULL: right there. */
    int (*own_open)(struct cl_cgroup_host *host, struct cl_err *err);
    const char
        *delegated; /* what the groups below a group have to be given. NULL: they have it */
    /* Moves the zygote, which entered z<k>, into its leaf, limits its memory, and lets `owner`
     * clone into slots. */
    int (*zygote_settle)(const struct cl_cgroup *zygote, pid_t pid, uid_t owner,
                         uint64_t memory_bytes, struct cl_err *err);
    int (*slot_prepare)(struct cl_slot *slot, struct cl_err *err);
    int (*slot_limit)(struct cl_slot *slot, uint64_t memory_bytes, uint32_t processes,
                      struct cl_err *err);
    /* Peak back to 0, leftover pages dropped. -1: the group has to be made anew. */
    int (*slot_reset)(struct cl_slot *slot);
};

struct cl_cgroup_host {
    const struct cl_cgroup_ops *ops;
    char name[32];         /* cloche.<instance> */
    size_t dir_count;      /* 1 on v2 */
    struct cl_cgroup own;  /* cloched's own group, below which everything is made */
    struct cl_cgroup base; /* cloche.<instance> */
};

extern const struct cl_cgroup_ops cl_cgroup_v1, cl_cgroup_v2;

/* Finds the hierarchies (v2 if it has all controllers, else v1). */
int cl_cgroup_find(struct cl_cgroup_host *host, const char *instance, struct cl_err *err);
/* Makes `host->base`. */
int cl_cgroup_base_open(struct cl_cgroup_host *host, struct cl_err *err);
/* Lets groups below `dir` have limits. */
int cl_cgroup_delegate(const struct cl_cgroup_ops *ops, int dir, struct cl_err *err);

int cl_cgroup_zygote_open(const struct cl_cgroup_host *host, unsigned k,
                          struct cl_cgroup *zygote, struct cl_err *err);
/* By the child that becomes the zygote, before it makes its cgroup namespace. */
int cl_cgroup_zygote_enter(const struct cl_cgroup_host *host, const struct cl_cgroup *zygote,
                           struct cl_err *err);
void cl_cgroup_close(struct cl_cgroup *group);

/* slot->number, ->owner and ->policy are set by the caller. */
int cl_cgroup_slot_open(const struct cl_cgroup_host *host, const struct cl_cgroup *zygote,
                        struct cl_slot *slot, struct cl_err *err);
void cl_cgroup_slot_close(struct cl_slot *slot);
/* A counter behind an open file: the number, or the one after `key`. 0 if it is not there. */
uint64_t cl_cgroup_counter(int fd, const char *key);
/* -1 when the kernel has no such call: on v1 a worker's end, as init of its pid namespace, does. */
int cl_cgroup_kill(const struct cl_cgroup *group);
bool cl_cgroup_slot_is_empty(const struct cl_slot *slot);
/* What happened in this use of the slot; 0 where the kernel does not count. */
void cl_cgroup_slot_usage(const struct cl_slot *slot, struct cl_cgroup_usage *usage);
uint64_t cl_cgroup_slot_memory(const struct cl_cgroup_host *host, const struct cl_slot *slot);
/* Ready for the next worker: limits restored, counters at their base. */
int cl_cgroup_slot_recycle(const struct cl_cgroup_host *host, const struct cl_cgroup *zygote,
                           struct cl_slot *slot, struct cl_err *err);

/* Where the hierarchies are: pure, tested on texts of several hosts. */
struct cl_cgroup_mount {
    bool v2;
    char point[256];
    char root[256];    /* what of the hierarchy is mounted there */
    char options[128]; /* "rw,memory" */
};
/* One line of mountinfo; false if it is no cgroup mount, or too long to be one of ours. */
bool cl_cgroup_parse_mount(const char *line, struct cl_cgroup_mount *mount);
bool cl_cgroup_mount_has(const struct cl_cgroup_mount *mount, const char *controller);
/* The path of /proc/self/cgroup for a v1 controller, or for v2 with NULL. */
int cl_cgroup_parse_own(const char *text, const char *controller, char *path, size_t size);
/* mount point + the part of `path` below `root`. */
int cl_cgroup_path(const struct cl_cgroup_mount *mount, const char *path, char *out,
                   size_t size);

#endif
