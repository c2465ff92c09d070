/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler of one workflow.
 * Runs in: cloche-api.
 * Trusts: the plan, which was checked; nothing that tasks return.
 */
#include "api/workflow/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/sessions/session.h"
#include "api/tenants/tenant.h"
#include "api/visit.h"
#include "api/workflow/run_impl.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

enum { AGAIN_MS = 500 };

const char *const cl_task_state_names[] = { "queued", "executing", "retry_pending", "completed",
                                            "failed", "cancelled", "skipped" };

static const struct {
    const char *status, *message;
} stops[] = {
    [CL_STOP_NONE] = { "failed", "" },
    [CL_STOP_FAIL_FAST] = { "failed", "Task cancelled: another task failed" },
    [CL_STOP_CANCEL] = { "cancelled", "Task cancelled" },
    [CL_STOP_TIMEOUT] = { "timeout", "Workflow timed out" },
};

/* ------------------------------------------------------------------------------- one run */

static void on_deadline(evutil_socket_t fd, short what, void *self)
{
    (void)fd;
    (void)what;
    cl_run_stop(self, CL_STOP_TIMEOUT);
}

struct cl_run *cl_run_new(struct cl_runs *runs, const struct cl_run_ask *ask,
                          struct cl_plan *plan)
{
    struct cl_run *run = calloc(1, sizeof(*run));
    const size_t count = plan->count;

    CL_CHECK(run);
    run->runs = runs;
    run->tenant = ask->tenant;
    run->is_task = ask->is_task;
    snprintf(run->key, sizeof(run->key), "%s", ask->key);
    snprintf(run->policy, sizeof(run->policy), "%s", ask->policy);
    run->trace = strdup(ask->trace ? ask->trace : "");
    CL_CHECK(run->trace);
    run->plan = *plan;
    *plan = (struct cl_plan){ 0 };
    run->tasks = calloc(count, sizeof(*run->tasks));
    run->dirty = calloc(count, sizeof(*run->dirty));
    run->claims = calloc(count, sizeof(*run->claims));
    CL_CHECK(run->tasks && run->dirty && run->claims);
    for (uint32_t i = 0; i < count; i++) {
        run->tasks[i] = (struct cl_run_task){
            .run = run,
            .index = i,
            .waits = (uint32_t)run->plan.tasks[i].need_count,
            .behind = CL_RUN_NONE,
            .params = CL_BUF_INIT(2 * CL_REFERENCES_OUT_MAX),
        };
    }
    for (size_t i = 0; i < CL_PLAN_PRIORITIES; i++)
        run->queue[i].first = run->queue[i].last = CL_RUN_NONE;
    run->open = count;
    run->status = "running";
    run->created_us = cl_utc_us();
    run->lines = (struct cl_buf)CL_BUF_INIT(64 << 20);
    cl_list_init(&run->watches);
    cl_list_append(&runs->all, &run->node);
    runs->count++;
    return run;
}

static void free_task(struct cl_run_task *task)
{
    if (task->call)
        cl_pythonv1_forget(task->run->runs->app, task->call);
    if (task->timer)
        event_free(task->timer);
    free(task->envelope);
    free(task->error);
    cl_buf_fini(&task->params);
}

void cl_run_free(struct cl_run *run)
{
    CL_CHECK(!run->flush);
    for (size_t i = 0; i < run->plan.count; i++)
        free_task(&run->tasks[i]);
    if (run->replay)
        cl_pythonv1_forget(run->runs->app, run->replay);
    if (run->deadline)
        event_free(run->deadline);
    if (run->again)
        event_free(run->again);
    if (run->turn)
        event_free(run->turn);
    cl_list_unlink(&run->node);
    run->runs->count--;
    cl_v1_scope_fini(&run->scope);
    cl_buf_fini(&run->lines);
    cl_plan_fini(&run->plan);
    free(run->tasks);
    free(run->dirty);
    free(run->claims);
    free(run->trace);
    free(run);
}

/* -------------------------------------------------------------------------------- starting */

static struct cl_reference_value value_of(void *self, int task)
{
    const struct cl_run *run = self;
    const struct cl_run_task *at = &run->tasks[task];

