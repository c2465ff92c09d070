/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API may ask for a session's jail, and the deadlines that it can't move.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include "sandbox/base/clock.h"
#include "sandbox/front.h"
#include "sandbox/reap.h"
#include "tests/support/daemon_rig.h"

static struct cl_err err;

static int ask(enum cl_msg_type type, union cl_msg_any *msg)
{
    err = (struct cl_err)CL_ERR_INIT;
    msg->head.type = type;
    return cl_monitor_on_message(&rig.daemon.front.peer, msg, NULL, &err);
}

static int take(uint64_t id, uint64_t wall_ms, uint32_t session)
{
    union cl_msg_any msg = { .take = { .spare = id, .wall_ms = wall_ms, .session = session } };

    return ask(CL_M_TAKE, &msg);
}

static int next(uint64_t id, uint64_t wall_ms, uint64_t cpu_ms)
{
    union cl_msg_any msg = { .next = { .spare = id, .wall_ms = wall_ms, .cpu_ms = cpu_ms } };

    return ask(CL_M_NEXT, &msg);
}

static int rest(uint64_t id)
{
    union cl_msg_any msg = { .spare = { .spare = id } };

    return ask(CL_M_REST, &msg);
}

/* A jail that a session has taken, under a policy with short times. */
static uint64_t taken(uint64_t idle_ms, uint64_t max_ms)
{
    const uint64_t id = rig_spare(rig_sleep);

    rig.policy.flags = CL_POLICY_SESSIONS;
    rig.policy.session_idle_ms = idle_ms;
    rig.policy.session_max_ms = max_ms;
    rig.policy.session_threads = 3;
    assert_works(take(id, 0, 1), &err);
    return id;
}

static void a_session_is_fatal_where_the_policy_forbids_it(void **state)
{
    const uint64_t id = rig_spare(rig_sleep);

    (void)state;
    assert_fails(take(id, 0, 1), &err, CL_E_LOST);
    assert_works(take(id, 0, 0), &err);
}

static void a_plain_jail_takes_no_second_call(void **state)
{
    const uint64_t id = rig_spare(rig_sleep);

    (void)state;
    rig.policy.flags = CL_POLICY_SESSIONS;
    rig.policy.session_threads = 3;
    assert_fails(next(id, 0, 0), &err, CL_E_LOST); /* not even taken */
    assert_works(take(id, 0, 0), &err);
    assert_fails(next(id, 0, 0), &err, CL_E_LOST);
    assert_fails(rest(id), &err, CL_E_LOST);
}

static void next_beyond_the_policy_is_fatal(void **state)
{
    const uint64_t id = taken(1000, 10000);

    (void)state;
    assert_fails(next(id, 5001, 0), &err, CL_E_LOST);
    assert_fails(next(id, 0, 2001), &err, CL_E_LOST);
    assert_works(next(id, 5000, 2000), &err);
    assert_works(next(id, 0, 0), &err);
    assert_fails(next(id, 0, 0), &err, CL_E_LOST); /* a fourth call where three may run */
}

static void rest_answers_usage_once_for_each_call(void **state)
{
    const uint64_t id = taken(1000, 10000);
    union cl_msg_any msg;

    (void)state;
    assert_works(next(id, 0, 0), &err);
    rig_count(CL_CG_PEAK, "4096\n");
    assert_works(rest(id), &err);
    assert_int_equal(rig_next(&msg), CL_M_USAGE);
    assert_int_equal(msg.usage.spare, id);
    assert_int_equal(msg.usage.calls, 1);
    assert_int_equal(msg.usage.memory_peak_bytes, 4096);
    assert_works(rest(id), &err);
    assert_int_equal(rig_next(&msg), CL_M_USAGE);
    assert_int_equal(msg.usage.calls, 0);
    assert_fails(rest(id), &err, CL_E_LOST);
}

static void expires(uint64_t id, enum cl_expiry reason)
{
    union cl_msg_any msg;

    assert_int_equal(rig_next(&msg), CL_M_END);
    assert_int_equal(msg.end.spare, id);
    assert_int_equal(msg.end.cause, CL_END_EXPIRED);
    assert_int_equal(msg.end.reason, reason);
}

static void a_jail_without_calls_ends_after_idle(void **state)
{
    const uint64_t id = taken(60, 10000);
    const uint64_t start = cl_clock_us();
    union cl_msg_any msg;

    (void)state;
    assert_works(rest(id), &err);
    assert_int_equal(rig_next(&msg), CL_M_USAGE);
    expires(id, CL_EXPIRY_IDLE);
    assert_in_range(cl_clock_us() - start, 59000, 5000000);
}

static void a_jail_with_calls_ends_at_max(void **state)
{
    const uint64_t id = taken(50, 80);
    const uint64_t start = cl_clock_us();

    (void)state;
    /* No call more moves it. */
    assert_works(next(id, 0, 0), &err);
    expires(id, CL_EXPIRY_MAX);
    assert_in_range(cl_clock_us() - start, 79000, 4000000);
}

static void calls_that_run_together_end_with_the_last_deadline(void **state)
{
    const uint64_t id = rig_spare(rig_sleep);
    const uint64_t start = cl_clock_us();
    union cl_msg_any msg;

    (void)state;
    rig.policy.flags = CL_POLICY_SESSIONS;
    rig.policy.session_idle_ms = rig.policy.session_max_ms = 60000;
    rig.policy.session_threads = 3;
    assert_works(take(id, 20, 1), &err);
    assert_works(next(id, 120, 0), &err);
    assert_int_equal(rig_next(&msg), CL_M_END);
    assert_int_equal(msg.end.cause, CL_END_LIMIT);
    assert_int_equal(msg.end.limit, CL_LIMIT_WALL);
    assert_in_range(cl_clock_us() - start, 119000, 5000000);
}

/* What was left of the first call's time is not the second one's. */
static void the_clock_of_a_call_begins_with_it(void **state)
{
    const uint64_t id = taken(60000, 60000);
    union cl_msg_any msg;
    uint64_t start;

    (void)state;
    assert_works(rest(id), &err);
    assert_int_equal(rig_next(&msg), CL_M_USAGE);
    start = cl_clock_us();
    assert_works(next(id, 50, 0), &err);
    assert_int_equal(rig_next(&msg), CL_M_END);
    assert_int_equal(msg.end.limit, CL_LIMIT_WALL);
    assert_int_equal(msg.end.value, 50);
    assert_in_range(cl_clock_us() - start, 49000, 4000000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_session_is_fatal_where_the_policy_forbids_it),
        CASE(a_plain_jail_takes_no_second_call),
        CASE(next_beyond_the_policy_is_fatal),
        CASE(rest_answers_usage_once_for_each_call),
        CASE(a_jail_without_calls_ends_after_idle),
        CASE(a_jail_with_calls_ends_at_max),
        CASE(calls_that_run_together_end_with_the_last_deadline),
        CASE(the_clock_of_a_call_begins_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
