/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host's /proc tells of a process: the jail as seen from outside, by somebody who need
 * not believe the one inside. Needs root for most of it.
 */
#ifndef CL_CLI_SIGHT_H
#define CL_CLI_SIGHT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { CL_SIGHTS_MAX = 64 };

struct cl_sight {
    pid_t pid;
    int pidfd; /* owned: readable when the process is gone */
    unsigned uid, gid, uid_inside;
    unsigned levels; /* pid namespaces between it and us */
    unsigned pid_inside;
    unsigned filters; /* seccomp filters that apply */
    unsigned seccomp; /* 2: filter mode */
    unsigned no_new_privs;
    unsigned mounts, fds;
    uint64_t capabilities; /* every set together */
    uint64_t own_kib;      /* memory that it shares with nobody */
    uint64_t memory_bytes; /* of its cgroup; 0 when unknown */
    uint64_t cpu_seconds;  /* hard rlimit; 0 when there is none */
    uint64_t processes;    /* of its cgroup; 0 when unknown */
    char own[64];          /* namespaces that are not ours, "user mnt pid ..." */
    char shared[64];       /* the others */
    char cgroup[128];      /* from "/cloche." on */
};

/* Fills `sights` with the children of `parent` that are complete jails: in a pid namespace of their
 * own and under a seccomp filter. A name can be chosen, these can't. Returns how many. */
size_t cl_sight_jails(pid_t parent, struct cl_sight sights[CL_SIGHTS_MAX]);

void cl_sight_free(struct cl_sight *sights, size_t count);

/* Waits until one of them is gone and returns it; NULL after `wait_ms`. */
const struct cl_sight *cl_sight_wait_gone(const struct cl_sight *sights, size_t count,
                                          int wait_ms);

#endif
