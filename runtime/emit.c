/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes frames to the job socket, whole and in turn, and ends the process with the final one.
 * Runs in: a worker; also from its SIGSYS handler, so everything here is async-signal-safe.
 * Trusts: nobody has to trust it: the API checks and counts every byte again.
 */
#include "runtime/emit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "runtime/futexlock.h"
#include "runtime/utf8cut.h"
#include "sandbox/base/own.h"

enum {
    PARTS_MAX = 5,
    TOGETHER_MAX = 4096, /* frames up to this size are one write(2) */
    TYPE_MAX = 256,
    MESSAGE_MAX = 16 << 10,
    EXIT_UNHEARD = 1, /* the API is gone: nobody will read why */
};

struct part {
    const void *bytes;
    size_t length;
};

static struct {
    struct cl_futexlock lock;
    int fd;
    bool has_call;
} emit = { .fd = CL_JOB_FD };

static struct cl_emit_voice only; /* of a worker that takes one call */
static struct cl_emit_voice nobody = { .is_over =
                                           true }; /* of threads that no call is behind */
static __thread struct cl_emit_voice *voice = &only;

void cl_emit_voice_open(struct cl_emit_voice *opened, uint32_t call,
                        const struct cl_frame_call *caps)
{
    *opened = (struct cl_emit_voice){
        .call = call,
        .output_most = caps->output_bytes,
        .items_most = caps->result_bytes,
        .result_most = caps->result_bytes,
        .files_most = caps->files_bytes,
    };
}

void cl_emit_speak(struct cl_emit_voice *speaker)
{
    voice = speaker ? speaker : &nobody;
}

void cl_emit_open(int job_fd, const struct cl_frame_call *caps)
{
    emit.fd = job_fd;
    emit.has_call = true;
    cl_emit_voice_open(&only, 0, caps);
}

/* write(2) alone, so that the filter needs no other call for results. */
static void write_all(const void *bytes, size_t length)
{
    const char *at = bytes;

    while (length > 0) {
        ssize_t wrote = write(emit.fd, at, length);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) /* a spare that nobody needs any more is no failure */
            _exit(emit.has_call ? EXIT_UNHEARD : 0);
        at += wrote;
        length -= (size_t)wrote;
    }
}

static size_t length_of(const struct part *parts, size_t count)
{
    size_t length = 0;

    for (size_t i = 0; i < count; i++)
        length += parts[i].length;
    return length;
}

/* The head of a frame, numbered in a session. Returns its length. */
static size_t put_head(char *room, enum cl_frame_type type, size_t length)
{
    struct cl_frame_of of = { cl_frame_make(type, length), voice->call };

    if (of.call == 0) {
        memcpy(room, &of.head, sizeof(of.head));
        return sizeof(of.head);
    }
    of.head.magic = CL_FRAME_MAGIC_OF;
    memcpy(room, &of, sizeof(of));
    return sizeof(of);
}

/* The lock is held. A small frame is gathered and written at once; a large one, part by part. */
static void write_frame(enum cl_frame_type type, const struct part *parts, size_t count)
{
    char together[TOGETHER_MAX];
    size_t used;

    if (voice->is_over)
        return;
    used = put_head(together, type, length_of(parts, count));
    for (size_t i = 0; i < count; i++) {
        if (used + parts[i].length > sizeof(together)) {
            write_all(together, used);
            used = 0;
        }
        if (parts[i].length > sizeof(together)) {
            write_all(parts[i].bytes, parts[i].length);
        } else if (parts[i].length > 0) {
            memcpy(together + used, parts[i].bytes, parts[i].length);
            used += parts[i].length;
        }
    }
    write_all(together, used);
}

/* The lock is held and never given back: nothing can follow the final frame. */
static _Noreturn void finish(enum cl_frame_type type, const struct part *parts, size_t count)
{
    write_frame(type, parts, count);
    _exit(0);
}

/* The same, but that a session's worker goes on with its other calls. */
static void finish_call(enum cl_frame_type type, const struct part *parts, size_t count)
{
    if (voice->call == 0 && voice != &nobody)
        finish(type, parts, count);
    write_frame(type, parts, count);
    voice->is_over = true;
    cl_futexlock_give(&emit.lock);
}

static _Noreturn void finish_limit(enum cl_limit limit, uint64_t value, uint64_t used)
{
    struct cl_frame_limit body = { .limit = (uint32_t)limit, .value = value, .used = used };
    struct part part = { &body, sizeof(body) };

    finish(CL_F_LIMIT, &part, 1);
}

/* Adds to one of the sums that a call may not exceed. */
static void count_or_finish(uint64_t *sent, uint64_t most, size_t length, enum cl_limit limit)
{
    *sent += length;
    if (*sent > most && !voice->is_over)
        finish_limit(limit, most, *sent);
}

void cl_emit_ready(int job_fd)
{
    emit.fd = job_fd;
    cl_futexlock_take(&emit.lock);
    write_frame(CL_F_READY, NULL, 0);
    cl_futexlock_give(&emit.lock);
}

void cl_emit_probed(const struct cl_frame_probed *probed)
{
    struct part part = { probed, sizeof(*probed) };

    cl_futexlock_take(&emit.lock);
    write_frame(CL_F_PROBED, &part, 1);
    cl_futexlock_give(&emit.lock);
}

static void write_output(enum cl_frame_type stream, const char *text, size_t length)
{
    while (length > 0) {
        struct part part = { text, cl_utf8_cut(text, length, CL_FRAME_OUTPUT_MAX) };

        write_frame(stream, &part, 1);
        text += part.length;
        length -= part.length;
    }
}

