/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends of stored calls: to the disk first, then to everybody. An end that cannot be written is
 * tried until it can: it is nowhere else.
 * Runs in: cloche-api; the functions named work_* on the store thread.
 * Trusts: what errand.c composed.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "api/async/impl.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

enum { REFUSALS_MAX = 5, OWED_MAX = 4 << 10, EVENTS_MAX = 512 << 20, VERDICT_MAX = 16 };

struct finish {
    struct cl_async_op op;
    char verdict[VERDICT_MAX];
    struct cl_buf envelope;
    struct cl_buf events; /* lines, `end` the last of them */
    uint64_t last;        /* seq of that one */
    bool is_counted_anew; /* it counts from 1, and goes on behind what is stored */
    bool is_bare;         /* nothing of a worker's is in it: it is short */
    unsigned refusals;    /* for want of room, by a disk that has some */
};

static void finish_free(struct finish *finish)
{
    cl_async_op_fini(&finish->op);
    cl_buf_fini(&finish->envelope);
    cl_buf_fini(&finish->events);
    free(finish);
}

/* ------------------------------------------------------------------------------ without a worker */

/* A refusal as the worker would have said it: rule, name, message. */
static int put_denied(const struct cl_async_call *call, const struct cl_refusal *refusal,
                      struct cl_buf *final, struct cl_err *err)
{
    const char *rule = cl_refusal_row(refusal->kind)->slug;
    const struct cl_frame_denied head = {
        .rule_length = (uint32_t)strlen(rule),
        .name_length = (uint32_t)strlen(call->policy),
        .message_length = (uint32_t)strlen(refusal->detail),
    };

    if (cl_buf_put(final, &head, sizeof(head), err) < 0 ||
        cl_buf_put_text(final, rule, err) < 0 || cl_buf_put_text(final, call->policy, err) < 0)
        return -1;
    return cl_buf_put_text(final, refusal->detail, err);
}

static int put_end_event(const struct cl_envelope *envelope, struct cl_buf *out,
                         struct cl_err *err)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(1 << 20);
    struct cl_events events = { CL_EVENTS_NDJSON, 0, CL_BUF_INIT(2 << 20) };

    if (cl_envelope_format(envelope, &text, err) < 0 ||
        cl_events_open(&events, "end", err) < 0 ||
        cl_events_splice(&events, (const char *)text.bytes, text.length, err) < 0 ||
        cl_events_close(&events, err) < 0) {
        cl_buf_fini(&events.out);
        return -1;
    }
    *out = events.out;
    return 0;
}

static int compose(struct cl_envelope *envelope, struct finish *finish, struct cl_err *err)
{
    const struct cl_keep nothing[2] = { CL_KEEP_INIT, CL_KEEP_INIT };

    if (put_end_event(envelope, &finish->events, err) < 0)
        return -1;
    envelope->output = nothing;
    if (cl_buf_put(&finish->envelope, "{", 1, err) < 0 ||
        cl_envelope_format(envelope, &finish->envelope, err) < 0)
        return -1;
    return cl_buf_put(&finish->envelope, "}", 1, err);
}

/* The stored request into `stored`, as far as it can still be read; whether it can. */
static bool read_stored(struct cl_async_call *call, const struct cl_async_ending *ending,
                        struct cl_prepared *stored)
{
    struct cl_buf CL_AUTO(cl_buf_fini) copy = CL_BUF_INIT(ending->length);
    struct cl_refusal ignored = CL_REFUSAL_INIT;
    struct cl_err err = CL_ERR_INIT;
    struct cl_call_sent sent;

    if (!ending->request || cl_buf_put(&copy, ending->request, ending->length, &err) < 0 ||
        cl_async_unpack((char *)copy.bytes, copy.length, &sent, &err) < 0)
        return false;
    cl_trace_id(sent.trace, call->trace);
    return cl_prepare_parse(&sent, stored, &ignored) == 0;
}

