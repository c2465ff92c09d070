/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks and reads JSON that was checked.
 * Runs in: cloche-api.
 * Trusts: that cl_json_check passed the text; nothing about what it says.
 */
#include <string.h>

#include "api/json/scan.h"
#include "api/json/text.h"

enum cl_json_kind cl_json_kind(struct cl_json value)
{
    if (value.length == 0)
        return CL_JSON_NONE;
    switch (value.text[0]) {
    case 'n':
        return CL_JSON_NULL;
    case 'f':
        return CL_JSON_FALSE;
    case 't':
        return CL_JSON_TRUE;
    case '"':
        return CL_JSON_STRING;
    case '[':
        return CL_JSON_ARRAY;
    case '{':
        return CL_JSON_OBJECT;
    default:
        return CL_JSON_NUMBER;
    }
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* From the opening quote to behind the closing one. */
static const char *skip_string(const char *at, const char *end)
{
    at++;
    while (at < end) {
        at += cl_jsontext_plain(at, (size_t)(end - at));
        if (at == end)
            break;
        if (*at == '"')
            return at + 1;
        at += *at == '\\' ? 2 : 1;
    }
    return end;
}

static const char *skip_container(const char *at, const char *end)
{
    size_t depth = 0;

    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        if ((*at == '}' || *at == ']') && --depth == 0)
            return at + 1;
        at++;
    }
    return end;
}

static const char *skip_value(const char *at, const char *end)
{
    if (at < end && *at == '"')
        return skip_string(at, end);
    if (at < end && (*at == '{' || *at == '['))
        return skip_container(at, end);
    while (at < end && !strchr(",]} \n\r\t", *at))
        at++;
    return at;
}

bool cl_json_next(struct cl_json container, size_t *cursor, struct cl_json *key,
                  struct cl_json *value)
{
    const char *end = container.text + container.length;
    const char *at = container.text + (*cursor ? *cursor : 1);

    *key = (struct cl_json){ "", 0 };
    *value = (struct cl_json){ "", 0 };
    if (container.length < 2 || *cursor >= container.length)
        return false;
    at = skip_space(at, end);
    if (at < end && *at == ',')
        at = skip_space(at + 1, end);
    if (at >= end || *at == '}' || *at == ']') {
        *cursor = container.length;
        return false;
    }
    if (container.text[0] == '{') {
        const char *key_end = skip_string(at, end);
        *key = (struct cl_json){ at, (size_t)(key_end - at) };
        at = skip_space(key_end, end);
        at = skip_space(at + 1, end); /* the colon */
    }
    const char *value_end = skip_value(at, end);
    *value = (struct cl_json){ at, (size_t)(value_end - at) };
    *cursor = (size_t)(value_end - container.text);
    return true;
}

int cl_json_string(struct cl_json value, struct cl_buf *out, struct cl_err *err)
{
    if (cl_json_kind(value) != CL_JSON_STRING)
        return cl_fail(err, CL_E_INPUT, "a string is needed");

    const char *at = value.text + 1;
    const char *end = value.text + value.length - 1;
    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        size_t run = (size_t)((slash ? slash : end) - at);
        char bytes[4];
        if (cl_buf_put(out, at, run, err) < 0)
            return -1;
        at += run;
        if (slash && cl_buf_put(out, bytes, cl_jsontext_unescape(&at, bytes), err) < 0)
            return -1;
    }
    return 0;
}

bool cl_json_is(struct cl_json string, const char *text)
{
    if (cl_json_kind(string) != CL_JSON_STRING)
        return false;

    const char *at = string.text + 1;
    const char *end = string.text + string.length - 1;
    while (at < end) {
        char bytes[4] = { *at };
        size_t length = 1;
        if (*at == '\\')
            length = cl_jsontext_unescape(&at, bytes);
        else
            at++;
        if (strnlen(text, length) < length || memcmp(text, bytes, length) != 0)
            return false;
        text += length;
    }
    return !*text;
}

int cl_json_u64(struct cl_json value, uint64_t *number, struct cl_err *err)
{
    uint64_t sum = 0;

    if (value.length == 0)
        return cl_fail(err, CL_E_INPUT, "a whole number is needed");
    for (size_t i = 0; i < value.length; i++) {
        char digit = value.text[i];
        if (digit < '0' || digit > '9')
            return cl_fail(err, CL_E_INPUT, "a whole number is needed");
        if (__builtin_mul_overflow(sum, 10u, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(digit - '0'), &sum))
            return cl_fail(err, CL_E_INPUT, "the number is too large");
    }
    *number = sum;
    return 0;
}
