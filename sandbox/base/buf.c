/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded buffer and the reader that cannot over-read.
 * Runs in: every process.
 * Trusts: no length; the limit was chosen by the owner of the buffer.
 */
#include "sandbox/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_LEAST = 64 };

void cl_buf_fini(struct cl_buf *buf)
{
    free(buf->bytes);
    *buf = (struct cl_buf)CL_BUF_INIT(buf->limit);
}

void cl_buf_clear(struct cl_buf *buf)
{
    buf->length = 0;
}

/* The allocation is one byte longer than `capacity`, for the NUL of cl_buf_format. */
static int grow(struct cl_buf *buf, size_t needed, struct cl_err *err)
{
    size_t capacity = buf->capacity < CAPACITY_LEAST ? CAPACITY_LEAST : buf->capacity;
    uint8_t *bytes;

    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 4 ? needed : capacity * 2;
    if (capacity > buf->limit)
        capacity = buf->limit;
    if (capacity > SIZE_MAX / 2)
        return cl_fail(err, CL_E_LIMIT, "a buffer of %zu bytes is too large", needed);

    bytes = realloc(buf->bytes, capacity + 1);
    if (!bytes)
        return cl_fail(err, CL_E_SYS, "allocate %zu bytes", capacity);
    buf->bytes = bytes;
    buf->capacity = capacity;
    return 0;
}

uint8_t *cl_buf_room(struct cl_buf *buf, size_t length, struct cl_err *err)
{
    if (buf->length > buf->limit || length > buf->limit - buf->length) {
        cl_fail(err, CL_E_LIMIT, "%zu more bytes do not fit under the cap of %zu bytes", length,
                buf->limit);
        return NULL;
    }
    bool has_room = buf->bytes && length <= buf->capacity - buf->length;
    if (!has_room && grow(buf, buf->length + length, err) < 0)
        return NULL;

    return buf->bytes + buf->length;
}

int cl_buf_put(struct cl_buf *buf, const void *bytes, size_t length, struct cl_err *err)
{
    uint8_t *room = cl_buf_room(buf, length, err);

    if (!room)
        return -1;
    if (length > 0)
        memcpy(room, bytes, length);
    buf->length += length;
    return 0;
}

int cl_buf_put_text(struct cl_buf *buf, const char *text, struct cl_err *err)
{
    return cl_buf_put(buf, text, strlen(text), err);
}

int cl_buf_format(struct cl_buf *buf, struct cl_err *err, const char *format, ...)
{
    va_list args;
    va_list again;
    int length;
    uint8_t *room = NULL;

    va_start(args, format);
    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        cl_fail(err, CL_E_SYS, "format \"%s\"", format);
    else
        room = cl_buf_room(buf, (size_t)length, err);
    if (room) {
        vsnprintf((char *)room, (size_t)length + 1, format, again);
        buf->length += (size_t)length;
    }
    va_end(again);

    return room ? 0 : -1;
}

void cl_buf_drop(struct cl_buf *buf, size_t length)
{
    CL_CHECK(length <= buf->length);
    if (length == 0)
        return;
    memmove(buf->bytes, buf->bytes + length, buf->length - length);
    buf->length -= length;
}

const uint8_t *cl_reader_bytes(struct cl_reader *reader, size_t length)
{
    const uint8_t *at = reader->at;

    if (reader->failed || length > reader->left) {
        reader->failed = true;
        return NULL;
    }
    if (length > 0)
        reader->at += length;
    reader->left -= length;
    return at;
}

static uint64_t little_endian(const uint8_t *at, size_t length)
{
    uint64_t value = 0;

    while (length-- > 0)
        value = value << 8 | at[length];
    return value;
}

uint32_t cl_reader_u32(struct cl_reader *reader)
{
    const uint8_t *at = cl_reader_bytes(reader, sizeof(uint32_t));

    return at ? (uint32_t)little_endian(at, sizeof(uint32_t)) : 0;
}

uint64_t cl_reader_u64(struct cl_reader *reader)
{
    const uint8_t *at = cl_reader_bytes(reader, sizeof(uint64_t));

    return at ? little_endian(at, sizeof(uint64_t)) : 0;
}
