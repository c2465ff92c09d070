/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only table of HTTP statuses, the only map from an error's kind to one of them, and the
 * bytes of a problem (RFC 9457). Pure: exchange.c sends what this file makes.
 */
#ifndef CL_API_STATUS_H
#define CL_API_STATUS_H

#include <stdint.h>

#include "sandbox/base/buf.h"
#include "sandbox/base/err.h"

enum { CL_PROBLEM_BYTES_MAX = 16384 };

struct cl_status {
    int code;
    const char *reason;   /* of the status line */
    const char *slug;     /* behind "urn:cloche:problem:"; NULL when it is not a problem */
    const char *title;    /* of the problem */
    unsigned retry_after; /* seconds, 0: not worth a Retry-After */
};

struct cl_problem {
    int status;
    const char *slug;   /* NULL: the one of the status */
    const char *title;  /* NULL: the one of the status */
    const char *detail; /* NULL: none */
    const char *extra;  /* NULL, or more members as JSON text without braces */
};

/* The row of a status; the row of 500 for a status that Cloche never sends. */
const struct cl_status *cl_status_of(int code);

/* INPUT 400, DENIED 403, LIMIT 413, BUSY 503, LOST 503, anything else 500. */
int cl_status_of_kind(uint32_t kind);

/* Whether the text of an error of this kind may be shown to a caller: faults of the operating
 * system speak of our insides and may not. */
bool cl_status_may_tell(uint32_t kind);

/* Appends the JSON of a problem. CL_E_LIMIT when it does not fit in `out`. */
int cl_status_format(struct cl_buf *out, const struct cl_problem *problem, struct cl_err *err);

#endif
