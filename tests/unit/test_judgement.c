/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small rules of cloched: what an empty network is, which ids belong to
 * whom.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/spaces.h"

static struct cl_err err;

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_is_empty_when_nothing_is_up_or_has_an_address),
        cmocka_unit_test(a_fresh_network_namespace_is_empty),
        cmocka_unit_test(ranges_of_ids_do_not_meet),
        cmocka_unit_test(range_beyond_the_last_is_a_bug),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
