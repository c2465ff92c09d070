/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of a worker -> bytes for its client.
 * Runs in: cloche-api.
 * Trusts: what stream.c let through has the shape it says; its texts are a worker's.
 */
#include "api/reply.h"

#include <string.h>

#include "api/http1/exchange.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

enum {
    EVENTS_MAX = 128 << 20, /* one frame of 16 MiB, every byte escaped in six */
    ARTIFACTS_MAX = 256 << 20,
    EVENTS_KEPT = 1 << 20, /* a buffer larger than this is given back */
};

void cl_reply_init(struct cl_reply *reply, enum cl_reply_form form)
{
    *reply = (struct cl_reply){
        .form = form,
        .output = { CL_KEEP_INIT, CL_KEEP_INIT },
        .events = { form == CL_REPLY_SSE ? CL_EVENTS_SSE : CL_EVENTS_NDJSON, 0,
                    CL_BUF_INIT(EVENTS_MAX) },
        .artifacts = CL_BUF_INIT(ARTIFACTS_MAX),
    };
}

void cl_reply_fini(struct cl_reply *reply)
{
    cl_keep_fini(&reply->output[0]);
    cl_keep_fini(&reply->output[1]);
    cl_buf_fini(&reply->events.out);
    cl_buf_fini(&reply->artifacts);
}

static void note(struct cl_reply *reply, int done, const struct cl_err *err)
{
    if (done < 0 && !reply->is_failed)
        cl_log(CL_ERROR, "reply.failed", "kind=%s what=\"%s\"", cl_err_kind_name(err->kind),
               err->text);
    if (done < 0)
        reply->is_failed = true;
}

static int put_text_event(struct cl_reply *reply, const char *event, const char *text,
                          size_t length, struct cl_err *err)
{
    if (cl_events_open(&reply->events, event, err) < 0 ||
        cl_events_put_text(&reply->events, "text", text, length, err) < 0)
        return -1;
    return cl_events_close(&reply->events, err);
}

static void on_output(void *self, bool is_stderr, const char *text, size_t length)
{
    struct cl_reply *reply = self;
    struct cl_err err = CL_ERR_INIT;
    int done = 0;

    if (reply->form == CL_REPLY_PLAIN || reply->form == CL_REPLY_BOTH)
        done = cl_keep_put(&reply->output[is_stderr], text, length, &err);
    if (reply->form != CL_REPLY_PLAIN && done == 0)
        done = put_text_event(reply, is_stderr ? "stderr" : "stdout", text, length, &err);
    note(reply, done, &err);
}

static int put_log(struct cl_events *events, uint32_t level, const char *text, size_t length,
                   struct cl_err *err)
{
    static const char *const levels[] = { "error", "warning", "info", "debug" };

    if (cl_events_open(events, "log", err) < 0 ||
        cl_events_put_text(events, "level", levels[level], strlen(levels[level]), err) < 0 ||
        cl_events_put_text(events, "message", text, length, err) < 0)
        return -1;
    return cl_events_close(events, err);
}

static void on_log(void *self, uint32_t level, const char *text, size_t length)
{
    struct cl_reply *reply = self;
    struct cl_err err = CL_ERR_INIT;

    if (reply->form != CL_REPLY_PLAIN)
        note(reply, put_log(&reply->events, level, text, length, &err), &err);
}

static int put_item(struct cl_events *events, struct cl_json value, struct cl_err *err)
{
    if (cl_events_open(events, "item", err) < 0 ||
        cl_events_put_json(events, "value", value, err) < 0)
        return -1;
    return cl_events_close(events, err);
}

static void on_item(void *self, struct cl_json value)
{
    struct cl_reply *reply = self;
    struct cl_err err = CL_ERR_INIT;

    if (reply->form != CL_REPLY_PLAIN)
        note(reply, put_item(&reply->events, value, &err), &err);
}

static int put_progress(struct cl_events *events, struct cl_json value, struct cl_err *err)
{
    if (cl_events_open(events, "progress", err) < 0 ||
        cl_events_put_members(events, value, err) < 0)
        return -1;
    return cl_events_close(events, err);
}

static void on_progress(void *self, struct cl_json value)
{
    struct cl_reply *reply = self;
    struct cl_err err = CL_ERR_INIT;

    if (reply->form != CL_REPLY_PLAIN)
        note(reply, put_progress(&reply->events, value, &err), &err);
}