    return (struct cl_reference_value){ { at->envelope, at->envelope_length }, at->result };
}

int cl_run_put_params(struct cl_run_task *task, struct cl_err *err)
{
    struct cl_run *run = task->run;
    const struct cl_references references = { &run->plan.names, value_of, run, 1, false };

    cl_buf_clear(&task->params);
    return cl_references_put(&references, cl_plan_params(&run->plan, task->index),
                             &task->params, err);
}

/* It has its turn: what it is to be called with is fixed now, and it starts when the store has
 * it as executing. */
static void claim(struct cl_run_task *task)
{
    struct cl_run *run = task->run;
    struct cl_err err = CL_ERR_INIT;

    if (cl_run_put_params(task, &err) < 0) {
        cl_run_task_fail(task, CL_CODE_PARAMETER, err.text);
        return;
    }
    task->state = CL_TASK_EXECUTING;
    task->is_claimed = true;
    task->attempts++;
    task->due_us = 0;
    task->started_us = cl_utc_us();
    task->began_us = cl_clock_us();
    run->running++;
    run->claims[run->claim_count++] = task->index;
    cl_run_touch(task);
    cl_run_tell(run, task, "started");
}

static int pop(struct cl_run *run)
{
    for (size_t i = 0; i < CL_PLAN_PRIORITIES; i++) {
        const int first = run->queue[i].first;
        if (first == CL_RUN_NONE)
            continue;
        run->queue[i].first = run->tasks[first].behind;
        if (run->queue[i].first == CL_RUN_NONE)
            run->queue[i].last = CL_RUN_NONE;
        run->tasks[first].behind = CL_RUN_NONE;
        return first;
    }
    return CL_RUN_NONE;
}

static void finish(struct cl_run *run)
{
    const bool is_whole = run->completed == run->plan.count;

    run->is_over = true;
    run->status = is_whole ? "completed" : stops[run->stop].status;
    run->ended_us = cl_utc_us();
    run->has_news = true;
    cl_run_tell(run, NULL, run->status);
}

void cl_run_pump(struct cl_run *run)
{
    while (run->stop == CL_STOP_NONE && run->running < run->plan.parallel && !run->replay &&
           !run->is_waiting && !run->runs->app->is_draining) {
        const int next = pop(run);
        if (next == CL_RUN_NONE)
            break;
        if (run->tasks[next].state == CL_TASK_QUEUED)
            claim(&run->tasks[next]);
    }
    if (run->open == 0 && run->running == 0 && !run->is_over)
        finish(run);
}

static const struct cl_v1_calls task_calls = { .on_done = cl_run_task_done };

void cl_run_start_claimed(struct cl_run *run, struct cl_run_task *task)
{
    const struct cl_plan_task *plan = &run->plan.tasks[task->index];
    cl_free_auto char *trace = cl_trace_branch(run->trace);
    const struct cl_v1_caller caller = {
        .tenant = run->tenant,
        .policy = run->policy,
        .key = run->key,
        .session = run->session,
        .task_id = plan->id,
        .timeout_s = plan->timeout_s,
        .isolated = plan->is_isolated,
        .trace = trace,
    };
    const struct cl_json params = { (const char *)task->params.bytes, task->params.length };
    const struct cl_v1_want want = { plan->method, params };

    task->is_claimed = false;
    task->call =
        cl_v1_start_scoped(run->runs->app, &caller, run->session[0] ? NULL : &run->scope, &want,
                           &task_calls, task);
    cl_buf_fini(&task->params);
}

static void on_again(evutil_socket_t fd, short what, void *self)
{
    struct cl_run *run = self;

    (void)fd;
    (void)what;
    run->is_waiting = false;
    if (run->is_over)
        return;
    if (run->started_us)
        cl_run_resume(run);
    else
        cl_run_begin(run);
}

/* What a workflow may count on must not depend on how busy its tenant is. */
static void wait_for_session(struct cl_run *run)
{
    const struct timeval wait = { 0, AGAIN_MS * 1000 };

    if (!run->again)
        run->again = evtimer_new(run->runs->app->base, on_again, run);
    run->is_waiting = true;
    CL_CHECK(run->again && evtimer_add(run->again, &wait) == 0);
}

