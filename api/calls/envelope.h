/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON of a call's outcome, as docs promise it: members always there, then those of the
 * verdict. All of it is composed here; of the worker's bytes only a checked RESULT is spliced.
 */
#ifndef CL_API_ENVELOPE_H
#define CL_API_ENVELOPE_H

#include "api/calls/keep.h"
#include "api/calls/stream.h"
#include "api/calls/verdict.h"

/* Of a call in a session. */
struct cl_envelope_session {
    const char *id;
    uint32_t restarts; /* jails that were lost before this one */
    bool is_restarted; /* the first call after that: what earlier calls left is gone */
};

struct cl_envelope {
    const char *id;
    const struct cl_verdict *verdict;
    const struct cl_stream *stream;
    const struct cl_keep *output;   /* two: stdout and stderr; NULL when they were streamed */
    const struct cl_buf *artifacts; /* elements of an array, with commas between */
    const struct cl_buf *metadata;  /* empty: null */
    const struct cl_msg_end *end;
    uint64_t queue_us;
    const char *policy;
    uint32_t generation;
    const struct cl_envelope_session *session; /* NULL: a jail of its own */
};

/* Appends the members without braces around them ("\"id\":..."). */
int cl_envelope_format(const struct cl_envelope *envelope, struct cl_buf *out,
                       struct cl_err *err);

/* Appends one artifact to such an array. */
int cl_envelope_put_artifact(struct cl_buf *artifacts, struct cl_json path,
                             struct cl_json content, struct cl_err *err);

#endif
