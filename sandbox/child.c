/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts programs with exactly their ids and descriptors, and waits for everything that ends.
 * Runs in: cloched, and in its forked children until they exec.
 * Trusts: the folder cloched itself was started from, and /usr/libexec/cloche.
 */
#include "sandbox/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

static const char *const program_names[CL_PROGRAM_COUNT] = {
    [CL_PROGRAM_API] = "cloche-api",
    [CL_PROGRAM_POLICYC] = "cloche-policyc",
    [CL_PROGRAM_ZYGOTE] = "cloche-zygote",
};

void cl_children_init(struct cl_children *children)
{
    for (size_t i = 0; i < CL_CHILD_BUCKETS; i++)
        cl_list_init(&children->buckets[i]);
}

static struct cl_list *bucket_of(struct cl_children *children, pid_t pid)
{
    return &children->buckets[(unsigned)pid % CL_CHILD_BUCKETS];
}

void cl_child_add(struct cl_children *children, struct cl_child *child, pid_t pid)
{
    child->pid = pid;
    cl_list_init(&child->node);
    cl_list_append(bucket_of(children, pid), &child->node);
}

static struct cl_child *find(struct cl_children *children, pid_t pid)
{
    cl_list_each (node, keep, bucket_of(children, pid)) {
        struct cl_child *child = cl_list_entry(node, struct cl_child, node);
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
    uint64_t pid;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
    if (cl_file_get(AT_FDCWD, path, text, sizeof(text), &err) < 0)
        return -1;
    for (char *at = text; (at = strchr(at, '\t')); at++)
        *at = ' ';
    return cl_file_keyed_u64(text, "Pid:", &pid) < 0 ? -1 : (long)pid;
}

int cl_child_adopt(struct cl_children *children, struct cl_child *child, pid_t pid, int pidfd,
                   struct cl_err *err)
{
    if (pid <= 0 || pid_of(pidfd) != pid || find(children, pid))
        return cl_fail(err, CL_E_LOST, "a pidfd that is not of a new child %d", (int)pid);
    cl_child_add(children, child, pid);
    return 0;
}

void cl_child_reap(struct cl_children *children)
{
    for (;;) {
        siginfo_t how = { .si_pid = 0 };
        struct rusage usage;

        /* The raw call: glibc's waitid has no room for the usage. */
        if (syscall(SYS_waitid, P_ALL, 0, &how, WEXITED | WNOHANG, &usage) < 0 ||
            how.si_pid == 0)
            return;
        struct cl_child *child = find(children, how.si_pid);
        if (!child)
            continue; /* a worker whose zygote died before it could tell of it */
        cl_list_unlink(&child->node);
        child->pid = 0;
        child->on_exit(child, &how, &usage);
    }
}

void cl_child_kill(struct cl_child *child)
{
    /* Not waited for yet, so the pid is still its own. */
    if (child->pid > 0)
        kill(child->pid, SIGKILL);
}

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
        fds[i] = openat(beside, program_names[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fds[i] < 0)
            fds[i] = openat(shipped, program_names[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fds[i] < 0)
            return cl_fail(err, CL_E_DENIED, "%s is neither beside cloched nor in %s",
                           program_names[i], "/usr/libexec/cloche");
    }
    return 0;
}

/* Puts `fds` at 3 and up, /dev/null at 0 and 1, and marks the rest to close on exec: the program
 * itself has to stay open until then. */
static int place_fds(const struct cl_start *start, int *program, struct cl_err *err)
{
    int high[CL_CHILD_FDS_MAX];
    unsigned next = 3;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    *program = fcntl(start->program, F_DUPFD_CLOEXEC, 16);
    if (null < 0 || *program < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
        return cl_fail(err, CL_E_SYS, "place descriptors");
    for (size_t i = 0; i < CL_CHILD_FDS_MAX; i++)
        high[i] = start->fds[i] < 0 ? -1 : fcntl(start->fds[i], F_DUPFD_CLOEXEC, 16);
    for (size_t i = 0; i < CL_CHILD_FDS_MAX; i++) {
        if (start->fds[i] < 0)
            continue;
        if (high[i] < 0 || dup2(high[i], (int)next) < 0)
            return cl_fail(err, CL_E_SYS, "place descriptor %u", next);
        next++;
    }
    if (close_range(next, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return cl_fail(err, CL_E_SYS, "close the other descriptors");
    return 0;
}

/* Needs SETPCAP, which is then gone with the change of ids. */
static int empty_bounding_set(struct cl_err *err)
{
    static const cap_value_t needed = CAP_SETPCAP;
    cap_t held = cap_get_proc();
    int failed = !held || cap_set_flag(held, CAP_EFFECTIVE, 1, &needed, CAP_SET) < 0 ||
                 cap_set_proc(held) < 0;

    for (cap_value_t cap = 0; !failed && cap_get_bound(cap) >= 0; cap++)
        failed = cap_drop_bound(cap) < 0;
    cap_free(held);
    return failed ? cl_fail(err, CL_E_SYS, "empty the bounding set") : 0;
}

/* A user namespace of its own has no groups to drop: setgroups is denied there. */
static int change_ids(uid_t uid, struct cl_err *err)
{
    if (uid != 0 && empty_bounding_set(err) < 0)
        return -1;
    if (uid != 0 && setgroups(0, NULL) < 0)
        return cl_fail(err, CL_E_SYS, "drop groups");
    if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        return cl_fail(err, CL_E_SYS, "become uid %u", (unsigned)uid);
    return 0;
}

int cl_child_exec(const struct cl_start *start, struct cl_err *err)
{
    sigset_t none;
    int program = -1;

    sigemptyset(&none);
    if (place_fds(start, &program, err) < 0 || change_ids(start->uid, err) < 0)
        return -1;
    /* After the change of ids, which clears it. A parent that died before it was set is seen by
     * its pid: nobody else's can be ours. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return cl_fail(err, CL_E_SYS, "prctl");
    if (getppid() != start->parent)
        return cl_fail(err, CL_E_LOST, "cloched is gone");
    if (signal(SIGPIPE, SIG_DFL) == SIG_ERR || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return cl_fail(err, CL_E_SYS, "reset signals");

    execveat(program, "", (char *const *)(uintptr_t)start->arguments,
             (char *const *)(uintptr_t)start->environment, AT_EMPTY_PATH);
    return cl_fail(err, CL_E_SYS, "exec %s", start->arguments[0]);
}

pid_t cl_child_start(const struct cl_start *start, struct cl_err *err)
{
    struct cl_err why = CL_ERR_INIT;
    pid_t pid = fork();

    if (pid < 0)
        return cl_fail(err, CL_E_SYS, "fork for %s", start->arguments[0]);
    if (pid > 0)
        return pid;

    setsid(); /* a signal of the terminal is cloched's to answer */
    cl_child_exec(start, &why);
    cl_log(CL_ERROR, "child.start", "error=\"%s\"", why.text);
    _exit(127);
}
