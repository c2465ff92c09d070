/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker sends after GO. The worker is an enemy: every frame is checked for its type,
 * its length, the order and the caps before anyone sees it, and its JSON passes the validator.
 * Bytes go in as they arrive, events come out at the sink; pure, fuzzed.
 *
 * A stream ends in exactly one of FINAL, BROKEN and OVER. Then nothing more is read, except
 * that a byte behind the final frame turns FINAL into BROKEN.
 */
#ifndef CL_API_STREAM_H
#define CL_API_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/json/scan.h"
#include "sandbox/base/buf.h"
#include "sandbox/base/wire.h"

enum cl_stream_state {
    CL_STREAM_OPEN = 0,
    CL_STREAM_FINAL,  /* `final` holds the payload of frame `final_type` */
    CL_STREAM_BROKEN, /* `why` says which rule of the protocol was broken */
    CL_STREAM_OVER,   /* cap `over` was passed */
};

/* Called only with what passed the checks. JSON is free of surrounding white space. */
struct cl_stream_sink {
    void (*on_output)(void *self, bool is_stderr, const char *text, size_t length);
    void (*on_log)(void *self, uint32_t level, const char *text, size_t length);
    void (*on_item)(void *self, struct cl_json value);
    void (*on_progress)(void *self, struct cl_json value);
    void (*on_file)(void *self, struct cl_json path, struct cl_json content); /* raw views */
};

struct cl_stream {
    enum cl_stream_state state;
    const uint64_t *limits; /* by enum cl_limit; borrowed */
    const struct cl_stream_sink *sink;
    void *self; /* of the sink */

    uint64_t output_bytes[2]; /* stdout, stderr: what arrived, capped together by the limit */
    uint64_t chatter_bytes;   /* logs and progress: capped like output */
    uint64_t item_bytes;      /* capped like the result */
    uint64_t file_bytes;
    uint32_t file_count;
    uint32_t empty_frames;

    enum cl_limit over;
    uint64_t over_used;
    uint32_t final_type;
    struct cl_buf final;
    struct cl_buf partial; /* a frame that has not arrived whole */
    char why[96];
    bool is_starved; /* BROKEN by our own want of memory, by no fault of the worker's */
};

void cl_stream_init(struct cl_stream *stream, const uint64_t *limits,
                    const struct cl_stream_sink *sink, void *self);
enum cl_stream_state cl_stream_feed(struct cl_stream *stream, const void *bytes, size_t length);
void cl_stream_fini(struct cl_stream *stream);

/* For who reads the frames of several calls from one socket: whether this head may be, by itself
 * and in this place, before its payload is here; then the whole frame. The stream is open. */
bool cl_stream_admit(struct cl_stream *stream, const struct cl_frame *head);
void cl_stream_frame(struct cl_stream *stream, uint32_t type, const char *bytes, size_t length);

/* The texts of an ERROR (type, message, traceback) or DENIED (rule, name, message) payload that
 * passed the check; views into it. */
struct cl_stream_texts {
    int32_t line, column;
    struct cl_json text[3];
};
struct cl_stream_texts cl_stream_texts(const struct cl_stream *stream);

#endif
