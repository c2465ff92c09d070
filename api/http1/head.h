/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of a request head, stricter than RFC 9112 wherever two readers could differ.
 * Pure: two steps over bytes, no socket. First cl_head_scan is fed the growing bytes and finds
 * the end without looking at any byte twice; then cl_head_parse cuts a copy of them up in
 * place.
 */
#ifndef CL_HTTP1_HEAD_H
#define CL_HTTP1_HEAD_H

#include <stddef.h>
#include <sys/types.h>

#include "api/http1/exchange.h"

enum {
    CL_HEAD_FIELDS_MAX = 128,   /* most that a cap may permit */
    CL_HEAD_TARGET_MAX = 8192,  /* bytes of path and query */
    CL_HEAD_LENGTH_DIGITS = 15, /* of a Content-Length */
};

/* Why a request is refused. Such a connection closes after the answer. */
struct cl_http_fault {
    int status;
    const char *detail; /* static text */
};

struct cl_head_caps {
    size_t bytes;  /* request line and fields with the empty line */
    size_t fields; /* at most CL_HEAD_FIELDS_MAX */
};

struct cl_head_scan {
    size_t seen; /* bytes looked at */
    size_t line; /* where the unfinished line starts */
};

#define CL_HEAD_SCAN_INIT                                                                      \
    {                                                                                          \
        0, 0                                                                                   \
    }

/* `bytes` are all bytes of the head so far (those of earlier calls first). Returns the length
 * of the complete head with its empty line, 0 when more is needed, -1 with `fault` filled. */
ssize_t cl_head_scan(struct cl_head_scan *scan, const char *bytes, size_t length,
                     const struct cl_head_caps *caps, struct cl_http_fault *fault);

/* Parses a complete head in place: `head` and `fields` (room for caps->fields) then point into
 * `text`. Returns 0 or -1 with `fault` filled. */
int cl_head_parse(char *text, size_t length, const struct cl_head_caps *caps,
                  struct cl_http_head *head, struct cl_http_field *fields,
                  struct cl_http_fault *fault);

/* The value of the only field of this lower case name; NULL when there is none, or several. */
const char *cl_head_field(const struct cl_http_head *head, const char *name);

/* Whether text is a token (RFC 9110 5.6.2), and whether it may stand in a field value. */
bool cl_head_is_token(const char *text);
bool cl_head_is_value(const char *text);

/* For target.c. */
int cl_head_refuse(struct cl_http_fault *fault, int status, const char *detail);

#endif
