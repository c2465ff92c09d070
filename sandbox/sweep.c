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
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/file.h"
#include "sandbox/base/own.h"
#include "sandbox/shed.h"

enum { DEPTH_MAX = 5, PROCS_MAX = 65536, RETRY_MS = 5, SWEEPER_WAIT_MS = 10000 };

static void kill_inside(int dir)
{
    static char text[PROCS_MAX]; /* nothing here may fail for want of memory */
    struct cl_err err;

    if (cl_file_put(dir, "cgroup.kill", "1", &err) == 0 ||
        cl_file_get(dir, "cgroup.procs", text, sizeof(text), &err) < 0)
        return;
    for (char *at = strtok(text, "\n"); at; at = strtok(NULL, "\n")) {
        const pid_t pid = atoi(at);
        if (pid > 1 && pid != getpid())
            kill(pid, SIGKILL);
    }
}

/* The root of a hierarchy is read-only even to root, its owner, and who sweeps has no right to pass
 * by modes; but an owner may change them. */
static int remove_empty(int dir, const char *name)
{
    struct stat above;

    if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno != EACCES || fstat(dir, &above) < 0 || fchmod(dir, above.st_mode | S_IWUSR) < 0)
        return -1;
    int removed = unlinkat(dir, name, AT_REMOVEDIR);
    fchmod(dir, above.st_mode & ~(mode_t)S_IWUSR);
    return removed;
}

int cl_sweep_tree(int dir, const char *name, unsigned depth)
{
    cl_close_auto int group =
        openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    cl_closedir_auto DIR *folder = group < 0 || depth == 0 ? NULL : fdopendir(group);
    struct dirent *entry;
    int left = 0;

    if (!folder)
        return group < 0 && errno == ENOENT ? 0 : -1;
    const int inside = cl_take_fd(&group); /* the folder closes it */
    kill_inside(inside);
    while ((entry = readdir(folder))) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            left |= cl_sweep_tree(inside, entry->d_name, depth - 1);
    }
    return left < 0 ? -1 : remove_empty(dir, name);
}

int cl_sweep_group(const struct cl_cgroup_host *host, const struct cl_cgroup *above,
                   const char *name, struct cl_err *err)
{
    int left = 0;

    for (size_t i = 0; i < host->dir_count; i++)
        left |= cl_sweep_tree(above->dirs[i], name, DEPTH_MAX);
    return left < 0 ? cl_fail(err, CL_E_SYS, "cgroup %s is not empty yet", name) : 0;
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

/* Keeps its end of the pipe, the locks and the groups' directories. The locks are shared with cloched
 * by being open: a successor of the same name, or one that would use the same uids, waits until the
 * sweep is over. KILL is for the workers, whose uids are not root's. */
static _Noreturn void wait_and_sweep(struct cl_cgroup_host host, int pipe_end, int state_lock,
                                     int range_lock)
{
    enum { OTHERS = 6 };
    int fds[OTHERS + CL_CG_COUNT] = { 0, 1, 2, pipe_end, state_lock, range_lock };
    struct cl_err err = CL_ERR_INIT;
    sigset_t all;
    char byte;

    setsid();
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    memcpy(&fds[OTHERS], host.own.dirs, sizeof(host.own.dirs));
    CL_CHECK(cl_shed_fds(fds, OTHERS + host.dir_count, 0, &err) == 0 &&
             cl_shed_capabilities("cap_kill=ep", "=", &err) == 0);
    memcpy(host.own.dirs, &fds[OTHERS], sizeof(host.own.dirs));
    while (read(fds[3], &byte, 1) < 0)
        ; /* only its end is one */
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
    cl_own_close(&held);
    held = ends[1];
    return pid < 0 ? cl_fail(err, CL_E_SYS, "fork the sweeper") : pid;
}
