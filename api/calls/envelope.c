/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Composes the outcome of a call.
 * Runs in: cloche-api.
 * Trusts: the stream's checks for RESULT and the lengths of texts; texts themselves are a
 * worker's and are cut and escaped here.
 */
#include "api/calls/envelope.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "sandbox/base/own.h"

enum { NAME_BYTES = 256, MESSAGE_BYTES = 16 << 10, TRACEBACK_BYTES = 64 << 10 };

static int put_cut(struct cl_buf *out, const char *name, struct cl_json text, size_t most,
                   struct cl_err *err)
{
    const size_t length =
        text.length > most ? cl_json_utf8_prefix(text.text, most) : text.length;

    if (cl_buf_format(out, err, "\"%s\":", name) < 0)
        return -1;
    return cl_json_put_string(out, text.text, length, err);
}

static int put_place(struct cl_buf *out, const char *name, int32_t number, struct cl_err *err)
{
    if (number > 0)
        return cl_buf_format(out, err, ",\"%s\":%" PRId32, name, number);
    return cl_buf_format(out, err, ",\"%s\":null", name);
}

static int put_result(const struct cl_envelope *e, struct cl_buf *out, struct cl_err *err)
{
    const struct cl_buf *result = &e->stream->final;

    if (cl_buf_put_text(out, ",\"result\":", err) < 0)
        return -1;
    return cl_buf_put(out, result->bytes, result->length, err);
}

static int put_error(const struct cl_envelope *e, struct cl_buf *out, struct cl_err *err)
{
    struct cl_stream_texts texts;

    if (e->verdict->is_protocol)
        return cl_buf_put_text(
            out,
            ",\"error\":{\"type\":\"ProtocolError\",\"message\":\"the worker "
            "broke the frame protocol\",\"traceback\":\"\",\"line\":null,"
            "\"column\":null}",
            err);
    texts = cl_stream_texts(e->stream);
    if (cl_buf_put_text(out, ",\"error\":{", err) < 0 ||
        put_cut(out, "type", texts.text[0], NAME_BYTES, err) < 0 ||
        cl_buf_put(out, ",", 1, err) < 0 ||
        put_cut(out, "message", texts.text[1], MESSAGE_BYTES, err) < 0 ||
        cl_buf_put(out, ",", 1, err) < 0 ||
        put_cut(out, "traceback", texts.text[2], TRACEBACK_BYTES, err) < 0 ||
        put_place(out, "line", texts.line, err) < 0 ||
        put_place(out, "column", texts.column, err) < 0)
        return -1;
    return cl_buf_put(out, "}", 1, err);
}

static int put_denied(const struct cl_envelope *e, struct cl_buf *out, struct cl_err *err)
{
    struct cl_stream_texts texts;

    if (e->verdict->is_syscall)
        return cl_buf_put_text(out,
                               ",\"denied\":{\"rule\":\"syscall\",\"name\":null,\"message\":"
                               "\"a system call that the policy does not allow\","
                               "\"line\":null,\"column\":null}",
                               err);
    texts = cl_stream_texts(e->stream);
    if (cl_buf_put_text(out, ",\"denied\":{", err) < 0 ||
        put_cut(out, "rule", texts.text[0], NAME_BYTES, err) < 0 ||
        cl_buf_put(out, ",", 1, err) < 0 ||
        put_cut(out, "name", texts.text[1], NAME_BYTES, err) < 0 ||
        cl_buf_put(out, ",", 1, err) < 0 ||
        put_cut(out, "message", texts.text[2], MESSAGE_BYTES, err) < 0 ||
        put_place(out, "line", texts.line, err) < 0 ||
        put_place(out, "column", texts.column, err) < 0)
        return -1;
    return cl_buf_put(out, "}", 1, err);
}

/* What a worker that keeps a limit by itself says about it: where, and what was asked for. */
static int put_claim(const struct cl_envelope *e, struct cl_buf *out, struct cl_err *err)
{
    const struct cl_buf *final = &e->stream->final;
    struct cl_frame_limit claim;
    struct cl_json text;

    memcpy(&claim, final->bytes, sizeof(claim));
    if (claim.line <= 0)
        return 0;
    text.text = (const char *) final->bytes + sizeof(claim);
    text.length = final->length - sizeof(claim);
    if (put_place(out, "line", claim.line, err) < 0 ||
        put_place(out, "column", claim.column, err) < 0 || cl_buf_put(out, ",", 1, err) < 0)
        return -1;
    return put_cut(out, "message", text, MESSAGE_BYTES, err);
}

static int put_limit(const struct cl_envelope *e, struct cl_buf *out, struct cl_err *err)
{
    const struct cl_verdict *v = e->verdict;

    if (cl_buf_format(out, err,
                      ",\"limit\":{\"name\":\"%s\",\"value\":%" PRIu64
                      ",\"unit\":\"%s\",\"used\":%" PRIu64,
                      cl_limit_name(v->limit), v->value, cl_limit_unit(v->limit), v->used) < 0)
        return -1;
    if (v->is_own && put_claim(e, out, err) < 0)
        return -1;
    return cl_buf_put(out, "}", 1, err);
}

