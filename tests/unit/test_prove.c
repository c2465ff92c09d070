/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the self-test asks, and what an answer means.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "sandbox/prove/judge.h"

static const char *judge(enum cl_probe_meaning meaning, bool died, int32_t status, int32_t sys)
{
    const struct cl_outcome outcome = { died, status, sys };

    return cl_judge_probe(meaning, &outcome);
}

static void refused_call_passes_and_any_other_fails(void **state)
{
    static const int32_t refusals[] = { EPERM, EACCES, ENOSYS };
    static const int32_t let_in[] = { 0, EFAULT, EINVAL, EBADF, ENOENT };

    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        assert_null(judge(CL_PROBE_CLOSED, false, 0, refusals[i]));
    for (size_t i = 0; i < sizeof(let_in) / sizeof(let_in[0]); i++)
        assert_non_null(judge(CL_PROBE_CLOSED, false, 0, let_in[i]));
    assert_null(judge(CL_PROBE_CLOSED, true, SIGSYS, 0));
    assert_non_null(judge(CL_PROBE_CLOSED, true, SIGKILL, 0));
    assert_non_null(judge(CL_PROBE_CLOSED, true, 0, 0));
}

static void open_call_passes_unless_it_is_refused(void **state)
{
    (void)state;
    assert_null(judge(CL_PROBE_OPEN, false, 0, 0));
    assert_null(judge(CL_PROBE_OPEN, false, 0, EFAULT));
    assert_null(judge(CL_PROBE_OPEN, true, SIGSEGV, 0));
    assert_non_null(judge(CL_PROBE_OPEN, true, SIGSYS, 0));
    assert_non_null(judge(CL_PROBE_OPEN, false, 0, EPERM));
    assert_non_null(judge(CL_PROBE_OPEN, false, 0, ENOSYS));
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
    assert_null(cl_judge_jail(&good, 3));
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
        assert_non_null(cl_judge_jail(&bad[i], 3));
}

static void paths_are_judged_by_what_they_are_for(void **state)
{
    (void)state;
    assert_null(judge(CL_PROBE_SEEN, false, 0, 0));
    assert_string_equal(judge(CL_PROBE_SEEN, false, 0, ENOENT), "it can't be opened");
    assert_non_null(judge(CL_PROBE_SEEN, true, SIGSYS, 0));
    assert_null(judge(CL_PROBE_LOCKED, true, SIGSYS, 0));
    assert_string_equal(judge(CL_PROBE_LOCKED, false, 0, 0), "it is not read-only");
    assert_string_equal(judge(CL_PROBE_ABSENT, false, 0, 0), "it is there");
}

static void short_list_begins_with_the_jail_itself(void **state)
{
    size_t count = 0;
    struct cl_probe *probes = cl_probes_make(NULL, &count);

    (void)state;
    assert_true(count >= 20);
    assert_int_equal(probes[0].ask.kind, CL_PROBE_JAIL);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(probes[i].name);
        assert_int_equal(probes[i].meaning, CL_PROBE_CLOSED);
    }
    free(probes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_call_passes_and_any_other_fails),
        cmocka_unit_test(open_call_passes_unless_it_is_refused),
        cmocka_unit_test(path_passes_only_as_the_policy_has_it),
        cmocka_unit_test(jail_passes_only_when_all_of_it_is_right),
        cmocka_unit_test(paths_are_judged_by_what_they_are_for),
        cmocka_unit_test(short_list_begins_with_the_jail_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
