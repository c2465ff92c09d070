/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: epoll for descriptors, one timerfd for a sorted list of deadlines, a signalfd.
 * Watches and timers are embedded in what they serve; a handler may remove any watch and stop any
 * timer, its own too, and free what holds them.
 */
#ifndef CL_LOOP_H
#define CL_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "sandbox/base/err.h"
#include "sandbox/base/list.h"

enum { CL_LOOP_BATCH = 32 };

struct cl_watch {
    int fd; /* borrowed; -1 when not watched */
    uint32_t events;
    void (*on_event)(struct cl_watch *watch, uint32_t events);
};

struct cl_timer {
    struct cl_list node;
    uint64_t at_us; /* cl_clock_us() */
    void (*on_fire)(struct cl_timer *timer);
};

struct cl_loop {
    int epoll;
    int signals;
    int clock;
    uint64_t armed_us; /* 0: the timerfd is not armed */
    bool stop;
    struct cl_list timers; /* earliest first */
    struct cl_watch on_clock;
    struct epoll_event batch[CL_LOOP_BATCH];
    int batch_length;
};

/* Also blocks the signals of `mask`: they arrive through loop->signals, which the caller adds. */
int cl_loop_open(struct cl_loop *loop, const sigset_t *mask, struct cl_err *err);

/* Watches watch->fd for watch->events until it is removed; remove it before closing the fd. */
int cl_loop_add(struct cl_loop *loop, struct cl_watch *watch, struct cl_err *err);
void cl_loop_change(struct cl_loop *loop, struct cl_watch *watch, uint32_t events);
void cl_loop_remove(struct cl_loop *loop, struct cl_watch *watch); /* twice is harmless */

void cl_timer_init(struct cl_timer *timer, void (*on_fire)(struct cl_timer *timer));
/* Arms or moves a timer. */
void cl_timer_start(struct cl_loop *loop, struct cl_timer *timer, uint64_t at_us);
void cl_timer_stop(struct cl_timer *timer); /* harmless when it is not armed */

enum { CL_TIMER_PATIENCE_US = 5000000 };

/* What is tried again after a failure: twice as long after each one in a row. */
struct cl_retry {
    struct cl_timer timer;
    uint32_t failures; /* in a row */
    uint64_t failed_us;
};

/* Arms its timer; returns how long it waits. */
uint64_t cl_retry_later(struct cl_loop *loop, struct cl_retry *retry);

/* Until loop->stop. */
int cl_loop_run(struct cl_loop *loop, struct cl_err *err);
/* One round: waits for events, or the next timer, and serves them. */
int cl_loop_once(struct cl_loop *loop, struct cl_err *err);

#endif
