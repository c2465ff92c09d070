/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state machine that reads a worker's frames.
 * Runs in: cloche-api.
 * Trusts: nothing; from GO on, every byte here may come from native code of an attacker.
 */
#include "api/calls/stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/path.h"
#include "sandbox/base/own.h"

enum {
    EMPTY_FRAMES_MAX = 4096, /* frames that count towards no cap of bytes */
    FILES_MAX = 256,
};

void cl_stream_init(struct cl_stream *stream, const uint64_t *limits,
                    const struct cl_stream_sink *sink, void *self)
{
    *stream = (struct cl_stream){ .limits = limits, .sink = sink, .self = self };
    stream->final.limit = CL_FRAME_OUT_MAX;
    stream->partial.limit = CL_FRAME_OUT_MAX + sizeof(struct cl_frame);
}

void cl_stream_fini(struct cl_stream *stream)
{
    cl_buf_fini(&stream->final);
    cl_buf_fini(&stream->partial);
}

__attribute__((format(printf, 2, 3))) static void broken(struct cl_stream *stream,
                                                         const char *format, ...)
{
    va_list args;

    stream->state = CL_STREAM_BROKEN;
    va_start(args, format);
    vsnprintf(stream->why, sizeof(stream->why), format, args);
    va_end(args);
}

static void broken_by(struct cl_stream *stream, const struct cl_err *err)
{
    broken(stream, "%s", err->text);
    stream->is_starved = err->kind == CL_E_SYS;
}

static void over(struct cl_stream *stream, enum cl_limit limit, uint64_t used)
{
    stream->state = CL_STREAM_OVER;
    stream->over = limit;
    stream->over_used = used;
}

/* Everything that may grow counts; what is empty is counted by frames. */
static bool count_frame(struct cl_stream *stream, uint32_t length)
{
    if (length == 0 && ++stream->empty_frames > EMPTY_FRAMES_MAX)
        broken(stream, "too many empty frames");
    return stream->state == CL_STREAM_OPEN;
}

static void on_output(struct cl_stream *stream, uint32_t type, const char *bytes, size_t length)
{
    const uint64_t cap = stream->limits[CL_LIMIT_OUTPUT];
    const uint64_t before = stream->output_bytes[0] + stream->output_bytes[1];
    const size_t kept = length <= cap - before ? length : (size_t)(cap - before);
    const bool is_stderr = type == CL_F_STDERR;

    stream->output_bytes[is_stderr] += kept;
    if (kept)
        stream->sink->on_output(stream->self, is_stderr, bytes, kept);
    if (kept < length)
        over(stream, CL_LIMIT_OUTPUT, before + length);
}

static bool count_chatter(struct cl_stream *stream, size_t length)
{
    stream->chatter_bytes += length;
    if (stream->chatter_bytes > stream->limits[CL_LIMIT_OUTPUT])
        over(stream, CL_LIMIT_OUTPUT, stream->chatter_bytes);
    return stream->state == CL_STREAM_OPEN;
}

static void on_log(struct cl_stream *stream, uint32_t type, const char *bytes, size_t length)
{
    struct cl_frame_log head;

    (void)type;
    memcpy(&head, bytes, sizeof(head));
    if (head.level > 3)
        broken(stream, "a log of level %u", head.level);
    else if (count_chatter(stream, length))
        stream->sink->on_log(stream->self, head.level, bytes + sizeof(head),
                             length - sizeof(head));
}

static bool check_json(struct cl_stream *stream, const char *bytes, size_t length,
                       struct cl_json *value)
{
    const struct cl_json_caps caps = CL_JSON_CAPS(length);
    struct cl_err err = CL_ERR_INIT;
    size_t at = 0;

    if (cl_json_check(bytes, length, &caps, value, &at, &err) == 0)
        return true;
    cl_err_context(&err, "its JSON");
    broken_by(stream, &err);
    return false;
}

static void on_item(struct cl_stream *stream, uint32_t type, const char *bytes, size_t length)
{
    struct cl_json value;

    (void)type;
    stream->item_bytes += length;
    if (check_json(stream, bytes, length, &value))
        stream->sink->on_item(stream->self, value);
}

