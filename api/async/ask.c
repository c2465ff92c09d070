/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about one stored call: its state (now, or when it has ended), cancelling, the first
 * answer of an Idempotency-Key.
 * Runs in: cloche-api; the functions named work_* on the store thread.
 * Trusts: nothing of the request. Every look-up is of the visitor's own tenant.
 */
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/async/impl.h"
#include "api/http1/exchange.h"
#include "api/query.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

enum {
    ANSWER_MAX = CL_REPLY_ENVELOPE_MAX,
    WAIT_MAX_MS = 3600 * 1000,
    CANCEL_WAIT_MS = 2000, /* a kill takes milliseconds */
};

struct cl_ask {
    struct cl_list node; /* of all asks */
    struct cl_async *async;
    struct cl_visit *visit; /* NULL: the client is gone */
    enum cl_ask_kind kind;
    char id[CL_ULID_SIZE];
    char tenant[CL_NAME_MAX];
    uint64_t wait_ms, until_us; /* how long it may wait; when that is over */
    bool is_reading;            /* the store thread has it */
    struct cl_async_watch watch;
    struct event *timer;
    /* found */
    bool is_there, is_done;
    struct cl_buf answer;
};

static void read_again(struct cl_ask *ask);

static void ask_free(struct cl_ask *ask)
{
    cl_list_unlink(&ask->node);
    cl_list_unlink(&ask->watch.node);
    if (ask->timer)
        event_free(ask->timer);
    cl_buf_fini(&ask->answer);
    free(ask);
}

/* ------------------------------------------------------------------------------------- waiting */

static void stop_waiting(struct cl_ask *ask)
{
    ask->wait_ms = 0;
    cl_list_unlink(&ask->watch.node);
    if (ask->timer)
        event_del(ask->timer);
}

static void on_call_end(struct cl_async_watch *watch)
{
    struct cl_ask *ask = cl_list_entry(watch, struct cl_ask, watch);

    stop_waiting(ask);
    read_again(ask);
}

static void arm(struct cl_ask *ask, uint64_t now_us)
{
    const uint64_t left_us = ask->until_us - now_us;
    const struct timeval left = { (time_t)(left_us / 1000000),
                                  (suseconds_t)(left_us % 1000000) };

    CL_CHECK(event_add(ask->timer, &left) == 0);
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    struct cl_ask *ask = arg;
    const uint64_t now_us = cl_clock_us();

    (void)fd;
    (void)what;
    /* The clock of libevent is a tick behind, and that of this turn of the loop older still. */
    if (now_us < ask->until_us) {
        arm(ask, now_us);
        return;
    }
    stop_waiting(ask);
    read_again(ask);
}

/* Whether it waits now: the call is not done, as far as this process knows. */
static bool wait_for_end(struct cl_ask *ask)
{
    struct cl_async_call *call = cl_async_find(ask->async, ask->tenant, ask->id);
    const bool is_forever = ask->kind == CL_ASK_SETTLE;
    const uint64_t now_us = cl_clock_us();

    if (!call || ask->async->is_draining || (!is_forever && ask->wait_ms == 0))
        return false;
    ask->watch.on_end = on_call_end;
    cl_list_append(&call->watches, &ask->watch.node);
    if (is_forever)
        return true;
    if (!ask->timer)
        ask->timer = event_new(ask->async->app->base, -1, 0, on_time, ask);
    CL_CHECK(ask->timer);
    ask->until_us = now_us + ask->wait_ms * 1000;
    arm(ask, now_us);
    return true;
}

void cl_asks_release(struct cl_async *async)
{
    cl_list_each (node, keep, &async->asks) {
        struct cl_ask *ask = cl_list_entry(node, struct cl_ask, node);

        stop_waiting(ask);
        if (!ask->is_reading)
            read_again(ask);
    }
}

/* ------------------------------------------------------------------------------------- answers */

static void refuse(struct cl_ask *ask, enum cl_refusal_kind kind, const char *detail)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    if (kind == CL_R_NOT_READY)
        refusal.retry_after_s = 1;
    cl_refusal_set(&refusal, kind, "%s", detail);
    cl_visit_refuse(ask->visit->app, ask->visit->exchange, &refusal);
}

static void answer(struct cl_ask *ask)
{
    const int status = ask->kind == CL_ASK_CANCEL && !ask->is_done ? 202 : 200;

    ask->visit->later = NULL;
    if (!ask->is_there)
        refuse(ask, CL_R_CALL_NOT_FOUND, "no call has this id");
    else if (ask->kind == CL_ASK_SETTLE && !ask->is_done)
        refuse(ask, CL_R_NOT_READY,
               "the service is going down; the call is kept, ask again with the same key");
    else
        cl_exchange_answer(ask->visit->exchange, status, "application/json", ask->answer.bytes,
                           ask->answer.length);
}

static int take_state(void *self, const struct cl_store_call *call, struct cl_err *err)
{
    struct cl_ask *ask = self;

    ask->is_done = call->state == CL_STORE_DONE;
    if (ask->kind != CL_ASK_SETTLE)
        return cl_async_show(call, &ask->answer, err);
    if (!ask->is_done)
        return 0;
    return cl_buf_put(&ask->answer, call->envelope.bytes, call->envelope.length, err);
}

static int work_read(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct cl_ask *ask = arg;
    const int found = cl_store_call_get(store, ask->tenant, ask->id, take_state, ask, err);

    ask->is_there = found > 0;
    return found < 0 ? -1 : 0;
}

