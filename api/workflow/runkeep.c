/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changed in a workflow, into the store: all of a turn of the loop in one work, one work of
 * a workflow at a time. Only what is there is told, and only what is there as executing starts.
 * Runs in: cloche-api; the works on the store thread, where they see views that stay as they are.
 * Trusts: -
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/sessions/session.h"
#include "api/storeq.h"
#include "api/tenants/tenant.h"
#include "api/visit.h"
#include "api/workflow/run_impl.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

enum { AGAIN_MS = 500 };

/* ----------------------------------------------------------------------------------- events */

static int put_named(struct cl_buf *out, const char *key, const char *text, struct cl_err *err)
{
    if (cl_buf_format(out, err, ",\"%s\":", key) < 0)
        return -1;
    return cl_json_put_string(out, text, strlen(text), err);
}

static int put_task(struct cl_buf *out, const struct cl_run_task *task, struct cl_err *err)
{
    if (put_named(out, "task_id", task->run->plan.tasks[task->index].id, err) < 0 ||
        put_named(out, "status", cl_task_state_names[task->state], err) < 0 ||
        cl_buf_format(out, err, ",\"attempts\":%" PRIu32, task->attempts) < 0)
        return -1;
    if (task->code && (cl_buf_format(out, err, ",\"code\":%d", task->code) < 0 ||
                       put_named(out, "error_code", cl_run_error_name(task->code), err) < 0))
        return -1;
    if (task->state >= CL_TASK_COMPLETED && task->started_us &&
        cl_buf_format(out, err, ",\"duration_ms\":%" PRId64,
                      (task->ended_us - task->started_us) / 1000) < 0)
        return -1;
    return 0;
}

void cl_run_tell(struct cl_run *run, const struct cl_run_task *task, const char *word)
{
    struct cl_err err = CL_ERR_INIT;
    char text[CL_UTC_SIZE];

    if (cl_buf_format(&run->lines, &err, "{\"seq\":%" PRIu64 ",\"event\":\"%s:%s\"", ++run->seq,
                      task ? "task" : "workflow", word) < 0 ||
        put_named(&run->lines, "workflow_id", run->plan.id, &err) < 0 ||
        (task && put_task(&run->lines, task, &err) < 0) ||
        cl_buf_format(&run->lines, &err, ",\"timestamp\":\"%s\"}\n",
                      cl_utc_text(cl_utc_us(), 6, text)) < 0)
        cl_log(CL_ERROR, "workflow.event", "what=\"%s\"", err.text);
}

/* ------------------------------------------------------------------------------------ views */

void cl_run_touch(struct cl_run_task *task)
{
    if (task->is_dirty)
        return;
    task->is_dirty = true;
    task->run->dirty[task->run->dirty_count++] = task->index;
}

static struct cl_store_task row_of(const struct cl_run_task *task)
{
    const struct cl_run *run = task->run;

    return (struct cl_store_task){
        .tenant = run->tenant->name,
        .workflow = run->plan.id,
        .id = run->plan.tasks[task->index].id,
        .status = cl_task_state_names[task->state],
        .error_code = cl_run_error_name(task->code),
        .result = { task->envelope, task->envelope_length },
        .error = { task->error, task->error_length },
        .position = task->index,
        .attempts = task->attempts,
        .code = task->code,
        .due_us = task->due_us,
        .started_us = task->started_us,
        .ended_us = task->ended_us,
    };
}

static struct cl_store_workflow workflow_of(const struct cl_run *run)
{
    return (struct cl_store_workflow){
        .tenant = run->tenant->name,
        .id = run->plan.id,
        .key = run->key,
        .name = run->plan.name,
        .status = run->status,
        .session = run->session,
        .policy = run->policy,
        .trace = run->trace,
        .document = { run->plan.document.bytes, run->plan.document.length },
        .task_count = (uint32_t)run->plan.count,
        .is_task = run->is_task,
        .is_done = run->is_over,
        .deadline_us = run->deadline_us,
        .created_us = run->created_us,
        .started_us = run->started_us,
        .ended_us = run->ended_us,
    };
}

static int put_lines(struct cl_store *store, const struct cl_store_workflow *workflow,
                     const struct cl_buf *lines, uint64_t seq, struct cl_err *err)
{
    const struct cl_store_event event = { .seq = seq,
                                          .line = { lines->bytes, lines->length - 1 } };

    if (lines->length == 0)
        return 0;
    return cl_store_workflow_event_put(store, workflow->tenant, workflow->id, &event, err);
}

/* ---------------------------------------------------------------------------------- insert */

