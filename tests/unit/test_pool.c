/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many spares there are.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include "sandbox/base/clock.h"
#include "sandbox/reap.h"
#include "tests/support/daemon_rig.h"

static void idle_pool_keeps_its_least(void **state)
{
    const struct cl_pool_demand idle = { .refill_us = 2000 };

    (void)state;
    assert_int_equal(cl_pool_target(&idle, 2, 32), 2);
}

static void target_follows_rate_times_refill(void **state)
{
    struct cl_pool_demand busy = { .refill_us = 2000 };

    (void)state;
    busy.rate_milli = 500 * 1000; /* 500/s, one call in flight per refill */
    assert_int_equal(cl_pool_target(&busy, 2, 32), 2 + 4);
    busy.rate_milli *= 2;
    assert_int_equal(cl_pool_target(&busy, 2, 32), 2 + 8);
}

static void target_counts_waiting_calls_and_stops_at_the_most(void **state)
{
    struct cl_pool_demand busy = { .queued = 5, .refill_us = 1000 };

    (void)state;
    assert_int_equal(cl_pool_target(&busy, 1, 8), 6);
    busy.queued = UINT32_MAX;
    busy.rate_milli = UINT32_MAX;
    assert_int_equal(cl_pool_target(&busy, 1, 8), 8);
}

static void rate_settles_at_the_arrivals_and_fades(void **state)
{
    uint64_t rate = 0;

    (void)state;
    for (int i = 0; i < 5000; i++)
        rate = cl_pool_rate(rate, 2000, true);
    assert_in_range(rate, 480 * 1000, 520 * 1000);
    for (int i = 0; i < 10; i++)
        rate = cl_pool_rate(rate, 1000000, false);
    assert_true(rate < 1000);
    assert_int_equal(cl_pool_rate(UINT32_MAX, UINT64_MAX / 2, false), 0);
}

static void refill_makes_what_is_missing_within_all_bounds(void **state)
{
    (void)state;
    rig.policy.pool_min = 3;
    cl_pool_refill(rig.pool);
    assert_int_equal(rig.pool->now.ready, 3);
    cl_pool_refill(rig.pool);
    assert_int_equal(rig.pool->now.ready, 3);
    rig.policy.pool_min = 6;
    rig.daemon.spares_max = 4; /* the node's memory */
    cl_pool_refill(rig.pool);
    assert_int_equal(rig.pool->now.ready, 4);
}

static void draining_makes_spares_only_for_calls_that_wait(void **state)
{
    (void)state;
    rig.policy.pool_min = 3;
    rig.daemon.is_draining = true;
    cl_pool_refill(rig.pool);
    assert_int_equal(rig.pool->now.ready, 0);
    cl_pool_want(rig.pool, 1);
    assert_true(rig.pool->now.ready > 0);
}

static void failures_wait_longer_each_time_and_stop_refills(void **state)
{
    uint64_t before = 0;

    (void)state;
    rig.policy.pool_min = 1;
    for (int i = 0; i < 10; i++) {
        uint64_t now = cl_clock_us();
        cl_brood_on_failure(rig.pool->brood, "it failed");
        uint64_t wait = rig.pool->brood->start.timer.at_us - now;
        assert_true(wait + 1000 > before);
        assert_true(wait <= 5001000);
        before = wait;
    }
    assert_true(before > 4000000);
    cl_pool_refill(rig.pool);
    assert_int_equal(rig.pool->now.ready, 0);
}

static void failure_before_ready_stops_the_start(void **state)
{

    (void)state;
    rig.daemon.is_ready = false;
    cl_brood_on_failure(rig.pool->brood, "it failed");
    assert_int_equal(rig.stops, 1);
}

static void die_at_once(void)
{
    _exit(66);
}

static void worker_that_dies_parked_is_a_failure(void **state)
{
    union cl_msg_any msg;

    (void)state;
    rig_spare(die_at_once);
    assert_int_equal(rig_next(&msg), CL_M_END);
    assert_int_equal(msg.end.cause, CL_END_EXITED);
    assert_int_equal(msg.end.status, 66);
    assert_int_equal(rig.pool->brood->start.failures, 1);
}

static void spares_wait_for_an_api_to_come(void **state)
{
    union cl_msg_any msg;
    uint64_t id = rig_spare(rig_sleep);
    struct cl_spare *spare = cl_spare_find(&rig.daemon, id);

    (void)state;
    spare->is_offered = false;
    spare->job = dup(rig.api);
    cl_spare_each(&rig.daemon, cl_pool_offer);
    assert_int_equal(rig_next(&msg), CL_M_SPARE);
    assert_true(msg.offer.spare == id && spare->is_offered && spare->job < 0);
}

static void old_spares_retire_once_the_new_zygote_has_some(void **state)
{
    union cl_msg_any msg;
    static struct cl_zygote old;
    uint64_t id = rig_spare(rig_sleep);
    struct cl_spare *spare = cl_spare_find(&rig.daemon, id);

    (void)state;
    old = rig.zygote; /* the first spare belongs to a zygote that runs dry */
    cl_list_init(&old.spares);
    cl_list_init(&old.slots_free);
    cl_list_unlink(&spare->in_zygote);
    cl_list_append(&old.spares, &spare->in_zygote);
    spare->zygote = &old;
    cl_pool_turn(rig.pool);
    rig.zygote.live = 0;
    rig.daemon.zygotes[1] = &old;
    cl_zygote_dry(&old);
    rig_spare(rig_sleep);
    assert_int_equal(rig_next(&msg), CL_M_RETIRE);
    assert_true(msg.spare.spare == id && spare->is_retired);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_pool_keeps_its_least),
        cmocka_unit_test(target_follows_rate_times_refill),
        cmocka_unit_test(target_counts_waiting_calls_and_stops_at_the_most),
        cmocka_unit_test(rate_settles_at_the_arrivals_and_fades),
        CASE(refill_makes_what_is_missing_within_all_bounds),
        CASE(draining_makes_spares_only_for_calls_that_wait),
        CASE(failures_wait_longer_each_time_and_stop_refills),
        CASE(failure_before_ready_stops_the_start),
        CASE(worker_that_dies_parked_is_a_failure),
        CASE(spares_wait_for_an_api_to_come),
        CASE(old_spares_retire_once_the_new_zygote_has_some),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
