/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits of one call: what was asked for, what the policy grants, what is in force.
 * Runs in: cloche-api.
 * Trusts: the policy, which was bounds-checked when it was mapped; nothing of the caller.
 */
#include <inttypes.h>
#include <string.h>

#include "api/calls/member.h"
#include "api/quantity.h"
#include "sandbox/base/own.h"

static int ask(struct cl_member_parse *parse, enum cl_limit limit, uint64_t value)
{
    parse->request->asked[limit] = value;
    parse->request->is_asked[limit] = true;
    return 0;
}

static int read_quantity(struct cl_member_parse *parse, struct cl_json value,
                         enum cl_limit limit,
                         int (*parse_text)(const char *, size_t, uint64_t *, struct cl_err *))
{
    char text[32];
    uint64_t number = 0;
    struct cl_err err = CL_ERR_INIT;

    if (cl_member_short(parse, value, text, sizeof(text)) < 0)
        return -1;
    if (parse_text(text, strlen(text), &number, &err) < 0)
        return cl_member_failed(parse, &err);
    return ask(parse, limit, number);
}

/* Nothing can run in no time or no memory, and 0 means "unchanged" to cloched. */
static int read_positive(struct cl_member_parse *parse, struct cl_json value,
                         enum cl_limit limit,
                         int (*parse_text)(const char *, size_t, uint64_t *, struct cl_err *))
{
    if (read_quantity(parse, value, limit, parse_text) < 0)
        return -1;
    if (parse->request->asked[limit] == 0)
        return cl_member_malformed(parse, "must be more than 0");
    return 0;
}

static int read_wall(struct cl_member_parse *parse, struct cl_json value)
{
    return read_positive(parse, value, CL_LIMIT_WALL, cl_quantity_ms);
}

static int read_cpu(struct cl_member_parse *parse, struct cl_json value)
{
    return read_positive(parse, value, CL_LIMIT_CPU, cl_quantity_ms);
}

static int read_memory(struct cl_member_parse *parse, struct cl_json value)
{
    return read_positive(parse, value, CL_LIMIT_MEMORY, cl_quantity_bytes);
}

static int read_output(struct cl_member_parse *parse, struct cl_json value)
{
    return read_quantity(parse, value, CL_LIMIT_OUTPUT, cl_quantity_bytes);
}

static int read_result(struct cl_member_parse *parse, struct cl_json value)
{
    return read_quantity(parse, value, CL_LIMIT_RESULT, cl_quantity_bytes);
}

static int read_files(struct cl_member_parse *parse, struct cl_json value)
{
    return read_quantity(parse, value, CL_LIMIT_FILES, cl_quantity_bytes);
}

static int read_processes(struct cl_member_parse *parse, struct cl_json value)
{
    uint64_t number = 0;
    struct cl_err err = CL_ERR_INIT;

    if (cl_json_u64(value, &number, &err) < 0 || number == 0 || number > UINT32_MAX)
        return cl_member_malformed(parse, "must be a whole number of at least 1");
    return ask(parse, CL_LIMIT_PROCESSES, number);
}

static const struct cl_member limits[] = {
    { "wall", CL_JSON_STRING, read_wall },           { "cpu", CL_JSON_STRING, read_cpu },
    { "memory", CL_JSON_STRING, read_memory },       { "output", CL_JSON_STRING, read_output },
    { "result", CL_JSON_STRING, read_result },       { "files", CL_JSON_STRING, read_files },
    { "processes", CL_JSON_NUMBER, read_processes },
};

int cl_member_limits(struct cl_member_parse *parse, struct cl_json value)
{
    return cl_member_walk(parse, value, limits, CL_COUNT(limits));
}

