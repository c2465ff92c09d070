/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The framing of a request body: a length, or chunks. Pure and incremental. Chunk extensions
 * and trailers are refused: nobody needs them here, and readers differ about them.
 */
#ifndef CL_HTTP1_BODY_H
#define CL_HTTP1_BODY_H

#include "api/http1/head.h"

enum { CL_BODY_SIZE_DIGITS = 8 }; /* of a chunk size, leading zeros included */

struct cl_body {
    int state;       /* enum state of body.c */
    unsigned digits; /* of the chunk size so far */
    uint64_t left;   /* bytes of this length or chunk that are still to come */
    uint64_t total;  /* bytes of content announced so far */
    uint64_t most;   /* cap of total */
};

/* Content-Length: the caller has compared it with its cap. */
void cl_body_init_length(struct cl_body *body, uint64_t length);
void cl_body_init_chunked(struct cl_body *body, uint64_t most);

/* Consumes framing up to and including one run of content, which is *content (a view into
 * `bytes`, maybe empty). Returns how many bytes were consumed, 0 only if length is 0 or the
 * body is complete; -1 with `fault` filled. */
ssize_t cl_body_next(struct cl_body *body, const char *bytes, size_t length,
                     const char **content, size_t *content_length, struct cl_http_fault *fault);

bool cl_body_is_complete(const struct cl_body *body);

#endif
