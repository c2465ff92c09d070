/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands the numbered frames of a session's worker to the calls they belong to.
 * Runs in: cloche-api.
 * Trusts: nothing; every byte here may come from native code of an attacker.
 */
#include "api/sessions/stream.h"

#include <stdio.h>
#include <string.h>

#include "sandbox/base/own.h"

enum { AHEAD_MAX = 64 << 10 }; /* what one read may bring of the frames behind */

void cl_sessionstream_init(struct cl_sessionstream *stream)
{
    stream->is_over = stream->is_broken = false;
    stream->why[0] = '\0';
    cl_buf_fini(&stream->partial);
    stream->partial.limit = CL_FRAME_OUT_MAX + sizeof(struct cl_frame_of) + AHEAD_MAX;
}

void cl_sessionstream_fini(struct cl_sessionstream *stream)
{
    cl_buf_fini(&stream->partial);
}

bool cl_sessionstream_is_partial(const struct cl_sessionstream *stream)
{
    return stream->partial.length > 0;
}

static void broken(struct cl_sessionstream *stream, const char *why)
{
    stream->is_over = stream->is_broken = true;
    snprintf(stream->why, sizeof(stream->why), "%s", why);
}

/* NULL: the frame may not be. */
static struct cl_stream *stream_of(struct cl_sessionstream *stream,
                                   const struct cl_frame_of *of)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_stream *call = NULL;

    if (cl_frame_check_of(of, &err) == 0)
        call = stream->find(stream->self, of->call);
    if (!call && err.kind == 0)
        cl_fail(&err, CL_E_LOST, "frame %u of call %u, which does not run", of->head.type,
                of->call);
    if (!call)
        broken(stream, err.text);
    return call;
}

/* Takes one frame from the front, if it is here as a whole; returns how many bytes it had. */
static size_t take_frame(struct cl_sessionstream *stream, const uint8_t *bytes, size_t length)
{
    struct cl_frame_of of;
    struct cl_frame head;
    struct cl_stream *call;

    if (length < sizeof(of))
        return 0;
    memcpy(&of, bytes, sizeof(of));
    call = stream_of(stream, &of);
    if (!call)
        return 0;
    head = (struct cl_frame){ CL_FRAME_MAGIC, of.head.type, of.head.length };
    if (!cl_stream_admit(call, &head)) {
        stream->on_frame(stream->self, of.call, 0);
        stream->is_over = true;
        return 0;
    }
    if (length - sizeof(of) < head.length)
        return 0;
    cl_stream_frame(call, head.type, (const char *)bytes + sizeof(of), head.length);
    if (!stream->on_frame(stream->self, of.call, sizeof(of) + head.length))
        stream->is_over = true;
    return sizeof(of) + head.length;
}

static size_t take_frames(struct cl_sessionstream *stream, const uint8_t *bytes, size_t length)
{
    size_t at = 0;
    size_t taken;

    do {
        taken = take_frame(stream, bytes + at, length - at);
        at += taken;
    } while (taken > 0 && !stream->is_over);
    return at;
}

bool cl_sessionstream_feed(struct cl_sessionstream *stream, const void *bytes, size_t length)
{
    struct cl_buf *partial = &stream->partial;
    struct cl_err err = CL_ERR_INIT;
    size_t taken;

    if (stream->is_over)
        return false;
    if (partial->length == 0) {
        taken = take_frames(stream, bytes, length);
        bytes = (const uint8_t *)bytes + taken;
        length -= taken;
    }
    if (!stream->is_over && length > 0 && cl_buf_put(partial, bytes, length, &err) < 0)
        broken(stream, err.text);
    if (!stream->is_over && partial->length > 0)
        cl_buf_drop(partial, take_frames(stream, partial->bytes, partial->length));
    return !stream->is_over;
}
