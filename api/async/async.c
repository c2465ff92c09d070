/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which stored calls are not done, and which of them starts next.
 * Runs in: cloche-api.
 * Trusts: the store for what it was told; nothing of callers comes here but ids that are ours.
 */
#include "api/async/async.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/async/impl.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

enum {
    RESEND_MS = 50,  /* until the store queue is asked again */
    AGAIN_MS = 1000, /* until the store is asked again that refused */
    PUMP_MS = 25,    /* until a pool that was busy is looked at again */
};

const struct cl_async_caps cl_async_caps_default = {
    .queue = { .running = 64, .running_tenant = 24, .waiting = 100000 },
    .attempts = 5,
};

static const struct timeval *in_ms(struct timeval *room, int64_t ms)
{
    *room = (struct timeval){ ms / 1000, (suseconds_t)(ms % 1000) * 1000 };
    return room;
}

/* -------------------------------------------------------------------------------- to the disk */

void cl_async_op_init(struct cl_async_op *op, const struct cl_async_call *call,
                      cl_storeq_work *run, cl_storeq_done *done)
{
    cl_list_init(&op->node);
    op->async = call->async;
    op->run = run;
    op->done = done;
    memcpy(op->id, call->id, sizeof(op->id));
    memcpy(op->tenant, call->tenant, sizeof(op->tenant));
}

static bool send_op(struct cl_async_op *op)
{
    struct cl_err err = CL_ERR_INIT;

    return cl_storeq_run_bytes(op->async->app->storeq, op->run, op->done, op, op->bytes,
                               &err) == 0;
}

/* In order: what waits for room goes first. */
void cl_async_persist(struct cl_async_op *op)
{
    struct cl_async *async = op->async;
    struct timeval wait;

    async->ops++;
    if (cl_list_is_empty(&async->outbox) && send_op(op))
        return;
    cl_list_append(&async->outbox, &op->node);
    event_add(async->resend, in_ms(&wait, RESEND_MS));
}

void cl_async_op_done(struct cl_async_op *op)
{
    op->async->ops--;
}

static void on_op_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    cl_async_persist(arg);
}

void cl_async_op_again(struct cl_async_op *op)
{
    struct timeval wait;

    if (!op->again)
        op->again = event_new(op->async->app->base, -1, 0, on_op_again, op);
    CL_CHECK(op->again && event_add(op->again, in_ms(&wait, AGAIN_MS)) == 0);
}

void cl_async_op_fini(struct cl_async_op *op)
{
    if (op->again)
        event_free(op->again);
}

static void on_resend(evutil_socket_t fd, short what, void *arg)
{
    struct cl_async *async = arg;
    struct timeval wait;

    (void)fd;
    (void)what;
    while (!cl_list_is_empty(&async->outbox)) {
        struct cl_async_op *op = cl_list_entry(async->outbox.next, struct cl_async_op, node);

        if (!send_op(op)) {
            event_add(async->resend, in_ms(&wait, RESEND_MS));
            return;
        }
        cl_list_unlink(&op->node);
    }
}

/* -------------------------------------------------------------------------------------- calls */

static struct cl_list *bucket_of(const struct cl_async *async, const char *id)
{
    uint32_t hash = 2166136261u;

    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * 16777619u;
    return (struct cl_list *)(uintptr_t)&async->buckets[hash % CL_ASYNC_BUCKETS];
}

struct cl_async_call *cl_async_find(const struct cl_async *async, const char *tenant,
                                    const char *id)
{
    struct cl_list *bucket = bucket_of(async, id);

    cl_list_each (node, keep, bucket) {
        struct cl_async_call *call = cl_list_entry(node, struct cl_async_call, node);

        if (strcmp(call->id, id) == 0 && strcmp(call->tenant, tenant) == 0)
            return call;
    }
    return NULL;
}

struct cl_async_call *cl_async_admit(struct cl_async *async, const char *tenant, const char *id)
{
    struct cl_async_call *call = calloc(1, sizeof(*call));

    CL_CHECK(call && strlen(tenant) < sizeof(call->tenant) && strlen(id) < sizeof(call->id));
    call->async = async;
    strcpy(call->id, id);
    strcpy(call->tenant, tenant);
    cl_list_init(&call->watches);
    cl_list_init(&call->starting);
    cl_list_append(bucket_of(async, id), &call->node);
    return call;
}

static void call_free(struct cl_async_call *call)
{
    cl_asyncq_remove(call->async->queue, &call->item);
    if (call->again)
        event_free(call->again);
    cl_async_run_free(call->run);
    cl_list_unlink(&call->starting);
    cl_list_unlink(&call->node);
    free(call);
}

void cl_async_tell_events(struct cl_async_call *call, const char *text, size_t length)
{
    cl_list_each (node, keep, &call->watches) {
        struct cl_async_watch *watch = cl_list_entry(node, struct cl_async_watch, node);

        if (watch->on_events)
            watch->on_events(watch, text, length);
    }
}

