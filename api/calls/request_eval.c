/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of POST /v1/eval -> frames for its worker.
 * Runs in: cloche-api.
 * Trusts: nothing; the expression is not looked at here, but for its size.
 */
#include "api/calls/member.h"
#include "sandbox/base/own.h"

static int read_expression(struct cl_member_parse *parse, struct cl_json value)
{
    const size_t start = parse->request->frames.length + sizeof(struct cl_frame);

    parse->source = value;
    if (cl_member_put_text(parse, CL_F_SOURCE, value) < 0)
        return -1;
    if (parse->request->frames.length - start <= CL_REQUEST_EXPRESSION_MAX)
        return 0;
    parse->refusal->limit = CL_REQUEST_EXPRESSION_MAX;
    return cl_refusal_set(parse->refusal, CL_R_TOO_LARGE,
                          "the expression is larger than %d bytes", CL_REQUEST_EXPRESSION_MAX);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* An identifier without a leading underscore. Bytes above ASCII are left to Python, and so is
 * which names eval uses itself: the worker refuses those. */
static bool is_context_name(const struct cl_buf *name)
{
    const char *text = (const char *)name->bytes;

    if (name->length == 0 || !is_letter(text[0]))
        return false;
    for (size_t i = 1; i < name->length; i++) {
        if (!is_letter(text[i]) && text[i] != '_' && !(text[i] >= '0' && text[i] <= '9'))
            return false;
    }
    return true;
}

static int check_name(struct cl_member_parse *parse, struct cl_json key)
{
    struct cl_buf CL_AUTO(cl_buf_fini) name = CL_BUF_INIT(key.length);
    struct cl_err err = CL_ERR_INIT;

    if (cl_json_string(key, &name, &err) < 0)
        return cl_member_failed(parse, &err);
    if (is_context_name(&name))
        return 0;
    cl_refusal_point(parse->refusal, (const char *)name.bytes, name.length);
    return cl_member_malformed(parse, "a name of the context is an identifier without a "
                                      "leading underscore");
}

static int read_context(struct cl_member_parse *parse, struct cl_json value)
{
    struct cl_json key, of_key;
    size_t cursor = 0;

    while (cl_json_next(value, &cursor, &key, &of_key)) {
        if (check_name(parse, key) < 0)
            return -1;
    }
    return cl_member_put(parse, CL_F_KWARGS, value);
}

static const struct cl_member members[] = {
    { "expression", CL_JSON_STRING, read_expression },
    { "context", CL_JSON_OBJECT, read_context },
    { "policy", CL_JSON_STRING, cl_member_policy },
    { "limits", CL_JSON_OBJECT, cl_member_limits },
};

int cl_request_parse_eval(struct cl_request *request, const char *text, size_t length,
                          struct cl_refusal *refusal)
{
    struct cl_member_parse parse = { .request = request, .refusal = refusal };

    if (cl_member_body(&parse, text, length, members, CL_COUNT(members)) < 0)
        return -1;
    if (parse.source.length)
        return 0;
    cl_refusal_point(refusal, "expression", sizeof("expression") - 1);
    return cl_member_malformed(&parse, "an expression is required");
}
