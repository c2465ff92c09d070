/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of python/v1: made, known by id, ended once.
 * Runs in: cloche-api.
 * Trusts: its callers inside the API; parameters and what workers say are judged elsewhere.
 */
#include "api/pythonv1/call.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "api/pythonv1/scoped.h"
#include "api/visit.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

struct cl_v1_all {
    struct cl_list all;
    struct cl_list waiting;
    struct event *turn;
    uint64_t last_id;
};

/* ------------------------------------------------------------------------------------ its end */

static void call_free(struct cl_v1_call *call)
{
    cl_list_unlink(&call->node);
    cl_list_unlink(&call->waiting);
    cl_buf_fini(&call->params);
    cl_buf_fini(&call->content);
    cl_v1_outcome_fini(&call->outcome);
    free(call->trace);
    free(call);
}

static void tell(struct cl_v1_call *call)
{
    const struct cl_v1_outcome *outcome = &call->outcome;
    const struct cl_v1_answer answer = {
        .id = call->id,
        .json = { (const char *)outcome->json.bytes, outcome->json.length },
        .is_error = outcome->is_error,
        .is_failed = outcome->is_failed,
        .code = outcome->code,
        .is_retryable = cl_pythonv1_is_retryable(outcome->code),
        .exception = { outcome->exception, strlen(outcome->exception) },
        .refusal = call->refusal.kind == CL_R_NONE ? NULL : &call->refusal,
        .duration_ms = (cl_clock_us() - call->started_us) / 1000,
    };

    if (call->calls)
        call->calls->on_done(call->self, &answer);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct cl_v1_all *all = arg;
    struct cl_list ready;

    (void)fd;
    (void)what;
    cl_list_init(&ready);
    /* Those that end while these are told wait for the next turn. */
    while (!cl_list_is_empty(&all->waiting)) {
        struct cl_list *node = all->waiting.next;

        cl_list_unlink(node);
        cl_list_append(&ready, node);
    }
    while (!cl_list_is_empty(&ready)) {
        struct cl_v1_call *call = cl_list_entry(ready.next, struct cl_v1_call, waiting);

        cl_list_unlink(&call->waiting);
        tell(call);
        call_free(call);
    }
}

void cl_v1_call_end(struct cl_v1_call *call)
{
    struct cl_v1_all *all = call->app->pythonv1;

    CL_CHECK(!call->is_over);
    call->is_over = true;
    cl_list_append(&all->waiting, &call->waiting);
    event_active(all->turn, EV_TIMEOUT, 0);
}

void cl_v1_call_fail(struct cl_v1_call *call, const struct cl_v1_fault *fault)
{
    cl_v1_outcome_fail(&call->outcome, fault);
    cl_v1_call_end(call);
}

void cl_v1_call_refuse(struct cl_v1_call *call, const struct cl_refusal *refusal)
{
    const int status = cl_refusal_row(refusal->kind)->status;
    struct cl_v1_fault fault = { 0 };

    switch (status) {
    case 429:
        cl_v1_fail(&fault, CL_V1_RATE, "Rate limit exceeded: %s", refusal->detail);
        break;
    case 503:
        cl_v1_fail(&fault, CL_V1_OVERLOADED, "Provider overloaded: %s", refusal->detail);
        break;
    case 507:
        cl_v1_fail(&fault, CL_V1_RESOURCES, "Resources exhausted: %s", refusal->detail);
        break;
    case 409: /* its session ended while it waited */
        cl_v1_fail(&fault, CL_V1_LOST, "%s", refusal->detail);
        break;
    case 403:
        cl_v1_fail(&fault, CL_V1_FORBIDDEN, "%s", refusal->detail);
        break;
    default:
        cl_v1_fail(&fault, CL_V1_PARAMS, "%s", refusal->detail);
    }
    if (status == 429 || status == 503)
        call->refusal = *refusal;
    cl_v1_call_fail(call, &fault);
}

void cl_v1_call_result(struct cl_v1_call *call, const struct cl_buf *json)
{
    struct cl_v1_fault fault = { 0 };
    struct cl_err err = CL_ERR_INIT;

    cl_buf_clear(&call->outcome.json);
    if (cl_buf_put(&call->outcome.json, json->bytes, json->length, &err) == 0) {
        cl_v1_call_end(call);
        return;
    }
    cl_v1_fail(&fault, CL_V1_TASK_RESULT, "Result larger than %d bytes", CL_V1_ANSWER_MAX);
    cl_v1_call_fail(call, &fault);
}

/* ------------------------------------------------------------------------------------- start */

static struct cl_v1_all *all_of(struct cl_app *app)
{
    struct cl_v1_all *all = app->pythonv1;

