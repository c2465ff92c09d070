/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One start of a stored call: marked on the disk, run, and then done, or back in the queue.
 * Runs in: cloche-api; the functions named work_* on the store thread.
 * Trusts: the store; of a worker only what errand.c hands on.
 */
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/async/impl.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

enum {
    BACK_MS = 250,      /* until a call that found no jail tries again */
    CPU_BACK_MS = 1000, /* ... or no processor time of its tenant's */
    RETRY_MS = 1000,    /* until one that was lost does; twice as long each time */
    RETRY_MS_MAX = 60000,
};

/* ---------------------------------------------------------------------------- back in the queue */

struct back {
    struct cl_async_op op;
    struct cl_buf text; /* events of the start that is over */
    uint64_t last;
    int64_t not_before_us;
    bool ran;           /* it may have, in part */
    bool is_taken_back; /* what was told of this start, all behind `last` */
};

static int work_back(struct cl_store *store, void *arg, struct cl_err *err)
{
    const struct back *back = arg;
    const struct cl_store_event event = {
        .seq = back->last,
        .line = { back->text.bytes, back->text.length },
    };

    if (back->is_taken_back &&
        cl_store_call_events_drop(store, back->op.tenant, back->op.id, back->last, err) < 0)
        return -1;
    if (back->text.length > 0 &&
        cl_store_call_event_put(store, back->op.tenant, back->op.id, &event, err) < 0)
        return -1;
    return cl_store_call_requeue(store, back->op.tenant, back->op.id, back->ran,
                                 back->not_before_us, err);
}

static void on_back(void *arg, const struct cl_err *err)
{
    struct back *back = arg;
    struct cl_async_op *op = &back->op;
    struct cl_async_call *call = cl_async_find(op->async, op->tenant, op->id);

    cl_async_op_done(op);
    if (call && err->kind != CL_E_NONE && err->kind != CL_E_INPUT) {
        if (err->kind == CL_E_LIMIT)
            cl_buf_fini(&back->text); /* rather without its events than not at all */
        cl_async_op_again(op);
        return;
    }
    if (call && call->is_cancelled)
        cl_async_end(call, &(struct cl_async_ending){ .kind = CL_V_CANCELLED });
    else if (call)
        cl_async_put(call, back->not_before_us, true);
    cl_async_op_fini(op);
    cl_buf_fini(&back->text);
    free(back);
}

/* `end` is the last line of a start that is not the call's end. */
static void drop_end(struct cl_async_run *run)
{
    struct cl_buf *text = &run->pending;
    const uint8_t *before;

    if (text->length == 0)
        return;
    before = text->length > 1 ? memrchr(text->bytes, '\n', text->length - 1) : NULL;
    text->length = before ? (size_t)(before - text->bytes) + 1 : 0;
    run->last--;
}

/* A start that did not run was none, whatever was told of it: who follows has read that it started, and
 * reads on from there when it does. */
static void go_back(struct cl_async_call *call, bool ran, int64_t delay_ms)
{
    struct back *back = calloc(1, sizeof(*back));

    CL_CHECK(back);
    cl_async_op_init(&back->op, call, work_back, on_back);
    back->ran = ran;
    back->not_before_us = cl_utc_us() + delay_ms * 1000;
    back->text = (struct cl_buf)CL_BUF_INIT(CL_ASYNC_PENDING_MAX);
    if (call->run) {
        back->is_taken_back = !ran;
        back->last = ran ? call->run->last : call->run->base;
        if (ran) {
            back->text = call->run->pending;
            call->run->pending = (struct cl_buf)CL_BUF_INIT(CL_ASYNC_PENDING_MAX);
        }
        cl_async_run_free(call->run);
        call->run = NULL;
    }
    back->op.bytes = back->text.capacity;
    cl_async_become(call, CL_ASYNC_ENDING);
    cl_async_persist(&back->op);
}

/* ----------------------------------------------------------------------------------- its end */

static bool may_run_again(const struct cl_async_call *call, const struct cl_errand_end *end)
{
    return end->verdict == CL_V_LOST && call->may_retry && !call->is_cancelled &&
           call->attempts < call->async->caps.attempts;
}

static int64_t retry_ms(uint32_t attempts)
{
    const int64_t ms = (int64_t)RETRY_MS << (attempts < 16 ? attempts - 1 : 15);

    return ms < RETRY_MS_MAX ? ms : RETRY_MS_MAX;
}

static void refused(struct cl_async_call *call, const struct cl_refusal *why)
{
    const struct cl_async_ending denied = { .kind = CL_V_DENIED, .refusal = why };
    const int status = cl_refusal_row(why->kind)->status;

    /* Busy now: it had no worker, and waits for its turn anew. */
    if ((status == 503 || status == 429) && !call->is_cancelled)
        go_back(call, false,
                (why->kind == CL_R_QUOTA_CPU ? CPU_BACK_MS : BACK_MS) + rand() % BACK_MS);
    else if (call->is_cancelled)
        cl_async_end(call, &(struct cl_async_ending){ .kind = CL_V_CANCELLED });
    else
        cl_async_end(call, &denied);
}

static void on_end(void *self, const struct cl_errand_end *end)
{
    struct cl_async_run *run = self;
    struct cl_async_call *call = run->call;

    event_del(run->flush);
    if (end->refusal) {
        refused(call, end->refusal);
        return;
    }
    if (may_run_again(call, end)) {
        cl_log(CL_INFO, "async.again", CL_ASYNC_TEXT " attempts=%" PRIu32, CL_ASYNC_OF(call),
               call->attempts);
        drop_end(run);
        go_back(call, true, retry_ms(call->attempts));
        return;
    }
    cl_async_finish(call, cl_verdict_name(end->verdict), end->envelope, &run->pending,
                    run->last);
}

