/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole way into the jail: what is left at its end, and what a failing step leaves.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"
#include "tests/support/jailcase.h"

enum {
    STEP_CGROUP,
    STEP_MOUNTS,
    STEP_RLIMITS,
    STEP_IDS,
    STEP_LANDLOCK,
    STEP_FDS,
    STEP_SECCOMP
};

static struct policy_sample policy;

/* A jail with real descriptors; pair[0] stays the test's end of the job socket. */
static struct cl_jail real_jail(int pair[2])
{
    struct cl_jail jail = jailcase_jail(&policy);

    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    jail.job_fd = pair[1];
    EXPECT(jail.job_fd > 3);
    return jail;
}

/* Tells what it sees through its only socket: CL_JOB_FD. */
static _Noreturn void tell(const struct cl_jail_seen *seen)
{
    struct cl_jail_seen now = *seen;

    if (prctl(PR_GET_SECCOMP) != 2 || getpid() != 1 || getuid() != 5)
        _exit(1);
    _exit(write(CL_JOB_FD, &now, sizeof(now)) == sizeof(now) ? 0 : 1);
}

static void clone_and_look(void)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_jail_seen seen;
    int pair[2];
    struct cl_jail jail = real_jail(pair);
    int pidfd = cl_enter_clone(&jail, tell, &err);

    EXPECT(pidfd >= 0 && jail.pid > 1);
    close(pair[1]);
    EXPECT(read(pair[0], &seen, sizeof(seen)) == sizeof(seen));
    EXPECT(seen.caps == 0 && seen.no_new_privs == 1 && seen.uid == 5 && seen.gid == 5);
    EXPECT(waitpid(jail.pid, NULL, 0) == -1); /* a child of our parent, not ours */
}

static void worker_comes_out_locked_down(void **state)
{
    (void)state;
    jailcase_need_root();
    assert_int_equal(jailcase_run(clone_and_look), 0);
}

static void clone_with_a_bad_cgroup(void)
{
    struct cl_err err = CL_ERR_INIT;
    int pair[2];
    struct cl_jail jail = real_jail(pair);

    jail.cgroup_dir = pair[0]; /* no cgroup directory */
    EXPECT(cl_enter_clone(&jail, tell, &err) == -1 && err.kind == CL_E_SYS);
}

static void clone_that_fails_is_an_error(void **state)
{
    (void)state;
    jailcase_need_root();
    assert_int_equal(jailcase_run(clone_with_a_bad_cgroup), 0);
}

/* ---------------------------------------------------------------------------- failing steps */

static int status_pair[2];
static void (*spoil)(struct cl_jail *jail);

static void enter_spoilt(void)
{
    int pair[2];
    struct cl_jail jail = real_jail(pair);

    jail.status_fd = status_pair[1];
    spoil(&jail);
    cl_enter(&jail);
}

/* Where the walk ended, and what came over the status socket ("" for nothing). */
static int enter_and_read(void (*how)(struct cl_jail *jail), struct cl_msg_failed *failed)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg;
    int fds[8];
    size_t fd_count = 0;

    spoil = how;
    memset(failed, 0, sizeof(*failed));
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, status_pair), 0);
    int status = jailcase_run(enter_spoilt);
    close(status_pair[1]);
    if (cl_msg_recv(status_pair[0], CL_WAY_ZYGOTE_TO_CLOCHED, &msg, fds, &fd_count, &err) == 1)
        *failed = msg.failed;
    close(status_pair[0]);
    return status;
}

static void spoil_cgroup(struct cl_jail *jail)
{
    jail->cgroup_procs[1] = open("/dev/null", O_RDONLY);
}

static void spoil_mounts(struct cl_jail *jail)
{
    policy.head.files_bytes = 4096;
    EXPECT(chroot("/proc") == 0); /* no /tmp there */
    (void)jail;
}

static void spoil_ids(struct cl_jail *jail)
{
    jail->uid = 0;
}

static void spoil_unmapped(struct cl_jail *jail)
{
    jail->uid = 5000;
}

static void spoil_landlock(struct cl_jail *jail)
{
    policy.head.files_bytes = 4096;
    policy.head.inodes = 8;
    memcpy(policy.binds, "/srv\0/nowhere", 14);
    policy.head.binds =
        (struct cl_policy_span){ (uint32_t)(offsetof(struct policy_sample, binds)), 14, 2, 0 };
    (void)jail;
}

static void spoil_fds(struct cl_jail *jail)
{
    jail->job_fd = -1;
}

static void spoil_seccomp(struct cl_jail *jail)
{
    policy.head.filter.count = 0;
    (void)jail;
}

static void spoil_program(struct cl_jail *jail)
{
    policy.filter[POLICY_SAMPLE_STEPS - 1].code = 0xffff;
    (void)jail;
}

static void failing_step_reports_and_exits_with_its_index(void **state)
{
    static const struct {
        void (*how)(struct cl_jail *jail);
        int step;
        const char *text; /* start of the report; NULL when the socket is closed by then */
    } cases[] = {
        { spoil_cgroup, STEP_CGROUP, "enter cgroup: " },
        { spoil_mounts, STEP_MOUNTS, "enter mounts: " },
        { spoil_ids, STEP_IDS, "enter ids: " },
        { spoil_unmapped, STEP_IDS, "enter ids: " },
        { spoil_landlock, STEP_LANDLOCK, "enter landlock: " },
        { spoil_fds, STEP_FDS, "enter fds: " },
        { spoil_seccomp, STEP_SECCOMP, NULL },
        { spoil_program, STEP_SECCOMP, NULL },
    };
    struct cl_msg_failed failed;

    (void)state;
    jailcase_need_root();
    for (size_t i = 0; i < CL_COUNT(cases); i++) {
        assert_int_equal(enter_and_read(cases[i].how, &failed), CL_ENTER_EXIT + cases[i].step);
        if (!cases[i].text) {
            assert_int_equal(failed.head.type, 0);
            continue;
        }
        assert_int_equal(failed.spare, 77);
        assert_memory_equal(failed.err.text, cases[i].text, strlen(cases[i].text));
    }
}

static void step_name_is_known_for_exits_of_steps_only(void **state)
{
    (void)state;
    assert_string_equal(cl_enter_step_name(CL_ENTER_EXIT + STEP_CGROUP), "cgroup");
    assert_string_equal(cl_enter_step_name(CL_ENTER_EXIT + STEP_MOUNTS), "mounts");
    assert_string_equal(cl_enter_step_name(CL_ENTER_EXIT + STEP_RLIMITS), "rlimits");
    assert_string_equal(cl_enter_step_name(CL_ENTER_EXIT + STEP_IDS), "ids");
    assert_string_equal(cl_enter_step_name(CL_ENTER_EXIT + STEP_LANDLOCK), "landlock");
    assert_string_equal(cl_enter_step_name(CL_ENTER_EXIT + STEP_FDS), "fds");
    assert_string_equal(cl_enter_step_name(CL_ENTER_EXIT + STEP_SECCOMP), "seccomp");
    assert_null(cl_enter_step_name(CL_ENTER_EXIT + STEP_SECCOMP + 1));
    assert_null(cl_enter_step_name(CL_ENTER_EXIT - 1));
    assert_null(cl_enter_step_name(-1));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(worker_comes_out_locked_down),
        cmocka_unit_test(clone_that_fails_is_an_error),
        cmocka_unit_test(failing_step_reports_and_exits_with_its_index),
        cmocka_unit_test(step_name_is_known_for_exits_of_steps_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
