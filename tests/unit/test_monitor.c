/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API may ask of cloched, in which state, and what ends it.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

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

static int ask_spare(enum cl_msg_type type, uint64_t id)
{
    union cl_msg_any msg = { .spare = { .spare = id } };

    if (type == CL_M_KILL)
        msg.kill.reason = CL_KILL_CANCELLED;
    return ask(type, &msg);
}

static void nothing_before_hello(void **state)
{
    union cl_msg_any hello = { .hello = { .version = CL_WIRE_VERSION } };
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    rig.daemon.front.is_greeted = false;
    assert_fails(ask_spare(CL_M_TAKE, id), &err, CL_E_LOST);
    rig.daemon.generation = 0; /* nothing to tell yet */
    assert_works(ask(CL_M_HELLO, &hello), &err);
    assert_fails(ask(CL_M_HELLO, &hello), &err, CL_E_LOST);
}

static void hello_of_another_version_is_fatal(void **state)
{
    union cl_msg_any hello = { .hello = { .version = CL_WIRE_VERSION + 1 } };

    (void)state;
    rig.daemon.front.is_greeted = false;
    assert_fails(ask(CL_M_HELLO, &hello), &err, CL_E_LOST);
}

static void take_finish_ends_with_counters(void **state)
{
    union cl_msg_any msg;
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    assert_works(ask_spare(CL_M_TAKE, id), &err);
    rig_count(CL_CG_PEAK, "4096\n");
    rig_count(CL_CG_PIDS_EVENTS, "max 3\n");
    assert_works(ask_spare(CL_M_FINISH, id), &err);
    assert_int_equal(rig_next(&msg), CL_M_END);
    assert_int_equal(msg.end.cause, CL_END_FINISHED);
    assert_int_equal(msg.end.memory_peak_bytes, 4096);
    assert_int_equal(msg.end.pids_refused, 3);
}

static void take_twice_is_fatal(void **state)
{
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    assert_works(ask_spare(CL_M_TAKE, id), &err);
    assert_fails(ask_spare(CL_M_TAKE, id), &err, CL_E_LOST);
}

static void finish_or_kill_before_take_is_fatal(void **state)
{
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    assert_fails(ask_spare(CL_M_FINISH, id), &err, CL_E_LOST);
    assert_fails(ask_spare(CL_M_KILL, id), &err, CL_E_LOST);
}

static void drop_of_a_taken_spare_is_fatal(void **state)
{
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    assert_works(ask_spare(CL_M_TAKE, id), &err);
    assert_fails(ask_spare(CL_M_DROP, id), &err, CL_E_LOST);
}

static void an_id_never_offered_is_fatal_an_ended_one_is_not(void **state)
{
    union cl_msg_any msg;
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    assert_fails(ask_spare(CL_M_TAKE, id + 1), &err, CL_E_LOST);
    assert_fails(ask_spare(CL_M_TAKE, 0), &err, CL_E_LOST);
    assert_works(ask_spare(CL_M_DROP, id), &err);
    assert_int_equal(rig_next(&msg), CL_M_END);
    assert_int_equal(msg.end.cause, CL_END_LOST);
    assert_works(ask_spare(CL_M_TAKE, id), &err);
    assert_works(ask_spare(CL_M_KILL, id), &err);
}

static void a_spare_that_is_not_the_apis_is_fatal(void **state)
{
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    cl_spare_find(&rig.daemon, id)->is_offered = false;
    assert_fails(ask_spare(CL_M_TAKE, id), &err, CL_E_LOST);
}

static void take_wider_than_the_policy_is_fatal(void **state)
{
    const struct cl_msg_take wide[] = {
        { .wall_ms = 5001 },
        { .cpu_ms = 2001 },
        { .memory_bytes = (64 << 20) + 1 },
        { .processes = 5 },
    };
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        union cl_msg_any msg = { .take = wide[i] };
        msg.take.spare = id;
        assert_fails(ask(CL_M_TAKE, &msg), &err, CL_E_LOST);
    }
}

static void take_narrows_before_taken_and_the_next_use_is_wide_again(void **state)
{
    union cl_msg_any msg = { .take = { .memory_bytes = 1 << 20, .acknowledge = 1 } };
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    msg.take.spare = id;
    assert_works(ask(CL_M_TAKE, &msg), &err);
    assert_int_equal(rig.limit_memory, 1 << 20);
    assert_int_equal(rig.limit_processes, 4);
    assert_int_equal(rig_next(&msg), CL_M_TAKEN);
    assert_works(ask_spare(CL_M_KILL, id), &err);
    assert_int_equal(rig_next(&msg), CL_M_END);
    rig_spare(rig_sleep);
    assert_int_equal(rig.limit_memory, 64 << 20);
}

