/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of one call while it runs: output kept for one envelope, or events streamed as
 * they come. The sink of stream.c.
 */
#ifndef CL_API_REPLY_H
#define CL_API_REPLY_H

#include "api/calls/envelope.h"
#include "api/calls/events.h"

struct cl_exchange;

enum cl_reply_form {
    CL_REPLY_PLAIN = 0,
    CL_REPLY_NDJSON,
    CL_REPLY_SSE,
    CL_REPLY_BOTH, /* events as NDJSON, and the output kept for an envelope */
};

enum {
    CL_REPLY_ENVELOPE_MAX = 512 << 20
}; /* what is in it is capped by the policy long before */

struct cl_reply {
    enum cl_reply_form form;
    bool is_begun;  /* a streamed answer has its head out */
    bool is_failed; /* an event could not be composed: the answer must break off */
    struct cl_keep output[2];
    struct cl_events events;
    struct cl_buf artifacts;
};

extern const struct cl_stream_sink cl_reply_sink; /* self: struct cl_reply */

void cl_reply_init(struct cl_reply *reply, enum cl_reply_form form);
void cl_reply_fini(struct cl_reply *reply);

/* The call has a worker. A second time (it got another one) nothing happens. */
void cl_reply_start(struct cl_reply *reply, struct cl_exchange *exchange, const char *id);
/* Sends what was composed; the exchange may be NULL (nobody listens). False: the client has not
 * taken it yet, so nothing more should be read until it has. */
bool cl_reply_send(struct cl_reply *reply, struct cl_exchange *exchange);
/* The whole answer, or the `end` event. */
void cl_reply_end(struct cl_reply *reply, struct cl_exchange *exchange,
                  struct cl_envelope *envelope);

/* For who hands the text on by itself: the events of begin and end, into events.out; and the whole
 * envelope, appended to `text`. */
void cl_reply_put_started(struct cl_reply *reply, const char *id);
void cl_reply_put_end(struct cl_reply *reply, struct cl_envelope *envelope);
int cl_reply_put_envelope(struct cl_reply *reply, struct cl_envelope *envelope,
                          struct cl_buf *text, struct cl_err *err);

#endif
