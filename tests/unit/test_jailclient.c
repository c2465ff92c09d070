/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to and from cloched, through a real socket.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "api/dispatch/jailclient.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"

static struct event_base *base;
static struct cl_jailclient *client;
static int pair[2]; /* the API's end, cloched's end */
static char heard[1024];

__attribute__((format(printf, 1, 2))) static void hear(const char *format, ...)
{
    const size_t at = strlen(heard);
    va_list args;

    va_start(args, format);
    vsnprintf(heard + at, sizeof(heard) - at, format, args);
    va_end(args);
}

static void on_tenant(void *self, const struct cl_msg_tenant *msg, int fd)
{
    hear("%s tenant %s %d;", (const char *)self, msg->name, fd >= 0);
}

static void on_policy(void *self, const struct cl_msg_policy *msg, int fd)
{
    (void)self;
    hear("policy %s %d;", msg->name, fd >= 0);
}

static void on_loaded(void *self, const struct cl_msg_loaded *msg)
{
    (void)self;
    hear("loaded %u;", msg->generation);
}

static void on_spare(void *self, const struct cl_msg_offer *msg, int *fd)
{
    (void)self;
    hear("spare %d %d;", (int)msg->spare, *fd >= 0);
    cl_own_close(fd);
}

static void on_crowded(void *self, const struct cl_msg_offer *msg)
{
    (void)self;
    hear("crowded %d;", (int)msg->spare);
}

static void on_taken(void *self, uint64_t spare)
{
    (void)self;
    hear("taken %d;", (int)spare);
}

static void on_end(void *self, const struct cl_msg_end *msg)
{
    (void)self;
    hear("end %d;", (int)msg->spare);
}

static void on_usage(void *self, const struct cl_msg_usage *msg)
{
    (void)self;
    hear("usage %d;", (int)msg->spare);
}

static void on_retire(void *self, uint64_t spare)
{
    (void)self;
    hear("retire %d;", (int)spare);
}

static void on_problem(void *self, const struct cl_msg_problem *msg)
{
    (void)self;
    hear("problem %u %s;", msg->count, msg->text);
}

static void on_drain(void *self, const struct cl_msg_drain *msg)
{
    (void)self;
    hear("drain %d;", (int)msg->grace_ms);
}

static void on_lost(void *self, const struct cl_err *why)
{
    (void)self;
    hear("lost %s;", cl_err_kind_name(why->kind));
    event_base_loopbreak(base);
}

static const struct cl_jailclient_calls calls = {
    .on_tenant = on_tenant,
    .on_policy = on_policy,
    .on_loaded = on_loaded,
    .on_spare = on_spare,
    .on_crowded = on_crowded,
    .on_taken = on_taken,
    .on_end = on_end,
    .on_usage = on_usage,
    .on_retire = on_retire,
    .on_problem = on_problem,
    .on_drain = on_drain,
    .on_lost = on_lost,
};

static uint32_t next(union cl_msg_any *msg)
{
    int fds[CL_FDPASS_MAX];
    size_t count = 0;
    struct cl_err err = CL_ERR_INIT;
    const int got = cl_msg_recv(pair[1], CL_WAY_API_TO_CLOCHED, msg, fds, &count, &err);

    return got > 0 ? msg->head.type : 0;
}

static int setup(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    union cl_msg_any msg;

    (void)state;
    heard[0] = '\0';
    base = event_base_new();
    assert_works(cl_fdpass_pair(SOCK_SEQPACKET, pair, &err), &err);
    evutil_make_socket_nonblocking(pair[1]);
    client = cl_jailclient_new(base, pair[0], &calls, "me", &err);
    assert_non_null(client);
    assert_int_equal(next(&msg), CL_M_HELLO);
    assert_int_equal(msg.hello.version, CL_WIRE_VERSION);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cl_jailclient_free(client);
    event_base_free(base);
    cl_own_close(&pair[0]);
    cl_own_close(&pair[1]);
    return 0;
}

static void tell(enum cl_msg_type type, void *msg, int fd)
{
    struct cl_err err = CL_ERR_INIT;

    assert_works(cl_msg_send(pair[1], type, msg, &fd, fd >= 0, &err), &err);
}