static int put_crash(const struct cl_envelope *e, struct cl_buf *out, struct cl_err *err)
{
    char room[16];

    if (e->verdict->signal == 0)
        return cl_buf_format(out, err, ",\"crash\":{\"signal\":null,\"exit_status\":%d}",
                             e->verdict->status);
    return cl_buf_format(out, err, ",\"crash\":{\"signal\":\"%s\",\"exit_status\":null}",
                         cl_verdict_signal(e->verdict->signal, room));
}

static int put_lost(const struct cl_envelope *e, struct cl_buf *out, struct cl_err *err)
{
    if (cl_buf_put_text(out, ",\"message\":", err) < 0)
        return -1;
    return cl_json_put_string(out, e->verdict->message, strlen(e->verdict->message), err);
}

static int (*const carriers[CL_V_COUNT_])(const struct cl_envelope *, struct cl_buf *,
                                          struct cl_err *) = {
    [CL_V_OK] = put_result,   [CL_V_ERROR] = put_error,   [CL_V_DENIED] = put_denied,
    [CL_V_LIMIT] = put_limit, [CL_V_CRASHED] = put_crash, [CL_V_LOST] = put_lost,
};

static int put_output(const struct cl_envelope *e, struct cl_buf *out, struct cl_err *err)
{
    const bool is_kept = e->output != NULL;

    if (is_kept && (cl_buf_put_text(out, ",\"stdout\":", err) < 0 ||
                    cl_keep_format(&e->output[0], out, err) < 0 ||
                    cl_buf_put_text(out, ",\"stderr\":", err) < 0 ||
                    cl_keep_format(&e->output[1], out, err) < 0))
        return -1;
    return cl_buf_format(out, err,
                         ",\"stdout_bytes\":%" PRIu64 ",\"stderr_bytes\":%" PRIu64
                         ",\"stdout_truncated\":%s,\"stderr_truncated\":%s",
                         e->stream->output_bytes[0], e->stream->output_bytes[1],
                         is_kept && cl_keep_is_truncated(&e->output[0]) ? "true" : "false",
                         is_kept && cl_keep_is_truncated(&e->output[1]) ? "true" : "false");
}

static int put_rest(const struct cl_envelope *e, struct cl_buf *out, struct cl_err *err)
{
    if (cl_buf_put_text(out, ",\"artifacts\":[", err) < 0 ||
        cl_buf_put(out, e->artifacts->bytes, e->artifacts->length, err) < 0 ||
        cl_buf_format(out, err,
                      "],\"usage\":{\"queue_us\":%" PRIu64 ",\"wall_us\":%" PRIu64
                      ",\"cpu_us\":%" PRIu64 ",\"memory_peak_bytes\":%" PRIu64
                      "},\"policy\":{\"name\":\"%s\",\"generation\":%" PRIu32 "},\"metadata\":",
                      e->queue_us, e->end->wall_us, e->end->cpu_us, e->end->memory_peak_bytes,
                      e->policy, e->generation) < 0)
        return -1;
    if (e->metadata->length == 0)
        return cl_buf_put_text(out, "null", err);
    return cl_buf_put(out, e->metadata->bytes, e->metadata->length, err);
}

static int put_session(const struct cl_envelope *e, struct cl_buf *out, struct cl_err *err)
{
    if (!e->session)
        return 0;
    return cl_buf_format(
        out, err, ",\"session\":{\"id\":\"%s\",\"restarts\":%" PRIu32 ",\"restarted\":%s}",
        e->session->id, e->session->restarts, e->session->is_restarted ? "true" : "false");
}

int cl_envelope_format(const struct cl_envelope *e, struct cl_buf *out, struct cl_err *err)
{
    if (cl_buf_format(out, err, "\"id\":\"%s\",\"verdict\":\"%s\"", e->id,
                      cl_verdict_name(e->verdict->kind)) < 0)
        return -1;
    if (carriers[e->verdict->kind] && carriers[e->verdict->kind](e, out, err) < 0)
        return -1;
    if (put_output(e, out, err) < 0)
        return -1;
    return put_rest(e, out, err) < 0 ? -1 : put_session(e, out, err);
}

int cl_envelope_put_artifact(struct cl_buf *artifacts, struct cl_json path,
                             struct cl_json content, struct cl_err *err)
{
    const size_t encoded =
        sodium_base64_encoded_len(content.length, sodium_base64_VARIANT_ORIGINAL);
    uint8_t *room;

    if (artifacts->length > 0 && cl_buf_put(artifacts, ",", 1, err) < 0)
        return -1;
    if (cl_buf_put_text(artifacts, "{\"path\":", err) < 0 ||
        cl_json_put_string(artifacts, path.text, path.length, err) < 0 ||
        cl_buf_format(artifacts, err, ",\"size\":%zu,\"base64\":\"", content.length) < 0)
        return -1;
    room = cl_buf_room(artifacts, encoded, err);
    if (!room)
        return -1;
    sodium_bin2base64((char *)room, encoded, (const uint8_t *)content.text, content.length,
                      sodium_base64_VARIANT_ORIGINAL);
    artifacts->length += encoded - 1; /* without its NUL */
    return cl_buf_put_text(artifacts, "\"}", err);
}
