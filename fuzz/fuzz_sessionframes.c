/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the worker of a session may send: frames of three calls on one socket. The same bytes must
 * come to the same end in one piece and in small ones; each call hears only frames with its number,
 * and nothing after its final one.
 * Runs in: tests only.
 * Trusts: nothing; the first byte is the size of the pieces.
 */
#include <stdbool.h>
#include <string.h>

#include "api/sessions/stream.h"
#include "sandbox/base/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { CALLS = 3 };

static const uint64_t limits[CL_LIMIT_COUNT_] = {
    [CL_LIMIT_OUTPUT] = 4096,
    [CL_LIMIT_RESULT] = 4096,
    [CL_LIMIT_FILES] = 1024,
    [CL_LIMIT_DEPTH] = CL_DEPTH_MAX,
};

/* One call, and a sum over what it heard. */
struct heard {
    struct cl_stream stream;
    uint64_t sum;
    bool is_over;
};

struct session {
    struct cl_sessionstream frames;
    struct heard calls[CALLS];
    bool is_stopped;
};

static void hear(struct heard *heard, const char *text, size_t length)
{
    CL_CHECK(!heard->is_over);
    for (size_t i = 0; i < length; i++)
        heard->sum = heard->sum * 31 + (unsigned char)text[i];
}

static void on_output(void *self, bool is_stderr, const char *text, size_t length)
{
    (void)is_stderr;
    hear(self, text, length);
}

static void on_log(void *self, uint32_t level, const char *text, size_t length)
{
    CL_CHECK(level <= 3);
    hear(self, text, length);
}

static void on_json(void *self, struct cl_json value)
{
    hear(self, value.text, value.length);
}

static void on_file(void *self, struct cl_json path, struct cl_json content)
{
    hear(self, path.text, path.length);
    hear(self, content.text, content.length);
}

static const struct cl_stream_sink sink = { on_output, on_log, on_json, on_json, on_file };

static struct cl_stream *find(void *self, uint32_t call)
{
    struct session *session = self;

    CL_CHECK(!session->is_stopped);
    if (call < 1 || call > CALLS || session->calls[call - 1].is_over)
        return NULL;
    return &session->calls[call - 1].stream;
}

static bool on_frame(void *self, uint32_t call, size_t length)
{
    struct session *session = self;
    struct heard *heard = &session->calls[call - 1];

    (void)length;
    CL_CHECK(!heard->is_over);
    heard->is_over = heard->stream.state != CL_STREAM_OPEN;
    session->is_stopped =
        heard->stream.state == CL_STREAM_BROKEN || heard->stream.state == CL_STREAM_OVER;
    return !session->is_stopped;
}

static uint64_t run(const uint8_t *bytes, size_t length, size_t step)
{
    struct session session = { .frames = { .find = find, .on_frame = on_frame } };
    uint64_t sum = 0;

    session.frames.self = &session;
    cl_sessionstream_init(&session.frames);
    for (size_t i = 0; i < CALLS; i++)
        cl_stream_init(&session.calls[i].stream, limits, &sink, &session.calls[i]);
    for (size_t at = 0; at < length; at += step)
        cl_sessionstream_feed(&session.frames, bytes + at,
                              length - at < step ? length - at : step);
    CL_CHECK(!session.frames.is_broken || session.frames.why[0] != '\0');
    for (size_t i = 0; i < CALLS; i++) {
        CL_CHECK(session.calls[i].stream.partial.length == 0);
        sum = sum * 131 + session.calls[i].sum + session.calls[i].stream.state;
        cl_stream_fini(&session.calls[i].stream);
    }
    sum = sum * 131 + session.frames.is_broken;
    cl_sessionstream_fini(&session.frames);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 2)
        return 0;
    CL_CHECK(run(bytes + 1, length - 1, length) ==
             run(bytes + 1, length - 1, (size_t)bytes[0] + 1));
    return 0;
}
