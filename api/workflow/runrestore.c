/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workflows that were not over when the service ended: planned again from their documents, tasks
 * as the store has them. What was executing may have run, so it is run again only where it may be
 * retried.
 * Runs in: cloche-api; the reading on the store thread.
 * Trusts: the store to hold what it was given; a document that does not plan is skipped, loudly.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/storeq.h"
#include "api/tenants/tenant.h"
#include "api/visit.h"
#include "api/workflow/document.h"
#include "api/workflow/run_impl.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

struct saved_task {
    enum cl_task_state state;
    uint32_t attempts;
    int32_t code;
    int64_t due_us, started_us, ended_us;
    char *result, *error;
    size_t result_length, error_length;
};

struct saved {
    struct saved *next;
    char *tenant, *id, *key, *session, *policy, *trace, *document;
    size_t document_length;
    bool is_task, is_cancelled;
    int64_t created_us, started_us, deadline_us;
    uint64_t seq; /* of the last event */
    uint32_t count;
    struct saved_task *tasks;
};

struct restoring {
    struct cl_runs *runs;
    struct saved *first, **end;
    struct saved *at;
};

static char *keep(const void *bytes, size_t length)
{
    char *made = malloc(length + 1);

    CL_CHECK(made);
    if (length > 0)
        memcpy(made, bytes, length);
    made[length] = '\0';
    return made;
}

/* ----------------------------------------------------------------------- on the store thread */

static int on_workflow(void *self, const struct cl_store_workflow *row, struct cl_err *err)
{
    struct restoring *restoring = self;
    struct saved *saved = calloc(1, sizeof(*saved));

    (void)err;
    CL_CHECK(saved);
    *saved = (struct saved){
        .tenant = keep(row->tenant, strlen(row->tenant)),
        .id = keep(row->id, strlen(row->id)),
        .key = keep(row->key, strlen(row->key)),
        .session = keep(row->session, strlen(row->session)),
        .policy = keep(row->policy, strlen(row->policy)),
        .trace = keep(row->trace, strlen(row->trace)),
        .document = keep(row->document.bytes, row->document.length),
        .document_length = row->document.length,
        .is_task = row->is_task,
        .is_cancelled = row->is_cancelled,
        .created_us = row->created_us,
        .started_us = row->started_us,
        .deadline_us = row->deadline_us,
        .count = row->task_count,
        .tasks = calloc(row->task_count + 1, sizeof(*saved->tasks)),
    };
    CL_CHECK(saved->tasks);
    *restoring->end = saved;
    restoring->end = &saved->next;
    return 0;
}

static enum cl_task_state state_of(const char *name)
{
    for (unsigned i = 0; i <= CL_TASK_SKIPPED; i++) {
        if (strcmp(name, cl_task_state_names[i]) == 0)
            return (enum cl_task_state)i;
    }
    return CL_TASK_QUEUED;
}

static int on_task(void *self, const struct cl_store_task *row, struct cl_err *err)
{
    struct saved *saved = ((struct restoring *)self)->at;
    struct saved_task *task;

    if (row->position >= saved->count)
        return cl_fail(err, CL_E_LOST, "a workflow with more tasks than it has");
    task = &saved->tasks[row->position];
    *task = (struct saved_task){
        .state = state_of(row->status),
        .attempts = row->attempts,
        .code = row->code,
        .due_us = row->due_us,
        .started_us = row->started_us,
        .ended_us = row->ended_us,
        .result = row->result.bytes ? keep(row->result.bytes, row->result.length) : NULL,
        .error = row->error.bytes ? keep(row->error.bytes, row->error.length) : NULL,
        .result_length = row->result.length,
        .error_length = row->error.length,
    };
    return 0;
}

static int on_event(void *self, const struct cl_store_event *event, struct cl_err *err)
{
    (void)err;
    ((struct restoring *)self)->at->seq = event->seq;
    return 0;
}

