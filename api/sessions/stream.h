/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the worker of a session sends: frames of several calls on one socket, each with the number
 * of its call. The worker is an enemy: a number has to be that of a call that runs, every call
 * gets exactly one final frame, and nothing after it. Each frame then passes the stream of its own
 * call (stream.h), which knows that call's caps. Pure, fuzzed.
 */
#ifndef CL_API_SESSIONSTREAM_H
#define CL_API_SESSIONSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/calls/stream.h"

struct cl_sessionstream {
    /* The open stream of this number; NULL: no such call runs, or it has ended. */
    struct cl_stream *(*find)(void *self, uint32_t call);
    /* That stream has taken a frame of `length` bytes, or refused it (0): its state may be
     * another one now. False: nothing more is read from this worker. */
    bool (*on_frame)(void *self, uint32_t call, size_t length);
    void *self;
    bool is_over;          /* nothing more is read */
    bool is_broken;        /* `why` says which rule of the protocol was broken */
    struct cl_buf partial; /* a frame that has not arrived whole */
    char why[96];
};

void cl_sessionstream_init(struct cl_sessionstream *stream);
/* False: it is over, for whatever reason. */
bool cl_sessionstream_feed(struct cl_sessionstream *stream, const void *bytes, size_t length);
/* Whether the socket ended inside a frame. */
bool cl_sessionstream_is_partial(const struct cl_sessionstream *stream);
void cl_sessionstream_fini(struct cl_sessionstream *stream);

#endif
