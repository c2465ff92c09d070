/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small rules of cloched: what a probe means, what an empty network is, which ids belong to
 * whom, what a policy may be called.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/idmap.h"
#include "sandbox/load.h"
#include "sandbox/netns.h"
#include "sandbox/probes.h"
#include "sandbox/selftest.h"

static struct cl_err err;

static void refused_call_passes_and_any_other_fails(void **state)
{
    static const int32_t refusals[] = { EPERM, EACCES, ENOSYS };
    static const int32_t let_in[] = { 0, EFAULT, EINVAL, EBADF, ENOENT };

    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        assert_null(cl_selftest_judge_call(false, 0, refusals[i]));
    for (size_t i = 0; i < sizeof(let_in) / sizeof(let_in[0]); i++)
        assert_non_null(cl_selftest_judge_call(false, 0, let_in[i]));
    assert_null(cl_selftest_judge_call(true, SIGSYS, 0));
    assert_non_null(cl_selftest_judge_call(true, SIGKILL, 0));
    assert_non_null(cl_selftest_judge_call(true, 0, 0));
}

static void open_call_passes_unless_it_is_refused(void **state)
{
    (void)state;
    assert_null(cl_selftest_judge_open(false, 0, 0));
    assert_null(cl_selftest_judge_open(false, 0, EFAULT));
    assert_null(cl_selftest_judge_open(true, SIGSEGV, 0));
    assert_non_null(cl_selftest_judge_open(true, SIGSYS, 0));
    assert_non_null(cl_selftest_judge_open(false, 0, EPERM));
    assert_non_null(cl_selftest_judge_open(false, 0, ENOSYS));
}

static void path_passes_only_as_the_policy_has_it(void **state)
{
    (void)state;
    assert_true(cl_probes_accept(CL_PROBE_SEEN, 0));
    assert_false(cl_probes_accept(CL_PROBE_SEEN, ENOENT));
    assert_false(cl_probes_accept(CL_PROBE_SEEN, EACCES));
    assert_true(cl_probes_accept(CL_PROBE_LOCKED, EROFS));
    assert_false(cl_probes_accept(CL_PROBE_LOCKED, 0));
    assert_false(cl_probes_accept(CL_PROBE_LOCKED, ENOENT));
    assert_true(cl_probes_accept(CL_PROBE_ABSENT, ENOENT));
    assert_false(cl_probes_accept(CL_PROBE_ABSENT, 0));
}

static void jail_passes_only_when_all_of_it_is_right(void **state)
{
    const struct cl_frame_probed good = {
        .pid = 1,
        .uid = 3,
        .gid = 3,
        .fd_count = 4,
        .no_new_privs = 1,
    };
    struct cl_frame_probed bad[8];

    (void)state;
    assert_null(cl_selftest_judge_jail(&good, 3));
    for (size_t i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].pid = 2;
    bad[1].uid = 0;
    bad[2].gid = 0;
    bad[3].caps = 1;
    bad[4].no_new_privs = 0;
    bad[5].fd_count = 5;
    bad[6].fd_count = 3;
    bad[7].uid = bad[7].gid = 4;
    for (size_t i = 0; i < 8; i++)
        assert_non_null(cl_selftest_judge_jail(&bad[i], 3));
}

static void network_is_empty_when_nothing_is_up_or_has_an_address(void **state)
{
    (void)state;
    assert_works(cl_netns_judge(1, 0, 0, &err), &err);
    assert_works(cl_netns_judge(3, 0, 0, &err), &err); /* fall-back tunnels, down */
    assert_fails(cl_netns_judge(0, 0, 0, &err), &err, CL_E_DENIED);
    assert_fails(cl_netns_judge(1, 1, 0, &err), &err, CL_E_DENIED);
    assert_fails(cl_netns_judge(1, 0, 1, &err), &err, CL_E_DENIED);
}

static void a_fresh_network_namespace_is_empty(void **state)
{
    int status = 0;
    pid_t pid;

    (void)state;
    if (geteuid() != 0)
        skip();
    pid = fork();
    if (pid == 0)
        _exit(cl_netns_enter(&err) == 0 ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void ranges_of_ids_do_not_meet(void **state)
{
    const uid_t base = 1879048192;

    (void)state;
    assert_int_equal(cl_idmap_zygote(base, 0), base + 1024);
    assert_int_equal(cl_idmap_zygote(base, 1), base + 2048);
    assert_true(cl_idmap_zygote(base, CL_IDMAP_ZYGOTES_MAX - 1) + CL_IDMAP_ZYGOTE_IDS <=
                base + CL_IDMAP_INSTANCE_IDS);
}

static void range_beyond_the_last(void)
{
    cl_idmap_zygote(0, CL_IDMAP_ZYGOTES_MAX);
}

static void range_beyond_the_last_is_a_bug(void **state)
{
    (void)state;
    assert_aborts(range_beyond_the_last);
}

static void policy_names_are_plain(void **state)
{
    static const char *const good[] = { "a", "default", "a-b_c", "0" };
    static const char *const bad[] = { "", "-a", "_a", "A", "a.b", "a/b", "a b", ".." };
    char longest[65];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(cl_load_check_name(good[i], strlen(good[i])), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(cl_load_check_name(bad[i], strlen(bad[i])), -1);
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(cl_load_check_name(longest, 63), 0);
    assert_int_equal(cl_load_check_name(longest, 64), -1);
    assert_int_equal(cl_load_check_name("a\0b", 3), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_call_passes_and_any_other_fails),
        cmocka_unit_test(open_call_passes_unless_it_is_refused),
        cmocka_unit_test(path_passes_only_as_the_policy_has_it),
        cmocka_unit_test(jail_passes_only_when_all_of_it_is_right),
        cmocka_unit_test(network_is_empty_when_nothing_is_up_or_has_an_address),
        cmocka_unit_test(a_fresh_network_namespace_is_empty),
        cmocka_unit_test(ranges_of_ids_do_not_meet),
        cmocka_unit_test(range_beyond_the_last_is_a_bug),
        cmocka_unit_test(policy_names_are_plain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
