/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An API that does not read never blocks cloched, and is ended when too much waits.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include "tests/support/daemon_rig.h"

static void what_does_not_fit_waits_in_order(void **state)
{
    union cl_msg_any msg;
    uint64_t sent = 0;

    (void)state;
    while (rig.daemon.front.queued < 100) {
        struct cl_msg_spare taken = { .spare = ++sent };
        cl_front_send(&rig.daemon.front, CL_M_TAKEN, &taken, NULL);
    }
    for (uint64_t i = 1; i <= sent; i++) {
        assert_int_equal(rig_next(&msg), CL_M_TAKEN);
        assert_true(msg.spare.spare == i);
    }
    assert_int_equal(rig.daemon.front.queued, 0);
}

static void api_that_never_reads_is_ended(void **state)
{
    struct cl_msg_spare taken = { .spare = 1 };

    (void)state;
    for (int i = 0; i < 100000 && rig.daemon.front.is_greeted; i++)
        cl_front_send(&rig.daemon.front, CL_M_TAKEN, &taken, NULL);
    assert_false(rig.daemon.front.is_greeted);
    assert_int_equal(rig.daemon.front.peer.watch.fd, -1);
    assert_int_equal(rig.daemon.front.queued, 0);
    cl_front_send(&rig.daemon.front, CL_M_TAKEN, &taken, NULL); /* nobody is there */
}

static void closed_socket_ends_the_api(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    close(rig.api);
    rig.api = -1;
    assert_works(cl_loop_once(&rig.daemon.loop, &err), &err);
    assert_int_equal(rig.daemon.front.peer.watch.fd, -1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_does_not_fit_waits_in_order),
        CASE(api_that_never_reads_is_ended),
        CASE(closed_socket_ends_the_api),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