static void take_at_the_policys_limits_is_honoured_even_when_retired(void **state)
{
    union cl_msg_any msg = { .take = { .wall_ms = 5000, .cpu_ms = 2000, .processes = 4 } };
    union cl_msg_any got;
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    cl_spare_retire(&rig.zygote, rig.pool, 1);
    assert_int_equal(rig_next(&got), CL_M_RETIRE);
    msg.take.spare = id;
    msg.take.memory_bytes = 64 << 20;
    assert_works(ask(CL_M_TAKE, &msg), &err);
    assert_int_equal(cl_spare_find(&rig.daemon, id)->state, CL_SPARE_TAKEN);
}

static void kill_echoes_reason_and_limit(void **state)
{
    union cl_msg_any msg = { .kill = { .reason = CL_KILL_LIMIT, .limit = CL_LIMIT_OUTPUT } };
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    assert_works(ask_spare(CL_M_TAKE, id), &err);
    msg.kill.spare = id;
    assert_works(ask(CL_M_KILL, &msg), &err);
    assert_int_equal(rig_next(&msg), CL_M_END);
    assert_int_equal(msg.end.cause, CL_END_KILLED);
    assert_int_equal(msg.end.reason, CL_KILL_LIMIT);
    assert_int_equal(msg.end.limit, CL_LIMIT_OUTPUT);
}

static void kill_with_nonsense_is_fatal(void **state)
{
    const struct cl_msg_kill nonsense[] = {
        { .reason = 0 },
        { .reason = CL_KILL_PROTOCOL + 1 },
        { .reason = CL_KILL_LIMIT, .limit = CL_LIMIT_NONE },
        { .reason = CL_KILL_LIMIT, .limit = CL_LIMIT_COUNT_ },
        { .reason = CL_KILL_CANCELLED, .limit = CL_LIMIT_OUTPUT },
    };
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    assert_works(ask_spare(CL_M_TAKE, id), &err);
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        union cl_msg_any msg = { .kill = nonsense[i] };
        msg.kill.spare = id;
        assert_fails(ask(CL_M_KILL, &msg), &err, CL_E_LOST);
    }
}

static void want_of_an_unknown_pool_is_fatal(void **state)
{
    union cl_msg_any msg = { .want = { .pool = rig.pool->index + 1, .queued = 1 } };

    (void)state;
    assert_fails(ask(CL_M_WANT, &msg), &err, CL_E_LOST);
    msg.want.pool = 0;
    assert_fails(ask(CL_M_WANT, &msg), &err, CL_E_LOST);
    rig.daemon.pool_last++; /* one that a reload took away */
    msg.want.pool = rig.daemon.pool_last;
    assert_works(ask(CL_M_WANT, &msg), &err);
}

static void want_spawns_what_is_queued_up_to_the_policys_most(void **state)
{
    union cl_msg_any msg = { .want = { .pool = rig.pool->index, .queued = 3 } };

    (void)state;
    assert_works(ask(CL_M_WANT, &msg), &err);
    assert_int_equal(rig.pool->now.spawning, 3);
    msg.want.queued = UINT32_MAX;
    assert_works(ask(CL_M_WANT, &msg), &err);
    assert_int_equal(rig.pool->now.spawning, 8);
}

static void messages_of_other_ways_are_fatal(void **state)
{
    union cl_msg_any msg = { .offer = { .spare = 1 } };

    (void)state;
    assert_fails(ask(CL_M_SPARE, &msg), &err, CL_E_LOST);
    assert_fails(ask(CL_M_SPAWN, &msg), &err, CL_E_LOST);
}

static void a_violation_on_the_socket_hangs_up(void **state)
{
    struct cl_msg_spare msg = { .spare = 99 };

    (void)state;
    rig_send(CL_M_FINISH, &msg);
    assert_int_equal(rig.daemon.front.peer.watch.fd, -1);
    assert_false(rig.daemon.front.is_greeted);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_before_hello),
        CASE(hello_of_another_version_is_fatal),
        CASE(take_finish_ends_with_counters),
        CASE(take_twice_is_fatal),
        CASE(finish_or_kill_before_take_is_fatal),
        CASE(drop_of_a_taken_spare_is_fatal),
        CASE(an_id_never_offered_is_fatal_an_ended_one_is_not),
        CASE(a_spare_that_is_not_the_apis_is_fatal),
        CASE(take_wider_than_the_policy_is_fatal),
        CASE(take_narrows_before_taken_and_the_next_use_is_wide_again),
        CASE(take_at_the_policys_limits_is_honoured_even_when_retired),
        CASE(kill_echoes_reason_and_limit),
        CASE(kill_with_nonsense_is_fatal),
        CASE(want_of_an_unknown_pool_is_fatal),
        CASE(want_spawns_what_is_queued_up_to_the_policys_most),
        CASE(messages_of_other_ways_are_fatal),
        CASE(a_violation_on_the_socket_hangs_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