static void everything_cloched_says_is_heard_in_order(void **state)
{
    struct cl_msg_tenant tenant = { .name = "acme" };
    struct cl_msg_policy policy = { .name = "default" };
    struct cl_msg_loaded loaded = { .generation = 3 };
    struct cl_msg_offer offer = { .spare = 4 };
    struct cl_msg_spare spare = { .spare = 5 };
    struct cl_msg_end end = { .spare = 6 };
    struct cl_msg_drain drain = { .grace_ms = 7 };
    struct cl_msg_problem problem = { .count = 2, .text = "mine.yaml:3" };

    (void)state;
    tell(CL_M_TENANT, &tenant, 1);
    tell(CL_M_POLICY, &policy, 1);
    tell(CL_M_LOADED, &loaded, -1);
    tell(CL_M_PROBLEM, &problem, -1);
    tell(CL_M_SPARE, &offer, 1);
    tell(CL_M_TAKEN, &spare, -1);
    tell(CL_M_END, &end, -1);
    tell(CL_M_RETIRE, &spare, -1);
    tell(CL_M_DRAIN, &drain, -1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_string_equal(heard,
                        "me tenant acme 1;policy default 1;loaded 3;problem 2 mine.yaml:3;"
                        "spare 4 1;taken 5;end 6;retire 5;drain 7;");
}

/* Lets this process have no descriptor more; returns what it could have. */
static struct rlimit crowd(void)
{
    struct rlimit before, now;
    const int free_fd = dup(pair[0]);

    assert_true(free_fd >= 0);
    close(free_fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = (struct rlimit){ (rlim_t)free_fd, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    return before;
}

static void a_spare_without_room_is_told_of_and_others_go_on(void **state)
{
    struct cl_msg_offer offer = { .spare = 4 }, next_offer = { .spare = 5 };
    struct cl_msg_spare spare = { .spare = 6 };
    struct rlimit before;

    (void)state;
    tell(CL_M_SPARE, &offer, 1);
    tell(CL_M_TAKEN, &spare, -1);
    before = crowd();
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_string_equal(heard, "crowded 4;taken 6;");
    tell(CL_M_SPARE, &next_offer, 1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_string_equal(heard, "crowded 4;taken 6;spare 5 1;");
}

/* What only a starting API gets: without it, it knows nobody. */
static void a_policy_without_room_is_the_end(void **state)
{
    struct cl_msg_policy policy = { .name = "default" };
    struct rlimit before;

    (void)state;
    tell(CL_M_POLICY, &policy, 1);
    before = crowd();
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_string_equal(heard, "lost limit;");
}

static void everything_the_api_may_ask_is_sent_in_order(void **state)
{
    struct cl_msg_take take = { .spare = 1, .wall_ms = 2, .processes = 1 };
    union cl_msg_any msg;

    (void)state;
    cl_jailclient_send_take(client, &take);
    cl_jailclient_send_finish(client, 2);
    cl_jailclient_send_kill(client, 3, CL_KILL_LIMIT, CL_LIMIT_OUTPUT);
    cl_jailclient_send_drop(client, 4);
    cl_jailclient_send_want(client, 5, 6);
    assert_int_equal(next(&msg), CL_M_TAKE);
    assert_true(msg.take.spare == 1 && msg.take.wall_ms == 2 && msg.take.acknowledge == 1);
    assert_int_equal(next(&msg), CL_M_FINISH);
    assert_int_equal(msg.spare.spare, 2);
    assert_int_equal(next(&msg), CL_M_KILL);
    assert_true(msg.kill.spare == 3 && msg.kill.reason == CL_KILL_LIMIT &&
                msg.kill.limit == CL_LIMIT_OUTPUT);
    assert_int_equal(next(&msg), CL_M_DROP);
    assert_int_equal(msg.spare.spare, 4);
    assert_int_equal(next(&msg), CL_M_WANT);
    assert_true(msg.want.pool == 5 && msg.want.queued == 6);
    assert_int_equal(next(&msg), 0);
}

static void what_does_not_fit_waits_and_keeps_its_order(void **state)
{
    union cl_msg_any msg;
    uint64_t wanted = 0;

    (void)state;
    for (uint64_t i = 0; i < 3000; i++)
        cl_jailclient_send_drop(client, i + 1);
    for (int turn = 0; turn < 3000 && wanted < 3000; turn++) {
        while (next(&msg) == CL_M_DROP)
            assert_int_equal(msg.spare.spare, ++wanted);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(wanted, 3000);
    assert_string_equal(heard, "");
}

static void a_take_that_waits_asks_to_be_confirmed(void **state)
{
    struct cl_msg_take take = { .spare = 3000, .wall_ms = 2 };
    union cl_msg_any msg;
    uint32_t type = 0;

    (void)state;
    cl_jailclient_send_take(client, &take);
    assert_int_equal(take.acknowledge, 0);
    for (uint64_t i = 1; i < 3000; i++)
        cl_jailclient_send_drop(client, i);
    cl_jailclient_send_take(client, &take);
    assert_int_equal(take.acknowledge, 1);
    assert_int_equal(next(&msg), CL_M_TAKE);
    assert_int_equal(msg.take.acknowledge, 0);
    for (int turn = 0; turn < 3000 && type != CL_M_TAKE; turn++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        while ((type = next(&msg)) == CL_M_DROP)
            ;
    }
    assert_int_equal(type, CL_M_TAKE);
    assert_int_equal(msg.take.acknowledge, 1);
}

static void a_cloched_that_does_not_read_is_lost(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 20000 && !heard[0]; i++)
        cl_jailclient_send_drop(client, i + 1);
    assert_string_equal(heard, "lost lost;");
}

static void a_closed_socket_is_lost(void **state)
{
    (void)state;
    cl_own_close(&pair[1]);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_string_equal(heard, "lost lost;");
}

static void a_message_that_goes_the_other_way_is_lost(void **state)
{
    struct cl_msg_spare spare = { .spare = 5 };

    (void)state;
    tell(CL_M_DROP, &spare, -1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_string_equal(heard, "lost lost;");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(everything_cloched_says_is_heard_in_order),
        CASE(a_spare_without_room_is_told_of_and_others_go_on),
        CASE(a_policy_without_room_is_the_end),
        CASE(everything_the_api_may_ask_is_sent_in_order),
        CASE(what_does_not_fit_waits_and_keeps_its_order),
        CASE(a_take_that_waits_asks_to_be_confirmed),
        CASE(a_cloched_that_does_not_read_is_lost),
        CASE(a_closed_socket_is_lost),
        CASE(a_message_that_goes_the_other_way_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