static int read_all(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct restoring *restoring = arg;

    if (cl_store_workflow_left_all(store, on_workflow, restoring, err) < 0)
        return -1;
    for (struct saved *at = restoring->first; at; at = at->next) {
        restoring->at = at;
        if (cl_store_tasks(store, at->tenant, at->id, on_task, restoring, err) < 0 ||
            cl_store_workflow_events(store, at->tenant, at->id, 0, UINT32_MAX, on_event,
                                     restoring, err) < 0)
            return -1;
    }
    return 0;
}

/* ------------------------------------------------------------------------- on the event loop */

static void free_saved(struct saved *saved)
{
    for (uint32_t i = 0; i < saved->count; i++) {
        free(saved->tasks[i].result);
        free(saved->tasks[i].error);
    }
    free(saved->tasks);
    free(saved->tenant);
    free(saved->id);
    free(saved->key);
    free(saved->session);
    free(saved->policy);
    free(saved->trace);
    free(saved->document);
    free(saved);
}

static uint32_t no_random(void *self)
{
    (void)self;
    return 0; /* a normalised document has all its ids */
}

static int plan_again(const struct saved *saved, struct cl_plan *plan)
{
    static const struct cl_plan_env env = { no_random, NULL, NULL };
    struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
    struct cl_err err = CL_ERR_INIT;

    if (cl_document_parse_json(&tree, saved->document, saved->document_length, &err) < 0)
        return -1;
    return cl_plan_init(plan, tree.root, &env) < 0 || plan->count != saved->count ? -1 : 0;
}

/* What ended stays; what did not is queued, but may not start yet. */
static void put_back(struct cl_run_task *task, const struct saved_task *saved)
{
    struct cl_run *run = task->run;

    task->attempts = saved->attempts;
    task->started_us = saved->started_us;
    task->ended_us = saved->ended_us;
    task->due_us = saved->due_us;
    task->code = saved->code;
    task->state = saved->state;
    if (saved->result)
        cl_run_task_set_envelope(task, saved->result, saved->result_length);
    if (saved->error) {
        task->error = keep(saved->error, saved->error_length);
        task->error_length = saved->error_length;
    }
    if (task->state == CL_TASK_FAILED && run->plan.on_failure == CL_PLAN_FAIL_FAST)
        run->stop = CL_STOP_FAIL_FAST;
    run->open -= task->state >= CL_TASK_COMPLETED;
    run->completed += task->state == CL_TASK_COMPLETED;
}

static void count_waits(struct cl_run *run)
{
    for (size_t i = 0; i < run->plan.count; i++) {
        const struct cl_plan_task *plan = &run->plan.tasks[i];
        for (size_t k = 0; k < plan->need_count; k++)
            run->tasks[i].waits -= run->tasks[plan->needs[k]].state == CL_TASK_COMPLETED;
    }
}

static void on_replayed(void *self, const struct cl_v1_answer *answer)
{
    struct cl_run *run = self;

    if (answer->is_failed)
        cl_log(CL_WARN, "workflow.replay", "tenant=%s code=%d", run->tenant->name,
               answer->code);
    run->replay = 0;
    cl_run_replay(run);
    cl_run_pump(run);
    cl_run_changed(run);
}

static const struct cl_v1_calls replay_calls = { .on_done = on_replayed };

static bool is_registration(const struct cl_run *run, size_t index)
{
    const char *method = run->plan.tasks[index].method;

    return run->tasks[index].state == CL_TASK_COMPLETED &&
           (strcmp(method, "register") == 0 || strcmp(method, "python/register") == 0 ||
            strcmp(method, "unregister") == 0);
}

/* One after the other in the document's order. They are not told as attempts: what they say was
 * said before. */
void cl_run_replay(struct cl_run *run)
{
    const struct cl_v1_caller caller = { .tenant = run->tenant,
                                         .policy = run->policy,
                                         .key = run->key,
                                         .session = run->session,
                                         .task_id = "",
                                         .trace = run->trace };
    struct cl_err err = CL_ERR_INIT;

    while (run->replayed < run->plan.count && run->open > 0) {
        struct cl_run_task *task = &run->tasks[run->replayed++];
        if (!is_registration(run, task->index) || cl_run_put_params(task, &err) < 0)
            continue;
        const struct cl_v1_want want = {
            run->plan.tasks[task->index].method,
            { (const char *)task->params.bytes, task->params.length },
        };
        run->replay =
            cl_v1_start_scoped(run->runs->app, &caller, run->session[0] ? NULL : &run->scope,
                               &want, &replay_calls, run);
        cl_buf_fini(&task->params);
        return;
    }
}