struct insertion {
    struct cl_run *run;
    struct cl_store_workflow workflow;
    struct cl_store_task *tasks;
    struct cl_buf lines;
    uint64_t seq;
    bool is_taken;
};

static int insert(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct insertion *insertion = arg;
    const int made = cl_store_workflow_insert(store, &insertion->workflow, insertion->tasks,
                                              insertion->workflow.task_count, err);

    if (made < 0)
        return -1;
    insertion->is_taken = made == 0;
    return made == 0
               ? 0
               : put_lines(store, &insertion->workflow, &insertion->lines, insertion->seq, err);
}

static void free_insertion(struct insertion *insertion)
{
    cl_buf_fini(&insertion->lines);
    free(insertion->tasks);
    free(insertion);
}

/* Before anybody hears of it. */
static void tell_kept(const struct cl_run *run)
{
    cl_audit_change(run->runs->app->audit,
                    &(struct cl_audit_change){ .event = "workflow.submit",
                                               .tenant = run->tenant->name,
                                               .key = run->key,
                                               .id = run->plan.id });
}

static void on_inserted(void *arg, const struct cl_err *err)
{
    struct insertion *insertion = arg;
    struct cl_run *run = insertion->run;
    struct cl_refusal why = CL_REFUSAL_INIT;
    const bool is_kept = err->kind == CL_E_NONE && !insertion->is_taken;

    if (err->kind != CL_E_NONE)
        cl_storeq_refuse(&why, err);
    free_insertion(insertion);
    if (is_kept)
        tell_kept(run);
    if (run->on_kept)
        run->on_kept(run->kept_self, is_kept ? NULL : &why);
    run->on_kept = NULL;
    if (!is_kept || run->runs->is_ending)
        cl_run_free(run);
    else
        cl_run_begin(run);
}

int cl_run_insert(struct cl_run *run, struct cl_err *err)
{
    struct insertion *insertion = calloc(1, sizeof(*insertion));

    CL_CHECK(insertion);
    cl_run_tell(run, NULL, "submitted");
    insertion->run = run;
    insertion->workflow = workflow_of(run);
    insertion->tasks = calloc(run->plan.count, sizeof(*insertion->tasks));
    CL_CHECK(insertion->tasks);
    for (size_t i = 0; i < run->plan.count; i++)
        insertion->tasks[i] = row_of(&run->tasks[i]);
    insertion->lines = run->lines;
    insertion->seq = run->seq;
    run->lines = (struct cl_buf)CL_BUF_INIT(run->lines.limit);
    if (cl_storeq_run(run->runs->app->storeq, insert, on_inserted, insertion, err) == 0)
        return 0;
    free_insertion(insertion);
    return -1;
}

/* ----------------------------------------------------------------------------------- flush */

static void send_flush(struct cl_run_flush *flush);

static void free_flush(struct cl_run_flush *flush)
{
    for (size_t i = 0; i < flush->old_count; i++)
        free(flush->old[i]);
    free(flush->old);
    free(flush->updates);
    free(flush->starts);
    cl_buf_fini(&flush->lines);
    free(flush);
}

static int write_flush(struct cl_store *store, void *arg, struct cl_err *err)
{
    const struct cl_run_flush *flush = arg;

    for (size_t i = 0; i < flush->count; i++) {
        if (cl_store_task_update(store, &flush->updates[i], err) < 0)
            return -1;
    }
    if (flush->workflow.is_cancelled &&
        cl_store_workflow_cancel(store, flush->workflow.tenant, flush->workflow.id, err) < 0)
        return -1;
    if (flush->has_workflow && cl_store_workflow_update(store, &flush->workflow, err) < 0)
        return -1;
    return put_lines(store, &flush->workflow, &flush->lines, flush->seq, err);
}

/* Nobody refers to what a task without dependents returned; the store has it. */
static void forget_leaves(struct cl_run *run, const struct cl_run_flush *flush)
{
    for (size_t i = 0; i < flush->count; i++) {
        struct cl_run_task *task = &run->tasks[flush->updates[i].position];
        if (task->is_dirty || task->state < CL_TASK_COMPLETED ||
            run->plan.tasks[task->index].next_count > 0)
            continue;
        free(cl_take_ptr(&task->envelope));
        task->envelope_length = 0;
        task->result = (struct cl_json){ "", 0 };
    }
}

static void tell_watches(struct cl_run *run, bool is_over)
{
    cl_list_for (struct cl_run_watch, watch, node, &run->watches) {
        if (is_over)
            cl_list_unlink(&watch->node);
        watch->on_news(watch, is_over);
    }
}

