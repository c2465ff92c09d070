/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every system call on the way into the jail fails once: the way then ends there, whichever it was.
 * Nothing ever comes out with a layer missing.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"
#include "tests/support/jailcase.h"

enum { CAME_OUT = 98, CALLS_MAX = 400 };

static struct policy_sample policy;

/* From arm() on, the call with this number fails, counted from 1. */
static int due;
static int made;
static bool is_armed;
/* Says that it worked, and was not made. */
static long pretended = -1;
/* A kernel that doesn't know Landlock says one of two things. */
static int without_landlock;

static bool is_due(void)
{
    if (!is_armed || ++made != due)
        return false;
    errno = EIO;
    return true;
}

/* What the linker puts in the place of each function (-Wl,--wrap). */
#define WRAP(name, takes, passes)                                                              \
    int __real_##name takes;                                                                   \
    int __wrap_##name takes;                                                                   \
    int __wrap_##name takes                                                                    \
    {                                                                                          \
        return is_due() ? -1 : __real_##name passes;                                           \
    }

WRAP(mount, (const char *s, const char *t, const char *k, unsigned long f, const void *d),
     (s, t, k, f, d))
WRAP(chdir, (const char *path), (path))
WRAP(fchdir, (int fd), (fd))
WRAP(dup2, (int from, int to), (from, to))
WRAP(pipe2, (int ends[2], int flags), (ends, flags))
WRAP(close_range, (unsigned from, unsigned to, int flags), (from, to, flags))
WRAP(setpgid, (pid_t pid, pid_t group), (pid, group))
WRAP(setgroups, (size_t count, const gid_t *groups), (count, groups))
WRAP(getresuid, (uid_t * r, uid_t *e, uid_t *s), (r, e, s))
WRAP(getresgid, (gid_t * r, gid_t *e, gid_t *s), (r, e, s))
WRAP(setrlimit, (int resource, const struct rlimit *limit), (resource, limit))
WRAP(unshare, (int flags), (flags))
WRAP(fsopen, (const char *name, unsigned flags), (name, flags))
WRAP(fsconfig, (int fs, unsigned cmd, const char *key, const void *value, int aux),
     (fs, cmd, key, value, aux))
WRAP(fsmount, (int fs, unsigned flags, unsigned attrs), (fs, flags, attrs))
WRAP(move_mount, (int from, const char *a, int to, const char *b, unsigned flags),
     (from, a, to, b, flags))
WRAP(open_tree, (int dir, const char *path, unsigned flags), (dir, path, flags))
WRAP(mount_setattr, (int dir, const char *path, unsigned flags, void *attr, size_t size),
     (dir, path, flags, attr, size))
WRAP(mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
WRAP(umount2, (const char *path, int flags), (path, flags))
WRAP(sethostname, (const char *name, size_t length), (name, length))
WRAP(open, (const char *path, int flags, mode_t mode), (path, flags, mode))
WRAP(openat, (int dir, const char *path, int flags, mode_t mode), (dir, path, flags, mode))
WRAP(prctl, (int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d),
     (option, a, b, c, d))

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (is_armed && number == pretended)
        return 0;
    if (without_landlock && number == SYS_landlock_create_ruleset) {
        errno = without_landlock;
        return -1;
    }
    return is_due() ? -1 : __real_syscall(number, a, b, c, d, e, f);
}

/* ------------------------------------------------------------------------------------ bodies */

static void fill_policy(void)
{
    static const struct sock_filter filter[POLICY_SAMPLE_STEPS] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    static const char binds[] = "/usr/share\0/data/share";

    memcpy(policy.filter, filter, sizeof(filter));
    memcpy(policy.binds, binds, sizeof(binds));
    policy.head.binds =
        (struct cl_policy_span){ offsetof(struct policy_sample, binds), sizeof(binds), 2, 0 };
    policy.head.tiers |= CL_TIER_LATE_IMPORTS;
    policy.head.files_bytes = 1 << 20;
    policy.head.inodes = 16;
}

static void make_tree(void)
{
    struct cl_err err = CL_ERR_INIT;

    EXPECT(cl_enter_tree(&policy.head, &err) == 0);
}

static struct cl_jail job_jail(int *near)
{
    struct cl_jail jail = jailcase_jail(&policy);
    int pair[2];

    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    jail.job_fd = pair[1];
    *near = pair[0];
    fill_policy();
    return jail;
}

static void enter_with(bool has_files)
{
    int near;
    struct cl_jail jail = job_jail(&near);

    if (!has_files) {
        policy.head.binds.count = 0;
        policy.head.tiers &= ~(uint32_t)CL_TIER_LATE_IMPORTS;
        policy.head.files_bytes = 0;
    }
    make_tree();
    is_armed = true;
    cl_enter(&jail);
    EXPECT(__real_prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2);
    _exit(made < due ? 0 : CAME_OUT);
}

static void enter(void)
{
    enter_with(true);
}

static void enter_without_files(void)
{
    enter_with(false);
}

static void write_from_inside(const struct cl_jail_seen *seen)
{
    _exit(write(CL_JOB_FD, seen, sizeof(*seen)) == sizeof(*seen) ? 0 : 1);
}

