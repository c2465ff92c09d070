/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for everything that ends, and tells who added it.
 * Runs in: cloched.
 * Trusts: the kernel; not what a zygote says about a pid.
 */
#include "sandbox/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/file.h"

void cl_child_add(struct cl_index *children, struct cl_child *child, pid_t pid)
{
    child->pid = pid;
    cl_list_append(cl_index_bucket(children, (uint64_t)pid), &child->node);
}

static struct cl_child *find(struct cl_index *children, pid_t pid)
{
    cl_list_for (struct cl_child, child, node, cl_index_bucket(children, (uint64_t)pid)) {
        if (child->pid == pid)
            return child;
    }
    return NULL;
}

/* "Pid:\t123" of /proc/self/fdinfo; -1 for what is no pidfd or has ended. */
static long pid_of(int pidfd)
{
    struct cl_err err;
    char path[32], text[512];
    long pid;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    if (cl_file_get(AT_FDCWD, path, text, sizeof(text), &err) < 0)
        return -1;
    const char *line = strstr(text, "\nPid:");
    return line && sscanf(line, "\nPid: %ld", &pid) == 1 ? pid : -1;
}

int cl_child_adopt(struct cl_index *children, struct cl_child *child, pid_t pid, int pidfd,
                   struct cl_err *err)
{
    siginfo_t how;

    /* A zygote can open a pidfd of any process; only of its workers are we the parent, and those
     * that others made are in the table already. */
    if (pid <= 0 || waitid(P_PIDFD, (id_t)pidfd, &how, WEXITED | WNOHANG | WNOWAIT) < 0 ||
        pid_of(pidfd) != pid || find(children, pid))
        return cl_fail(err, CL_E_LOST, "a pidfd that is not of a new child %d", (int)pid);
    cl_child_add(children, child, pid);
    return 0;
}

static uint64_t microseconds(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

void cl_child_reap(struct cl_index *children)
{
    for (;;) {
        siginfo_t how = { .si_pid = 0 };
        struct rusage usage;

        /* The raw call: glibc's waitid has no room for the usage. Interrupted, it is made again: the
         * signal that led here was for all who have ended, and may have been the last. */
        errno = 0;
        syscall(SYS_waitid, P_ALL, 0, &how, WEXITED | WNOHANG, &usage);
        if (how.si_pid == 0 && errno != EINTR)
            return;
        struct cl_child *child = find(children, how.si_pid);
        if (!child)
            continue; /* nobody yet, or a worker whose zygote died before it could tell of it */
        cl_list_unlink(&child->node);
        child->pid = 0;
        const struct cl_exit end = {
            .code = how.si_code,
            .status = how.si_status,
            .cpu_us = microseconds(&usage.ru_utime) + microseconds(&usage.ru_stime),
        };
        if (child->on_exit)
            child->on_exit(child, &end);
    }
}

void cl_child_kill(struct cl_child *child)
{
    /* Not waited for yet, so the pid is still its own. */
    if (child->pid > 0)
        kill(child->pid, SIGKILL);
}

void cl_child_kill_all(struct cl_index *children, const struct cl_child *but)
{
    for (size_t i = 0; i < CL_INDEX_BUCKETS; i++) {
        cl_list_for (struct cl_child, child, node, &children->buckets[i]) {
            if (child != but)
                cl_child_kill(child);
        }
    }
}