/* Into `finish`, whose texts are empty. */
static void compose_end(const struct cl_async_call *call, const struct cl_async_ending *ending,
                        const struct cl_buf *metadata, struct finish *finish)
{
    const struct cl_verdict verdict = { .kind = ending->kind, .message = ending->message };
    const struct cl_msg_end nothing = { 0 };
    const struct cl_buf none = CL_BUF_INIT(0);
    struct cl_stream stream = { .final = CL_BUF_INIT(4096) };
    struct cl_envelope envelope = {
        .id = call->id,
        .verdict = &verdict,
        .stream = &stream,
        .artifacts = &none,
        .metadata = metadata,
        .end = &nothing,
        .policy = call->policy,
    };
    struct cl_err err = CL_ERR_INIT;

    finish->envelope = (struct cl_buf)CL_BUF_INIT(1 << 20);
    finish->last = 1;
    finish->is_counted_anew = finish->is_bare = true;
    if (ending->kind == CL_V_DENIED)
        CL_CHECK(put_denied(call, ending->refusal, &stream.final, &err) == 0);
    stream.final_type = ending->kind == CL_V_DENIED ? CL_F_DENIED : 0;
    CL_CHECK(compose(&envelope, finish, &err) == 0);
    cl_buf_fini(&stream.final);
}

/* ---------------------------------------------------------------------------------- to the disk */

static int take_seq(void *self, const struct cl_store_event *event, struct cl_err *err)
{
    uint64_t *last = self;

    (void)err;
    if (event->seq > *last)
        *last = event->seq;
    return 0;
}

int cl_async_last_seq(struct cl_store *store, const char *tenant, const char *id,
                      uint64_t *last, struct cl_err *err)
{
    *last = 0;
    return cl_store_call_events(store, tenant, id, 0, UINT32_MAX, take_seq, last, err) < 0 ? -1
                                                                                           : 0;
}

static int count_anew(struct cl_store *store, struct finish *finish, struct cl_err *err)
{
    struct cl_buf text = CL_BUF_INIT(EVENTS_MAX);
    uint64_t base = 0;

    if (cl_async_last_seq(store, finish->op.tenant, finish->op.id, &base, err) < 0)
        return -1;
    finish->is_counted_anew = false;
    if (base == 0)
        return 0;
    if (cl_replay_renumber((const char *)finish->events.bytes, finish->events.length, base,
                           &finish->last, &text, err) < 0) {
        cl_buf_fini(&text);
        return -1;
    }
    cl_buf_fini(&finish->events);
    finish->events = text;
    return 0;
}

static int work_finish(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct finish *finish = arg;
    const struct cl_store_call call = {
        .tenant = finish->op.tenant,
        .id = finish->op.id,
        .verdict = finish->verdict,
        .envelope = { finish->envelope.bytes, finish->envelope.length },
        .ended_us = cl_utc_us(),
    };
    struct cl_store_event event;

    if (finish->is_counted_anew && count_anew(store, finish, err) < 0)
        return -1;
    event = (struct cl_store_event){
        .seq = finish->last,
        .line = { finish->events.bytes, finish->events.length },
        .is_owed = finish->is_bare || finish->events.length <= OWED_MAX,
    };
    if (event.line.length > 0 &&
        cl_store_call_event_put(store, call.tenant, call.id, &event, err) < 0)
        return -1;
    return cl_store_call_finish(store, &call, err);
}

/* When there is no room, the end itself is what matters: of the events only the last line. When
 * the quota leaves none for long, that it has ended. A full disk takes neither: then it waits. */
