/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts programs with exactly their ids and descriptors, and reads what they say.
 * Runs in: cloched, and in its forked children until they exec.
 * Trusts: the folder cloched itself was started from, and /usr/libexec/cloche; no message.
 */
#include "sandbox/peer.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "sandbox/base/fdpass.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/daemon.h"
#include "sandbox/shed.h"

enum { MESSAGES_PER_EVENT = 64 };

static const struct program {
    const char *name;
    enum cl_msg_way way; /* of what it says to cloched */
    uid_t uid; /* among those of the instance; 0: root, of the user namespace it is in */
    const char *environment[5];
} programs[CL_PROGRAM_COUNT] = {
    [CL_PROGRAM_API] = { "cloche-api", CL_WAY_API_TO_CLOCHED, 1, { "LC_ALL=C.UTF-8" } },
    [CL_PROGRAM_PROVER] = { "cloche-prover", CL_WAY_API_TO_CLOCHED, 1, { "LC_ALL=C.UTF-8" } },
    [CL_PROGRAM_LOADER] = { "cloche-loader",
                            CL_WAY_LOADER_TO_CLOCHED,
                            0,
                            { "LC_ALL=C.UTF-8" } },
    [CL_PROGRAM_BEGIN] = { .name = "cloche-begin" },
    [CL_PROGRAM_POLICYC] = { "cloche-policyc", 0, 2, { "LC_ALL=C.UTF-8" } },
    [CL_PROGRAM_ZYGOTE] = { "cloche-zygote",
                            CL_WAY_ZYGOTE_TO_CLOCHED,
                            0,
                            /* Lazy binding would dirty pages in every worker anew. */
                            { "LC_ALL=C.UTF-8", "LD_BIND_NOW=1", "OPENBLAS_NUM_THREADS=1",
                              "OMP_NUM_THREADS=1" } },
};

/* ------------------------------------------------------------------------------- the child */

static int open_own_folder(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (length <= 0)
        return -1;
    path[length] = '\0';
    *strrchr(path, '/') = '\0';
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int cl_program_open(int fds[CL_PROGRAM_COUNT], struct cl_err *err)
{
    cl_close_auto int beside = open_own_folder();
    cl_close_auto int shipped = open("/usr/libexec/cloche", O_PATH | O_DIRECTORY | O_CLOEXEC);

    for (int i = 0; i < CL_PROGRAM_COUNT; i++) {
        const char *name = programs[i].name;
        fds[i] = openat(beside, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fds[i] < 0)
            fds[i] = openat(shipped, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fds[i] < 0)
            return cl_fail(err, CL_E_DENIED, "%s is neither beside cloched nor in %s", name,
                           "/usr/libexec/cloche");
    }
    return 0;
}

/* /dev/null at 0 and 1, 2 kept for log lines, `control` and what the start names from 3 on; the
 * program itself, which may lie where one of them belongs, has to stay open until exec. */
static int place_fds(int *program, int control, const struct cl_start *start,
                     struct cl_err *err)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int wanted[] = { null, null, STDERR_FILENO, control, start->fd, start->store };

    *program = fcntl(*program, F_DUPFD_CLOEXEC, CL_COUNT(wanted));
    return cl_shed_fds(wanted,
                       start->fd < 0       ? 4
                       : start->store <= 0 ? 5
                                           : 6,
                       CLOSE_RANGE_CLOEXEC, err);
}

/* A user namespace of its own has no groups to drop: setgroups is denied there. */
static int change_ids(uid_t uid, bool is_outside, struct cl_err *err)
{
    if (is_outside && cl_shed_capabilities("cap_setuid,cap_setgid=ep", "=", err) < 0)
        return -1;
    if (is_outside && setgroups(0, NULL) < 0)
        return cl_fail(err, CL_E_SYS, "drop groups");
    if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        return cl_fail(err, CL_E_SYS, "become uid %u", (unsigned)uid);
    return 0;
}

