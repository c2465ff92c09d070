/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codes of python/v1 and how errors are written.
 * Runs in: cloche-api.
 * Trusts: nothing; messages may hold what a caller or a worker wrote, and are escaped here.
 */
#include "api/pythonv1/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/own.h"

/* What is not a row is no error of ours. `is_retryable`: the same call may succeed later. */
static const struct row {
    int32_t code;
    bool is_retryable;
    const char *exception;
} rows[] = {
    { CL_V1_PARSE, false, "ParseError" },
    { CL_V1_REQUEST, false, "InvalidRequest" },
    { CL_V1_METHOD, false, "MethodNotFound" },
    { CL_V1_PARAMS, false, "ValueError" },
    { CL_V1_INTERNAL, false, "InternalError" },
    { CL_V1_RESOURCES, true, "ResourcesExhausted" },
    { CL_V1_RATE, true, "RateLimited" },
    { CL_V1_PROVIDER, false, "ProviderNotAvailable" },
    { -30006, true, "ProviderTimeout" },
    { CL_V1_OVERLOADED, true, "ProviderOverloaded" },
    { CL_V1_TASK_FAILED, false, "TaskExecutionError" },
    { CL_V1_TASK_TIMEOUT, true, "TaskTimeout" },
    { CL_V1_TASK_CANCELLED, false, "TaskCancelled" },
    { CL_V1_TASK_RESULT, false, "TaskResultInvalid" },
    { -25001, true, "ConnectionUnreachable" },
    { -25003, true, "ConnectionTimeout" },
    { CL_V1_LOST, true, "ConnectionLost" },
    { CL_V1_FORBIDDEN, false, "PermissionError" },
};

static const struct row *find(int32_t code)
{
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (rows[i].code == code)
            return &rows[i];
    }
    return NULL;
}

bool cl_pythonv1_is_retryable(int32_t code)
{
    const struct row *row = find(code);

    return row && row->is_retryable;
}

const char *cl_v1_exception_of(int32_t code)
{
    const struct row *row = find(code);

    return row ? row->exception : "Exception";
}

int cl_v1_fail(struct cl_v1_fault *fault, int32_t code, const char *format, ...)
{
    char text[CL_V1_MESSAGE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fault->code = code;
    cl_v1_plain_text(text, strlen(text), fault->message, sizeof(fault->message));
    return -1;
}

static int put_text(struct cl_buf *out, const char *key, const char *text, struct cl_err *err)
{
    if (cl_buf_put_text(out, key, err) < 0)
        return -1;
    return cl_json_put_string(out, text, strlen(text), err);
}

int cl_v1_fault_put(const struct cl_v1_fault *fault, struct cl_buf *out, struct cl_err *err)
{
    const char *exception =
        fault->exception[0] ? fault->exception : cl_v1_exception_of(fault->code);

    if (cl_buf_format(out, err, "{\"code\":%d", (int)fault->code) < 0 ||
        put_text(out, ",\"message\":", fault->message, err) < 0 ||
        put_text(out, ",\"data\":{\"exception_type\":", exception, err) < 0)
        return -1;
    if (cl_pythonv1_is_retryable(fault->code) &&
        cl_buf_put_text(out, ",\"retryable\":true", err) < 0)
        return -1;
    if (fault->reason[0] && put_text(out, ",\"reason\":", fault->reason, err) < 0)
        return -1;
    if (fault->similar[0] && (put_text(out, ",\"similar\":[", fault->similar, err) < 0 ||
                              cl_buf_put_text(out, "]", err) < 0))
        return -1;
    return cl_buf_put_text(out, "}}", err);
}

/* ----------------------------------------------------------------------------------- texts */

bool cl_v1_plain_text(const char *from, size_t length, char *text, size_t size)
{
    bool is_whole = length < size;
    size_t kept = is_whole ? length : size - 1;

    if (!is_whole)
        kept = cl_json_utf8_prefix(from, kept);
    memcpy(text, from, kept);
    text[kept] = '\0';
    for (size_t i = 0; i < kept; i++) {
        if (text[i] == '\0') {
            text[i] = '?';
            is_whole = false;
        }
    }
    return is_whole;
}

bool cl_v1_plain(struct cl_json string, char *text, size_t size)
{
    struct cl_buf CL_AUTO(cl_buf_fini) plain = CL_BUF_INIT(string.length);
    struct cl_err err = CL_ERR_INIT;

    text[0] = '\0';
    if (cl_json_kind(string) != CL_JSON_STRING || cl_json_string(string, &plain, &err) < 0)
        return false;
    if (plain.length == 0)
        return true;
    return cl_v1_plain_text((const char *)plain.bytes, plain.length, text, size);
}

struct cl_json cl_v1_member(struct cl_json object, const char *name)
{
    struct cl_json key, value;
    size_t cursor = 0;

    if (cl_json_kind(object) != CL_JSON_OBJECT)
        return (struct cl_json){ 0 };
    while (cl_json_next(object, &cursor, &key, &value)) {
        if (cl_json_is(key, name))
            return value;
    }
    return (struct cl_json){ 0 };
}
