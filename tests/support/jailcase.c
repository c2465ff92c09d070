/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the user namespace in which a test of the way into the jail runs.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/jailcase.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"
#include "tests/support/unit.h"

/* Far from what a running service claims. */
#define MAP "0 2000000000 1024\n"

void jailcase_need_root(void)
{
    const char *require = getenv("CLOCHE_REQUIRE");

    if (geteuid() != 0 && !(require && *require))
        skip();
}

static _Noreturn void run_child(int go, int ready, void (*body)(void))
{
    char byte = 0;

    EXPECT(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS) == 0);
    EXPECT(write(ready, "x", 1) == 1);
    EXPECT(read(go, &byte, 1) == 1);
    close(go);
    close(ready);
    EXPECT(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
    body();
    _exit(0);
}

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
    char byte = 0;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ready[0]);
        close(go[1]);
        run_child(go[0], ready[1], body);
    }
    close(ready[1]);
    close(go[0]);
    if (read(ready[0], &byte, 1) == 1) {
        map_ids(child);
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
