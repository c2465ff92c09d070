/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a call -> frames for its worker.
 * Runs in: cloche-api.
 * Trusts: nothing; every byte is the caller's.
 */
#include "api/calls/request.h"

#include <stdio.h>
#include <string.h>

#include "api/calls/member.h"
#include "sandbox/base/own.h"

static int read_source(struct cl_member_parse *parse, struct cl_json value)
{
    parse->source = value;
    return cl_member_put_text(parse, CL_F_SOURCE, value);
}

static bool is_name_start(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

/* Dotted Python names; bytes above ASCII are left to Python, which knows what a letter is. */
static bool is_dotted_name(const char *text)
{
    bool at_start = true;

    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;

        if (c == '.' && !at_start) {
            at_start = true;
        } else if (is_name_start(c) || (!at_start && c >= '0' && c <= '9')) {
            at_start = false;
        } else {
            return false;
        }
    }
    return !at_start;
}

static int read_function(struct cl_member_parse *parse, struct cl_json value)
{
    struct cl_request *request = parse->request;

    if (parse->is_by_path)
        return cl_member_malformed(parse, "the path names the function");
    if (cl_member_short(parse, value, request->function, sizeof(request->function)) < 0)
        return -1;
    return is_dotted_name(request->function) ? 0
                                             : cl_member_malformed(parse, "not a module.name");
}

static int read_version(struct cl_member_parse *parse, struct cl_json value)
{
    char *version = parse->request->version;

    parse->version = value;
    if (cl_member_short(parse, value, version, sizeof(parse->request->version)) < 0)
        return -1;
    return strlen(version) == CL_REQUEST_VERSION_MAX - 1 &&
                   strspn(version, "0123456789abcdef") == strlen(version)
               ? 0
               : cl_member_malformed(parse, "a version is 12 digits 0-9a-f");
}

static int read_entry(struct cl_member_parse *parse, struct cl_json value)
{
    char entry[CL_NAME_MAX];

    parse->entry = value;
    if (cl_member_short(parse, value, entry, sizeof(entry)) < 0)
        return -1;
    if (!is_dotted_name(entry))
        return cl_member_malformed(parse, "not a dotted Python name");
    return cl_member_put_text(parse, CL_F_ENTRY, value);
}

static int read_args(struct cl_member_parse *parse, struct cl_json value)
{
    return cl_member_put(parse, CL_F_ARGS, value);
}

static int read_kwargs(struct cl_member_parse *parse, struct cl_json value)
{
    return cl_member_put(parse, CL_F_KWARGS, value);
}

static int read_stdin(struct cl_member_parse *parse, struct cl_json value)
{
    return cl_member_put_text(parse, CL_F_STDIN, value);
}

int cl_member_policy(struct cl_member_parse *parse, struct cl_json value)
{
    if (cl_member_short(parse, value, parse->request->policy, sizeof(parse->request->policy)) <
        0)
        return -1;
    return parse->request->policy[0] ? 0 : cl_member_malformed(parse, "a policy has a name");
}

static int read_metadata(struct cl_member_parse *parse, struct cl_json value)
{
    struct cl_err err = CL_ERR_INIT;

    if (cl_buf_put(&parse->request->metadata, value.text, value.length, &err) == 0)
        return 0;
    return err.kind == CL_E_SYS
               ? cl_member_failed(parse, &err)
               : cl_member_malformed(parse, "larger than %d bytes", CL_REQUEST_METADATA_MAX);
}

static int read_priority(struct cl_member_parse *parse, struct cl_json value)
{
    static const char *const words[] = {
        [CL_PRIORITY_NORMAL] = "normal",
        [CL_PRIORITY_HIGH] = "high",
        [CL_PRIORITY_LOW] = "low",
    };

    for (size_t i = 0; i < CL_COUNT(words); i++) {
        if (cl_json_is(value, words[i])) {
            parse->request->priority = (enum cl_priority)i;
            return 0;
        }
    }
    return cl_member_malformed(parse, "one of high, normal, low");
}

