/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/calls and /v1/eval: from a request to a job, and from its end to an answer.
 * Runs in: cloche-api.
 * Trusts: nothing of the request; of the outcome only what stream.c and verdict.c made of it.
 */
#include <inttypes.h>
#include <string.h>

#include "api/async/async.h"
#include "api/field.h"
#include "api/http1/exchange.h"
#include "api/query.h"
#include "api/sessions/session.h"
#include "api/visit.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

/* ------------------------------------------------------------------------------------- head */

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* A stream only for who names it, and does not like the plain answer better. */
enum cl_reply_form cl_calls_form(const struct cl_visit *visit)
{
    const char *accept = cl_exchange_field(visit->exchange, "accept");
    const int ndjson = cl_field_weight(accept, "application/x-ndjson");
    const int sse = cl_field_weight(accept, "text/event-stream");
    const int plain = larger(
        cl_field_weight(accept, "application/json"),
        larger(cl_field_weight(accept, "application/*"), cl_field_weight(accept, "*/*")));

    if (larger(ndjson, sse) == 0 || larger(ndjson, sse) < plain)
        return CL_REPLY_PLAIN;
    return ndjson >= sse ? CL_REPLY_NDJSON : CL_REPLY_SSE;
}

static int read_query(struct cl_visit *visit, const char *text, struct cl_refusal *refusal)
{
    struct cl_query query = { .name = "detach" };

    if (cl_query_parse(text, &query, 1, refusal) < 0)
        return -1;
    return cl_query_flag(&query, &visit->is_detached, refusal);
}

int cl_calls_check(struct cl_visit *visit, struct cl_refusal *refusal)
{
    const struct cl_exchange *exchange = visit->exchange;

    visit->is_async =
        cl_field_weight(cl_exchange_field(exchange, "prefer"), "respond-async") > 0;
    visit->is_stored = visit->is_async || cl_exchange_field(exchange, "idempotency-key");
    if (visit->is_stored && cl_async_check(visit, refusal) < 0)
        return -1;
    visit->form = cl_calls_form(visit);
    return read_query(visit, cl_exchange_head(exchange)->query, refusal);
}

/* ------------------------------------------------------------------------------------- body */

/* The session that the head names, with the tenant and key that opened it; NULL: none. */
static int find_session(struct cl_visit *visit, enum cl_call_kind kind,
                        struct cl_session **session, struct cl_refusal *refusal)
{
    const char *id = cl_exchange_field(visit->exchange, "cloche-session");

    *session = NULL;
    if (!id || strcmp(id, "none") == 0)
        return 0;
    if (kind == CL_CALL_KIND_EVAL)
        return cl_refusal_set(refusal, CL_R_MALFORMED, "an expression runs in no session");
    *session = cl_session_find(visit->app, visit->tenant, cl_visit_key(visit), id);
    if (!*session)
        return cl_refusal_set(refusal, CL_R_SESSION_NOT_FOUND, "you have no session \"%.64s\"",
                              id);
    return 0;
}

static int take(struct cl_visit *visit, const struct cl_call_sent *sent,
                struct cl_refusal *refusal)
{
    struct cl_prepared CL_AUTO(cl_prepared_fini) prepared = {
        .flags = visit->form == CL_REPLY_PLAIN ? 0 : CL_CALL_STREAM,
    };
    struct cl_job *job;
    int got;

    if (visit->is_stored)
        return cl_async_take(visit, sent, refusal);
    got = cl_prepare(visit->app, visit->tenant, sent, &prepared, refusal);
    if (got == CL_MODULES_LATER)
        return cl_functions_wait(visit, sent, &prepared.want);
    if (got < 0)
        return -1;
    if (!cl_exchange_reserve(visit->exchange, prepared.request.frames.capacity)) {
        refusal->retry_after_s = 1;
        return cl_refusal_set(refusal, CL_R_NO_MEMORY,
                              "other requests hold what there is for a call of this size");
    }
    job = cl_job_new(visit->app->dispatch, prepared.pool, &prepared.request, prepared.flags,
                     visit->form);
    job->exchange = visit->exchange;
    visit->job = job->id;
    if (sent->session)
        cl_session_join(sent->session, job);
    cl_dispatch_submit(visit->app->dispatch, job);
    return 0;
}

int cl_calls_take(struct cl_visit *visit, enum cl_call_kind kind, const char *function,
                  struct cl_json body, struct cl_refusal *refusal)
{
    struct cl_call_sent sent = {
        .kind = kind,
        .function = function,
        .trace = visit->trace,
        .key = cl_visit_key(visit),
        .peer = cl_exchange_peer(visit->exchange),
        .body = body.text,
        .length = body.length,
    };

    if (find_session(visit, kind, &sent.session, refusal) < 0)
        return -1;
    return take(visit, &sent, refusal);
}

int cl_calls_run(struct cl_visit *visit, const char *body, size_t length,
                 struct cl_refusal *refusal)
{
    return cl_calls_take(visit, CL_CALL_KIND_CALL, "", (struct cl_json){ body, length },
                         refusal);
}

