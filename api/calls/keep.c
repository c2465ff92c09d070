/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First and last part of a long output.
 * Runs in: cloche-api.
 * Trusts: nothing; the bytes are a worker's, their total is capped by the stream.
 */
#include "api/calls/keep.h"

#include <inttypes.h>
#include <string.h>

#include "api/json/scan.h"
#include "sandbox/base/own.h"

bool cl_keep_is_truncated(const struct cl_keep *keep)
{
    return keep->total > 2 * CL_KEEP_HALF;
}

/* Where the next byte goes in the second half. */
static size_t ring_at(const struct cl_keep *keep)
{
    return (size_t)((keep->total - CL_KEEP_HALF) % CL_KEEP_HALF);
}

static void put_ring(struct cl_keep *keep, const char *text, size_t length)
{
    char *ring = (char *)keep->text.bytes + CL_KEEP_HALF;

    if (length > CL_KEEP_HALF) {
        keep->total += length - CL_KEEP_HALF;
        text += length - CL_KEEP_HALF;
        length = CL_KEEP_HALF;
    }
    while (length > 0) {
        const size_t at = ring_at(keep);
        const size_t part = length < CL_KEEP_HALF - at ? length : CL_KEEP_HALF - at;

        memcpy(ring + at, text, part);
        keep->total += part;
        text += part;
        length -= part;
    }
}

int cl_keep_put(struct cl_keep *keep, const char *text, size_t length, struct cl_err *err)
{
    const size_t room = keep->text.limit - keep->text.length;
    const size_t direct = length < room ? length : room;

    if (cl_buf_put(&keep->text, text, direct, err) < 0)
        return -1;
    keep->total += direct;
    put_ring(keep, text + direct, length - direct);
    return 0;
}

/* A tail may begin inside a character: continuation bytes are skipped. */
static size_t cut_head(const char *text, size_t length)
{
    size_t skip = 0;

    while (skip < length && skip < 3 && ((unsigned char)text[skip] & 0xc0) == 0x80)
        skip++;
    return skip;
}

int cl_keep_format(const struct cl_keep *keep, struct cl_buf *out, struct cl_err *err)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(2 * CL_KEEP_HALF + 64);
    const char *first = (const char *)keep->text.bytes;

    if (!cl_keep_is_truncated(keep))
        return cl_json_put_string(out, first ? first : "", keep->text.length, err);

    const size_t at = ring_at(keep);
    if (cl_buf_put(&text, first, cl_json_utf8_prefix(first, CL_KEEP_HALF), err) < 0 ||
        cl_buf_format(&text, err, "\n[... %" PRIu64 " bytes left out ...]\n",
                      keep->total - 2 * CL_KEEP_HALF) < 0)
        return -1;
    const size_t tail = text.length;
    if (cl_buf_put(&text, first + CL_KEEP_HALF + at, CL_KEEP_HALF - at, err) < 0 ||
        cl_buf_put(&text, first + CL_KEEP_HALF, at, err) < 0)
        return -1;
    const size_t skip = cut_head((const char *)text.bytes + tail, text.length - tail);
    memmove(text.bytes + tail, text.bytes + tail + skip, text.length - tail - skip);
    text.length -= skip;
    return cl_json_put_string(out, (const char *)text.bytes, text.length, err);
}

void cl_keep_fini(struct cl_keep *keep)
{
    cl_buf_fini(&keep->text);
    keep->total = 0;
}
