/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broken-into API that asks for whatever it likes, in any order: what cloched bounds by itself.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"
#include "sandbox/front.h"
#include "sandbox/reap.h"
#include "tests/support/daemon_rig.h"

enum { ROUNDS = 4000, EXITING = 8, SPAWNING = 8, WAIT_MS = 5000 };

static struct cl_err err;
static uint64_t offered, ended;

static bool has_input(int fd, int wait_ms)
{
    struct pollfd ask = { .fd = fd, .events = POLLIN };

    return poll(&ask, 1, wait_ms) > 0;
}

static size_t open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* --------------------------------------------------------- the zygote, and what the API is told */

static void answer_spawn(void)
{
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t count = 0;

    assert_int_equal(
        cl_msg_recv(rig.zygote_end, CL_WAY_CLOCHED_TO_ZYGOTE, &msg, fds, &count, &err), 1);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    struct cl_spare *spare = cl_spare_find(&rig.daemon, msg.spawn.spare);
    if (!spare || spare->state != CL_SPARE_SPAWNING)
        return;
    const pid_t pid = fork();
    if (pid == 0)
        rig_sleep();
    cl_close_auto int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    assert_works(cl_reap_adopt(spare, pid, pidfd, &err), &err);
    rig.pool->now.spawning--;
    cl_pool_on_spawned(rig.pool, spare);
}

static void hear(void)
{
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t count = 0;

    assert_int_equal(cl_msg_recv(rig.api, CL_WAY_CLOCHED_TO_API, &msg, fds, &count, &err), 1);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    offered += msg.head.type == CL_M_SPARE;
    ended += msg.head.type == CL_M_END;
}

/* All that is there to do, but for what time brings. */
static void settle(void)
{
    for (bool is_busy = true; is_busy;) {
        is_busy = false;
        for (; has_input(rig.zygote_end, 0); is_busy = true)
            answer_spawn();
        for (; has_input(rig.daemon.loop.epoll, 0); is_busy = true)
            assert_works(cl_loop_once(&rig.daemon.loop, &err), &err);
        for (; has_input(rig.api, 0); is_busy = true)
            hear();
    }
}

/* ------------------------------------------------------------------------- what the API asks for */

static uint64_t any(uint64_t most)
{
    return (uint64_t)random() % most;
}

/* Half of them may be right, as far as chance goes: ids that are or were there, values of the
 * policy's size. */
static int ask_anything(void)
{
    static const uint32_t types[] = { CL_M_WANT,   CL_M_WANT, CL_M_WANT,  CL_M_TAKE,
                                      CL_M_TAKE,   CL_M_NEXT, CL_M_REST,  CL_M_KILL,
                                      CL_M_FINISH, CL_M_DROP, CL_M_HELLO, CL_M_SPAWN };
    union cl_msg_any msg = { .head.type = types[any(CL_COUNT(types))] };
    const uint64_t last = rig.daemon.spare_last;

    msg.spare.spare = last > 16 ? last - any(18) + 1 : any(last + 2);
    switch (msg.head.type) {
    case CL_M_WANT:
        msg.want.pool = any(4) ? rig.pool->index : (uint32_t)any(rig.daemon.pool_last + 2);
        msg.want.queued = (uint32_t)random();
        break;
    case CL_M_TAKE:
        msg.take.wall_ms = any(2) * any(10000);
        msg.take.session = any(4) == 0;
        msg.take.acknowledge = any(2) == 0;
        break;
    case CL_M_KILL:
        msg.kill.reason = (uint32_t)any(4);
        msg.kill.limit = (uint32_t)any(CL_LIMIT_COUNT_ + 1);
        break;
    default:
        break;
    }
    err = (struct cl_err)CL_ERR_INIT;
    return cl_monitor_on_message(&rig.daemon.front.peer, &msg, NULL, &err);
}

static void check_bounds(void)
{
    const struct cl_tally *now = &rig.pool->now;

    assert_in_range(now->active, 0, rig.policy.pool_max);
    assert_in_range(now->live, 0, rig.policy.pool_max + EXITING);
    assert_in_range(now->spawning, 0, SPAWNING);
    assert_in_range(rig.zygote.slots, 0, rig.policy.pool_max + EXITING);
    assert_true(rig.daemon.spares_live <= rig.daemon.spares_max);
    assert_true(rig.pool->demand.queued <= rig.policy.pool_max);
}

static void whatever_is_asked_jails_messages_and_descriptors_stay_bounded(void **state)
{
    const size_t before = open_descriptors();
    unsigned refused = 0;

    (void)state;
    srandom(8421);
    offered = ended = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const struct cl_tally was = rig.pool->now;
        if (ask_anything() < 0) {
            refused++;
            assert_int_equal(err.kind, CL_E_LOST);
            assert_memory_equal(&was, &rig.pool->now, sizeof(was)); /* and nothing was done */
        }
        check_bounds();
        if (round % 8 == 0)
            settle();
        check_bounds();
    }
    assert_in_range(refused, ROUNDS / 10, ROUNDS);
    assert_in_range(offered, rig.policy.pool_max + EXITING, ROUNDS);

    /* Each jail that was offered ends, once, and leaves nothing. */
    rig.pool->is_kept = rig.pool->brood->is_kept = false;
    rig.daemon.spares_max = 0;
    cl_list_each (node, keep, &rig.zygote.spares)
        cl_reap_kill(cl_list_entry(node, struct cl_spare, in_zygote), CL_END_LOST,
                     CL_LIMIT_NONE, 0);
    while (rig.zygote.live > 0 && has_input(rig.daemon.loop.epoll, WAIT_MS))
        settle();
    settle();
    assert_int_equal(rig.zygote.live, 0);
    assert_true(offered == ended);
    assert_in_range(open_descriptors(), 0,
                    before + (size_t)rig.zygote.slots * (CL_CG_COUNTERS + 2 * CL_CG_COUNT));
}

/* A million messages that are right cost no memory and no jail more than one. */
static void wants_without_end_are_one_want(void **state)
{
    union cl_msg_any msg = {
        .want = { .head.type = CL_M_WANT, .pool = rig.pool->index, .queued = UINT32_MAX }
    };

    (void)state;
    for (int i = 0; i < 1000000; i++)
        assert_int_equal(cl_monitor_on_message(&rig.daemon.front.peer, &msg, NULL, &err), 0);
    assert_int_equal(rig.pool->now.spawning, SPAWNING);
    assert_int_equal(rig.daemon.spares_live, SPAWNING);
    assert_int_equal(rig.daemon.front.queued, 0);
}

/* The API's socket is one of many: what it sends in one go does not keep cloched from the rest. */
static void a_flood_of_messages_is_read_in_parts(void **state)
{
    struct cl_msg_want want = { .pool = rig.pool->index, .queued = 1 };
    unsigned sent = 0, left = 0;

    (void)state;
    assert_int_equal(fcntl(rig.api, F_SETFL, O_NONBLOCK), 0);
    while (cl_msg_send(rig.api, CL_M_WANT, &want, NULL, 0, &err) == 0)
        sent++;
    assert_in_range(sent, 100, 1000000);
    assert_works(cl_loop_once(&rig.daemon.loop, &err), &err);
    while (cl_msg_send(rig.api, CL_M_WANT, &want, NULL, 0, &err) == 0)
        left++;
    assert_in_range(left, 1, 200); /* what one turn took away */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(whatever_is_asked_jails_messages_and_descriptors_stay_bounded),
        CASE(wants_without_end_are_one_want),
        CASE(a_flood_of_messages_is_read_in_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