static uint64_t granted(const struct cl_policy *policy, enum cl_limit limit)
{
    const uint64_t values[CL_LIMIT_COUNT_] = {
        [CL_LIMIT_WALL] = policy->wall_ms,        [CL_LIMIT_CPU] = policy->cpu_ms,
        [CL_LIMIT_MEMORY] = policy->memory_bytes, [CL_LIMIT_PROCESSES] = policy->processes,
        [CL_LIMIT_OUTPUT] = policy->output_bytes, [CL_LIMIT_RESULT] = policy->result_bytes,
        [CL_LIMIT_FILES] = policy->files_bytes,   [CL_LIMIT_DEPTH] = CL_DEPTH_MAX,
    };

    return values[limit];
}

static int refuse_wider(const struct cl_request *request, const struct cl_policy *policy,
                        enum cl_limit limit, struct cl_refusal *refusal)
{
    const char *name = cl_limit_name(limit);

    refusal->pointer[0] = '\0';
    cl_refusal_point(refusal, "limits", strlen("limits"));
    cl_refusal_point(refusal, name, strlen(name));
    return cl_refusal_set(refusal, CL_R_LIMIT_WIDENED,
                          "%s: %" PRIu64 " %s asked for, policy \"%s\" grants %" PRIu64, name,
                          request->asked[limit], cl_limit_unit(limit), policy->name,
                          granted(policy, limit));
}

static int check_files(const struct cl_request *request, const struct cl_policy *policy,
                       struct cl_refusal *refusal)
{
    const uint64_t most = request->limits.value[CL_LIMIT_FILES];

    if (!request->needs_files)
        return 0;
    refusal->pointer[0] = '\0';
    if (policy->files_bytes == 0)
        return cl_refusal_set(refusal, CL_R_FILES_NOT_GRANTED, "policy \"%s\" grants no files",
                              policy->name);
    cl_refusal_point(refusal, "files", strlen("files"));
    if (request->files_bytes > most)
        return cl_refusal_set(refusal, CL_R_LIMIT_WIDENED,
                              "files: %" PRIu64 " bytes given, %" PRIu64 " are granted",
                              request->files_bytes, most);
    refusal->pointer[0] = '\0';
    return 0;
}

/* GO is the last frame of a sealed request. */
static bool is_sealed(const struct cl_request *request)
{
    return request->limits.value[CL_LIMIT_DEPTH] != 0;
}

static int put_go(struct cl_request *request, struct cl_refusal *refusal)
{
    const struct cl_frame go = cl_frame_make(CL_F_GO, 0);
    struct cl_err err = CL_ERR_INIT;

    if (cl_buf_put(&request->frames, &go, sizeof(go), &err) < 0)
        return cl_refusal_failed(refusal, CL_R_TOO_LARGE, &err);
    return 0;
}

int cl_request_seal(struct cl_request *request, const struct cl_policy *policy, uint32_t flags,
                    struct cl_refusal *refusal)
{
    const bool was_sealed = is_sealed(request);
    struct cl_frame_call call = { .flags = flags, .depth = CL_DEPTH_MAX };

    for (enum cl_limit i = CL_LIMIT_WALL; i < CL_LIMIT_COUNT_; i++) {
        if (request->is_asked[i] && request->asked[i] > granted(policy, i))
            return refuse_wider(request, policy, i, refusal);
        request->limits.value[i] =
            request->is_asked[i] ? request->asked[i] : granted(policy, i);
    }
    if (check_files(request, policy, refusal) < 0)
        return -1;

    call.output_bytes = request->limits.value[CL_LIMIT_OUTPUT];
    call.result_bytes = request->limits.value[CL_LIMIT_RESULT];
    call.files_bytes = request->limits.value[CL_LIMIT_FILES];
    memcpy(request->frames.bytes + sizeof(struct cl_frame), &call, sizeof(call));
    return was_sealed ? 0 : put_go(request, refusal);
}

uint64_t cl_request_narrowed(const struct cl_request *request, const struct cl_policy *policy,
                             enum cl_limit limit)
{
    const uint64_t value = request->limits.value[limit];

    return value < granted(policy, limit) ? value : 0;
}