static bool is_progress_key(struct cl_json key)
{
    return cl_json_is(key, "value") || cl_json_is(key, "total") || cl_json_is(key, "message");
}

/* The members become those of an event, so no others than the three may be there. */
static void on_progress(struct cl_stream *stream, uint32_t type, const char *bytes,
                        size_t length)
{
    struct cl_json value;
    struct cl_json key;
    struct cl_json member;
    size_t cursor = 0;

    (void)type;
    if (!count_chatter(stream, length) || !check_json(stream, bytes, length, &value))
        return;
    if (cl_json_kind(value) != CL_JSON_OBJECT) {
        broken(stream, "a progress that is no object");
        return;
    }
    while (cl_json_next(value, &cursor, &key, &member)) {
        if (!is_progress_key(key)) {
            broken(stream, "a progress with another key");
            return;
        }
    }
    stream->sink->on_progress(stream->self, value);
}

static void on_file(struct cl_stream *stream, uint32_t type, const char *bytes, size_t length)
{
    struct cl_frame_file head;

    (void)type;
    memcpy(&head, bytes, sizeof(head));
    length -= sizeof(head);
    if (head.path_length > length || head.mode != 0 || ++stream->file_count > FILES_MAX ||
        cl_path_fault(bytes + sizeof(head), head.path_length)) {
        broken(stream, "a file out of bounds");
        return;
    }
    const struct cl_json path = { bytes + sizeof(head), head.path_length };
    const struct cl_json content = { path.text + path.length, length - path.length };
    stream->file_bytes += content.length;
    if (stream->file_bytes > stream->limits[CL_LIMIT_FILES])
        over(stream, CL_LIMIT_FILES, stream->file_bytes);
    else
        stream->sink->on_file(stream->self, path, content);
}

/* ----------------------------------------------------------------------------- final frames */

static bool may_claim(uint32_t limit)
{
    /* The deadline is cloched's alone. Of CPU time a worker may say that an expression would take
     * too much of it; what was taken is measured by cloched. */
    return limit >= CL_LIMIT_CPU && limit < CL_LIMIT_COUNT_;
}

/* ERROR and DENIED have the same shape: two numbers, three lengths, three texts. */
static bool check_texts(struct cl_stream *stream, const char *bytes, size_t length)
{
    struct cl_frame_error head;
    uint64_t sum;

    _Static_assert(sizeof(head) == sizeof(struct cl_frame_denied), "one reader for both");
    memcpy(&head, bytes, sizeof(head));
    sum = (uint64_t)head.type_length + head.message_length + head.traceback_length;
    if (sum != length - sizeof(head))
        broken(stream, "texts of %zu bytes that announce %llu", length - sizeof(head),
               (unsigned long long)sum);
    return stream->state == CL_STREAM_OPEN;
}

static bool check_final(struct cl_stream *stream, uint32_t type, const char **bytes,
                        size_t *length)
{
    struct cl_frame_limit limit;
    struct cl_json value;

    if (type == CL_F_RESULT) {
        if (!check_json(stream, *bytes, *length, &value))
            return false;
        *bytes = value.text;
        *length = value.length;
    }
    if (type == CL_F_LIMIT) {
        memcpy(&limit, *bytes, sizeof(limit));
        if (!may_claim(limit.limit))
            broken(stream, "limit %u is not the worker's to name", limit.limit);
    }
    if (type == CL_F_ERROR || type == CL_F_DENIED)
        return check_texts(stream, *bytes, *length);
    return stream->state == CL_STREAM_OPEN;
}

static void on_final(struct cl_stream *stream, uint32_t type, const char *bytes, size_t length)
{
    struct cl_err err = CL_ERR_INIT;

    if (!check_final(stream, type, &bytes, &length))
        return;
    if (cl_buf_put(&stream->final, bytes, length, &err) < 0) {
        broken_by(stream, &err);
        return;
    }
    stream->final_type = type;
    stream->state = CL_STREAM_FINAL;
}

struct cl_stream_texts cl_stream_texts(const struct cl_stream *stream)
{
    const char *at = (const char *)stream->final.bytes + sizeof(struct cl_frame_error);
    struct cl_frame_error head;

