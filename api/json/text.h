/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of JSON strings, for the files that make up scan.h: UTF-8, plain runs, escapes.
 * Pure. */
#ifndef CL_API_JSONTEXT_H
#define CL_API_JSONTEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Length of the leading run of bytes that mean themselves in any JSON string: 0x20 to 0x7e but
 * '"' and '\\'. Eight at a time: a byte's high bit ends up set in `hit` when it is not plain; a
 * false hit is possible only above a true one, so the lowest is right. */
static inline size_t cl_jsontext_plain(const char *text, size_t length)
{
    const uint64_t ones = 0x0101010101010101u;
    size_t at = 0;

    for (; length - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, text + at, sizeof(word));
        uint64_t quote = word ^ (ones * '"');
        uint64_t slash = word ^ (ones * '\\');
        uint64_t delete = word ^ (ones * 0x7f);
        uint64_t hit = (((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) |
                        ((slash - ones) & ~slash) | ((delete - ones) & ~delete) | word) &
                       (ones * 0x80);
        if (hit)
            return at + (size_t)__builtin_ctzll(hit) / 8;
    }
    for (; at < length; at++) {
        unsigned char byte = (unsigned char)text[at];
        if (byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\')
            break;
    }
    return at;
}

/* Length of the UTF-8 character that `text` starts with, by the strict table of RFC 3629; 0
 * when it is none. */
size_t cl_jsontext_utf8(const char *text, size_t length);

/* The 16 bits of four hexadecimal digits, -1 when they are not all there. */
int cl_jsontext_hex4(const char *text, size_t length);

/* Decodes the escape at *at, which must be a checked one, into UTF-8; moves *at behind it
 * (behind both halves of a pair of surrogates). Returns the number of bytes in `out`. */
size_t cl_jsontext_unescape(const char **at, char out[4]);

#endif