void cl_emit_output(enum cl_frame_type stream, const char *text, size_t length)
{
    cl_futexlock_take(&emit.lock);
    uint64_t left = voice->output_most - voice->output_sent;
    bool fits = length <= left;

    write_output(stream, text, fits ? length : cl_utf8_cut(text, length, (size_t)left));
    count_or_finish(&voice->output_sent, voice->output_most, length, CL_LIMIT_OUTPUT);
    cl_futexlock_give(&emit.lock);
}

void cl_emit_log(uint32_t level, const char *text, size_t length)
{
    struct cl_frame_log body = { level };
    struct part parts[] = {
        { &body, sizeof(body) },
        { text, cl_utf8_cut(text, length, CL_FRAME_LOG_MAX) },
    };

    cl_futexlock_take(&emit.lock);
    write_frame(CL_F_LOG, parts, CL_COUNT(parts));
    cl_futexlock_give(&emit.lock);
}

void cl_emit_json(enum cl_frame_type type, const char *json, size_t length)
{
    struct part part = { json, length };

    cl_futexlock_take(&emit.lock);
    if (type == CL_F_ITEM)
        count_or_finish(&voice->items_sent, voice->items_most, length, CL_LIMIT_RESULT);
    if (type == CL_F_PROGRESS && length > CL_FRAME_OUTPUT_MAX)
        finish_limit(CL_LIMIT_OUTPUT, CL_FRAME_OUTPUT_MAX, length);
    if (length > CL_FRAME_OUT_MAX)
        finish_limit(CL_LIMIT_RESULT, CL_FRAME_OUT_MAX, length);
    write_frame(type, &part, 1);
    cl_futexlock_give(&emit.lock);
}

void cl_emit_file(const char *path, size_t path_length, const char *content, size_t length)
{
    struct cl_frame_file body = { (uint32_t)path_length, 0 };
    struct part parts[] = { { &body, sizeof(body) },
                            { path, path_length },
                            { content, length } };

    cl_futexlock_take(&emit.lock);
    count_or_finish(&voice->files_sent, voice->files_most, length, CL_LIMIT_FILES);
    if (length_of(parts, CL_COUNT(parts)) > CL_FRAME_OUT_MAX)
        finish_limit(CL_LIMIT_FILES, CL_FRAME_OUT_MAX, length);
    write_frame(CL_F_FILE_OUT, parts, CL_COUNT(parts));
    cl_futexlock_give(&emit.lock);
}

void cl_emit_result(const char *json, size_t length)
{
    struct part part = { json, length };
    uint64_t most =
        voice->result_most < CL_FRAME_OUT_MAX ? voice->result_most : CL_FRAME_OUT_MAX;

    cl_futexlock_take(&emit.lock);
    if (length > most && !voice->is_over)
        finish_limit(CL_LIMIT_RESULT, most, length);
    finish_call(CL_F_RESULT, &part, 1);
}

/* NULL is an empty text; without a length it is a terminated one. */
static struct part text_part(const char *text, uint32_t length, size_t most)
{
    const size_t whole = length || !text ? length : strlen(text);
    struct part part = { text, text ? cl_utf8_cut(text, whole, most) : 0 };

    return part;
}

void cl_emit_error(const struct cl_frame_error *head, const char *type, const char *message,
                   const char *traceback)
{
    struct cl_frame_error body = *head;
    struct part parts[] = {
        { &body, sizeof(body) },
        text_part(type, head->type_length, TYPE_MAX),
        text_part(message, head->message_length, MESSAGE_MAX),
        text_part(traceback, head->traceback_length,
                  CL_FRAME_TEXTS_MAX - TYPE_MAX - MESSAGE_MAX),
    };

    body.type_length = (uint32_t)parts[1].length;
    body.message_length = (uint32_t)parts[2].length;
    body.traceback_length = (uint32_t)parts[3].length;
    cl_futexlock_take(&emit.lock);
    finish_call(CL_F_ERROR, parts, CL_COUNT(parts));
}

void cl_emit_denied(const struct cl_frame_denied *head, const char *rule, const char *name,
                    const char *message)
{
    struct cl_frame_denied body = *head;
    struct part parts[] = {
        { &body, sizeof(body) },
        text_part(rule, head->rule_length, TYPE_MAX),
        text_part(name, head->name_length, TYPE_MAX),
        text_part(message, head->message_length, MESSAGE_MAX),
    };

    body.rule_length = (uint32_t)parts[1].length;
    body.name_length = (uint32_t)parts[2].length;
    body.message_length = (uint32_t)parts[3].length;
    cl_futexlock_take(&emit.lock);
    finish_call(CL_F_DENIED, parts, CL_COUNT(parts));
}

_Noreturn void cl_emit_limit(enum cl_limit limit, uint64_t value, uint64_t used)
{
    cl_futexlock_take(&emit.lock);
    finish_limit(limit, value, used);
}

_Noreturn void cl_emit_limit_at(const struct cl_frame_limit *head, const char *text,
                                size_t length)
{
    struct part parts[] = {
        { head, sizeof(*head) },
        text_part(text, (uint32_t)length, MESSAGE_MAX),
    };

    cl_futexlock_take(&emit.lock);
    finish(CL_F_LIMIT, parts, CL_COUNT(parts));
}

_Noreturn void cl_emit_failed(const struct cl_err *err)
{
    struct part part = { err, sizeof(*err) };

    cl_futexlock_take(&emit.lock);
    finish(CL_F_FAILED, &part, 1);
}
