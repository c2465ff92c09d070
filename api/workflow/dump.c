/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON value as Python's json.dumps writes it: its spacing, and nothing but ASCII.
 * Runs in: cloche-api, cloche.
 * Trusts: that the value passed cl_json_check.
 */
#include <inttypes.h>
#include <string.h>

#include "api/json/text.h"
#include "api/workflow/references.h"
#include "sandbox/base/own.h"

static uint32_t decode(const char *text, size_t size)
{
    const unsigned char *c = (const unsigned char *)text;

    switch (size) {
    case 1:
        return c[0];
    case 2:
        return (uint32_t)(c[0] & 0x1f) << 6 | (c[1] & 0x3f);
    case 3:
        return (uint32_t)(c[0] & 0x0f) << 12 | (uint32_t)(c[1] & 0x3f) << 6 | (c[2] & 0x3f);
    default:
        return (uint32_t)(c[0] & 0x07) << 18 | (uint32_t)(c[1] & 0x3f) << 12 |
               (uint32_t)(c[2] & 0x3f) << 6 | (c[3] & 0x3f);
    }
}

static int put_code_point(struct cl_buf *out, uint32_t point, struct cl_err *err)
{
    static const char plain[] = "\"\\\n\r\t\b\f";
    static const char names[] = "\"\\nrtbf";
    const char *known = point > 0 && point < 0x80 ? strchr(plain, (int)point) : NULL;

    if (known)
        return cl_buf_format(out, err, "\\%c", names[known - plain]);
    if (point >= 0x10000) {
        point -= 0x10000;
        return cl_buf_format(out, err, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + (point >> 10),
                             0xdc00 + (point & 0x3ff));
    }
    return cl_buf_format(out, err, "\\u%04" PRIx32, point);
}

/* A checked string of JSON, at its opening quote; returns behind its closing one. */
static const char *dump_string(const char *at, const char *end, struct cl_buf *out,
                               struct cl_err *err)
{
    if (cl_buf_put(out, "\"", 1, err) < 0)
        return NULL;
    for (at++; *at != '"';) {
        const size_t run = cl_jsontext_plain(at, (size_t)(end - at));
        if (cl_buf_put(out, at, run, err) < 0)
            return NULL;
        at += run;
        if (*at == '"')
            break;

        char bytes[4];
        size_t size = cl_jsontext_utf8(at, (size_t)(end - at));
        uint32_t point;
        if (*at == '\\') {
            size = cl_jsontext_unescape(&at, bytes);
            point = decode(bytes, size);
        } else {
            CL_CHECK(size > 0);
            point = decode(at, size);
            at += size;
        }
        const bool is_plain = point >= 0x20 && point < 0x7f && point != '"' && point != '\\';
        const char byte = (char)point;
        if ((is_plain ? cl_buf_put(out, &byte, 1, err) : put_code_point(out, point, err)) < 0)
            return NULL;
    }
    return cl_buf_put(out, "\"", 1, err) < 0 ? NULL : at + 1;
}

int cl_references_dump(struct cl_json value, struct cl_buf *out, struct cl_err *err)
{
    const char *at = value.text;
    const char *end = value.text + value.length;

    while (at < end) {
        if (*at == '"') {
            at = dump_string(at, end, out, err);
            if (!at)
                return -1;
            continue;
        }
        const bool is_space = strchr(" \t\r\n", *at) != NULL;
        if (!is_space && cl_buf_put(out, at, 1, err) < 0)
            return -1;
        if ((*at == ',' || *at == ':') && cl_buf_put(out, " ", 1, err) < 0)
            return -1;
        at++;
    }
    return 0;
}
