/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs whose end goes to callbacks instead of an exchange.
 * Runs in: cloche-api.
 * Trusts: the owner's callbacks; of a worker only what stream.c and verdict.c made of it.
 */
#include "api/errand.h"

#include <event2/event.h>
#include <string.h>

#include "api/visit.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

struct cl_errand {
    struct cl_list node;    /* of all */
    struct cl_list waiting; /* for the next turn of the loop: to be submitted, or to end */
    struct cl_app *app;
    const struct cl_errand_calls *calls;
    void *self;
    uint64_t id; /* of its job */
};

struct cl_errands {
    struct cl_list all;
    struct cl_list waiting;
    struct event *turn;
};

static const struct cl_errand_calls nobody;

/* ------------------------------------------------------------------------------------ its end */

static void errand_free(struct cl_errand *errand)
{
    cl_list_unlink(&errand->waiting);
    cl_list_unlink(&errand->node);
    free(errand);
}

static struct cl_json view_of(const char *text)
{
    return (struct cl_json){ text, strlen(text) };
}

/* The same words as the envelope has. */
static void put_texts(struct cl_errand_end *end, const struct cl_job *job)
{
    struct cl_stream_texts texts;

    if (end->verdict != CL_V_ERROR && end->verdict != CL_V_DENIED)
        return;
    if (end->detail->is_protocol || end->detail->is_syscall) {
        end->text[0] = view_of(end->detail->is_protocol ? "ProtocolError" : "syscall");
        end->text[end->detail->is_protocol ? 1 : 2] =
            view_of(end->detail->is_protocol ? "the worker broke the frame protocol"
                                             : "a system call that the policy does not allow");
        return;
    }
    texts = cl_stream_texts(&job->stream);
    memcpy(end->text, texts.text, sizeof(end->text));
    end->line = texts.line;
    end->column = texts.column;
}

static void pass_events(struct cl_errand *errand, struct cl_job *job)
{
    struct cl_buf *out = &job->reply.events.out;

    if (out->length > 0 && errand->calls->on_events && !job->reply.is_failed)
        errand->calls->on_events(errand->self, (const char *)out->bytes, out->length);
    cl_buf_clear(out);
}

/* What does not fit into an answer is our fault, and the answer still comes. */
static int compose(struct cl_job *job, struct cl_verdict *verdict, struct cl_buf *text)
{
    struct cl_envelope envelope = cl_calls_envelope(job, verdict);
    struct cl_err err = CL_ERR_INIT;

    if (!job->reply.is_failed && cl_reply_put_envelope(&job->reply, &envelope, text, &err) == 0)
        return 0;
    cl_log(CL_ERROR, "errand.failed", CL_JOB_TEXT " what=\"%s\"", CL_JOB_OF(job), err.text);
    *verdict =
        (struct cl_verdict){ .kind = CL_V_LOST, .message = "its answer could not be composed" };
    job->reply.is_failed = false;
    cl_buf_clear(text);
    cl_buf_fini(&job->reply.artifacts);
    cl_keep_fini(&job->reply.output[0]);
    cl_keep_fini(&job->reply.output[1]);
    return cl_reply_put_envelope(&job->reply, &envelope, text, &err);
}

static void tell_end(struct cl_errand *errand, struct cl_job *job, struct cl_verdict verdict)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_REPLY_ENVELOPE_MAX);
    struct cl_envelope envelope;
    struct cl_errand_end end = { .id = errand->id, .name = job->name };

    CL_CHECK(compose(job, &verdict, &text) == 0);
    cl_audit_call(errand->app->audit, job, &verdict);
    cl_calls_note_end(errand->app, job, &verdict);
    if (job->reply.form == CL_REPLY_BOTH) {
        envelope = cl_calls_envelope(job, &verdict);
        cl_reply_put_end(&job->reply, &envelope);
        pass_events(errand, job);
    }
    end.envelope = (struct cl_json){ (const char *)text.bytes, text.length };
    end.verdict = verdict.kind;
    end.detail = &verdict;
    if (verdict.kind == CL_V_OK)
        end.result =
            (struct cl_json){ (const char *)job->stream.final.bytes, job->stream.final.length };
    put_texts(&end, job);
    end.output = job->reply.output;
    end.usage = &job->end;
    end.queue_us = job->taken_us ? job->taken_us - job->arrived_us : 0;
    end.generation = job->generation;
    if (errand->calls->on_end)
        errand->calls->on_end(errand->self, &end);
}

/* ---------------------------------------------------------------------------------- dispatcher */

static void on_start(void *self, struct cl_job *job)
{
    struct cl_errand *errand = self;

    if (job->attempts > 1)
        return; /* it got another worker; the first one had read nothing */
    if (errand->calls->on_start)
        errand->calls->on_start(errand->self, errand->id);
    if (job->reply.form == CL_REPLY_BOTH) {
        cl_reply_put_started(&job->reply, job->name);
        pass_events(errand, job);
    }
}

static bool on_progress(void *self, struct cl_job *job)
{
    pass_events(self, job);
    return true;
}

