/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts cloched as a child and stays with it.
 * Runs in: cloche, as root.
 * Trusts: cloched.
 */
#include "api/cli/served.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/cli/install.h"
#include "sandbox/base/own.h"

static const char ready_words[] = "cloched: ready on ";

static sigset_t ending_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    return set;
}

/* In a process group of its own: Ctrl-C reaches us alone, and we decide what it means. */
static _Noreturn void become_cloched(const char *path, const char *const *argv, int log,
                                     pid_t parent)
{
    const sigset_t set = ending_signals();

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(0);
    dup2(log, STDERR_FILENO);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    execv(path, (char *const *)(uintptr_t)argv);
    dprintf(STDERR_FILENO, "cloched: %s can't be run: %s\n", path, strerrordesc_np(errno));
    _exit(127);
}

int cl_served_start(struct cl_served *served, const char *state, const char *listen,
                    struct cl_err *err)
{
    const sigset_t set = ending_signals();
    const pid_t self = getpid();
    cl_close_auto int write_end = -1;
    char path[PATH_MAX];
    int ends[2];

    if (cl_install_find("cloched", path) < 0)
        return cl_fail(err, CL_E_INPUT, "cloched is not there: run `make all`");
    if (pipe2(ends, O_CLOEXEC) < 0)
        return cl_fail(err, CL_E_SYS, "pipe");
    /* Whoever started it waits for what a policy preloads, and for nobody else. */
    const char *argv[13] = { path,    "--state", state,          "--listen", listen,
                             "--log", "warn",    "--queue-wait", "3m" };
    size_t count = 9;
    if (served->learns)
        argv[count++] = "--learn";
    if (served->config) {
        argv[count++] = "--config";
        argv[count++] = served->config;
    }
    served->log = ends[0];
    write_end = ends[1];
    sigprocmask(SIG_BLOCK, &set, NULL);
    served->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (served->signals < 0)
        return cl_fail(err, CL_E_SYS, "signalfd");
    fflush(NULL);
    served->pid = fork();
    if (served->pid < 0)
        return cl_fail(err, CL_E_SYS, "fork");
    if (served->pid == 0)
        become_cloched(path, argv, write_end, self);
    served->pidfd = (int)syscall(SYS_pidfd_open, served->pid, 0);
    if (served->pidfd < 0)
        return cl_fail(err, CL_E_SYS, "pidfd_open");
    return 0;
}

static void on_line(struct cl_served *served)
{
    const size_t skip = sizeof(ready_words) - 1;

    served->line[served->line_length] = '\0';
    served->line_length = 0;
    if (strncmp(served->line, ready_words, skip) == 0)
        snprintf(served->url, sizeof(served->url), "%s", served->line + skip);
    else
        fprintf(stderr, "%s\n", served->line);
}

/* Passes lines on. Returns false at the end of the log. */
static bool on_log(struct cl_served *served)
{
    char bytes[4096];
    ssize_t length = read(served->log, bytes, sizeof(bytes));

    for (ssize_t i = 0; i < length; i++) {
        if (bytes[i] == '\n' || served->line_length == sizeof(served->line) - 1)
            on_line(served);
        if (bytes[i] != '\n')
            served->line[served->line_length++] = bytes[i];
    }
    return length > 0 || (length < 0 && errno == EINTR);
}

static void on_signal(struct cl_served *served)
{
    struct signalfd_siginfo info;

    while (read(served->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        kill(served->pid, SIGTERM); /* the first drains, the second ends now */
}

/* One round of waiting. Returns false when cloched has ended and its log is read. */
static bool step(struct cl_served *served)
{
    struct pollfd polls[] = { { served->log, POLLIN, 0 },
                              { served->pidfd, POLLIN, 0 },
                              { served->signals, POLLIN, 0 } };

    if (poll(polls, CL_COUNT(polls), -1) < 0)
        return errno == EINTR;
    if (polls[2].revents)
        on_signal(served);
    if (polls[0].revents && on_log(served))
        return true;
    if (polls[0].revents)
        cl_own_close(&served->log); /* poll skips an fd of -1 */
    return !polls[1].revents;
}

int cl_served_wait_ready(struct cl_served *served)
{
    while (!served->url[0]) {
        if (!step(served))
            return 0;
    }
    return 1;
}

static int reap(struct cl_served *served)
{
    int status = 0;

    while (waitpid(served->pid, &status, 0) < 0 && errno == EINTR)
        ;
    served->pid = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int cl_served_wait(struct cl_served *served)
{
    while (step(served))
        ;
    return reap(served);
}

void cl_served_fini(struct cl_served *served)
{
    if (served->pid > 0) {
        kill(served->pid, SIGTERM);
        reap(served);
    }
    cl_own_close(&served->pidfd);
    cl_own_close(&served->log);
    cl_own_close(&served->signals);
}
