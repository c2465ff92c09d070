/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: what passes the check can be walked to its last value, has no key twice (compared here
 * pair by pair), and its strings survive being unescaped and made again. Any bytes make a valid
 * string.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/json/scan.h"
#include "api/json/text.h"
#include "sandbox/base/own.h"

enum { DEPTH = 16, PAIRS_MAX = 64, OUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct cl_json_caps caps = { 1 << 20, 1 << 16, DEPTH, 64 };
static const struct cl_json_caps out_caps = { OUT_MAX, 1, 0, 64 };

static void unescape(struct cl_json value, struct cl_buf *out)
{
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(cl_json_string(value, out, &err) == 0);
}

static void put_and_check(const void *text, size_t length, struct cl_buf *out,
                          struct cl_json *value)
{
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(cl_json_put_string(out, text, length, &err) == 0);
    CL_CHECK(cl_json_check((char *)out->bytes, out->length, &out_caps, value, NULL, &err) == 0);
    CL_CHECK(cl_json_kind(*value) == CL_JSON_STRING && value->length == out->length);
}

static void check_string(struct cl_json value)
{
    CL_AUTO(cl_buf_fini) struct cl_buf plain = CL_BUF_INIT(OUT_MAX);
    CL_AUTO(cl_buf_fini) struct cl_buf again = CL_BUF_INIT(OUT_MAX);
    CL_AUTO(cl_buf_fini) struct cl_buf back = CL_BUF_INIT(OUT_MAX);
    struct cl_json made;

    unescape(value, &plain);
    put_and_check(plain.bytes, plain.length, &again, &made);
    unescape(made, &back);
    CL_CHECK(plain.length == back.length);
    CL_CHECK(plain.length == 0 || memcmp(plain.bytes, back.bytes, plain.length) == 0);
}

static void check_keys_differ(const struct cl_json *keys, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        CL_AUTO(cl_buf_fini) struct cl_buf one = CL_BUF_INIT(OUT_MAX);
        unescape(keys[i], &one);
        for (size_t k = 0; k < i; k++) {
            CL_AUTO(cl_buf_fini) struct cl_buf two = CL_BUF_INIT(OUT_MAX);
            unescape(keys[k], &two);
            CL_CHECK(one.length != two.length ||
                     (one.length > 0 && memcmp(one.bytes, two.bytes, one.length) != 0));
        }
    }
}

static size_t walk(struct cl_json value, unsigned depth);

static size_t walk_members(struct cl_json container, unsigned depth)
{
    struct cl_json keys[PAIRS_MAX], key, value;
    size_t cursor = 0, count = 0, nodes = 0;
    bool is_object = cl_json_kind(container) == CL_JSON_OBJECT;

    CL_CHECK(depth < DEPTH);
    while (cl_json_next(container, &cursor, &key, &value)) {
        CL_CHECK(value.text > container.text &&
                 value.text + value.length < container.text + container.length);
        CL_CHECK(is_object == (cl_json_kind(key) == CL_JSON_STRING));
        if (is_object && count < PAIRS_MAX)
            keys[count++] = key;
        if (is_object)
            check_string(key);
        nodes += walk(value, depth + 1) + is_object;
    }
    check_keys_differ(keys, count);
    return nodes;
}

/* Every value must pass the check by itself too. Returns how many values and keys there are. */
static size_t walk(struct cl_json value, unsigned depth)
{
    enum cl_json_kind kind = cl_json_kind(value);
    struct cl_err err = CL_ERR_INIT;
    uint64_t number;

    CL_CHECK(kind != CL_JSON_NONE);
    if (kind == CL_JSON_STRING)
        check_string(value);
    if (kind == CL_JSON_NUMBER)
        cl_json_u64(value, &number, &err);
    if (kind == CL_JSON_ARRAY || kind == CL_JSON_OBJECT)
        return 1 + walk_members(value, depth);
    CL_CHECK(cl_json_check(value.text, value.length, &caps, NULL, NULL, &err) == 0);
    return 1;
}

static void check_plain(const char *text, size_t length)
{
    size_t at = 0;

    while (at < length && (unsigned char)text[at] >= 0x20 && (unsigned char)text[at] < 0x7f &&
           text[at] != '"' && text[at] != '\\')
        at++;
    CL_CHECK(cl_jsontext_plain(text, length) == at);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    CL_AUTO(cl_buf_fini) struct cl_buf out = CL_BUF_INIT(OUT_MAX);
    struct cl_err err = CL_ERR_INIT;
    struct cl_json value;
    size_t at = 0;

    if (length > OUT_MAX / 8)
        return 0;
    int result = cl_json_check((const char *)bytes, length, &caps, &value, &at, &err);
    CL_CHECK(at <= length);
    CL_CHECK(result == 0 ? at == length : err.kind == CL_E_INPUT || err.kind == CL_E_LIMIT);
    if (result == 0)
        CL_CHECK(walk(value, 0) <= caps.nodes);
    check_plain((const char *)bytes, length);
    CL_CHECK(cl_json_utf8_prefix((const char *)bytes, length) <= length);
    put_and_check(bytes, length, &out, &value);
    return 0;
}