static void on_refused(void *self, struct cl_job *job, const struct cl_refusal *why)
{
    struct cl_errand *errand = self;
    const struct cl_errand_end end = { .id = errand->id, .name = job->name, .refusal = why };

    cl_log(CL_INFO, "call.refused", CL_JOB_TEXT " policy=%s problem=%s", CL_JOB_OF(job),
           job->policy, cl_refusal_row(why->kind)->slug);
    if (errand->calls->on_end)
        errand->calls->on_end(errand->self, &end);
    errand_free(errand);
}

static void on_done(void *self, struct cl_job *job, const struct cl_verdict *verdict)
{
    struct cl_errand *errand = self;

    tell_end(errand, job, *verdict);
    errand_free(errand);
}

static const struct cl_dispatch_calls errand_jobs = {
    .on_start = on_start,
    .on_progress = on_progress,
    .on_refused = on_refused,
    .on_done = on_done,
};

/* ---------------------------------------------------------------------------- turn of the loop */

/* What was accepted before the log got stuck: whoever wants it tries again later. */
static void refuse_unlogged(struct cl_errand *errand, struct cl_job *job)
{
    struct cl_refusal why = CL_REFUSAL_INIT;

    why.retry_after_s = 1;
    cl_refusal_set(&why, CL_R_NOT_READY, "the audit log can't be written");
    cl_dispatch_refuse(errand->app->dispatch, job, &why);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct cl_errands *errands = arg;
    struct cl_list now;

    (void)fd;
    (void)what;
    /* Those that come while these are told wait for the next turn. */
    cl_list_init(&now);
    while (!cl_list_is_empty(&errands->waiting)) {
        struct cl_list *node = errands->waiting.next;

        cl_list_unlink(node);
        cl_list_append(&now, node);
    }
    while (!cl_list_is_empty(&now)) {
        struct cl_errand *errand = cl_list_entry(now.next, struct cl_errand, waiting);
        struct cl_job *job = cl_job_find(errand->app->dispatch, errand->id);

        cl_list_unlink(&errand->waiting);
        if (!job->is_errand)
            cl_dispatch_cancel(errand->app->dispatch, job);
        else if (!cl_audit_may_serve(errand->app->audit))
            refuse_unlogged(errand, job);
        else
            cl_dispatch_submit(errand->app->dispatch, job);
    }
}

static struct cl_errands *errands_of(struct cl_app *app)
{
    struct cl_errands *errands = app->errands;

    if (errands)
        return errands;
    errands = calloc(1, sizeof(*errands));
    CL_CHECK(errands);
    cl_list_init(&errands->all);
    cl_list_init(&errands->waiting);
    errands->turn = event_new(app->base, -1, 0, on_turn, errands);
    CL_CHECK(errands->turn);
    app->errands = errands;
    return errands;
}

static void wait_for_turn(struct cl_errand *errand)
{
    struct cl_errands *errands = errand->app->errands;

    cl_list_unlink(&errand->waiting);
    cl_list_append(&errands->waiting, &errand->waiting);
    event_active(errands->turn, EV_TIMEOUT, 1);
}

/* ------------------------------------------------------------------------------------ its owner */

uint64_t cl_errand_start(struct cl_app *app, struct cl_pool *pool, struct cl_request *request,
                         uint32_t flags, const struct cl_errand_calls *calls, void *self)
{
    struct cl_errands *errands = errands_of(app);
    struct cl_errand *errand = calloc(1, sizeof(*errand));
    struct cl_job *job;

    CL_CHECK(errand);
    job = cl_job_new(app->dispatch, pool, request, flags,
                     flags & CL_CALL_STREAM ? CL_REPLY_BOTH : CL_REPLY_PLAIN);
    job->calls = &errand_jobs;
    job->self = errand;
    job->is_errand = true;
    *errand = (struct cl_errand){ .app = app, .calls = calls, .self = self, .id = job->id };
    cl_list_init(&errand->waiting);
    cl_list_append(&errands->all, &errand->node);
    wait_for_turn(errand);
    return errand->id;
}

static struct cl_job *job_of(const struct cl_app *app, uint64_t id)
{
    struct cl_job *job = cl_job_find(app->dispatch, id);

    return job && job->calls == &errand_jobs ? job : NULL;
}

void cl_errand_name(struct cl_app *app, uint64_t id, const char *name)
{
    struct cl_job *job = job_of(app, id);

    CL_CHECK(job && job->state == CL_JOB_NEW && strlen(name) < sizeof(job->name));
    strcpy(job->name, name);
}

void cl_errand_cancel(struct cl_app *app, uint64_t id)
{
    struct cl_job *job = job_of(app, id);

    if (!job || !job->is_errand)
        return;
    job->is_errand = false; /* nobody wants it to run any more */
    if (cl_dispatch_withdraw(app->dispatch, job))
        wait_for_turn(job->self);
    else
        cl_dispatch_abandon(app->dispatch, id, false);
}

void cl_errand_forget(struct cl_app *app, uint64_t id)
{
    struct cl_job *job = job_of(app, id);

    if (!job)
        return;
    ((struct cl_errand *)job->self)->calls = &nobody;
    cl_errand_cancel(app, id);
}

void cl_errands_free(struct cl_app *app)
{
    struct cl_errands *errands = app->errands;

    if (!errands)
        return;
    cl_list_each (node, keep, &errands->all)
        errand_free(cl_list_entry(node, struct cl_errand, node));
    event_free(errands->turn);
    free(errands);
    app->errands = NULL;
}