static void shorten(const struct cl_async_call *call, struct finish *finish)
{
    static const struct cl_async_ending lost = {
        .kind = CL_V_LOST,
        .message = "it has run, but there was no room to keep its answer",
    };
    const struct cl_buf none = CL_BUF_INIT(0);
    struct cl_storeq_health health;
    struct cl_buf *text = &finish->events;
    const uint8_t *before =
        text->length > 1 ? memrchr(text->bytes, '\n', text->length - 1) : NULL;

    if (before)
        cl_buf_drop(text, (size_t)(before - text->bytes) + 1);
    cl_storeq_health(call->async->app->storeq, &health);
    if (!health.is_writable || finish->is_bare || ++finish->refusals < REFUSALS_MAX)
        return;
    cl_buf_fini(&finish->events);
    cl_buf_fini(&finish->envelope);
    compose_end(call, &lost, &none, finish);
    strcpy(finish->verdict, cl_verdict_name(lost.kind));
}

static void on_finished(void *arg, const struct cl_err *err)
{
    struct finish *finish = arg;
    struct cl_async_op *op = &finish->op;
    struct cl_async_call *call = cl_async_find(op->async, op->tenant, op->id);

    cl_async_op_done(op);
    /* CL_E_INPUT: there is no such call any more, so its end is nobody's. */
    if (call && err->kind != CL_E_NONE && err->kind != CL_E_INPUT) {
        cl_log(CL_WARN, "async.finish", CL_ASYNC_TEXT " kind=%s what=\"%s\"", CL_ASYNC_OF(call),
               cl_err_kind_name(err->kind), err->text);
        if (err->kind == CL_E_LIMIT)
            shorten(call, finish);
        cl_async_op_again(op);
        return;
    }
    if (call) {
        cl_async_tell_events(call, (const char *)finish->events.bytes, finish->events.length);
        cl_async_over(call);
    }
    finish_free(finish);
}

static void send_finish(struct cl_async_call *call, struct finish *finish, const char *verdict)
{
    cl_async_op_init(&finish->op, call, work_finish, on_finished);
    strncpy(finish->verdict, verdict, sizeof(finish->verdict) - 1);
    finish->op.bytes = finish->envelope.capacity + finish->events.capacity;
    cl_async_run_free(call->run);
    call->run = NULL;
    cl_async_become(call, CL_ASYNC_ENDING);
    if (call->again)
        event_free(call->again);
    call->again = NULL;
    if (!call->item.is_counted) /* it waited */
        cl_asyncq_remove(call->async->queue, &call->item);
    cl_async_persist(&finish->op);
}

void cl_async_finish(struct cl_async_call *call, const char *verdict, struct cl_json envelope,
                     struct cl_buf *events, uint64_t last_seq)
{
    struct finish *finish = calloc(1, sizeof(*finish));
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(finish);
    finish->envelope = (struct cl_buf)CL_BUF_INIT(envelope.length);
    CL_CHECK(cl_buf_put(&finish->envelope, envelope.text, envelope.length, &err) == 0);
    finish->events = *events;
    *events = (struct cl_buf)CL_BUF_INIT(events->limit);
    finish->last = last_seq;
    send_finish(call, finish, verdict);
}

void cl_async_end(struct cl_async_call *call, const struct cl_async_ending *ending)
{
    struct cl_prepared CL_AUTO(cl_prepared_fini) stored = { 0 };
    const bool is_read = read_stored(call, ending, &stored);
    struct finish *finish = calloc(1, sizeof(*finish));

    CL_CHECK(finish);
    compose_end(call, ending, &stored.request.metadata, finish);
    cl_audit_unrun(
        call->async->app->audit,
        &(struct cl_audit_unrun){
            .id = call->id,
            .tenant = call->tenant,
            .key = call->key,
            .policy = call->policy,
            .verdict = cl_verdict_name(ending->kind),
            .trace = call->trace,
            .why = ending->refusal ? cl_refusal_row(ending->refusal->kind)->slug : NULL,
            .request = is_read ? &stored.request : NULL,
            .flags = stored.flags,
        });
    cl_log(CL_INFO, "async.end", CL_ASYNC_TEXT " verdict=%s", CL_ASYNC_OF(call),
           cl_verdict_name(ending->kind));
    send_finish(call, finish, cl_verdict_name(ending->kind));
}
