/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker may send after GO. The same bytes must come to the same end in one piece and in
 * small ones, and never pass a cap.
 * Runs in: tests only.
 * Trusts: nothing; the first byte is the size of the pieces.
 */
#include <stdbool.h>
#include <string.h>

#include "api/calls/stream.h"
#include "sandbox/base/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const uint64_t limits[CL_LIMIT_COUNT_] = {
    [CL_LIMIT_OUTPUT] = 4096,
    [CL_LIMIT_RESULT] = 4096,
    [CL_LIMIT_FILES] = 1024,
    [CL_LIMIT_DEPTH] = CL_DEPTH_MAX,
};

/* A sum over everything that was heard, in order. */
struct heard {
    uint64_t sum;
    uint64_t output;
};

static void hear(struct heard *heard, unsigned kind, const char *text, size_t length)
{
    heard->sum = heard->sum * 31 + kind;
    for (size_t i = 0; i < length; i++)
        heard->sum = heard->sum * 31 + (unsigned char)text[i];
}

static void on_output(void *self, bool is_stderr, const char *text, size_t length)
{
    ((struct heard *)self)->output += length;
    /* Pieces of output follow frames, which are the same both ways. */
    hear(self, 1 + is_stderr, text, length);
}

static void on_log(void *self, uint32_t level, const char *text, size_t length)
{
    CL_CHECK(level <= 3 && length <= CL_FRAME_LOG_MAX);
    hear(self, 3, text, length);
}

static void on_json(void *self, struct cl_json value)
{
    CL_CHECK(value.length > 0 && cl_json_kind(value) != CL_JSON_NONE);
    hear(self, 4, value.text, value.length);
}

static void on_file(void *self, struct cl_json path, struct cl_json content)
{
    hear(self, 5, path.text, path.length);
    hear(self, 6, content.text, content.length);
}

static const struct cl_stream_sink sink = { on_output, on_log, on_json, on_json, on_file };

static void check(const struct cl_stream *stream, const struct heard *heard)
{
    CL_CHECK(heard->output == stream->output_bytes[0] + stream->output_bytes[1]);
    CL_CHECK(heard->output <= limits[CL_LIMIT_OUTPUT]);
    CL_CHECK(stream->final.length <= CL_FRAME_OUT_MAX);
    if (stream->state == CL_STREAM_FINAL)
        CL_CHECK(cl_frame_is_final(stream->final_type));
    if (stream->state == CL_STREAM_OVER)
        CL_CHECK(stream->over_used > limits[stream->over]);
    if (stream->state == CL_STREAM_BROKEN)
        CL_CHECK(stream->why[0] != '\0');
    if (stream->state == CL_STREAM_FINAL && stream->final_type == CL_F_ERROR) {
        const struct cl_stream_texts texts = cl_stream_texts(stream);
        const char *end = (const char *)stream->final.bytes + stream->final.length;

        CL_CHECK(texts.text[2].text + texts.text[2].length == end);
    }
}

static enum cl_stream_state run(const uint8_t *bytes, size_t length, size_t step,
                                struct heard *heard)
{
    struct cl_stream CL_AUTO(cl_stream_fini) stream;

    cl_stream_init(&stream, limits, &sink, heard);
    for (size_t at = 0; at < length; at += step)
        cl_stream_feed(&stream, bytes + at, length - at < step ? length - at : step);
    check(&stream, heard);
    return stream.state;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct heard whole = { 0, 0 };
    struct heard pieces = { 0, 0 };

    if (length < 2)
        return 0;
    const enum cl_stream_state state = run(bytes + 1, length - 1, length, &whole);
    CL_CHECK(state == run(bytes + 1, length - 1, (size_t)bytes[0] + 1, &pieces));
    CL_CHECK(whole.sum == pieces.sum);
    return 0;
}
