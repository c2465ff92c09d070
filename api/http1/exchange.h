/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer on a connection, as the rest of the API sees HTTP. The connection
 * (conn.c) owns the exchange; handlers keep a pointer only until `on_end`, which comes exactly
 * once: after the answer is written, or when the client went away, or a deadline passed.
 */
#ifndef CL_HTTP1_EXCHANGE_H
#define CL_HTTP1_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/err.h"

struct evbuffer;
struct cl_exchange;

struct cl_http_field {
    const char *name;  /* lower case, terminated */
    const char *value; /* trimmed, terminated, no control bytes */
};

/* A request head that passed the grammar of head.c. */
struct cl_http_head {
    const char *method; /* "POST" */
    const char *path;   /* decoded once; no NUL, no "//", no dot segment, ASCII */
    const char *query;  /* raw after '?', "" when absent */
    const struct cl_http_field *fields;
    size_t field_count;
    uint64_t content_length; /* 0 when chunked or absent */
    bool has_body;           /* a length was given, or chunked */
    bool is_chunked;
    bool expects_continue;
    bool keep_alive;
    bool is_http10; /* HTTP/1.0: no chunked answers, closes unless it asked not to */
};

/* What a handler wants to hear of. All run on the event loop and must not block. on_drained and
 * on_end are never called from inside a cl_exchange_* function, always from the loop. */
struct cl_exchange_calls {
    /* The head is complete, no body byte was read. Either answer now, or set how much body is
     * welcome with cl_exchange_want_body and return. */
    void (*on_head)(struct cl_exchange *x, void *server);
    /* The whole body is here (at once after on_head when there is none). The bytes stay where
     * they are until on_end. */
    void (*on_body)(struct cl_exchange *x, const char *body, size_t length);
    /* It is answered, or the answer begins: nothing of that was sent yet. May be NULL. */
    void (*on_answer)(struct cl_exchange *x, int status);
    /* Everything written so far has left for the kernel: write the next piece. */
    void (*on_drained)(struct cl_exchange *x);
    /* Last call. `complete` is false when the client went away before the answer was out. */
    void (*on_end)(struct cl_exchange *x, bool complete);
};

const struct cl_http_head *cl_exchange_head(const struct cl_exchange *x);
/* The value of the only field of this (lower case) name; NULL if absent. Field names that may
 * come once only (authorization, content-type, accept, idempotency-key, prefer) were
 * checked. */
const char *cl_exchange_field(const struct cl_exchange *x, const char *name);
const char *cl_exchange_peer(const struct cl_exchange *x); /* address text, for logs */
/* SHA-256 of the certificate that the client showed, 32 bytes; NULL: none that is valid now. */
const uint8_t *cl_exchange_certificate(const struct cl_exchange *x);
uint64_t cl_exchange_id(const struct cl_exchange *x);

void cl_exchange_want_body(struct cl_exchange *x, size_t most_bytes);

/* What the handler keeps in memory for this exchange, as a whole; it ends with the exchange. False
 * when the budget of all requests has no room for it: then nothing has changed. */
bool cl_exchange_reserve(struct cl_exchange *x, size_t bytes);

/* The handler's own pointer. */
void cl_exchange_set_user(struct cl_exchange *x, void *user);
void *cl_exchange_user(const struct cl_exchange *x);

/* Add a header to the answer that follows. Name and value are checked; one that may not be sent
 * (CR, LF, NUL, framing such as Content-Length) is logged and left out. */
void cl_exchange_header(struct cl_exchange *x, const char *name, const char *value);

/* A whole answer. The body is copied. Once an answer has begun a second one is ignored: the
 * server answers by itself when a body is too large or too slow. */
void cl_exchange_answer(struct cl_exchange *x, int status, const char *content_type,
                        const void *body, size_t length);
/* The same, moving the bytes of an evbuffer. */
void cl_exchange_answer_buffer(struct cl_exchange *x, int status, const char *content_type,
                               struct evbuffer *body);

/* A chunked answer: begin, then write one piece at a time, each after on_drained of the last
 * (small pieces may be put together), then finish. */
void cl_exchange_begin(struct cl_exchange *x, int status, const char *content_type);
void cl_exchange_write(struct cl_exchange *x, const void *bytes, size_t length);
bool cl_exchange_is_drained(const struct cl_exchange *x);
void cl_exchange_finish(struct cl_exchange *x);
/* Break off: close the connection without a proper end (a stream that failed half-way). */
void cl_exchange_abort(struct cl_exchange *x);

#endif