static const struct cl_member members[] = {
    { "source", CL_JSON_STRING, read_source },
    { "function", CL_JSON_STRING, read_function },
    { "version", CL_JSON_STRING, read_version },
    { "entry", CL_JSON_STRING, read_entry },
    { "args", CL_JSON_ARRAY, read_args },
    { "kwargs", CL_JSON_OBJECT, read_kwargs },
    { "stdin", CL_JSON_STRING, read_stdin },
    { "files", CL_JSON_ARRAY, cl_member_files },
    { "artifacts", CL_JSON_ARRAY, cl_member_artifacts },
    { "policy", CL_JSON_STRING, cl_member_policy },
    { "limits", CL_JSON_OBJECT, cl_member_limits },
    { "metadata", CL_JSON_OBJECT, read_metadata },
    { "priority", CL_JSON_STRING, read_priority },
};

static int refuse_at(struct cl_member_parse *parse, const char *key, const char *detail)
{
    cl_refusal_point(parse->refusal, key, strlen(key));
    return cl_member_malformed(parse, "%s", detail);
}

/* Exactly one of source and function, which may be the path's. */
static int check_code(struct cl_member_parse *parse)
{
    const bool is_named = parse->request->function[0];

    if (parse->source.length && is_named)
        return refuse_at(parse, parse->is_by_path ? "source" : "function",
                         "give either source or function");
    if (parse->source.length && parse->version.length)
        return refuse_at(parse, "version", "a version belongs to a function");
    if (parse->entry.length && is_named)
        return refuse_at(parse, "entry", "an entry belongs to a source; function names it all");
    if (!parse->source.length && !is_named)
        return refuse_at(parse, "source", "either source or function is required");
    return 0;
}

static int check_text(const char *text, size_t length, struct cl_json *body,
                      struct cl_refusal *refusal)
{
    const struct cl_json_caps caps = CL_JSON_CAPS(length);
    struct cl_err err = CL_ERR_INIT;
    size_t at = 0;

    if (length == 0)
        return cl_refusal_set(refusal, CL_R_MALFORMED, "the body is empty");
    if (cl_json_check(text, length, &caps, body, &at, &err) < 0)
        return cl_refusal_failed(refusal, CL_R_MALFORMED, &err);
    if (cl_json_kind(*body) != CL_JSON_OBJECT)
        return cl_refusal_set(refusal, CL_R_MALFORMED, "the body is not a JSON object");
    return 0;
}

int cl_member_body(struct cl_member_parse *parse, const char *text, size_t length,
                   const struct cl_member *table, size_t count)
{
    const struct cl_frame head = cl_frame_make(CL_F_CALL, sizeof(struct cl_frame_call));
    struct cl_request *request = parse->request;
    struct cl_json body;
    struct cl_err err = CL_ERR_INIT;

    /* Unescaping never grows; heads of at most a few hundred frames come on top. */
    request->frames.limit = 2 * length + (128 << 10) + CL_FRAME_ENV_MAX;
    request->metadata.limit = CL_REQUEST_METADATA_MAX;
    if (check_text(text, length, &body, parse->refusal) < 0)
        return -1;
    if (cl_buf_put(&request->frames, &head, sizeof(head), &err) < 0 ||
        !cl_buf_room(&request->frames, sizeof(struct cl_frame_call), &err))
        return cl_member_failed(parse, &err);
    memset(request->frames.bytes + sizeof(head), 0, sizeof(struct cl_frame_call));
    request->frames.length += sizeof(struct cl_frame_call);
    return cl_member_walk(parse, body, table, count);
}

int cl_request_parse(struct cl_request *request, const char *text, size_t length,
                     struct cl_refusal *refusal)
{
    struct cl_member_parse parse = { .request = request,
                                     .refusal = refusal,
                                     .is_by_path = request->function[0] };

    if (cl_member_body(&parse, text, length, members, CL_COUNT(members)) < 0)
        return -1;
    return check_code(&parse);
}

int cl_request_put_env(struct cl_request *request, const char *name, const char *value,
                       struct cl_refusal *refusal)
{
    struct cl_member_parse parse = { .request = request, .refusal = refusal };
    const ssize_t start = cl_member_open(&parse, CL_F_ENV);
    struct cl_err err = CL_ERR_INIT;

    if (start < 0)
        return -1;
    if (cl_buf_format(&request->frames, &err, "%s=%s", name, value) < 0)
        return cl_refusal_failed(refusal, CL_R_TOO_LARGE, &err);
    return cl_member_close(&parse, start, CL_F_ENV);
}

void cl_request_fini(struct cl_request *request)
{
    cl_buf_fini(&request->frames);
    cl_buf_fini(&request->metadata);
}