    if (all)
        return all;
    all = calloc(1, sizeof(*all));
    CL_CHECK(all);
    cl_list_init(&all->all);
    cl_list_init(&all->waiting);
    all->turn = event_new(app->base, -1, 0, on_turn, all);
    CL_CHECK(all->turn);
    app->pythonv1 = all;
    return all;
}

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

static struct cl_v1_call *make_call(struct cl_app *app, const struct cl_v1_caller *caller)
{
    struct cl_v1_all *all = all_of(app);
    struct cl_v1_call *call = calloc(1, sizeof(*call));

    CL_CHECK(call);
    call->id = ++all->last_id;
    call->app = app;
    call->tenant = caller->tenant;
    copy_text(call->policy, sizeof(call->policy), caller->policy);
    copy_text(call->key, sizeof(call->key), caller->key);
    copy_text(call->session, sizeof(call->session), caller->session);
    copy_text(call->task_id, sizeof(call->task_id), caller->task_id);
    call->timeout_s = caller->timeout_s;
    call->isolated = caller->isolated;
    call->trace = caller->trace && caller->trace[0] ? strdup(caller->trace) : NULL;
    snprintf(call->peer, sizeof(call->peer), "%s", caller->peer ? caller->peer : "");
    call->outcome = (struct cl_v1_outcome)CL_V1_OUTCOME_INIT;
    call->content.limit = CL_V1_CONTENT_MAX;
    call->started_us = cl_clock_us();
    cl_list_init(&call->waiting);
    cl_list_append(&all->all, &call->node);
    return call;
}

uint64_t cl_v1_start_scoped(struct cl_app *app, const struct cl_v1_caller *caller,
                            struct cl_v1_scope *scope, const struct cl_v1_want *want,
                            const struct cl_v1_calls *calls, void *self)
{
    struct cl_v1_call *call = make_call(app, caller);
    struct cl_v1_fault fault = { 0 };
    struct cl_json params = { 0 };
    struct cl_err err = CL_ERR_INIT;

    call->calls = calls;
    call->self = self;
    call->scope = scope;
    call->params.limit = want->params.length;
    if (want->params.length) {
        CL_CHECK(cl_buf_put(&call->params, want->params.text, want->params.length, &err) == 0);
        params = (struct cl_json){ (const char *)call->params.bytes, call->params.length };
    }
    if (cl_v1_plan_make(&call->plan, want->method, params, &fault) < 0)
        cl_v1_call_fail(call, &fault);
    else
        cl_v1_call_begin(call);
    return call->id;
}

uint64_t cl_pythonv1_start(struct cl_app *app, const struct cl_v1_caller *caller,
                           const char *method, struct cl_json params,
                           const struct cl_v1_calls *calls, void *self)
{
    const struct cl_v1_want want = { method, params };

    return cl_v1_start_scoped(app, caller, NULL, &want, calls, self);
}

/* -------------------------------------------------------------------------------- cancelled */

static struct cl_v1_call *find(struct cl_app *app, uint64_t id)
{
    struct cl_v1_all *all = app->pythonv1;

    if (!all)
        return NULL;
    for (struct cl_list *at = all->all.next; at != &all->all; at = at->next) {
        struct cl_v1_call *call = cl_list_entry(at, struct cl_v1_call, node);

        if (call->id == id)
            return call;
    }
    return NULL;
}

struct cl_v1_call *cl_v1_call_find(struct cl_app *app, uint64_t id)
{
    struct cl_v1_call *call = find(app, id);

    return call && !call->is_over ? call : NULL;
}

static void end_cancelled(struct cl_v1_call *call)
{
    struct cl_v1_fault fault = { 0 };

    cl_v1_fail(&fault, CL_V1_TASK_CANCELLED, "Task %s was cancelled",
               call->task_id[0] ? call->task_id : "?");
    cl_v1_call_fail(call, &fault);
}

void cl_pythonv1_cancel(struct cl_app *app, uint64_t id)
{
    struct cl_v1_call *call = cl_v1_call_find(app, id);

    if (!call)
        return;
    call->is_cancelled = true;
    if (call->errand) {
        cl_errand_cancel(app, call->errand); /* its end is the call's */
        return;
    }
    if (call->fetch)
        cl_modules_forget(app->modules, call->fetch);
    call->fetch = 0;
    end_cancelled(call); /* what the store still says finds nobody */
}

void cl_pythonv1_forget(struct cl_app *app, uint64_t id)
{
    struct cl_v1_call *call = find(app, id);

    if (!call)
        return;
    call->calls = NULL;
    call->scope = NULL;
    cl_pythonv1_cancel(app, id);
}
