/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines, kills and the name of every end.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <sys/syscall.h>
#include <time.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"
#include "sandbox/reap.h"
#include "tests/support/daemon_rig.h"

static const struct cl_exit killed = { .code = CLD_KILLED, .status = SIGKILL };
static const struct cl_call_limits limits = { 100, 50, 4096 };

static void oom_kill_is_limit_memory(void **state)
{
    struct cl_msg_end end = { .oom_kills = 1, .memory_peak_bytes = 4096 };

    (void)state;
    cl_reap_name(&killed, &limits, &end);
    assert_int_equal(end.cause, CL_END_LIMIT);
    assert_int_equal(end.limit, CL_LIMIT_MEMORY);
    assert_int_equal(end.value, 4096);
    assert_int_equal(end.used, 4096);
}

static void oom_counter_without_a_kill_is_not_the_cause(void **state)
{
    const struct cl_exit exited = { .code = CLD_EXITED, .status = 3 };
    struct cl_msg_end end = { .oom_kills = 1 };

    (void)state;
    cl_reap_name(&exited, &limits, &end);
    assert_int_equal(end.cause, CL_END_EXITED);
    assert_int_equal(end.status, 3);
}

static void our_deadlines_are_named(void **state)
{
    struct cl_msg_end wall = { .cause = CL_END_LIMIT,
                               .limit = CL_LIMIT_WALL,
                               .wall_us = 101000 };
    struct cl_msg_end cpu = { .cause = CL_END_LIMIT, .limit = CL_LIMIT_CPU, .cpu_us = 51000 };

    (void)state;
    cl_reap_name(&killed, &limits, &wall);
    assert_int_equal(wall.value, 100);
    assert_int_equal(wall.used, 101);
    cl_reap_name(&killed, &limits, &cpu);
    assert_int_equal(cpu.limit, CL_LIMIT_CPU);
    assert_int_equal(cpu.value, 50);
    assert_int_equal(cpu.used, 51);
}

static void a_worker_killed_without_a_call_reached_no_limit(void **state)
{
    const struct cl_call_limits none = { 0, 0, 0 };
    struct cl_msg_end end = { .cpu_us = 1, .oom_kills = 1 };

    (void)state;
    cl_reap_name(&killed, &none, &end);
    assert_int_equal(end.cause, CL_END_SIGNALLED);
    assert_int_equal(end.status, SIGKILL);
}

static void rlimit_cpu_is_limit_cpu_only_when_it_was_used_up(void **state)
{
    struct cl_msg_end over = { .cpu_us = 50000 }, under = { .cpu_us = 49999 };

    (void)state;
    cl_reap_name(&killed, &limits, &over);
    assert_int_equal(over.cause, CL_END_LIMIT);
    assert_int_equal(over.limit, CL_LIMIT_CPU);
    cl_reap_name(&killed, &limits, &under);
    assert_int_equal(under.cause, CL_END_SIGNALLED);
    assert_int_equal(under.status, SIGKILL);
}

static void what_was_decided_before_stays(void **state)
{
    struct cl_msg_end end = { .cause = CL_END_KILLED,
                              .reason = CL_KILL_CANCELLED,
                              .oom_kills = 1 };

    (void)state;
    cl_reap_name(&killed, &limits, &end);
    assert_int_equal(end.cause, CL_END_KILLED);
    assert_int_equal(end.reason, CL_KILL_CANCELLED);
}

static void cpu_is_looked_at_when_it_can_be_used_up(void **state)
{
    (void)state;
    assert_int_equal(cl_reap_cpu_check(1000, 0, 50, 1), 51000);
    assert_int_equal(cl_reap_cpu_check(1000, 0, 50, 2), 26000);
    assert_int_equal(cl_reap_cpu_check(1000, 49900, 50, 1), 2000); /* never a busy loop */
    assert_int_equal(cl_reap_cpu_check(1000, 60000, 50, 0), 2000);
}

static void usual_cost_of_parking_follows_the_lowest(void **state)
{
    uint64_t usual = cl_reap_park_cpu(0, 900);

    (void)state;
    assert_int_equal(usual, 900);
    assert_int_equal(cl_reap_park_cpu(usual, 600), 600);
    assert_int_equal(cl_reap_park_cpu(usual, 0), 900); /* of one that has ended */
    assert_in_range(cl_reap_park_cpu(600, 6400), 601, 700);
    for (usual = 600; usual < 900;) {
        const uint64_t next = cl_reap_park_cpu(usual, 1000);
        assert_true(next > usual && next < 1000);
        usual = next;
    }
}

static void take(uint64_t id, uint64_t wall_ms, uint64_t cpu_ms)
{
    struct cl_msg_take msg = { .spare = id, .wall_ms = wall_ms, .cpu_ms = cpu_ms };

    cl_reap_take(cl_spare_find(&rig.daemon, id), &msg);
}

static void wall_deadline_kills_a_sleeping_worker(void **state)
{
    union cl_msg_any msg;

    (void)state;
    take(rig_spare(rig_sleep), 50, 0);
    assert_int_equal(rig_next(&msg), CL_M_END);
    assert_int_equal(msg.end.cause, CL_END_LIMIT);
    assert_int_equal(msg.end.limit, CL_LIMIT_WALL);
    assert_in_range(msg.end.wall_us, 50000, 5000000);
    assert_int_equal(rig.zygote.live, 0);
}

static void cpu_deadline_kills_a_computing_worker(void **state)
{
    union cl_msg_any msg;

    (void)state;
    take(rig_spare(rig_spin), 0, 30);
    assert_int_equal(rig_next(&msg), CL_M_END);
    assert_int_equal(msg.end.cause, CL_END_LIMIT);
    assert_int_equal(msg.end.limit, CL_LIMIT_CPU);
    assert_in_range(msg.end.cpu_us, 30000, 2000000);
}

