/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the user namespace in which a test of the way into the jail runs.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/jailcase.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"
#include "tests/support/unit.h"

/* Far from what a running service claims. */
#define MAP "0 2000000000 1024\n"

enum { SPACES = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS, STACK_BYTES = 1 << 20 };

struct child {
    int go, ready;
    void (*body)(void);
};

void jailcase_need_root(void)
{
    const char *require = getenv("CLOCHE_REQUIRE");

    if (geteuid() != 0 && !(require && *require))
        skip();
}

static int run_child(void *arg)
{
    const struct child *child = arg;
    pid_t self = getpid();
    char byte = 0;

    EXPECT(write(child->ready, &self, sizeof(self)) == sizeof(self));
    EXPECT(read(child->go, &byte, 1) == 1);
    close(child->go);
    close(child->ready);
    EXPECT(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
    child->body();
    _exit(0); /* it may share its memory: no exit handlers */
}

#ifdef CL_COVER
void __gcov_dump(void);

/* Who is jailed can't write down which branches it took: it has no files any more, and ends without
 * exit handlers. So a keeper shares its memory, and nothing else, and does that when it has ended. */
static _Noreturn void start_child(struct child *child)
{
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    int flags = SPACES | CLONE_VM | CLONE_VFORK | SIGCHLD;
    int status = 0;

    EXPECT(stack != MAP_FAILED);
    pid_t pid = clone(run_child, stack + STACK_BYTES, flags, child);
    EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid);
    __gcov_dump();
    if (WIFSIGNALED(status))
        raise(WTERMSIG(status));
    _exit(WEXITSTATUS(status));
}
#else
static _Noreturn void start_child(struct child *child)
{
    EXPECT(unshare(SPACES) == 0);
    _exit(run_child(child));
}
#endif

static void map_ids(pid_t child)
{
    struct cl_err err = CL_ERR_INIT;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d", (int)child);
    cl_close_auto int dir = cl_file_dir(AT_FDCWD, path, 0, &err);
    assert_true(dir >= 0);
    assert_works(cl_file_put(dir, "uid_map", MAP, &err), &err);
    assert_works(cl_file_put(dir, "gid_map", MAP, &err), &err);
}

int jailcase_run(void (*body)(void))
{
    int ready[2], go[2], status = 0;
    pid_t jailed = 0;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ready[0]);
        close(go[1]);
        start_child(&(struct child){ go[0], ready[1], body });
    }
    close(ready[1]);
    close(go[0]);
    if (read(ready[0], &jailed, sizeof(jailed)) == sizeof(jailed)) {
        map_ids(jailed);
        assert_int_equal(write(go[1], "x", 1), 1);
    }
    close(ready[0]);
    close(go[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : JAILCASE_KILLED + WTERMSIG(status);
}

struct cl_jail jailcase_jail(struct policy_sample *policy)
{
    policy_sample_init(policy);
    policy->head.binds = (struct cl_policy_span){ 0, 0, 0, 0 };
    struct cl_jail jail = {
        .policy = &policy->head,
        .spare = 77,
        .uid = 5,
        .job_fd = -1,
        .status_fd = -1,
        .cgroup_dir = -1,
        .cgroup_procs = { -1, -1, -1, -1 },
    };
    return jail;
}