    memcpy(&head, stream->final.bytes, sizeof(head));
    return (struct cl_stream_texts){
        .line = head.line,
        .column = head.column,
        .text = { { at, head.type_length },
                  { at + head.type_length, head.message_length },
                  { at + head.type_length + head.message_length, head.traceback_length } },
    };
}

/* ----------------------------------------------------------------------------------- frames */

static const struct {
    enum cl_frame_type type;
    void (*on_frame)(struct cl_stream *stream, uint32_t type, const char *bytes, size_t length);
} frames[] = {
    { CL_F_STDOUT, on_output }, { CL_F_STDERR, on_output },     { CL_F_LOG, on_log },
    { CL_F_ITEM, on_item },     { CL_F_PROGRESS, on_progress }, { CL_F_FILE_OUT, on_file },
    { CL_F_RESULT, on_final },  { CL_F_ERROR, on_final },       { CL_F_DENIED, on_final },
    { CL_F_LIMIT, on_final },   { CL_F_FAILED, on_final },
};

void cl_stream_frame(struct cl_stream *stream, uint32_t type, const char *bytes, size_t length)
{
    for (size_t i = 0; i < CL_COUNT(frames); i++) {
        if (frames[i].type == type) {
            frames[i].on_frame(stream, type, bytes, length);
            return;
        }
    }
    broken(stream, "frame %u has no place in a call", type);
}

/* Refuses by the head alone: nothing is collected for a frame that may not be. */
bool cl_stream_admit(struct cl_stream *stream, const struct cl_frame *head)
{
    const uint64_t result_cap = stream->limits[CL_LIMIT_RESULT];
    struct cl_err err = CL_ERR_INIT;

    if (cl_frame_check(head, true, &err) < 0)
        broken(stream, "%s", err.text);
    else if (head->type == CL_F_RESULT && head->length > result_cap)
        over(stream, CL_LIMIT_RESULT, head->length);
    else if (head->type == CL_F_ITEM && stream->item_bytes + head->length > result_cap)
        over(stream, CL_LIMIT_RESULT, stream->item_bytes + head->length);
    else if (head->type == CL_F_FILE_OUT && head->length > sizeof(struct cl_frame_file) +
                                                               CL_PATH_MAX +
                                                               stream->limits[CL_LIMIT_FILES])
        over(stream, CL_LIMIT_FILES, head->length);
    return stream->state == CL_STREAM_OPEN && count_frame(stream, head->length);
}

/* Takes whole frames from the front; returns how many bytes they had. */
static size_t take_frames(struct cl_stream *stream, const uint8_t *bytes, size_t length)
{
    size_t at = 0;

    while (stream->state == CL_STREAM_OPEN && length - at >= sizeof(struct cl_frame)) {
        struct cl_frame head;

        memcpy(&head, bytes + at, sizeof(head));
        if (!cl_stream_admit(stream, &head) || length - at - sizeof(head) < head.length)
            break;
        cl_stream_frame(stream, head.type, (const char *)bytes + at + sizeof(head),
                        head.length);
        at += sizeof(head) + head.length;
    }
    if (stream->state == CL_STREAM_FINAL && at < length)
        broken(stream, "bytes behind the final frame");
    return at;
}

enum cl_stream_state cl_stream_feed(struct cl_stream *stream, const void *bytes, size_t length)
{
    struct cl_buf *partial = &stream->partial;
    struct cl_err err = CL_ERR_INIT;
    size_t taken;

    if (length == 0)
        return stream->state;
    if (stream->state == CL_STREAM_FINAL)
        broken(stream, "bytes behind the final frame");
    if (stream->state != CL_STREAM_OPEN)
        return stream->state;

    if (partial->length == 0) {
        taken = take_frames(stream, bytes, length);
        bytes = (const uint8_t *)bytes + taken;
        length -= taken;
    }
    if (stream->state == CL_STREAM_OPEN && length > 0 &&
        cl_buf_put(partial, bytes, length, &err) < 0)
        broken_by(stream, &err);
    if (stream->state == CL_STREAM_OPEN && partial->length > 0)
        cl_buf_drop(partial, take_frames(stream, partial->bytes, partial->length));
    return stream->state;
}
