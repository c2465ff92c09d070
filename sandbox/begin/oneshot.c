/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts policyc and the API's check for one question each.
 * Runs in: cloche-begin, and in its forked children until they exec.
 * Trusts: the folder that cloche-begin was started from.
 */
#include "sandbox/begin/oneshot.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"

enum {
    /* Below the ids of jails (spaces.c), as unlikely to be anybody's as those are: what would trace
     * a process that reads the key, or trade places with it, has to be of its uid. */
    OUTCASTS = 0x6fff0000,
    OUTCASTS_MASK = 0xffff,
    NAME_MAX_BYTES = 32,
};

/* Beside this program, as in the build and where it is installed. */
static int open_beside(const char *name, struct cl_err *err)
{
    char path[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - NAME_MAX_BYTES);

    if (length <= 0)
        return cl_fail(err, CL_E_SYS, "look where cloche-begin is");
    path[length] = '\0';
    strcpy(strrchr(path, '/') + 1, name);
    const int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? cl_fail(err, CL_E_SYS, "open %s", path) : fd;
}

/* Of a uid that no other process has, with one socket and standard error. */
static _Noreturn void become(int program, int socket, const char *const *args)
{
    static const char *const environment[] = { "LC_ALL=C.UTF-8", NULL };
    const int kept = fcntl(program, F_DUPFD_CLOEXEC, CL_CONTROL_FD + 1);
    const int moved = fcntl(socket, F_DUPFD_CLOEXEC, CL_CONTROL_FD + 1);
    const uid_t uid = OUTCASTS + ((uid_t)getpid() & OUTCASTS_MASK);

    if (kept < 0 || moved < 0 || dup2(moved, CL_CONTROL_FD) < 0 ||
        close_range(CL_CONTROL_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0 ||
        setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
        setresuid(uid, uid, uid) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        _exit(126);
    execveat(kept, "", (char *const *)(uintptr_t)args, (char *const *)(uintptr_t)environment,
             AT_EMPTY_PATH);
    _exit(127);
}

int cl_oneshot_start(const char *const *args, pid_t *pid, struct cl_err *err)
{
    const struct timeval wait = { CL_ONESHOT_WAIT_S, 0 };
    cl_close_auto int program = open_beside(args[0], err);
    int pair[2];

    if (program < 0 || cl_fdpass_pair(SOCK_SEQPACKET, pair, err) < 0)
        return -1;
    cl_close_auto int near = pair[0];
    cl_close_auto int far = pair[1];
    *pid = fork();
    if (*pid == 0)
        become(program, far, args);
    if (*pid < 0 || setsockopt(near, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
        return cl_fail(err, CL_E_SYS, "start %s", args[0]);
    return cl_take_fd(&near);
}

int cl_oneshot_end(pid_t pid)
{
    int status = 0;

    if (pid <= 0)
        return -1;
    if (waitpid(pid, &status, WNOHANG) == 0) { /* one that exits keeps its status */
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