/* Returns only if it failed. */
static int become(const struct cl_daemon *daemon, const struct cl_start *start, int control,
                  pid_t parent, struct cl_err *err)
{
    const struct program *as = &programs[start->program];
    int program = daemon->programs[start->program];
    sigset_t none;

    sigemptyset(&none);
    if (place_fds(&program, control, start, err) < 0 ||
        change_ids(as->uid ? daemon->uid_base + as->uid : 0, !start->enter, err) < 0)
        return -1;
    /* After the change of ids, which clears it. A parent that died before it was set is seen by
     * its pid: nobody else's can be ours. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return cl_fail(err, CL_E_SYS, "prctl");
    if (getppid() != parent)
        return cl_fail(err, CL_E_LOST, "cloched is gone");
    if (signal(SIGPIPE, SIG_DFL) == SIG_ERR || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return cl_fail(err, CL_E_SYS, "reset signals");

    execveat(program, "", (char *const *)(uintptr_t)start->arguments,
             (char *const *)(uintptr_t)as->environment, AT_EMPTY_PATH);
    return cl_fail(err, CL_E_SYS, "exec %s", start->arguments[0]);
}

static _Noreturn void run_child(const struct cl_peer *peer, const struct cl_start *start,
                                int control, pid_t parent)
{
    struct cl_msg_failed failed = { .err = CL_ERR_INIT };
    struct cl_err ignored = CL_ERR_INIT;

    setsid(); /* a signal of the terminal is cloched's to answer */
    /* Its own copy of cloched's end would keep it waiting for a cloched that is gone. */
    close(peer->watch.fd);
    if (!start->enter || start->enter(peer, control, &failed.err) == 0)
        become(peer->daemon, start, control, parent, &failed.err);
    if (start->enter)
        cl_msg_send(control, CL_M_FAILED, &failed, NULL, 0, &ignored);
    else
        cl_log(CL_ERROR, "child.start", "error=\"%s\"", failed.err.text);
    _exit(127);
}

/* -------------------------------------------------------------------------------- our side */

int cl_peer_adopt(struct cl_peer *peer, int *control, struct cl_err *err)
{
    if (fcntl(*control, F_SETFL, O_NONBLOCK) < 0)
        return cl_fail(err, CL_E_SYS, "control socket");
    peer->watch.fd = *control;
    peer->watch.events = EPOLLIN;
    if (cl_loop_add(&peer->daemon->loop, &peer->watch, err) < 0) {
        peer->watch.fd = -1;
        return -1;
    }
    cl_take_fd(control);
    return 0;
}

int cl_peer_start(struct cl_peer *peer, const struct cl_start *start, struct cl_err *err)
{
    int pair[2];
    pid_t parent = getpid();

    if (cl_fdpass_pair(SOCK_SEQPACKET, pair, err) < 0)
        return -1;
    cl_close_auto int near = pair[0];
    cl_close_auto int far = pair[1];
    if (cl_peer_adopt(peer, &near, err) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        run_child(peer, start, far, parent);
    if (pid < 0) {
        cl_fail(err, CL_E_SYS, "fork for %s", programs[start->program].name);
        cl_peer_hang_up(peer);
        return -1;
    }
    peer->program = start->program;
    cl_child_add(&peer->daemon->children, &peer->child, pid);
    return 0;
}

void cl_peer_serve(struct cl_peer *peer, int most)
{
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t fd_count = 0;

    for (int i = 0; i < most && peer->watch.fd >= 0; i++) {
        struct cl_err err = CL_ERR_INIT;
        int got = cl_msg_recv(peer->watch.fd, programs[peer->program].way, &msg, fds, &fd_count,
                              &err);
        if (got < 0 && err.kind == CL_E_BUSY)
            return;
        int done = got == 1 ? peer->on_message(peer, &msg, fds, &err) : 0;
        for (size_t n = 0; n < fd_count; n++)
            cl_own_close(&fds[n]);
        if (done > 0)
            return;
        if (got <= 0 || done < 0) {
            (peer->on_lost ? peer->on_lost : cl_peer_end)(peer, got == 0 ? NULL : err.text);
            return;
        }
    }
}

void cl_peer_on_event(struct cl_watch *watch, uint32_t events)
{
    (void)events;
    cl_peer_serve(cl_list_entry(watch, struct cl_peer, watch), MESSAGES_PER_EVENT);
}

void cl_peer_end(struct cl_peer *peer, const char *why)
{
    if (why)
        cl_log(CL_ERROR, "peer.protocol", "program=%s pid=%d error=\"%s\"",
               programs[peer->program].name, (int)peer->child.pid, why);
    cl_peer_hang_up(peer);
    cl_child_kill(&peer->child);
}

void cl_peer_hang_up(struct cl_peer *peer)
{
    int fd = peer->watch.fd;

    cl_loop_remove(&peer->daemon->loop, &peer->watch);
    cl_own_close(&fd);
}
