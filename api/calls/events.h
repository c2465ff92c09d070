/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of a streamed call as text: one JSON object a line (NDJSON) or one `data:` line an
 * event (SSE). No byte of a worker can end a line: texts are escaped, and in spliced JSON the
 * white space that would is replaced.
 */
#ifndef CL_API_EVENTS_H
#define CL_API_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "api/json/scan.h"
#include "sandbox/base/buf.h"

enum cl_events_form { CL_EVENTS_NDJSON = 0, CL_EVENTS_SSE };

struct cl_events {
    enum cl_events_form form;
    uint64_t seq;      /* of the last event */
    struct cl_buf out; /* events that were not sent yet */
};

/* Starts an event and leaves the object open behind its first two members. */
int cl_events_open(struct cl_events *events, const char *name, struct cl_err *err);
int cl_events_close(struct cl_events *events, struct cl_err *err);

/* `,"name":` and a text or a JSON value. */
int cl_events_put_text(struct cl_events *events, const char *name, const char *text,
                       size_t length, struct cl_err *err);
int cl_events_put_json(struct cl_events *events, const char *name, struct cl_json value,
                       struct cl_err *err);
/* The members of an object, after a comma. */
int cl_events_put_members(struct cl_events *events, struct cl_json object, struct cl_err *err);
/* Members as text without braces, after a comma. */
int cl_events_splice(struct cl_events *events, const char *text, size_t length,
                     struct cl_err *err);

const char *cl_events_type(enum cl_events_form form); /* the Content-Type */

#endif