static void clone_without_the_address(void)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_jail_seen seen = { 0 };
    int near;
    struct cl_jail jail = job_jail(&near);

    make_tree();
    is_armed = true;
    EXPECT(cl_enter_clone(&jail, write_from_inside, &err) >= 0 && made > due);
    close(jail.job_fd);
    EXPECT(read(near, &seen, sizeof(seen)) == sizeof(seen) && seen.uid == 5);
}

static void load_no_filter_of_the_zygotes(void)
{
    struct cl_err err = CL_ERR_INIT;

    jailcase_jail(&policy);
    policy.head.filter_zygote.count = 0;
    EXPECT(cl_enter_seccomp_zygote(&policy.head, &err) == 0);
    EXPECT(__real_prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0);
}

static void enter_the_tree(void)
{
    struct cl_err err = CL_ERR_INIT;

    jailcase_jail(&policy);
    fill_policy();
    is_armed = true;
    if (cl_enter_tree(&policy.head, &err) == 0)
        _exit(made < due ? 0 : CAME_OUT);
    EXPECT(err.kind == CL_E_SYS && err.text[0]);
    _exit(CL_ENTER_EXIT);
}

static void drop_the_bounding_set(void)
{
    struct cl_err err = CL_ERR_INIT;

    is_armed = true;
    if (cl_enter_bounding(&err) == 0)
        _exit(made < due ? 0 : CAME_OUT);
    _exit(CL_ENTER_EXIT);
}

static void load_the_zygotes_filter(void)
{
    struct cl_err err = CL_ERR_INIT;

    jailcase_jail(&policy);
    fill_policy();
    policy.head.filter_zygote = policy.head.filter;
    is_armed = true;
    if (cl_enter_seccomp_zygote(&policy.head, &err) == 0) {
        EXPECT(__real_prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2);
        _exit(made < due ? 0 : CAME_OUT);
    }
    EXPECT(__real_prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0);
    _exit(CL_ENTER_EXIT);
}

/* ------------------------------------------------------------------------------------- tests */

/* Lets each call fail in turn until there is none left; how many there were. */
static int sweep(void (*body)(void))
{
    jailcase_need_root();
    for (due = 1; due < CALLS_MAX; due++) {
        const int status = jailcase_run(body);

        if (status == 0)
            break;
        if (status < CL_ENTER_EXIT || !cl_enter_step_name(status))
            fail_msg("call %d failed: ended with %d", due, status);
    }
    return due - 1;
}

static void no_call_of_a_step_may_fail(void **state)
{
    (void)state;
    assert_in_range(sweep(enter), 40, CALLS_MAX - 2);
    assert_in_range(sweep(enter_without_files), 30, CALLS_MAX - 2);
}

static void no_call_that_makes_the_tree_may_fail(void **state)
{
    (void)state;
    assert_in_range(sweep(enter_the_tree), 60, CALLS_MAX - 2);
}

static void no_capability_may_stay_in_the_bounding_set(void **state)
{
    (void)state;
    assert_in_range(sweep(drop_the_bounding_set), 41, CALLS_MAX - 2);
}

static void the_zygotes_filter_may_not_fail(void **state)
{
    (void)state;
    assert_int_equal(sweep(load_the_zygotes_filter), 1);
    assert_int_equal(jailcase_run(load_no_filter_of_the_zygotes), 0);
}

static void what_only_claims_to_have_worked_is_noticed(void **state)
{
    static const long numbers[] = { SYS_setresuid, SYS_setresgid, SYS_capset };

    (void)state;
    jailcase_need_root();
    due = CALLS_MAX;
    for (size_t i = 0; i < CL_COUNT(numbers); i++) {
        pretended = numbers[i];
        const int status = jailcase_run(enter);
        pretended = -1;
        assert_string_equal(cl_enter_step_name(status), "ids");
    }
    assert_int_equal(jailcase_run(enter), 0);
}

/* Its place in memory is only asked for: the worker's own id is wrong then, and nothing else. */
static void worker_is_born_where_the_kernel_tells_no_address_of_its_id(void **state)
{
    (void)state;
    jailcase_need_root();
    due = 1;
    assert_int_equal(jailcase_run(clone_without_the_address), 0);
}

static void kernel_without_landlock_leaves_the_other_layers(void **state)
{
    static const int answers[] = { ENOSYS, EOPNOTSUPP };

    (void)state;
    jailcase_need_root();
    due = CALLS_MAX;
    for (size_t i = 0; i < CL_COUNT(answers); i++) {
        without_landlock = answers[i];
        assert_int_equal(jailcase_run(enter), 0);
    }
    without_landlock = EACCES;
    assert_string_equal(cl_enter_step_name(jailcase_run(enter)), "landlock");
    without_landlock = 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_call_of_a_step_may_fail),
        cmocka_unit_test(no_call_that_makes_the_tree_may_fail),
        cmocka_unit_test(no_capability_may_stay_in_the_bounding_set),
        cmocka_unit_test(the_zygotes_filter_may_not_fail),
        cmocka_unit_test(worker_is_born_where_the_kernel_tells_no_address_of_its_id),
        cmocka_unit_test(kernel_without_landlock_leaves_the_other_layers),
        cmocka_unit_test(what_only_claims_to_have_worked_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
