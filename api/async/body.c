/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call as it was sent, as one row of bytes: a version, its kind, what came beside the body.
 * Runs in: cloche-api.
 * Trusts: nothing on the way in; on the way back the store, checked anew.
 */
#include <stdio.h>
#include <string.h>

#include "api/async/impl.h"

enum { FIELD_MAX = 4 << 10 };

static const char version[] = "1";
static const char *const kinds[] = {
    [CL_CALL_KIND_CALL] = "call",
    [CL_CALL_KIND_EVAL] = "eval",
};

/* "1\ncall\n<function>\n<trace of trace.h>\n<body>"; neither field can hold the end of a line. */
int cl_async_pack(const struct cl_call_sent *sent, struct cl_buf *out, struct cl_err *err)
{
    const char *trace = sent->trace ? sent->trace : "";

    if (strpbrk(sent->function, "\r\n") || strpbrk(trace, "\r\n") ||
        strlen(sent->function) > FIELD_MAX || strlen(trace) > FIELD_MAX)
        return cl_fail(err, CL_E_INPUT, "a field of the call does not fit in a line");
    if (cl_buf_format(out, err, "%s\n%s\n%s\n%s\n", version, kinds[sent->kind], sent->function,
                      trace) < 0)
        return -1;
    return cl_buf_put(out, sent->body, sent->length, err);
}

static int read_kind(const char *word, struct cl_call_sent *sent)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i], word) == 0) {
            sent->kind = (enum cl_call_kind)i;
            return 0;
        }
    }
    return -1;
}

/* The fields stay where they are, each terminated in place of its line's end. */
int cl_async_unpack(char *bytes, size_t length, struct cl_call_sent *sent, struct cl_err *err)
{
    char *fields[4];
    char *at = bytes;

    for (size_t i = 0; i < 4; i++) {
        char *end = memchr(at, '\n', length - (size_t)(at - bytes));

        if (!end || memchr(at, '\0', (size_t)(end - at)))
            return cl_fail(err, CL_E_LOST, "a stored call is damaged");
        *end = '\0';
        fields[i] = at;
        at = end + 1;
    }
    *sent = (struct cl_call_sent){ .function = fields[2],
                                   .trace = fields[3],
                                   .body = at,
                                   .length = length - (size_t)(at - bytes) };
    if (strcmp(fields[0], version) != 0 || read_kind(fields[1], sent) < 0)
        return cl_fail(err, CL_E_LOST, "a stored call is of another version");
    return 0;
}
