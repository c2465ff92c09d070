/* SPDX-License-Identifier: Apache-2.0 */
/*
 * W3C Trace Context (levels 1 and 2): a request that belongs to a trace is continued under a span
 * of its own, and what it starts belongs to it. A trace is never begun here: a request without a
 * valid `traceparent` has none. A trace as it is kept and handed on is one text: `traceparent`,
 * and behind a space `tracestate` where there is one.
 */
#ifndef CL_API_TRACE_H
#define CL_API_TRACE_H

#include <stdbool.h>
#include <stdint.h>

struct cl_http_head;

enum {
    CL_TRACE_PARENT = 55,     /* bytes of a traceparent of version 00 */
    CL_TRACE_STATE_MAX = 512, /* of a tracestate; a longer one is left out */
    CL_TRACE_MAX = CL_TRACE_PARENT + 1 + CL_TRACE_STATE_MAX,
    CL_TRACE_ID_SIZE = 33, /* hexadecimal digits of a trace's id, and NUL */
};

/* Pure. Writes what goes on, in version 00: its trace, `span`, and those of its flags that we know.
 * False: not valid, and `out` is "". */
bool cl_trace_continue(const char *parent, const uint8_t span[8],
                       char out[CL_TRACE_PARENT + 1]);
/* Pure. Whether a tracestate, its lines joined by commas, may be handed on. */
bool cl_trace_is_state(const char *text);

/* The trace that a request continues; NULL: none. To be freed. */
char *cl_trace_of(const struct cl_http_head *head);

/* The same under a span of its own, for one of several things that a trace starts. To be freed;
 * NULL is none. */
char *cl_trace_branch(const char *trace);

/* Its parts; `trace` NULL or "" is none, and both are "" then. A text that is no trace (which only a
 * damaged store has) is none, too. */
void cl_trace_id(const char *trace, char id[CL_TRACE_ID_SIZE]);
const char *cl_trace_state(const char *trace);

#endif