static void on_file(void *self, struct cl_json path, struct cl_json content)
{
    struct cl_reply *reply = self;
    struct cl_err err = CL_ERR_INIT;

    note(reply, cl_envelope_put_artifact(&reply->artifacts, path, content, &err), &err);
}

const struct cl_stream_sink cl_reply_sink = {
    .on_output = on_output,
    .on_log = on_log,
    .on_item = on_item,
    .on_progress = on_progress,
    .on_file = on_file,
};

static int put_started(struct cl_events *events, const char *id, struct cl_err *err)
{
    if (cl_events_open(events, "started", err) < 0 ||
        cl_events_put_text(events, "id", id, strlen(id), err) < 0)
        return -1;
    return cl_events_close(events, err);
}

void cl_reply_put_started(struct cl_reply *reply, const char *id)
{
    struct cl_err err = CL_ERR_INIT;

    if (reply->is_begun)
        return;
    reply->is_begun = true;
    note(reply, put_started(&reply->events, id, &err), &err);
}

void cl_reply_start(struct cl_reply *reply, struct cl_exchange *exchange, const char *id)
{
    if (reply->form == CL_REPLY_PLAIN || reply->is_begun || !exchange)
        return;
    cl_exchange_header(exchange, "X-Accel-Buffering", "no");
    cl_exchange_begin(exchange, 200, cl_events_type(reply->events.form));
    cl_reply_put_started(reply, id);
    cl_reply_send(reply, exchange);
}

bool cl_reply_send(struct cl_reply *reply, struct cl_exchange *exchange)
{
    struct cl_buf *out = &reply->events.out;

    if (exchange && out->length > 0 && !reply->is_failed)
        cl_exchange_write(exchange, out->bytes, out->length);
    cl_buf_clear(out);
    if (out->capacity > EVENTS_KEPT)
        cl_buf_fini(out);
    return !exchange || reply->form == CL_REPLY_PLAIN || cl_exchange_is_drained(exchange);
}

static int put_end(struct cl_reply *reply, const struct cl_envelope *envelope,
                   struct cl_err *err)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_REPLY_ENVELOPE_MAX);

    if (cl_envelope_format(envelope, &text, err) < 0 ||
        cl_events_open(&reply->events, "end", err) < 0 ||
        cl_events_splice(&reply->events, (const char *)text.bytes, text.length, err) < 0)
        return -1;
    return cl_events_close(&reply->events, err);
}

void cl_reply_put_end(struct cl_reply *reply, struct cl_envelope *envelope)
{
    struct cl_err err = CL_ERR_INIT;

    envelope->artifacts = &reply->artifacts;
    envelope->output = NULL; /* it was streamed */
    if (!reply->is_failed)
        note(reply, put_end(reply, envelope, &err), &err);
}

int cl_reply_put_envelope(struct cl_reply *reply, struct cl_envelope *envelope,
                          struct cl_buf *text, struct cl_err *err)
{
    envelope->artifacts = &reply->artifacts;
    envelope->output = reply->output;
    if (cl_buf_put(text, "{", 1, err) < 0 || cl_envelope_format(envelope, text, err) < 0)
        return -1;
    return cl_buf_put(text, "}", 1, err);
}

static int answer(struct cl_reply *reply, struct cl_exchange *exchange,
                  struct cl_envelope *envelope, struct cl_err *err)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_REPLY_ENVELOPE_MAX);

    if (cl_reply_put_envelope(reply, envelope, &text, err) < 0)
        return -1;
    cl_exchange_answer(exchange, 200, "application/json", text.bytes, text.length);
    return 0;
}

void cl_reply_end(struct cl_reply *reply, struct cl_exchange *exchange,
                  struct cl_envelope *envelope)
{
    struct cl_err err = CL_ERR_INIT;

    if (!exchange)
        return;
    if (reply->form != CL_REPLY_PLAIN)
        cl_reply_put_end(reply, envelope);
    else if (!reply->is_failed)
        note(reply, answer(reply, exchange, envelope, &err), &err);

    if (reply->is_failed) {
        cl_exchange_abort(exchange);
    } else if (reply->form != CL_REPLY_PLAIN) {
        cl_reply_send(reply, exchange);
        cl_exchange_finish(exchange);
    }
}
