/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in the place of cloche-zygote and does what no zygote should, once for each policy that
 * is called like a misdeed; every other start becomes the real one.
 * Runs in: cloche-zygote's place, started by a cloched of tests/integration/test_bad_zygote.py.
 * Trusts: the test, which put the real program and a file for each misdeed beside it.
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "sandbox/base/wire.h"

enum { POLICY_FD = 4, MANY = 200000 };

static char folder[PATH_MAX];

static _Noreturn void be_real(char **arguments, char **environment)
{
    char path[PATH_MAX + 32];

    snprintf(path, sizeof(path), "%s/real-zygote", folder);
    execve(path, arguments, environment);
    perror(path);
    _exit(1);
}

static void say(enum cl_msg_type type, void *msg, const int *fds, size_t fd_count)
{
    struct cl_err err;

    if (cl_msg_send(CL_CONTROL_FD, type, msg, fds, fd_count, &err) < 0)
        _exit(1);
}

static void say_up(void)
{
    struct cl_msg_up up = { .start_us = 1 };

    say(CL_M_UP, &up, NULL, 0);
}

/* The next SPAWN; its job socket stays open, as that of a worker that is being made. */
static uint64_t hear_spawn(int *job)
{
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t fd_count;
    struct cl_err err;

    if (cl_msg_recv(CL_CONTROL_FD, CL_WAY_CLOCHED_TO_ZYGOTE, &msg, fds, &fd_count, &err) != 1)
        _exit(1);
    *job = fds[0];
    for (size_t i = 1; i < fd_count; i++)
        close(fds[i]);
    return msg.spawn.spare;
}

static _Noreturn void wait_for_ever(void)
{
    for (;;)
        pause();
}

static void tell_spawned(uint64_t spare, pid_t pid, int pidfd)
{
    struct cl_msg_spawned spawned = { .spare = spare, .pid = pid };

    say(CL_M_SPAWNED, &spawned, &pidfd, 1);
}

/* ---------------------------------------------------------------------------------- misdeeds */

static void hang(void)
{
    int job;

    say_up();
    hear_spawn(&job);
}

static void die(void)
{
    int job;

    say_up();
    hear_spawn(&job);
    _exit(0);
}

static void repeat(void)
{
    for (;;)
        say_up();
}

/* Workers that never were, with descriptors of everything but a worker. */
static void lie(void)
{
    const int own = (int)syscall(SYS_pidfd_open, getpid(), 0);
    const int file = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int lies[] = { own, file, CL_CONTROL_FD };
    int job;

    say_up();
    for (size_t i = 0; i < CL_COUNT(lies); i++)
        tell_spawned(hear_spawn(&job), getpid(), lies[i]);
    tell_spawned(hear_spawn(&job), 1, own);
}

static void spam(void)
{
    struct cl_msg_failed failed = { .err = CL_ERR_INIT };

    snprintf(failed.err.text, sizeof(failed.err.text), "a line\nwith another");
    say_up();
    for (uint64_t i = 1; i < MANY; i++) {
        failed.spare = UINT64_MAX - i;
        say(CL_M_FAILED, &failed, NULL, 0);
    }
}

static void babble(void)
{
    static const char text[4096] = "what is this";

    say_up();
    send(CL_CONTROL_FD, text, sizeof(text), MSG_NOSIGNAL);
}

/* Answers for a worker that it never made: READY, and then nothing of a call. */
static void forge(void)
{
    struct cl_frame ready = cl_frame_make(CL_F_READY, 0);
    int job;

    say_up();
    for (;;) {
        const uint64_t spare = hear_spawn(&job);
        send(job, &ready, sizeof(ready), MSG_NOSIGNAL);
        tell_spawned(spare, getpid(), (int)syscall(SYS_pidfd_open, getpid(), 0));
    }
}

static const struct misdeed {
    const char *name;
    void (*act)(void);
} misdeeds[] = {
    { "hang", hang }, { "die", die },       { "repeat", repeat }, { "lie", lie },
    { "spam", spam }, { "babble", babble }, { "forge", forge },
};

/* The file of the misdeed grows by a byte with each start. */
static bool is_first(const char *name)
{
    char path[PATH_MAX + 64];
    struct stat found;

    snprintf(path, sizeof(path), "%s/starts-%s", folder, name);
    const int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    const bool is_first = fd >= 0 && fstat(fd, &found) == 0 && found.st_size == 0;
    if (fd >= 0 && write(fd, "x", 1) != 1)
        _exit(1);
    close(fd);
    return is_first;
}

int main(int count, char **arguments, char **environment)
{
    struct cl_err err = CL_ERR_INIT;
    const struct cl_policy *policy = cl_policyview_open(POLICY_FD, &err);

    (void)count;
    if (!policy || readlink("/proc/self/exe", folder, sizeof(folder) - 1) <= 0)
        return 1;
    *strrchr(folder, '/') = '\0';
    for (size_t i = 0; i < CL_COUNT(misdeeds); i++) {
        if (strcmp(policy->name, misdeeds[i].name) != 0 || !is_first(misdeeds[i].name))
            continue;
        misdeeds[i].act();
        wait_for_ever();
    }
    be_real(arguments, environment);
}
