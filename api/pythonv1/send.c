/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of a python/v1 call (runtime/v1.h), and the errand that carries them.
 * Runs in: cloche-api.
 * Trusts: nothing of the caller's texts; they go into frames unread.
 */
#include <string.h>

#include "api/calls/member.h"
#include "api/pythonv1/call.h"
#include "api/sessions/session.h"
#include "api/visit.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

static const struct cl_v1_word {
    const char *text;
} words[] = {
    [CL_V1_EXECUTE] = { "execute" }, [CL_V1_REGISTER] = { "register" },
    [CL_V1_INFO] = { "info" },       [CL_V1_EVAL] = { "eval" },
    [CL_V1_CODE] = { "code" },       [CL_V1_VALIDATE] = { "validate" },
};

/* --------------------------------------------------------------------------------------- pool */

static const char *policy_of(struct cl_v1_call *call)
{
    struct cl_module module;

    if (call->plan.mode[0] &&
        cl_tenancy_find(call->app->tenancy, call->tenant, call->plan.mode))
        return call->plan.mode;
    if (call->policy[0] || !call->module[0] ||
        !cl_modules_find(call->app->modules, call->tenant, call->module, &module))
        return call->policy;
    return module.policy;
}

struct cl_pool *cl_v1_call_pool(struct cl_v1_call *call, struct cl_refusal *refusal)
{
    const char *policy = policy_of(call);
    struct cl_pool *pool = cl_tenancy_find(call->app->tenancy, call->tenant, policy);

    if (!pool)
        cl_refusal_set(refusal, CL_R_POLICY_NOT_ALLOWED, "no policy \"%s\" for this token",
                       policy);
    return pool;
}

/* --------------------------------------------------------------------------------------- plan */

/* Of a registration's content: its first or second text. */
static struct cl_json content_at(const struct cl_v1_call *call, size_t index)
{
    const struct cl_json array = { (const char *)call->content.bytes, call->content.length };
    struct cl_json key, value;
    size_t cursor = 0;

    for (size_t i = 0; cl_json_next(array, &cursor, &key, &value); i++) {
        if (i == index)
            return value;
    }
    return (struct cl_json){ "\"\"", 2 };
}

static int put_word(struct cl_buf *plan, const char *word, struct cl_err *err)
{
    return cl_json_put_string(plan, word, strlen(word), err);
}

static int put_json(struct cl_buf *plan, struct cl_json value, struct cl_err *err)
{
    if (cl_buf_put_text(plan, ",", err) < 0)
        return -1;
    return cl_buf_put(plan, value.text, value.length, err);
}

static int plan_function(const struct cl_v1_call *call, struct cl_buf *plan, struct cl_err *err)
{
    switch (call->home) {
    case CL_V1_HOME_BUILTIN:
        return put_word(plan, "builtin", err) < 0 || cl_buf_put_text(plan, ",", err) < 0
                   ? -1
                   : put_word(plan, call->plan.name, err);
    case CL_V1_HOME_FILE:
        return cl_buf_format(plan, err, "\"file\",\"%s\",\"%s\"", call->module, call->member);
    case CL_V1_HOME_MODULE:
        return put_word(plan, "module", err) < 0 || put_json(plan, content_at(call, 0), err) < 0
                   ? -1
                   : put_json(plan, content_at(call, 1), err);
    case CL_V1_HOME_SOURCE:
        return put_word(plan, "source", err) < 0 ? -1
                                                 : put_json(plan, content_at(call, 1), err);
    default:
        return put_word(plan, "lambda", err);
    }
}

/* [kind, name, ...]: of text that runs, where it is from. */
static int put_plan(const struct cl_v1_call *call, struct cl_buf *plan, struct cl_err *err)
{
    const enum cl_v1_operation operation = call->plan.operation;
    int put;

    if (cl_buf_put_text(plan, "[", err) < 0)
        return -1;
    if (operation == CL_V1_EXECUTE || operation == CL_V1_INFO || operation == CL_V1_REGISTER)
        put = plan_function(call, plan, err);
    else if (call->module[0])
        put = cl_buf_format(plan, err, "\"file\",\"%s\"", call->module);
    else
        put = put_word(plan, "text", err);
    return put < 0 ? -1 : cl_buf_put_text(plan, "]", err);
}

/* The text that goes as SOURCE. */
static struct cl_json source_of(const struct cl_v1_call *call)
{
    if (call->home == CL_V1_HOME_LAMBDA || call->home == CL_V1_HOME_SOURCE)
        return content_at(call, 0);
    return call->plan.text.length ? call->plan.text : (struct cl_json){ "\"\"", 2 };
}

/* ------------------------------------------------------------------------------------- frames */

static int open_frames(struct cl_request *request, size_t bytes, struct cl_refusal *refusal)
{
    const struct cl_frame head = cl_frame_make(CL_F_CALL, sizeof(struct cl_frame_call));
    const struct cl_frame_call empty = { 0 };
    struct cl_err err = CL_ERR_INIT;

    request->frames.limit = bytes + (128 << 10) + CL_MODULES_CALL_BYTES;
    if (cl_buf_put(&request->frames, &head, sizeof(head), &err) < 0 ||
        cl_buf_put(&request->frames, &empty, sizeof(empty), &err) < 0)
        return cl_refusal_failed(refusal, CL_R_TOO_LARGE, &err);
    return 0;
}

