/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloched's children: how a program of Cloche is found and started with nothing but what it is
 * given, and who is told when a child has ended. Workers are children too: a zygote clones them
 * with CLONE_PARENT, so that only cloched waits for them.
 */
#ifndef CL_CHILD_H
#define CL_CHILD_H

#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "sandbox/base/err.h"
#include "sandbox/base/list.h"

enum { CL_CHILD_BUCKETS = 256, CL_CHILD_FDS_MAX = 2 };

struct cl_child {
    struct cl_list node;
    pid_t pid; /* 0 when there is none */
    /* Called once, after the process was waited for and left the table. */
    void (*on_exit)(struct cl_child *child, const siginfo_t *how, const struct rusage *usage);
};

struct cl_children {
    struct cl_list buckets[CL_CHILD_BUCKETS];
};

void cl_children_init(struct cl_children *children);
void cl_child_add(struct cl_children *children, struct cl_child *child, pid_t pid);
/* The same for a child that somebody else made and tells of: fails if `pidfd` is not of `pid`, or
 * `pid` is in the table. */
int cl_child_adopt(struct cl_children *children, struct cl_child *child, pid_t pid, int pidfd,
                   struct cl_err *err);
/* Waits for every child that has ended; one that nobody added is waited for all the same. */
void cl_child_reap(struct cl_children *children);
void cl_child_kill(struct cl_child *child); /* SIGKILL; harmless when there is none */

enum cl_program { CL_PROGRAM_API, CL_PROGRAM_POLICYC, CL_PROGRAM_ZYGOTE, CL_PROGRAM_COUNT };

/* Opens the siblings of this executable, else those in /usr/libexec/cloche. They are started by
 * descriptor, so no path has to be traversable by the uid that runs them. */
int cl_program_open(int fds[CL_PROGRAM_COUNT], struct cl_err *err);

struct cl_start {
    int program; /* fd of cl_program_open */
    const char *const *arguments;
    const char *const *environment;
    int fds[CL_CHILD_FDS_MAX]; /* become 3 and 4; -1 when unused */
    uid_t uid;                 /* uid and gid, in the user namespace it is in by then */
    pid_t parent;              /* cloched */
};

/* In the forked child: descriptors (0 and 1 /dev/null, 2 kept for its log lines), ids, death with
 * the parent, exec. Returns only if that failed. */
int cl_child_exec(const struct cl_start *start, struct cl_err *err);
/* Forks and does that; a failure is logged by the child, which exits 127. Returns the pid. */
pid_t cl_child_start(const struct cl_start *start, struct cl_err *err);

#endif