void cl_async_over(struct cl_async_call *call)
{
    struct cl_async *async = call->async;
    struct cl_list watches;

    cl_list_init(&watches);
    while (!cl_list_is_empty(&call->watches)) {
        struct cl_list *node = call->watches.next;

        cl_list_unlink(node);
        cl_list_append(&watches, node);
    }
    call_free(call); /* whoever asks now asks the store */
    while (!cl_list_is_empty(&watches)) {
        struct cl_async_watch *watch = cl_list_entry(watches.next, struct cl_async_watch, node);

        cl_list_unlink(&watch->node);
        watch->on_end(watch);
    }
    cl_async_pump(async);
}

/* --------------------------------------------------------------------------------- who is next */

struct cl_tenant *cl_async_tenant(struct cl_async_call *call)
{
    const struct cl_tenancy *tenancy = call->async->app->tenancy;

    for (struct cl_pool *pool = cl_tenancy_next(tenancy, NULL, NULL); pool && !call->known;
         pool = cl_tenancy_next(tenancy, NULL, pool)) {
        if (strcmp(pool->tenant->name, call->tenant) == 0)
            call->known = pool->tenant;
    }
    return call->known && call->known->is_live ? call->known : NULL;
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    struct cl_async_call *call = arg;

    (void)fd;
    (void)what;
    event_free(call->again);
    call->again = NULL;
    cl_async_put(call, 0, true);
}

void cl_async_put(struct cl_async_call *call, int64_t not_before_us, bool in_front)
{
    struct cl_async *async = call->async;
    const struct cl_tenant *tenant = cl_async_tenant(call);
    const int64_t left_us = not_before_us ? not_before_us - cl_utc_us() : 0;
    struct timeval wait;

    cl_async_become(call, CL_ASYNC_QUEUED);
    cl_asyncq_remove(async->queue, &call->item);
    if (left_us > 0) {
        call->again = event_new(async->app->base, -1, 0, on_again, call);
        CL_CHECK(call->again && event_add(call->again, in_ms(&wait, left_us / 1000 + 1)) == 0);
        return;
    }
    if (call->is_urgent) {
        cl_asyncq_count(async->queue, call->tenant, &call->item);
        cl_async_become(call, CL_ASYNC_STARTING);
        cl_async_start(call);
        return;
    }
    cl_asyncq_put(async->queue, call->tenant, &call->item, call->lane, in_front);
    if (tenant && tenant->quota.limits.weight)
        cl_asyncq_weigh(async->queue, call->tenant, (uint32_t)tenant->quota.limits.weight);
    cl_async_pump(async);
}

void cl_async_become(struct cl_async_call *call, enum cl_async_state state)
{
    call->state = state;
    cl_list_unlink(&call->starting);
    if (state == CL_ASYNC_STARTING)
        cl_list_append(&call->async->starting, &call->starting);
}

static bool may_start(void *self, struct cl_asyncq_item *item)
{
    struct cl_async *async = self;
    struct timeval wait;

    if (cl_async_has_room(cl_list_entry(item, struct cl_async_call, item)))
        return true;
    event_add(async->pump, in_ms(&wait, PUMP_MS));
    return false;
}

void cl_async_pump(struct cl_async *async)
{
    struct cl_asyncq_item *item;

    if (!async->is_loaded || async->is_draining)
        return;
    while ((item = cl_asyncq_take(async->queue, may_start, async))) {
        struct cl_async_call *call = cl_list_entry(item, struct cl_async_call, item);

        cl_async_become(call, CL_ASYNC_STARTING);
        cl_async_start(call);
    }
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    cl_async_pump(arg);
}

/* ------------------------------------------------------------------------------- begin and end */

struct cl_async *cl_async_new(struct cl_app *app, const struct cl_async_caps *caps)
{
    struct cl_async *async = calloc(1, sizeof(*async));

    CL_CHECK(async && app->storeq);
    async->app = app;
    async->caps = *caps;
    async->queue = cl_asyncq_new(&caps->queue);
    for (size_t i = 0; i < CL_ASYNC_BUCKETS; i++)
        cl_list_init(&async->buckets[i]);
    cl_list_init(&async->outbox);
    cl_list_init(&async->starting);
    cl_list_init(&async->asks);
    cl_list_init(&async->follows);
    async->resend = event_new(app->base, -1, 0, on_resend, async);
    async->pump = event_new(app->base, -1, 0, on_pump, async);
    CL_CHECK(async->resend && async->pump);
    return async;
}

void cl_async_free(struct cl_async *async)
{
    if (!async)
        return;
    for (size_t i = 0; i < CL_ASYNC_BUCKETS; i++) {
        cl_list_each (node, keep, &async->buckets[i])
            call_free(cl_list_entry(node, struct cl_async_call, node));
    }
    event_free(async->resend);
    event_free(async->pump);
    cl_asyncq_free(async->queue);
    free(async);
}

void cl_async_drain(struct cl_async *async)
{
    if (!async || async->is_draining)
        return;
    async->is_draining = true;
    cl_asks_release(async);
    cl_follows_release(async);
}

bool cl_async_is_idle(const struct cl_async *async)
{
    return !async || (cl_asyncq_running(async->queue) == 0 && async->ops == 0);
}

uint32_t cl_async_waiting(const struct cl_async *async)
{
    return cl_asyncq_waiting(async->queue);
}

uint32_t cl_async_running(const struct cl_async *async)
{
    return cl_asyncq_running(async->queue);
}