static int put_frames(struct cl_v1_call *call, struct cl_request *request,
                      struct cl_refusal *refusal)
{
    const bool is_check = call->plan.operation == CL_V1_REGISTER;
    const char *word = words[call->plan.operation].text;
    const struct cl_json entry = { word, strlen(word) };
    struct cl_member_parse parse = { .request = request, .refusal = refusal };
    struct cl_buf CL_AUTO(cl_buf_fini) plan = CL_BUF_INIT(call->content.length + 1024);
    struct cl_err err = CL_ERR_INIT;

    if (open_frames(request, 2 * call->params.length + 2 * call->content.length, refusal) < 0)
        return -1;
    if (put_plan(call, &plan, &err) < 0)
        return cl_refusal_failed(refusal, CL_R_TOO_LARGE, &err);
    if (cl_member_put_text(&parse, CL_F_SOURCE, source_of(call)) < 0 ||
        cl_member_put(&parse, CL_F_ENTRY, entry) < 0 ||
        cl_member_put(&parse, CL_F_ARGS,
                      (struct cl_json){ (const char *)plan.bytes, plan.length }) < 0)
        return -1;
    if (is_check || cl_json_kind(call->plan.params) != CL_JSON_OBJECT)
        return 0;
    return cl_member_put(&parse, CL_F_KWARGS, call->plan.params);
}

/* The narrower one of what was asked for and what the policy grants. */
static void ask_wall(const struct cl_v1_call *call, const struct cl_policy *policy,
                     struct cl_request *request)
{
    uint64_t wall_ms = policy->wall_ms;

    if (call->timeout_s && call->timeout_s * 1000ull < wall_ms)
        wall_ms = call->timeout_s * 1000ull;
    if (call->plan.timeout_s && call->plan.timeout_s * 1000ull < wall_ms)
        wall_ms = call->plan.timeout_s * 1000ull;
    request->is_asked[CL_LIMIT_WALL] = wall_ms < policy->wall_ms;
    request->asked[CL_LIMIT_WALL] = wall_ms;
}

/* ------------------------------------------------------------------------------------- errand */

static void on_end(void *self, const struct cl_errand_end *end)
{
    struct cl_v1_call *call = self;

    call->errand = 0;
    cl_v1_call_came_back(call, end);
}

static const struct cl_errand_calls errand_calls = { .on_end = on_end };

static void on_modules(void *self, const struct cl_refusal *refusal)
{
    struct cl_v1_call *call = self;

    call->fetch = 0;
    if (refusal)
        cl_v1_call_refuse(call, refusal);
    else
        cl_v1_call_send(call);
}

/* 0, CL_MODULES_LATER (it comes again), or -1. */
static int put_modules(struct cl_v1_call *call, struct cl_request *request,
                       struct cl_refusal *refusal)
{
    const struct cl_modules_want want = { call->tenant, call->module, "" };
    int put;

    if (!call->module[0])
        return 0;
    put = cl_modules_put_frames(call->app->modules, &want, request, refusal);
    if (put == CL_MODULES_LATER)
        call->fetch = cl_modules_fetch(call->app->modules, &want, on_modules, call);
    return put;
}

/* Functions of files run where the globals of their files are; all else gets a jail of its own. */
static struct cl_session *session_of(const struct cl_v1_call *call)
{
    const bool is_shared = call->home == CL_V1_HOME_FILE && call->session[0] &&
                           call->plan.operation == CL_V1_EXECUTE && !call->plan.isolated &&
                           !call->isolated;

    return is_shared ? cl_session_find(call->app, call->tenant, call->key, call->session)
                     : NULL;
}

static int start(struct cl_v1_call *call, struct cl_refusal *refusal)
{
    struct cl_request CL_AUTO(cl_request_fini) request = { 0 };
    struct cl_session *session = session_of(call);
    struct cl_pool *pool =
        session ? cl_session_pool(session, refusal) : cl_v1_call_pool(call, refusal);
    const uint32_t flags = CL_CALL_V1 | (session ? CL_CALL_SESSION : 0);
    int put;

    if (!pool || put_frames(call, &request, refusal) < 0 ||
        cl_prepare_trace(&request, call->trace, refusal) < 0)
        return -1;
    cl_prepare_caller(&request, call->key, call->peer);
    put = put_modules(call, &request, refusal);
    if (put != 0)
        return put;
    ask_wall(call, pool->policy, &request);
    if (cl_request_seal(&request, pool->policy, flags, refusal) < 0 ||
        (session && cl_session_check(session, &request, refusal) < 0))
        return -1;
    call->sent_us = cl_clock_us();
    if (session)
        call->errand = cl_session_call(session, &request, flags, &errand_calls, call);
    else
        call->errand = cl_errand_start(call->app, pool, &request, flags, &errand_calls, call);
    return 0;
}

void cl_v1_call_send(struct cl_v1_call *call)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    if (start(call, &refusal) < 0)
        cl_v1_call_refuse(call, &refusal);
}