int cl_calls_eval(struct cl_visit *visit, const char *body, size_t length,
                  struct cl_refusal *refusal)
{
    return cl_calls_take(visit, CL_CALL_KIND_EVAL, "", (struct cl_json){ body, length },
                         refusal);
}

/* -------------------------------------------------------------------------------------- job */

static void on_start(void *self, struct cl_job *job)
{
    (void)self;
    cl_reply_start(&job->reply, job->exchange, job->name);
}

/* What the call holds until its client has it: frames in, what came out so far. */
static size_t held_by(const struct cl_job *job)
{
    const struct cl_reply *reply = &job->reply;

    return job->request.frames.capacity + job->stream.partial.capacity +
           job->stream.final.capacity + reply->events.out.capacity + reply->artifacts.capacity +
           reply->output[0].text.capacity + reply->output[1].text.capacity;
}

/* The call ends; its client is told, or cut off when the answer has begun. */
static void give_up(struct cl_app *app, struct cl_job *job)
{
    struct cl_refusal why = CL_REFUSAL_INIT;
    struct cl_exchange *exchange = job->exchange;

    cl_log(CL_WARN, "call.memory", CL_JOB_TEXT, CL_JOB_OF(job));
    cl_dispatch_abandon(app->dispatch, job->id, false);
    why.retry_after_s = 1;
    cl_refusal_set(&why, CL_R_NO_MEMORY, "other requests hold what there is for its answer");
    if (job->reply.is_begun)
        cl_exchange_abort(exchange);
    else
        cl_visit_refuse(app, exchange, &why);
}

static bool on_progress(void *self, struct cl_job *job)
{
    if (job->exchange && !cl_exchange_reserve(job->exchange, held_by(job)))
        give_up(self, job);
    return cl_reply_send(&job->reply, job->exchange);
}

static void on_refused(void *self, struct cl_job *job, const struct cl_refusal *why)
{
    cl_log(CL_INFO, "call.refused", CL_JOB_TEXT " policy=%s problem=%s", CL_JOB_OF(job),
           job->policy, cl_refusal_row(why->kind)->slug);
    /* A streamed answer that has begun can only be broken off. */
    if (job->exchange && job->reply.is_begun)
        cl_exchange_abort(job->exchange);
    else if (job->exchange)
        cl_visit_refuse(self, job->exchange, why);
}

/* The worker said that it could not serve: ours to look into. */
static void log_failed(const struct cl_job *job)
{
    struct cl_err err;

    if (job->stream.final_type != CL_F_FAILED)
        return;
    memcpy(&err, job->stream.final.bytes, sizeof(err));
    cl_err_distrust(&err);
    cl_log(CL_ERROR, "call.failed", CL_JOB_TEXT " from=worker kind=%s what=\"%s\"",
           CL_JOB_OF(job), cl_err_kind_name(err.kind), err.text);
}

struct cl_envelope cl_calls_envelope(const struct cl_job *job, const struct cl_verdict *verdict)
{
    return (struct cl_envelope){
        .id = job->name,
        .verdict = verdict,
        .stream = &job->stream,
        .metadata = &job->request.metadata,
        .end = &job->end,
        .queue_us = job->taken_us ? job->taken_us - job->arrived_us : 0,
        .policy = job->policy,
        .generation = job->generation,
        .session = job->session,
    };
}

void cl_calls_note_end(struct cl_app *app, const struct cl_job *job,
                       const struct cl_verdict *verdict)
{
    const uint64_t total_us = cl_clock_us() - job->arrived_us;
    const struct cl_metrics_call counted = {
        .policy = job->policy,
        .verdict = verdict->kind,
        .limit = verdict->limit,
        .total_us = total_us,
        .queue_us = job->taken_us - job->arrived_us,
        .wall_us = job->end.wall_us,
        .cpu_us = job->end.cpu_us,
        .has_run = job->taken_us != 0,
    };

    log_failed(job);
    cl_metrics_count_call(&app->metrics, &counted);
    cl_log(CL_INFO, "call.end",
           CL_JOB_TEXT " policy=%s verdict=%s wall_us=%" PRIu64 " cpu_us=%" PRIu64
                       " total_us=%" PRIu64 " spare=%" PRIu64,
           CL_JOB_OF(job), job->policy, cl_verdict_name(verdict->kind), job->end.wall_us,
           job->end.cpu_us, total_us, job->spare ? job->spare->id : 0);
}

static void on_done(void *self, struct cl_job *job, const struct cl_verdict *verdict)
{
    struct cl_envelope envelope = cl_calls_envelope(job, verdict);
    struct cl_app *app = self;

    cl_audit_call(app->audit, job, verdict); /* before anybody hears of it */
    if (job->exchange)
        cl_exchange_reserve(job->exchange, 0); /* it ends here; the answer counts by itself */
    cl_reply_end(&job->reply, job->exchange, &envelope);
    cl_calls_note_end(self, job, verdict);
}

const struct cl_dispatch_calls cl_calls_jobs = {
    .on_start = on_start,
    .on_progress = on_progress,
    .on_refused = on_refused,
    .on_done = on_done,
};