static void go_on(struct cl_run_task *task)
{
    const struct cl_json no_exception = { "", 0 };
    /* A clock that was set back meanwhile lets nobody wait for longer than a retry may. */
    const int64_t latest =
        cl_utc_us() + (int64_t)task->run->plan.tasks[task->index].retry.most_ms * 1000;

    if (task->state == CL_TASK_RETRY) {
        cl_run_task_wait(task, task->due_us < latest ? task->due_us : latest);
    } else if (task->state == CL_TASK_EXECUTING) {
        cl_run_task_forget(task);
        cl_run_task_set_error(task, CL_V1_LOST, "The service ended while the task ran");
        if (!cl_run_task_retry(task, true, no_exception))
            cl_run_task_end(task, CL_TASK_FAILED);
    }
}

static void restore(struct cl_runs *runs, const struct saved *saved, struct cl_tenant *tenant,
                    struct cl_plan *plan)
{
    const struct cl_run_ask ask = { tenant, saved->key, saved->policy, saved->is_task,
                                    saved->trace };
    struct cl_run *run = cl_run_new(runs, &ask, plan);
    bool has_begun = saved->started_us != 0;

    run->created_us = saved->created_us;
    run->started_us = saved->started_us;
    run->deadline_us = saved->deadline_us;
    run->seq = saved->seq;
    snprintf(run->session, sizeof(run->session), "%s", saved->session);
    for (size_t i = 0; i < run->plan.count; i++)
        put_back(&run->tasks[i], &saved->tasks[i]);
    if (!has_begun) {
        cl_run_begin(run);
    } else {
        count_waits(run);
        for (size_t i = 0; i < run->plan.count; i++) {
            if (run->tasks[i].state == CL_TASK_QUEUED && run->tasks[i].waits == 0)
                cl_run_task_ready(&run->tasks[i]);
        }
        for (size_t i = 0; i < run->plan.count; i++)
            go_on(&run->tasks[i]);
        cl_run_resume(run);
    }
    if (saved->is_cancelled)
        cl_run_stop(run, CL_STOP_CANCEL);
}

static void on_read(void *arg, const struct cl_err *err)
{
    struct restoring *restoring = arg;
    struct cl_runs *runs = restoring->runs;
    size_t count = 0;

    if (err->kind != CL_E_NONE)
        cl_log(CL_ERROR, "workflow.restore", "kind=%s what=\"%s\"", cl_err_kind_name(err->kind),
               err->text);
    for (struct saved *at = restoring->first, *next = NULL; at; at = next) {
        struct cl_plan plan = { 0 };
        struct cl_tenant *tenant = cl_tenancy_named(runs->app->tenancy, at->tenant);

        next = at->next;
        if (err->kind == CL_E_NONE && !runs->is_ending && tenant &&
            plan_again(at, &plan) == 0) {
            restore(runs, at, tenant, &plan);
            count++;
        } else {
            cl_log(CL_ERROR, "workflow.stuck", "tenant=%s has_tenant=%d", at->tenant,
                   tenant != NULL);
        }
        cl_plan_fini(&plan);
        free_saved(at);
    }
    if (count > 0)
        cl_log(CL_INFO, "workflow.restored", "count=%zu", count);
    free(restoring);
}

int cl_runs_restore(struct cl_runs *runs, struct cl_err *err)
{
    struct restoring *restoring = calloc(1, sizeof(*restoring));

    CL_CHECK(restoring);
    restoring->runs = runs;
    restoring->end = &restoring->first;
    if (cl_storeq_run(runs->app->storeq, read_all, on_read, restoring, err) == 0)
        return 0;
    free(restoring);
    return -1;
}