/* One session a run, where the policy permits sessions: a register task is seen by the others,
 * and functions of files share their globals. A workflow of one has nobody to share with. */
enum opened { OPENED_AGAIN = 0, OPENED_ANEW, OPENED_LATER };

static enum opened open_session(struct cl_run *run)
{
    const struct cl_session_ask ask = {
        .tenant = run->tenant, .key = run->key, .policy = run->policy, .outlives_key = true
    };
    struct cl_app *app = run->runs->app;
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    if (run->plan.count < 2 ||
        (run->session[0] && cl_session_find(app, run->tenant, run->key, run->session)))
        return OPENED_AGAIN;

    const struct cl_session *session = cl_session_open(app, &ask, &refusal);
    if (!session && refusal.kind == CL_R_SESSIONS_FULL) {
        wait_for_session(run);
        return OPENED_LATER;
    }
    if (!session)
        cl_log(CL_DEBUG, "workflow.sessionless", "tenant=%s why=\"%s\"", run->tenant->name,
               refusal.detail);
    snprintf(run->session, sizeof(run->session), "%s", session ? cl_session_id(session) : "");
    return OPENED_ANEW;
}

static void watch_deadline(struct cl_run *run)
{
    const int64_t left = run->deadline_us - cl_utc_us();
    /* Not longer than it ever had, should the clock have been set back meanwhile. */
    const int64_t most = (int64_t)run->plan.timeout_s * 1000000;
    const struct timeval time = cl_run_wait_of(left < most ? left : most);

    if (run->deadline_us == 0)
        return;
    run->deadline = evtimer_new(run->runs->app->base, on_deadline, run);
    CL_CHECK(run->deadline && evtimer_add(run->deadline, &time) == 0);
}

void cl_run_begin(struct cl_run *run)
{
    if (open_session(run) == OPENED_LATER)
        return;
    run->started_us = cl_utc_us();
    if (run->plan.timeout_s)
        run->deadline_us = run->started_us + (int64_t)run->plan.timeout_s * 1000000;
    watch_deadline(run);
    run->has_news = true;
    cl_run_tell(run, NULL, "started");
    for (size_t i = 0; i < run->plan.count; i++) {
        if (run->tasks[i].waits == 0)
            cl_run_task_ready(&run->tasks[i]);
    }
    cl_run_pump(run);
    cl_run_changed(run);
}

void cl_run_resume(struct cl_run *run)
{
    const enum opened opened = open_session(run);

    if (!run->deadline)
        watch_deadline(run);
    if (opened == OPENED_LATER)
        return;
    if (opened == OPENED_ANEW)
        cl_run_replay(run);
    run->has_news = true;
    cl_run_pump(run);
    cl_run_changed(run);
}

/* -------------------------------------------------------------------------------- stopping */

static void stop_task(struct cl_run_task *task, enum cl_run_stop why)
{
    struct cl_run *run = task->run;

    if (task->state == CL_TASK_EXECUTING && !task->is_claimed) {
        cl_pythonv1_cancel(run->runs->app, task->call); /* its end is told as ever */
        return;
    }
    if (task->state > CL_TASK_RETRY)
        return;
    if (task->is_claimed) {
        task->is_claimed = false;
        run->running--;
    }
    cl_run_task_forget(task);
    if (why == CL_STOP_FAIL_FAST) {
        cl_run_task_set_error(task, CL_CODE_DEPENDENCY, "Skipped: another task failed");
        cl_run_task_end(task, CL_TASK_SKIPPED);
        return;
    }
    cl_run_task_set_error(
        task, why == CL_STOP_TIMEOUT ? CL_CODE_WORKFLOW_TIMEOUT : CL_V1_TASK_CANCELLED,
        stops[why].message);
    cl_run_task_end(task, CL_TASK_CANCELLED);
}

void cl_run_stop(struct cl_run *run, enum cl_run_stop why)
{
    if (run->is_over || run->stop >= why)
        return;
    run->stop = why;
    for (size_t i = 0; i < run->plan.count; i++)
        stop_task(&run->tasks[i], why);
    cl_run_pump(run);
    cl_run_changed(run);
}