static void compute_and_wait(void)
{
    struct timespec used = { 0, 0 };

    while (used.tv_sec == 0 && used.tv_nsec < 30000000)
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    rig_sleep();
}

/* TAKE and the call travel at the same time: it may be over when cloched reads of it. */
static void call_that_was_over_before_take_is_counted(void **state)
{
    union cl_msg_any msg;
    uint64_t id = rig_spare(compute_and_wait);
    struct cl_spare *spare = cl_spare_find(&rig.daemon, id);
    struct timespec used = { 0, 0 };
    clockid_t clock;

    (void)state;
    spare->pool->brood->park_cpu_us = 1000;
    assert_int_equal(clock_getcpuclockid(spare->child.pid, &clock), 0);
    while (used.tv_sec == 0 && used.tv_nsec < 30000000) {
        assert_int_equal(clock_gettime(clock, &used), 0);
        usleep(1000);
    }
    take(id, 0, 0);
    cl_reap_finish(spare);
    assert_int_equal(rig_next(&msg), CL_M_END);
    assert_in_range(msg.end.cpu_us, 29000, 2000000);
}

/* What it used until it parked may have been read as more than all that it ever used. */
static void taken_worker_that_is_lost_ends_with_what_it_used_or_nothing(void **state)
{
    static const uint64_t bases[] = { 1, UINT64_MAX / 2 };
    union cl_msg_any msg;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(bases); i++) {
        struct cl_spare *spare = cl_spare_find(&rig.daemon, rig_spare(rig_spin));
        take(spare->id, 0, 0);
        spare->cpu_base_us = bases[i];
        cl_reap_kill(spare, CL_END_LOST, CL_LIMIT_NONE, 0);
        assert_int_equal(rig_next(&msg), CL_M_END);
        assert_int_equal(msg.end.cause, CL_END_LOST);
        assert_in_range(msg.end.cpu_us, 0, i == 0 ? 5000000 : 0);
        assert_in_range(msg.end.wall_us, 0, 5000000);
    }
}

static void finished_worker_that_stays_is_killed_and_ends_once(void **state)
{
    union cl_msg_any msg;
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    take(id, 0, 0);
    cl_reap_finish(cl_spare_find(&rig.daemon, id));
    assert_int_equal(rig_next(&msg), CL_M_END);
    assert_int_equal(msg.end.cause, CL_END_FINISHED);
    uint64_t until = cl_clock_us() + 4000000;
    while (cl_spare_find(&rig.daemon, id) && cl_clock_us() < until)
        cl_loop_once(&rig.daemon.loop, &(struct cl_err)CL_ERR_INIT);
    assert_null(cl_spare_find(&rig.daemon, id));
    assert_int_equal(rig_next(&msg), 0);
}

static void slot_is_not_free_before_its_cgroup_is_empty(void **state)
{
    union cl_msg_any msg;
    uint64_t id = rig_spare(rig_sleep);

    (void)state;
    rig_fill_slots(false);
    cl_reap_kill(cl_spare_find(&rig.daemon, id), CL_END_LOST, CL_LIMIT_NONE, 0);
    assert_int_equal(rig_next(&msg), CL_M_END);
    assert_true(cl_list_is_empty(&rig.zygote.slots_free));
    rig_fill_slots(true);
    assert_int_equal(rig.zygote.live, 1);
    while (rig.zygote.live > 0) /* it looks again by itself */
        cl_loop_once(&rig.daemon.loop, &(struct cl_err)CL_ERR_INIT);
    assert_false(cl_list_is_empty(&rig.zygote.slots_free));
}

static void a_pidfd_of_no_child_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_spare *spare = cl_spare_spawn(rig.pool, &err);
    int foreign = (int)syscall(SYS_pidfd_open, getppid(), 0);

    (void)state;
    assert_fails(cl_reap_adopt(spare, getppid(), foreign, &err), &err, CL_E_LOST);
    close(foreign);
    assert_true(spare->child.pid == 0);
}

static void a_pidfd_of_another_child_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    uint64_t id = rig_spare(rig_sleep);
    pid_t pid = cl_spare_find(&rig.daemon, id)->child.pid;
    struct cl_spare *spare = cl_spare_spawn(rig.pool, &err);
    int other = (int)syscall(SYS_pidfd_open, pid, 0);

    (void)state;
    assert_fails(cl_reap_adopt(spare, pid, other, &err), &err, CL_E_LOST);
    assert_fails(cl_reap_adopt(spare, pid + 1, other, &err), &err, CL_E_LOST);
    close(other);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oom_kill_is_limit_memory),
        cmocka_unit_test(oom_counter_without_a_kill_is_not_the_cause),
        cmocka_unit_test(our_deadlines_are_named),
        cmocka_unit_test(a_worker_killed_without_a_call_reached_no_limit),
        cmocka_unit_test(rlimit_cpu_is_limit_cpu_only_when_it_was_used_up),
        cmocka_unit_test(what_was_decided_before_stays),
        cmocka_unit_test(cpu_is_looked_at_when_it_can_be_used_up),
        cmocka_unit_test(usual_cost_of_parking_follows_the_lowest),
        CASE(wall_deadline_kills_a_sleeping_worker),
        CASE(cpu_deadline_kills_a_computing_worker),
        CASE(call_that_was_over_before_take_is_counted),
        CASE(taken_worker_that_is_lost_ends_with_what_it_used_or_nothing),
        CASE(finished_worker_that_stays_is_killed_and_ends_once),
        CASE(slot_is_not_free_before_its_cgroup_is_empty),
        CASE(a_pidfd_of_no_child_is_refused),
        CASE(a_pidfd_of_another_child_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
