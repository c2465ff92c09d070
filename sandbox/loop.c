/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for descriptors, signals and deadlines, and calls who asked for them.
 * Runs in: cloched.
 * Trusts: its callers; nothing it reads comes from outside the kernel.
 */
#include "sandbox/loop.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "sandbox/base/clock.h"

enum { FORGIVE_US = 10000000 };

/* Fires what is due. The time is read once: a handler that arms its timer again for later does
 * not keep the loop here. */
static void on_clock(struct cl_watch *watch, uint32_t events)
{
    struct cl_loop *loop = cl_list_entry(watch, struct cl_loop, on_clock);
    uint64_t now = cl_clock_us();
    uint64_t count;

    (void)events;
    if (read(loop->clock, &count, sizeof(count)) < 0 && errno != EAGAIN)
        return;
    loop->armed_us = 0;
    while (!cl_list_is_empty(&loop->timers)) {
        struct cl_timer *timer = cl_list_entry(loop->timers.next, struct cl_timer, node);
        if (timer->at_us > now)
            break;
        cl_list_unlink(&timer->node);
        timer->on_fire(timer);
    }
}

int cl_loop_open(struct cl_loop *loop, const sigset_t *mask, struct cl_err *err)
{
    *loop = (struct cl_loop){ .epoll = -1, .signals = -1, .clock = -1 };
    cl_list_init(&loop->timers);
    if (sigprocmask(SIG_BLOCK, mask, NULL) < 0)
        return cl_fail(err, CL_E_SYS, "block signals");
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->signals = signalfd(-1, mask, SFD_CLOEXEC | SFD_NONBLOCK);
    loop->clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->epoll < 0 || loop->signals < 0 || loop->clock < 0)
        return cl_fail(err, CL_E_SYS, "make the event loop");

    loop->on_clock = (struct cl_watch){ loop->clock, EPOLLIN, on_clock };
    return cl_loop_add(loop, &loop->on_clock, err);
}

int cl_loop_add(struct cl_loop *loop, struct cl_watch *watch, struct cl_err *err)
{
    struct epoll_event event = { .events = watch->events, .data.ptr = watch };

    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, watch->fd, &event) < 0)
        return cl_fail(err, CL_E_SYS, "watch descriptor %d", watch->fd);
    return 0;
}

void cl_loop_change(struct cl_loop *loop, struct cl_watch *watch, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };

    if (watch->fd < 0 || watch->events == events)
        return;
    watch->events = events;
    CL_CHECK(epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event) == 0);
}

void cl_loop_remove(struct cl_loop *loop, struct cl_watch *watch)
{
    if (watch->fd < 0)
        return;
    CL_CHECK(epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL) == 0);
    watch->fd = -1;
    /* An event of this batch that was not served yet must not reach freed memory. */
    for (int i = 0; i < loop->batch_length; i++) {
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].data.ptr = NULL;
    }
}

void cl_timer_init(struct cl_timer *timer, void (*on_fire)(struct cl_timer *timer))
{
    cl_list_init(&timer->node);
    timer->at_us = 0;
    timer->on_fire = on_fire;
}

void cl_timer_start(struct cl_loop *loop, struct cl_timer *timer, uint64_t at_us)
{
    struct cl_list *before = loop->timers.previous;

    cl_list_unlink(&timer->node);
    if (before == &timer->node)
        before = loop->timers.previous;
    timer->at_us = at_us;
    /* From the back: most deadlines are the same distance away, so new ones belong there. */
    while (before != &loop->timers &&
           cl_list_entry(before, struct cl_timer, node)->at_us > at_us)
        before = before->previous;
    cl_list_append(before->next, &timer->node);
}

void cl_timer_stop(struct cl_timer *timer)
{
    cl_list_unlink(&timer->node);
}

uint64_t cl_retry_later(struct cl_loop *loop, struct cl_retry *retry)
{
    const uint64_t now = cl_clock_us();
    const uint32_t before = now - retry->failed_us > FORGIVE_US ? 0 : retry->failures;
    const uint64_t delay = before < 7 ? UINT64_C(50000) << before : CL_TIMER_PATIENCE_US;

    retry->failures = before + 1;
    retry->failed_us = now;
    cl_timer_start(loop, &retry->timer, now + delay);
    return delay;
}

/* Only an earlier deadline moves the timerfd; one that became later costs an idle wake-up. */
static int arm(struct cl_loop *loop, struct cl_err *err)
{
    if (cl_list_is_empty(&loop->timers))
        return 0;

    uint64_t at = cl_list_entry(loop->timers.next, struct cl_timer, node)->at_us;
    if (loop->armed_us != 0 && loop->armed_us <= at)
        return 0;
    at = at > 0 ? at : 1;
    struct itimerspec when = {
        .it_value = { (time_t)(at / 1000000), (long)(at % 1000000) * 1000 },
    };
    if (timerfd_settime(loop->clock, TFD_TIMER_ABSTIME, &when, NULL) < 0)
        return cl_fail(err, CL_E_SYS, "arm the timer");
    loop->armed_us = at;
    return 0;
}

int cl_loop_once(struct cl_loop *loop, struct cl_err *err)
{
    if (arm(loop, err) < 0)
        return -1;
    int count = epoll_wait(loop->epoll, loop->batch, CL_LOOP_BATCH, -1);
    if (count < 0)
        return errno == EINTR ? 0 : cl_fail(err, CL_E_SYS, "wait for events");

    loop->batch_length = count;
    for (int i = 0; i < count; i++) {
        struct cl_watch *watch = loop->batch[i].data.ptr;
        if (watch)
            watch->on_event(watch, loop->batch[i].events);
    }
    loop->batch_length = 0;
    return 0;
}

int cl_loop_run(struct cl_loop *loop, struct cl_err *err)
{
    while (!loop->stop) {
        if (cl_loop_once(loop, err) < 0)
            return -1;
    }
    return 0;
}
