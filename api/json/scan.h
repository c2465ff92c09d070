/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one JSON validator (RFC 8259), for callers' bytes on the way in and workers' bytes on the
 * way out. Iterative, no allocation that grows with nesting: strict UTF-8 (no overlong forms,
 * no surrogates), no lone surrogate escapes, no duplicate keys (compared after unescaping),
 * no NaN or Infinity, capped depth, size, nodes and number length. Numbers are never converted:
 * a value that passes is spliced as the bytes it was.
 */
#ifndef CL_API_JSONSCAN_H
#define CL_API_JSONSCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/buf.h"
#include "sandbox/base/err.h"

struct cl_json_caps {
    size_t bytes;   /* at most UINT32_MAX */
    size_t nodes;   /* values and keys together */
    unsigned depth; /* arrays and objects inside each other, at most 68; 0: only scalars */
    unsigned number_bytes; /* longest number */
};

#define CL_JSON_CAPS(bytes_max)                                                                \
    {                                                                                          \
        (bytes_max), 1u << 20, 64, 65536                                                       \
    }

/* A view into checked text: one value without surrounding white space. */
struct cl_json {
    const char *text;
    size_t length;
};

enum cl_json_kind {
    CL_JSON_NONE = 0, /* absent */
    CL_JSON_NULL,
    CL_JSON_FALSE,
    CL_JSON_TRUE,
    CL_JSON_NUMBER,
    CL_JSON_STRING,
    CL_JSON_ARRAY,
    CL_JSON_OBJECT,
};

/* Checks that text is exactly one JSON value. On failure err is CL_E_INPUT (CL_E_LIMIT for a
 * cap) with "line L column C: what", and *at is the offset. `value` may be NULL. */
int cl_json_check(const char *text, size_t length, const struct cl_json_caps *caps,
                  struct cl_json *value, size_t *at, struct cl_err *err);

/* The rest works on text that passed cl_json_check. */
enum cl_json_kind cl_json_kind(struct cl_json value);

/* Walks the members of an object or elements of an array: start with *cursor = 0; returns false
 * at the end. `key` is the raw string with its quotes (empty for arrays). */
bool cl_json_next(struct cl_json container, size_t *cursor, struct cl_json *key,
                  struct cl_json *value);

/* Unescapes a JSON string to UTF-8 at the end of `out` (NUL bytes are possible: use lengths).
 */
int cl_json_string(struct cl_json value, struct cl_buf *out, struct cl_err *err);

/* Whether a JSON string (a key) equals plain text after unescaping. */
bool cl_json_is(struct cl_json string, const char *text);

/* A whole number that fits, else CL_E_INPUT. */
int cl_json_u64(struct cl_json value, uint64_t *number, struct cl_err *err);

/* Appends text as a JSON string with quotes: control bytes, '"', '\\', U+2028, U+2029 and DEL
 * escaped; invalid UTF-8 becomes U+FFFD. */
int cl_json_put_string(struct cl_buf *out, const char *text, size_t length, struct cl_err *err);

/* Length of the longest prefix of `text` that does not cut a UTF-8 character in two. */
size_t cl_json_utf8_prefix(const char *text, size_t length);

#endif