static void end_session(struct cl_run *run)
{
    struct cl_session *session =
        run->session[0] ? cl_session_find(run->runs->app, run->tenant, run->key, run->session)
                        : NULL;

    if (session)
        cl_session_end(session);
}

static void after_flush(struct cl_run *run, struct cl_run_flush *flush)
{
    const bool is_final = flush->is_final;

    for (size_t i = 0; i < flush->start_count; i++) {
        struct cl_run_task *task = &run->tasks[flush->starts[i]];
        if (task->is_claimed && task->state == CL_TASK_EXECUTING)
            cl_run_start_claimed(run, task);
    }
    run->flush = NULL;
    forget_leaves(run, flush);
    free_flush(flush);
    tell_watches(run, is_final);
    if (!is_final) {
        cl_run_changed(run);
        return;
    }
    cl_audit_change(run->runs->app->audit,
                    &(struct cl_audit_change){ .event = "workflow.end",
                                               .tenant = run->tenant->name,
                                               .key = run->key,
                                               .id = run->plan.id,
                                               .detail_name = "status",
                                               .detail = run->status });
    cl_log(CL_INFO, "workflow.end", "tenant=%s status=%s tasks=%zu completed=%zu",
           run->tenant->name, run->status, run->plan.count, run->completed);
    end_session(run);
    cl_run_free(run);
}

static void on_again(evutil_socket_t fd, short what, void *self)
{
    (void)fd;
    (void)what;
    send_flush(self);
}

static void try_again(struct cl_run_flush *flush, const struct cl_err *err)
{
    const struct timeval wait = { 0, AGAIN_MS * 1000 };
    struct event_base *base = flush->run->runs->app->base;

    if (!flush->is_late)
        cl_log(CL_WARN, "workflow.store", "kind=%s what=\"%s\"", cl_err_kind_name(err->kind),
               err->text);
    flush->is_late = true;
    CL_CHECK(event_base_once(base, -1, EV_TIMEOUT, on_again, flush, &wait) == 0);
}

/* A store that is full or busy holds the workflow up; nothing of it is lost or told. */
static void on_flushed(void *arg, const struct cl_err *err)
{
    struct cl_run_flush *flush = arg;
    struct cl_run *run = flush->run;

    if (run->runs->is_ending) {
        run->flush = NULL;
        free_flush(flush);
    } else if (err->kind == CL_E_NONE) {
        after_flush(run, flush);
    } else {
        try_again(flush, err);
    }
}

static void send_flush(struct cl_run_flush *flush)
{
    struct cl_err err = CL_ERR_INIT;

    if (cl_storeq_run(flush->run->runs->app->storeq, write_flush, on_flushed, flush, &err) < 0)
        try_again(flush, &err);
}

static void take_changes(struct cl_run *run, struct cl_run_flush *flush)
{
    flush->updates = calloc(run->dirty_count + 1, sizeof(*flush->updates));
    flush->starts = calloc(run->claim_count + 1, sizeof(*flush->starts));
    CL_CHECK(flush->updates && flush->starts);
    for (size_t i = 0; i < run->dirty_count; i++) {
        struct cl_run_task *task = &run->tasks[run->dirty[i]];
        task->is_dirty = false;
        flush->updates[flush->count++] = row_of(task);
    }
    memcpy(flush->starts, run->claims, run->claim_count * sizeof(*run->claims));
    flush->start_count = run->claim_count;
    run->dirty_count = run->claim_count = 0;
}

static void on_turn(evutil_socket_t fd, short what, void *self)
{
    struct cl_run *run = self;
    struct cl_run_flush *flush;

    (void)fd;
    (void)what;
    if (run->flush || (run->dirty_count == 0 && run->lines.length == 0 && !run->has_news))
        return;
    flush = calloc(1, sizeof(*flush));
    CL_CHECK(flush);
    flush->run = run;
    take_changes(run, flush);
    flush->workflow = workflow_of(run);
    flush->workflow.is_cancelled = run->is_cancel_asked;
    flush->has_workflow = run->has_news;
    flush->is_final = run->is_over;
    flush->lines = run->lines;
    flush->seq = run->seq;
    run->lines = (struct cl_buf)CL_BUF_INIT(run->lines.limit);
    run->has_news = run->is_cancel_asked = false;
    run->flush = flush;
    send_flush(flush);
}

void cl_run_changed(struct cl_run *run)
{
    if (!run->turn) {
        run->turn = event_new(run->runs->app->base, -1, 0, on_turn, run);
        CL_CHECK(run->turn);
    }
    event_active(run->turn, EV_TIMEOUT, 0);
}
