/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte buffer with a cap, and a reader that cannot over-read. Both take sizes from
 * hostile peers: a buffer never grows past its `limit` (that is CL_E_LIMIT, not an abort), a
 * reader that ran short stays failed and yields zeros.
 */
#ifndef CL_BASE_BUF_H
#define CL_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/err.h"

struct cl_buf {
    uint8_t *bytes; /* owned */
    size_t length;
    size_t capacity;
    size_t limit; /* most bytes it may ever hold */
};

/* clang-format off */
#define CL_BUF_INIT(limit_bytes) { NULL, 0, 0, (limit_bytes) }
/* clang-format on */

void cl_buf_fini(struct cl_buf *buf); /* frees and restores the empty state, limit kept */
void cl_buf_clear(struct cl_buf *buf);
int cl_buf_put(struct cl_buf *buf, const void *bytes, size_t length, struct cl_err *err);
int cl_buf_put_text(struct cl_buf *buf, const char *text, struct cl_err *err);
int cl_buf_format(struct cl_buf *buf, struct cl_err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Room for `length` more bytes at the end; the caller fills them, then adds to buf->length.
 * Returns NULL (err filled) past the limit. */
uint8_t *cl_buf_room(struct cl_buf *buf, size_t length, struct cl_err *err);
/* Drop `length` bytes (at most buf->length) from the front. */
void cl_buf_drop(struct cl_buf *buf, size_t length);

struct cl_reader {
    const uint8_t *at; /* borrowed */
    size_t left;
    bool failed;
};

static inline struct cl_reader cl_reader_of(const void *bytes, size_t length)
{
    struct cl_reader reader = { bytes, length, false };

    return reader;
}

uint32_t cl_reader_u32(struct cl_reader *reader); /* little endian, 0 when it ran short */
uint64_t cl_reader_u64(struct cl_reader *reader);
/* A view of the next `length` bytes, or NULL when it ran short. */
const uint8_t *cl_reader_bytes(struct cl_reader *reader, size_t length);

#endif
