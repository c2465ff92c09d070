/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers fire in order, watches can go at any moment.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>
#include <sys/socket.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"
#include "sandbox/loop.h"

static struct cl_loop loop;
static struct cl_err err;
static char order[16];
static size_t fired;

struct named {
    struct cl_timer timer;
    char name;
};

static void note(struct cl_timer *timer)
{
    order[fired++] = cl_list_entry(timer, struct named, timer)->name;
}

static int setup(void **state)
{
    sigset_t mask;

    (void)state;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    fired = 0;
    memset(order, 0, sizeof(order));
    assert_works(cl_loop_open(&loop, &mask, &err), &err);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(loop.clock);
    close(loop.signals);
    close(loop.epoll);
    return 0;
}

static void run_until(size_t count)
{
    uint64_t until = cl_clock_us() + 3000000;

    while (fired < count && cl_clock_us() < until)
        assert_works(cl_loop_once(&loop, &err), &err);
    assert_int_equal(fired, count);
}

static void start(struct named *named, char name, uint64_t in_us)
{
    named->name = name;
    cl_timer_init(&named->timer, note);
    cl_timer_start(&loop, &named->timer, cl_clock_us() + in_us);
}

static void timers_fire_in_order_of_time(void **state)
{
    struct named c, a, b;

    (void)state;
    start(&c, 'c', 9000);
    start(&a, 'a', 3000);
    start(&b, 'b', 6000);
    run_until(3);
    assert_string_equal(order, "abc");
}

static void equal_times_fire_in_order_of_arming(void **state)
{
    struct named one = { .name = '1' }, two = { .name = '2' };
    uint64_t at = cl_clock_us() + 1000;

    (void)state;
    cl_timer_init(&one.timer, note);
    cl_timer_init(&two.timer, note);
    cl_timer_start(&loop, &one.timer, at);
    cl_timer_start(&loop, &two.timer, at);
    run_until(2);
    assert_string_equal(order, "12");
}

static void stopped_timer_stays_silent_and_moved_one_fires_once(void **state)
{
    struct named gone, moved, last;

    (void)state;
    start(&gone, 'g', 1000);
    start(&moved, 'm', 1000);
    start(&last, 'l', 8000);
    cl_timer_stop(&gone.timer);
    cl_timer_stop(&gone.timer);
    cl_timer_start(&loop, &moved.timer, cl_clock_us() + 4000);
    run_until(2);
    assert_string_equal(order, "ml");
}

static void earlier_timer_moves_the_alarm_forward(void **state)
{
    struct named late, early;
    uint64_t began = cl_clock_us();

    (void)state;
    start(&late, 'l', 2000000);
    start(&early, 'e', 1000);
    run_until(1);
    assert_string_equal(order, "e");
    assert_true(cl_clock_us() - began < 1000000);
    cl_timer_stop(&late.timer);
}

static void past_deadline_fires_at_once(void **state)
{
    struct named past = { .name = 'p' };

    (void)state;
    cl_timer_init(&past.timer, note);
    cl_timer_start(&loop, &past.timer, 1);
    run_until(1);
}

struct end {
    struct cl_watch watch;
    struct end *other;
    int served;
};

/* Removes the other one, whose event is in the same batch. */
static void on_ready(struct cl_watch *watch, uint32_t events)
{
    struct end *end = cl_list_entry(watch, struct end, watch);

    (void)events;
    end->served++;
    cl_loop_remove(&loop, &end->other->watch);
    cl_loop_remove(&loop, watch);
}

static void watch_removed_in_its_batch_is_not_served(void **state)
{
    struct end a = { .other = NULL }, b = { .other = &a };
    int one[2], two[2];

    (void)state;
    a.other = &b;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, one), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, two), 0);
    assert_int_equal(write(one[1], "x", 1) + write(two[1], "x", 1), 2);
    a.watch = (struct cl_watch){ one[0], EPOLLIN, on_ready };
    b.watch = (struct cl_watch){ two[0], EPOLLIN, on_ready };
    assert_works(cl_loop_add(&loop, &a.watch, &err), &err);
    assert_works(cl_loop_add(&loop, &b.watch, &err), &err);
    assert_works(cl_loop_once(&loop, &err), &err);
    assert_int_equal(a.served + b.served, 1);
    for (int i = 0; i < 2; i++) {
        close(one[i]);
        close(two[i]);
    }
}

static void bad_descriptor_is_an_error(void **state)
{
    struct cl_watch watch = { 1023, EPOLLIN, on_ready };

    (void)state;
    assert_fails(cl_loop_add(&loop, &watch, &err), &err, CL_E_SYS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(timers_fire_in_order_of_time),
        CASE(equal_times_fire_in_order_of_arming),
        CASE(stopped_timer_stays_silent_and_moved_one_fires_once),
        CASE(earlier_timer_moves_the_alarm_forward),
        CASE(past_deadline_fires_at_once),
        CASE(watch_removed_in_its_batch_is_not_served),
        CASE(bad_descriptor_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
