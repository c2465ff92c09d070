/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue between the event loop and the store: both of its ends, and the thread's health.
 * Runs in: cloche-api, on the event loop; what the thread does is in storethread.c.
 * Trusts: nothing that comes from outside passes here.
 */
#include "api/storeq.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/refusal.h"
#include "api/storeq_impl.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

enum { STACK_BYTES = 512 << 10, PROBE_AFTER_US = 10000000 };

const struct cl_storeq_caps cl_storeq_caps_default = {
    .works = 8192,
    .bytes = 128 << 20,
};

/* ----------------------------------------------------------------------------- the loop's end */

static void deliver(struct cl_storeq *queue)
{
    struct cl_list done;

    cl_list_init(&done);
    pthread_mutex_lock(&queue->mutex);
    cl_storeq_move(&done, &queue->done);
    pthread_mutex_unlock(&queue->mutex);
    cl_list_each (node, keep, &done) {
        struct cl_storeq_item *item = cl_list_entry(node, struct cl_storeq_item, node);

        cl_list_unlink(&item->node);
        queue->waiting--;
        queue->waiting_bytes -= item->bytes;
        if (item->done)
            item->done(item->arg, &item->err);
        queue->reading -= item->is_read;
        free(item);
    }
    cl_storeq_feed(queue, false);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
        deliver(arg);
}

struct cl_storeq_item *cl_storeq_item(struct cl_storeq *queue, cl_storeq_work *run,
                                      cl_storeq_done *done, void *arg, size_t bytes,
                                      struct cl_err *err)
{
    struct cl_storeq_item *item;

    if (queue->is_closing)
        return cl_fail(err, CL_E_BUSY, "the service is going down"), NULL;
    /* A single one is always let in: what it may hold was capped where it came in. */
    if (queue->waiting >= queue->caps.works ||
        (queue->waiting > 0 && queue->waiting_bytes + bytes > queue->caps.bytes)) {
        cl_fail(err, CL_E_BUSY, "%" PRIu32 " writes wait to be stored", queue->waiting);
        return NULL;
    }
    item = calloc(1, sizeof(*item));
    CL_CHECK(item);
    item->run = run;
    item->done = done;
    item->arg = arg;
    item->bytes = bytes;
    queue->waiting++;
    queue->waiting_bytes += bytes;
    return item;
}

void cl_storeq_push(struct cl_storeq *queue, struct cl_storeq_item *item)
{
    pthread_mutex_lock(&queue->mutex);
    cl_list_append(&queue->works, &item->node);
    pthread_cond_signal(&queue->wake);
    pthread_mutex_unlock(&queue->mutex);
}

int cl_storeq_run_bytes(struct cl_storeq *queue, cl_storeq_work *run, cl_storeq_done *done,
                        void *arg, size_t bytes, struct cl_err *err)
{
    struct cl_storeq_item *item = cl_storeq_item(queue, run, done, arg, bytes, err);

    if (!item)
        return -1;
    cl_storeq_push(queue, item);
    return 0;
}

int cl_storeq_run(struct cl_storeq *queue, cl_storeq_work *run, cl_storeq_done *done, void *arg,
                  struct cl_err *err)
{
    return cl_storeq_run_bytes(queue, run, done, arg, 0, err);
}

uint32_t cl_storeq_waiting(const struct cl_storeq *queue)
{
    return queue->waiting;
}

void cl_storeq_health(struct cl_storeq *queue, struct cl_storeq_health *health)
{
    pthread_mutex_lock(&queue->mutex);
    *health = queue->health;
    if (cl_clock_us() - queue->proved_us > PROBE_AFTER_US) {
        queue->is_probe_wanted = true; /* the next one who asks hears of it */
        pthread_cond_signal(&queue->wake);
    }
    pthread_mutex_unlock(&queue->mutex);
}

int cl_storeq_refuse(struct cl_refusal *refusal, const struct cl_err *err)
{
    refusal->retry_after_s = 1;
    if (err->kind == CL_E_BUSY)
        return cl_refusal_set(refusal, CL_R_STORE_BUSY, "%s", err->text);
    if (err->kind != CL_E_LIMIT)
        return cl_refusal_set(refusal, CL_R_STORE_FAILED, "try again later");
    refusal->retry_after_s = 0;
    return cl_refusal_set(refusal, CL_R_STORE_FULL, "%s", err->text);
}

/* ---------------------------------------------------------------------------- coming, going */

static int start_thread(struct cl_storeq *queue, struct cl_err *err)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    /* Signals are the event loop's. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&queue->thread, &attributes, cl_storeq_thread, queue);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (failed) {
        errno = failed;
        return cl_fail(err, CL_E_SYS, "start the store thread");
    }
    /* Its start asks the kernel for what a confined process has no need of any more. */
    pthread_mutex_lock(&queue->mutex);
    while (!queue->is_up)
        pthread_cond_wait(&queue->up, &queue->mutex);
    pthread_mutex_unlock(&queue->mutex);
    return 0;
}

static void init_locks(struct cl_storeq *queue)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    CL_CHECK(pthread_mutex_init(&queue->mutex, NULL) == 0);
    CL_CHECK(pthread_cond_init(&queue->wake, &monotonic) == 0);
    CL_CHECK(pthread_cond_init(&queue->up, NULL) == 0);
    pthread_condattr_destroy(&monotonic);
}

static void release(struct cl_storeq *queue)
{
    if (queue->event)
        event_free(queue->event);
    cl_own_close(&queue->fd);
    pthread_cond_destroy(&queue->up);
    pthread_cond_destroy(&queue->wake);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

struct cl_storeq *cl_storeq_new(struct event_base *base, struct cl_store **store,
                                const struct cl_storeq_caps *caps, struct cl_err *err)
{
    struct cl_storeq *queue = calloc(1, sizeof(*queue));

    CL_CHECK(queue);
    queue->caps = *caps;
    queue->health.is_writable = true; /* it was opened, which wrote to it */
    queue->proved_us = cl_clock_us();
    cl_list_init(&queue->works);
    cl_list_init(&queue->done);
    cl_list_init(&queue->readers);
    init_locks(queue);
    queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    queue->event =
        queue->fd < 0 ? NULL : event_new(base, queue->fd, EV_READ | EV_PERSIST, on_wake, queue);
    if (!queue->event || event_add(queue->event, NULL) < 0) {
        cl_fail(err, CL_E_SYS, "watch the store thread");
        release(queue);
        return NULL;
    }
    queue->store = *store;
    if (start_thread(queue, err) < 0) {
        release(queue);
        return NULL;
    }
    *store = NULL;
    return queue;
}

void cl_storeq_free(struct cl_storeq *queue)
{
    if (!queue)
        return;
    queue->is_closing = true;
    cl_storeq_feed(queue, true);
    pthread_mutex_lock(&queue->mutex);
    queue->is_ending = true;
    pthread_cond_signal(&queue->wake);
    pthread_mutex_unlock(&queue->mutex);
    pthread_join(queue->thread, NULL);
    deliver(queue);
    CL_CHECK(queue->waiting == 0);
    cl_store_close(queue->store);
    release(queue);
}
