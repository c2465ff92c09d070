/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills what is in a tree of cgroups and removes the tree.
 * Runs in: cloched, and the sweeper, a fork of it that outlives it for a moment.
 * Trusts: the kernel's cgroup files; that nobody but Cloche makes groups below its own.
 */
#include "sandbox/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <unistd.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

enum { DEPTH_MAX = 4, PROCS_MAX = 65536, RETRY_MS = 5, SWEEPER_WAIT_MS = 10000 };

static void kill_inside(int dir)
{
    cl_free_auto char *text = malloc(PROCS_MAX);
    struct cl_err err;
    char *next;

    CL_CHECK(text);
    if (cl_file_put(dir, "cgroup.kill", "1", &err) == 0 ||
        cl_file_get(dir, "cgroup.procs", text, PROCS_MAX, &err) < 0)
        return;
    for (char *at = text; *at; at = next) {
        long pid = strtol(at, &next, 10);
        if (next == at)
            break;
        if (pid > 1 && pid != getpid())
            kill((pid_t)pid, SIGKILL);
        next += *next == '\n';
    }
}

static int sweep(int dir, const char *name, unsigned depth)
{
    cl_close_auto int group =
        openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    cl_closedir_auto DIR *folder = group < 0 ? NULL : fdopendir(dup(group));
    struct dirent *entry;
    int left = 0;

    if (!folder || depth > DEPTH_MAX)
        return group < 0 && errno == ENOENT ? 0 : -1;
    kill_inside(group);
    while ((entry = readdir(folder))) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            left |= sweep(group, entry->d_name, depth + 1);
    }
    /* EACCES: the outermost group, for who may not write above it. It is empty; that is enough. */
    if (left == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT &&
        errno != EACCES)
        left = -1;
    return left;
}

int cl_sweep_tree(int dir, const char *name, struct cl_err *err)
{
    if (sweep(dir, name, 0) < 0)
        return cl_fail(err, CL_E_SYS, "cgroup %s is not empty yet", name);
    return 0;
}

int cl_sweep_group(const struct cl_cgroup_host *host, const struct cl_cgroup *above,
                   const char *name, struct cl_err *err)
{
    int left = 0;

    for (size_t i = 0; i < host->dir_count; i++)
        left |= cl_sweep_tree(above->dirs[i], name, err);
    return left;
}

int cl_sweep_base(const struct cl_cgroup_host *host, unsigned wait_ms, struct cl_err *err)
{
    uint64_t until = cl_clock_us() + wait_ms * 1000u;

    /* v1 tells nobody when a group becomes empty, so this looks again until it is. */
    while (cl_sweep_group(host, &host->own, host->name, err) < 0) {
        if (cl_clock_us() > until)
            return -1;
        poll(NULL, 0, RETRY_MS);
    }
    return 0;
}

/* KILL for the workers, whose uids are not root's; DAC_OVERRIDE because the root of a hierarchy
 * is writable to nobody else. One that is started anew by a confined cloched has only the first:
 * it leaves the outermost group, empty. */
static void drop_capabilities(void)
{
    static const cap_value_t kept[] = { CAP_KILL, CAP_DAC_OVERRIDE };
    cap_t wanted = cap_init(), held = cap_get_proc();

    CL_CHECK(wanted && held);
    for (size_t i = 0; i < CL_COUNT(kept); i++) {
        cap_flag_value_t has = CAP_CLEAR;
        cap_get_flag(held, kept[i], CAP_PERMITTED, &has);
        cap_set_flag(wanted, CAP_PERMITTED, 1, &kept[i], has);
        cap_set_flag(wanted, CAP_EFFECTIVE, 1, &kept[i], has);
    }
    CL_CHECK(cap_set_proc(wanted) == 0);
    cap_free(wanted);
    cap_free(held);
}

/* Keeps the pipe, the locks and the groups' directories, at 3 and up; the rest closes. The locks
 * are shared with cloched by being open: a successor of the same name, or one that would use the
 * same uids, waits until the sweep is over. */
static void keep_fds(struct cl_cgroup_host *host, int *pipe_end, int *state_lock,
                     int *range_lock)
{
    int *const kept[] = { pipe_end,           &host->own.dirs[0], &host->own.dirs[1],
                          &host->own.dirs[2], state_lock,         range_lock };
    int next = 3;

    for (size_t i = 0; i < CL_COUNT(kept); i++)
        *kept[i] = *kept[i] < 0 ? -1 : fcntl(*kept[i], F_DUPFD, 64);
    for (size_t i = 0; i < CL_COUNT(kept); i++) {
        if (*kept[i] >= 0)
            *kept[i] = dup2(*kept[i], next++);
    }
    close_range((unsigned)next, ~0u, 0);
}

static _Noreturn void wait_and_sweep(struct cl_cgroup_host host, int pipe_end, int state_lock,
                                     int range_lock)
{
    struct cl_err err = CL_ERR_INIT;
    sigset_t all;
    char byte;

    setsid();
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    keep_fds(&host, &pipe_end, &state_lock, &range_lock);
    drop_capabilities();
    while (read(pipe_end, &byte, 1) < 0 && errno == EINTR)
        ;
    _exit(cl_sweep_base(&host, SWEEPER_WAIT_MS, &err) < 0);
}

static int held = -1; /* the end that closes when cloched dies, however it dies */

void cl_sweep_now(void)
{
    cl_own_close(&held);
}

pid_t cl_sweep_start(const struct cl_cgroup_host *host, int state_lock, int range_lock,
                     struct cl_err *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return cl_fail(err, CL_E_SYS, "make a pipe");
    pid_t pid = fork();
    if (pid == 0)
        wait_and_sweep(*host, ends[0], state_lock, range_lock);
    close(ends[0]);
    if (pid < 0) {
        close(ends[1]);
        return cl_fail(err, CL_E_SYS, "fork the sweeper");
    }
    cl_own_close(&held);
    held = ends[1];
    return pid;
}