static const struct cl_errand_calls errand_calls = {
    .on_events = cl_async_on_events,
    .on_end = on_end,
};

/* -------------------------------------------------------------------------------------- start */

struct start {
    struct cl_async_op op;
    bool is_started;
    uint32_t attempts;
    uint64_t last;
    char key[CL_NAME_MAX];
    struct cl_buf request;
    struct cl_call_sent sent; /* views into it and the key */
};

static void start_free(struct start *start)
{
    cl_buf_fini(&start->request);
    free(start);
}

static int take_request(void *self, const struct cl_store_call *call, struct cl_err *err)
{
    struct start *start = self;

    start->attempts = call->attempts;
    snprintf(start->key, sizeof(start->key), "%s", call->key);
    start->request.limit = call->request.length;
    return cl_buf_put(&start->request, call->request.bytes, call->request.length, err);
}

static int work_start(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct start *start = arg;
    const int started =
        cl_store_call_start(store, start->op.tenant, start->op.id, cl_utc_us(), err);

    if (started < 0)
        return -1;
    start->is_started = started > 0;
    if (!start->is_started)
        return 0;
    if (cl_store_call_get(store, start->op.tenant, start->op.id, take_request, start, err) < 0)
        return -1;
    return start->attempts > 1
               ? cl_async_last_seq(store, start->op.tenant, start->op.id, &start->last, err)
               : 0;
}

static void launch(struct cl_async_call *call, struct cl_prepared *prepared, uint64_t base)
{
    struct cl_app *app = call->async->app;
    struct cl_async_run *run = calloc(1, sizeof(*run));

    CL_CHECK(run);
    *run = (struct cl_async_run){
        .call = call, .base = base, .last = base, .pending = CL_BUF_INIT(CL_ASYNC_PENDING_MAX)
    };
    run->flush = cl_async_events_timer(run);
    call->run = run;
    cl_async_become(call, CL_ASYNC_RUNNING);
    run->errand = cl_errand_start(app, prepared->pool, &prepared->request, prepared->flags,
                                  &errand_calls, run);
    cl_errand_name(app, run->errand, call->id);
}

static void on_modules(void *self, const struct cl_refusal *refusal);

/* Under the policy and the modules of now. Takes `start`. */
static void begin(struct cl_async_call *call, struct start *start)
{
    struct cl_app *app = call->async->app;
    struct cl_prepared CL_AUTO(cl_prepared_fini) prepared = { .flags = CL_CALL_STREAM };
    struct cl_refusal why = CL_REFUSAL_INIT;
    struct cl_tenant *tenant = cl_async_tenant(call);
    int got = -1;

    cl_trace_id(start->sent.trace, call->trace);
    start->sent.key = start->key;
    if (tenant)
        got = cl_prepare(app, tenant, &start->sent, &prepared, &why);
    else
        cl_refusal_set(&why, CL_R_POLICY_NOT_ALLOWED, "its tenant is not there any more");
    if (got == CL_MODULES_LATER) {
        cl_modules_fetch(app->modules, &prepared.want, on_modules, start);
        return;
    }
    if (got < 0)
        refused(call, &why);
    else
        launch(call, &prepared, start->last);
    start_free(start);
}

static void on_modules(void *self, const struct cl_refusal *refusal)
{
    struct start *start = self;
    struct cl_async_call *call = cl_async_find(start->op.async, start->op.tenant, start->op.id);

    if (call && !refusal && !call->is_cancelled) {
        begin(call, start);
        return;
    }
    if (call && call->is_cancelled)
        cl_async_end(call, &(struct cl_async_ending){ .kind = CL_V_CANCELLED });
    else if (call)
        refused(call, refusal);
    start_free(start);
}

static void start_failed(struct cl_async_call *call, const struct cl_err *err)
{
    cl_log(CL_WARN, "async.start", CL_ASYNC_TEXT " kind=%s what=\"%s\"", CL_ASYNC_OF(call),
           cl_err_kind_name(err->kind), err->text);
    cl_async_put(call, cl_utc_us() + BACK_MS * 1000, true);
}

/* Takes `start`. */
static void started(struct cl_async_call *call, struct start *start)
{
    struct cl_async_ending ending = { .kind = CL_V_CANCELLED };
    struct cl_err err = CL_ERR_INIT;

    call->attempts = start->attempts;
    /* Asked for while it was being marked, or before a restart. */
    if (call->is_cancelled || !start->is_started) {
        cl_async_end(call, &ending);
    } else if (cl_async_unpack((char *)start->request.bytes, start->request.length,
                               &start->sent, &err) < 0) {
        ending.kind = CL_V_LOST;
        ending.message = "what was stored of it is damaged";
        cl_async_end(call, &ending);
    } else {
        begin(call, start);
        return;
    }
    start_free(start);
}

static void on_started(void *arg, const struct cl_err *err)
{
    struct start *start = arg;
    struct cl_async_call *call = cl_async_find(start->op.async, start->op.tenant, start->op.id);

    cl_async_op_done(&start->op);
    if (call && err->kind == CL_E_NONE) {
        started(call, start);
        return;
    }
    if (call)
        start_failed(call, err);
    start_free(start);
}

void cl_async_start(struct cl_async_call *call)
{
    struct start *start = calloc(1, sizeof(*start));

    CL_CHECK(start);
    cl_async_op_init(&start->op, call, work_start, on_started);
    cl_async_persist(&start->op);
}

void cl_async_stop(struct cl_async_call *call)
{
    call->is_cancelled = true;
    if (call->state == CL_ASYNC_RUNNING)
        cl_errand_cancel(call->async->app, call->run->errand);
}
