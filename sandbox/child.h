/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloched's children, by their pid: who is told when one has ended. Workers are children too: a
 * zygote clones them with CLONE_PARENT, so that only cloched waits for them.
 */
#ifndef CL_CHILD_H
#define CL_CHILD_H

#include <signal.h>
#include <sys/types.h>

#include "sandbox/base/err.h"
#include "sandbox/base/list.h"

struct cl_exit {
    int code;   /* CLD_EXITED, CLD_KILLED, CLD_DUMPED */
    int status; /* exit status or signal */
    uint64_t cpu_us;
};

struct cl_child {
    struct cl_list node;
    pid_t pid; /* 0 when there is none */
    /* Called once, after the process was waited for and left the table; NULL: nobody has to know. */
    void (*on_exit)(struct cl_child *child, const struct cl_exit *how);
};

void cl_child_add(struct cl_index *children, struct cl_child *child, pid_t pid);
/* The same for a child that somebody else made and tells of: fails if `pidfd` is not of `pid`, or
 * of no child, or `pid` is in the table. */
int cl_child_adopt(struct cl_index *children, struct cl_child *child, pid_t pid, int pidfd,
                   struct cl_err *err);
/* Waits for every child that has ended; one that nobody added is waited for all the same. */
void cl_child_reap(struct cl_index *children);
void cl_child_kill(struct cl_child *child); /* SIGKILL; harmless when there is none */
void cl_child_kill_all(struct cl_index *children, const struct cl_child *but);

#endif