static void on_read(void *arg, const struct cl_err *err)
{
    struct cl_ask *ask = arg;
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    ask->is_reading = false;
    if (ask->visit && err->kind == CL_E_NONE && ask->is_there && !ask->is_done &&
        wait_for_end(ask))
        return;
    if (ask->visit && err->kind != CL_E_NONE) {
        ask->visit->later = NULL;
        cl_storeq_refuse(&refusal, err);
        cl_visit_refuse(ask->visit->app, ask->visit->exchange, &refusal);
    } else if (ask->visit) {
        answer(ask);
    }
    ask_free(ask);
}

static void read_again(struct cl_ask *ask)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    struct cl_err err = CL_ERR_INIT;

    ask->is_there = ask->is_done = false;
    cl_buf_clear(&ask->answer);
    ask->is_reading = true;
    if (cl_storeq_read(ask->async->app->storeq, ask->tenant, work_read, on_read, ask, &err) ==
        0)
        return;
    ask->visit->later = NULL;
    cl_storeq_refuse(&refusal, &err);
    cl_visit_refuse(ask->visit->app, ask->visit->exchange, &refusal);
    ask_free(ask);
}

static void on_gone(void *self)
{
    struct cl_ask *ask = self;

    ask->visit = NULL;
    if (!ask->is_reading)
        ask_free(ask);
}

static const struct cl_visit_later later = { .on_end = on_gone };

void cl_ask_open(struct cl_visit *visit, const char *tenant, const char *id,
                 enum cl_ask_kind kind, uint64_t wait_ms)
{
    struct cl_ask *ask = calloc(1, sizeof(*ask));

    CL_CHECK(ask && strlen(id) < sizeof(ask->id) && strlen(tenant) < sizeof(ask->tenant));
    ask->async = visit->app->async;
    ask->visit = visit;
    ask->kind = kind;
    strcpy(ask->id, id);
    strcpy(ask->tenant, tenant);
    ask->wait_ms = wait_ms;
    ask->answer = (struct cl_buf)CL_BUF_INIT(ANSWER_MAX);
    cl_list_init(&ask->watch.node);
    cl_list_append(&ask->async->asks, &ask->node);
    visit->later = &later;
    visit->later_self = ask;
    /* What is known not to be done needs no look at the store before it is. */
    if (!wait_for_end(ask))
        read_again(ask);
}

/* -------------------------------------------------------------------------------------- cancel */

struct cancel {
    struct cl_async_op op;
};

static int work_cancel(struct cl_store *store, void *arg, struct cl_err *err)
{
    const struct cancel *cancel = arg;

    return cl_store_call_cancel(store, cancel->op.tenant, cancel->op.id, err);
}

/* The mark is on the disk: now it may be acted on, and no restart forgets it. */
static void on_cancel(void *arg, const struct cl_err *err)
{
    struct cancel *cancel = arg;
    struct cl_async_call *call =
        cl_async_find(cancel->op.async, cancel->op.tenant, cancel->op.id);

    cl_async_op_done(&cancel->op);
    if (err->kind == CL_E_BUSY) {
        cl_async_op_again(&cancel->op);
        return;
    }
    if (call && call->state == CL_ASYNC_QUEUED)
        cl_async_end(call, &(struct cl_async_ending){ .kind = CL_V_CANCELLED });
    else if (call)
        cl_async_stop(call);
    cl_async_op_fini(&cancel->op);
    free(cancel);
}

static void cancel_call(const struct cl_async_call *call)
{
    struct cancel *cancel = calloc(1, sizeof(*cancel));

    CL_CHECK(cancel);
    cl_async_op_init(&cancel->op, call, work_cancel, on_cancel);
    cl_async_persist(&cancel->op);
}

/* ------------------------------------------------------------------------------------- handlers */

/* Ids have one form; whatever else cannot be there. */
static int check_id(struct cl_visit *visit, struct cl_refusal *refusal)
{
    if (cl_async_is_id(visit->param))
        return 0;
    return cl_refusal_set(refusal, CL_R_CALL_NOT_FOUND, "no call has this id");
}

int cl_async_check(struct cl_visit *visit, struct cl_refusal *refusal)
{
    const struct cl_async *async = visit->app->async;

    if (!async || !async->is_loaded) {
        refusal->retry_after_s = 1;
        return cl_refusal_set(refusal, CL_R_NOT_READY, "the store is not read yet");
    }
    return 0;
}

int cl_async_get(struct cl_visit *visit, const char *body, size_t length,
                 struct cl_refusal *refusal)
{
    struct cl_query query[] = { { .name = "wait" } };
    uint64_t wait_ms = 0;

    (void)body;
    (void)length;
    if (check_id(visit, refusal) < 0 ||
        cl_query_parse(cl_exchange_head(visit->exchange)->query, query, CL_COUNT(query),
                       refusal) < 0 ||
        cl_query_ms(&query[0], WAIT_MAX_MS, &wait_ms, refusal) < 0)
        return -1;
    cl_ask_open(visit, visit->tenant->name, visit->param, CL_ASK_STATE, wait_ms);
    return 0;
}

int cl_async_delete(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal)
{
    struct cl_async_call *call;

    (void)body;
    (void)length;
    if (check_id(visit, refusal) < 0 ||
        cl_query_parse(cl_exchange_head(visit->exchange)->query, NULL, 0, refusal) < 0)
        return -1;
    call = cl_async_find(visit->app->async, visit->tenant->name, visit->param);
    if (call)
        cancel_call(call);
    cl_ask_open(visit, visit->tenant->name, visit->param, CL_ASK_CANCEL, CANCEL_WAIT_MS);
    return 0;
}
