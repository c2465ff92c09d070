/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each method of python/v1 does, step by step: names, jail, store, answer.
 * Runs in: cloche-api.
 * Trusts: the plan, which was checked; of a worker what answer.c makes of its end.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/pythonv1/call.h"
#include "api/pythonv1/scoped.h"
#include "api/sessions/session.h"
#include "api/storeq.h"
#include "api/visit.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

/* ------------------------------------------------------------------------------------ answers */

static void say_text(struct cl_buf *out, const char *key, struct cl_json shown)
{
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(cl_buf_put_text(out, key, &err) == 0 &&
             cl_buf_put(out, shown.text, shown.length, &err) == 0);
}

/* {"<key>": <shown>, ..., "success": true} */
static void end_done(struct cl_v1_call *call, const char *key, const char *kind)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(call->plan.shown.length + 256);
    struct cl_err err = CL_ERR_INIT;

    say_text(&out, key, call->plan.shown);
    if (kind)
        CL_CHECK(cl_buf_format(&out, &err, ",\"type\":\"%s\"", kind) == 0);
    CL_CHECK(cl_buf_put_text(&out, ",\"success\":true}", &err) == 0);
    cl_v1_call_result(call, &out);
}

static void fail_with(struct cl_v1_call *call, int32_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail_with(struct cl_v1_call *call, int32_t code, const char *format, ...)
{
    struct cl_v1_fault fault = { 0 };
    char text[CL_V1_MESSAGE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    cl_v1_fail(&fault, code, "%s", text);
    cl_v1_call_fail(call, &fault);
}

static void fail_store(struct cl_v1_call *call, const struct cl_err *err)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    cl_storeq_refuse(&refusal, err);
    cl_v1_call_refuse(call, &refusal);
}

/* ----------------------------------------------------------------------------------- functions */

static enum cl_v1_home home_of(const char *kind)
{
    static const struct {
        const char *kind;
        enum cl_v1_home home;
    } homes[] = {
        { "lambda", CL_V1_HOME_LAMBDA },
        { "module", CL_V1_HOME_MODULE },
        { "source", CL_V1_HOME_SOURCE },
    };

    for (size_t i = 0; i < CL_COUNT(homes); i++) {
        if (strcmp(homes[i].kind, kind) == 0)
            return homes[i].home;
    }
    return CL_V1_HOME_NONE;
}

/* What is registered comes first: only with `overwrite` has it the name of something else. */
static bool resolve(struct cl_v1_call *call, const struct cl_v1_names *names,
                    struct cl_v1_fault *fault)
{
    struct cl_err err = CL_ERR_INIT;

    call->home = names->is_there ? home_of(names->kind) : CL_V1_HOME_NONE;
    if (call->home != CL_V1_HOME_NONE)
        return cl_buf_put(&call->content, names->content.text, names->content.length, &err) ==
               0;
    if (cl_v1_is_builtin(call->plan.name)) {
        call->home = CL_V1_HOME_BUILTIN;
        return true;
    }
    return cl_v1_files_find(call, fault);
}

static void function_named(struct cl_v1_call *call, const struct cl_v1_names *names)
{
    struct cl_v1_fault fault = { 0 };

    if (resolve(call, names, &fault))
        cl_v1_call_send(call);
    else
        cl_v1_call_fail(call, &fault);
}

static int put_info(const struct cl_v1_call *call, struct cl_json said, struct cl_buf *out,
                    struct cl_err *err)
{
    static const char *const homes[] = { [CL_V1_HOME_BUILTIN] = "builtin",
                                         [CL_V1_HOME_FILE] = "file",
                                         [CL_V1_HOME_LAMBDA] = "registered",
                                         [CL_V1_HOME_MODULE] = "registered",
                                         [CL_V1_HOME_SOURCE] = "registered" };
    static const char *const keys[] = { "doc", "signature", "is_async", "line" };
    const size_t count = call->home == CL_V1_HOME_FILE ? CL_COUNT(keys) : CL_COUNT(keys) - 1;

    say_text(out, "{\"name\":", call->plan.shown);
    for (size_t i = 0; i < count; i++) {
        const struct cl_json value = cl_v1_member(said, keys[i]);

        if (cl_json_kind(value) != CL_JSON_NONE &&
            (cl_buf_format(out, err, ",\"%s\":", keys[i]) < 0 ||
             cl_buf_put(out, value.text, value.length, err) < 0))
            return -1;
    }
    if (call->home == CL_V1_HOME_FILE &&
        cl_buf_format(out, err, ",\"file\":\"%s.py\"", call->module) < 0)
        return -1;
    return cl_buf_format(out, err, ",\"source\":\"%s\"}", homes[call->home]);
}

static void end_info(struct cl_v1_call *call)
{
    const struct cl_json said = { (const char *)call->outcome.json.bytes,
                                  call->outcome.json.length };
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(CL_V1_ANSWER_MAX);
    struct cl_err err = CL_ERR_INIT;

    if (put_info(call, said, &out, &err) < 0)
        fail_with(call, CL_V1_TASK_RESULT, "The description is too long");
    else
        cl_v1_call_result(call, &out);
}

/* ---------------------------------------------------------------------------------- register */

/* What makes the function, as the caller wrote it: ["text"], ["module","function"] or
 * ["text","function"]. */
static int put_content(const struct cl_v1_plan *plan, struct cl_buf *content,
                       struct cl_err *err)
{
    const struct cl_json second = plan->part[1];

    if (cl_buf_put_text(content, "[", err) < 0 ||
        cl_buf_put(content, plan->part[0].text, plan->part[0].length, err) < 0)
        return -1;
    if (second.length && (cl_buf_put_text(content, ",", err) < 0 ||
                          cl_buf_put(content, second.text, second.length, err) < 0))
        return -1;
    return cl_buf_put_text(content, "]", err);
}

static void register_named(struct cl_v1_call *call, const struct cl_v1_names *names)
{
    struct cl_v1_fault fault = { 0 };
    struct cl_err err = CL_ERR_INIT;
    const bool is_taken = !names->is_there && !call->plan.overwrite &&
                          (cl_v1_is_builtin(call->plan.name) || cl_v1_files_find(call, &fault));

    if (is_taken) {
        fail_with(call, CL_V1_PARAMS, "Function %s already exists", call->plan.name);
        return;
    }
    call->home = home_of(call->plan.kind);
    if (put_content(&call->plan, &call->content, &err) < 0)
        fail_with(call, CL_V1_PARAMS, "The function is larger than 1 MiB");
    else
        cl_v1_call_send(call);
}

/* --------------------------------------------------------------------------- names and back */

static void ask_names(struct cl_v1_call *call, enum cl_v1_names_do what, cl_v1_names_done *done)
{
    const struct cl_v1_names_ask ask = {
        .what = what,
        .tenant = call->tenant->name,
        .session = call->session,
        .scope = call->scope,
        .name = call->plan.name,
        .kind = call->plan.kind,
        .content = { (const char *)call->content.bytes,
                     what == CL_V1_NAMES_PUT ? call->content.length : 0 },
    };
    struct cl_err err = CL_ERR_INIT;

    if (cl_v1_names_run(call->app->storeq, &ask, done, call->app, call->id, &err) < 0)
        fail_store(call, &err);
}

/* The call behind an answer of the store, unless it has ended meanwhile or the store failed. */
static struct cl_v1_call *named(void *self, uint64_t id, const struct cl_v1_names *names)
{
    struct cl_v1_call *call = cl_v1_call_find(self, id);

    if (!call || !names->err)
        return call;
    fail_store(call, names->err);
    return NULL;
}

static void on_kept(void *self, uint64_t id, const struct cl_v1_names *names)
{
    struct cl_v1_call *call = named(self, id, names);

    if (!call)
        return;
    if (call->session[0])
        cl_session_keeps(call->app, call->session);
    end_done(call, "{\"registered\":", call->plan.kind);
}

static void on_dropped(void *self, uint64_t id, const struct cl_v1_names *names)
{
    struct cl_v1_call *call = named(self, id, names);

    if (call && names->is_there)
        end_done(call, "{\"unregistered\":", NULL);
    else if (call)
        fail_with(call, CL_V1_PARAMS, "Function %s not found", call->plan.name);
}

static void on_names(void *self, uint64_t id, const struct cl_v1_names *names)
{
    static void (*const steps[])(struct cl_v1_call * call, const struct cl_v1_names *names) = {
        [CL_V1_EXECUTE] = function_named,
        [CL_V1_INFO] = function_named,
        [CL_V1_REGISTER] = register_named,
        [CL_V1_LIST] = cl_v1_list_named,
    };
    struct cl_v1_call *call = named(self, id, names);

    if (call)
        steps[call->plan.operation](call, names);
}

/* --------------------------------------------------------------------------------------- begin */

static void begin_named(struct cl_v1_call *call)
{
    ask_names(call, CL_V1_NAMES_READ, on_names);
}

static void begin_unregister(struct cl_v1_call *call)
{
    ask_names(call, CL_V1_NAMES_DROP, on_dropped);
}

/* Whether the call's policy has, of these flags, exactly `flags`; else the call has its answer. */
static bool is_permitted(struct cl_v1_call *call, uint32_t among, uint32_t flags)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    const struct cl_pool *pool = cl_v1_call_pool(call, &refusal);

    if (!pool)
        cl_v1_call_refuse(call, &refusal);
    else if ((pool->policy->flags & among) != flags)
        fail_with(call, CL_V1_FORBIDDEN, "%s is not permitted by policy",
                  call->plan.operation == CL_V1_EVAL ? "eval" : "register");
    else
        return true;
    return false;
}

static void begin_register(struct cl_v1_call *call)
{
    if (is_permitted(call, CL_POLICY_NO_REGISTER, 0))
        begin_named(call);
}

static void begin_eval(struct cl_v1_call *call)
{
    if (is_permitted(call, CL_POLICY_EVAL, CL_POLICY_EVAL))
        cl_v1_call_send(call);
}

static void begin_text(struct cl_v1_call *call)
{
    struct cl_v1_fault fault = { 0 };

    if (call->plan.file[0] && !cl_v1_files_has(call, &fault)) {
        cl_v1_call_fail(call, &fault);
        return;
    }
    snprintf(call->module, sizeof(call->module), "%s", call->plan.file);
    cl_v1_call_send(call);
}

void cl_v1_call_begin(struct cl_v1_call *call)
{
    static void (*const steps[])(struct cl_v1_call * call) = {
        [CL_V1_EXECUTE] = begin_named,
        [CL_V1_INFO] = begin_named,
        [CL_V1_REGISTER] = begin_register,
        [CL_V1_LIST] = begin_named,
        [CL_V1_UNREGISTER] = begin_unregister,
        [CL_V1_EVAL] = begin_eval,
        [CL_V1_CODE] = begin_text,
        [CL_V1_VALIDATE] = begin_text,
    };

    steps[call->plan.operation](call);
}

/* By our own clock: cloched's may begin when a short call is over, and counts a session's calls
 * together. */
static uint64_t taken_us(const struct cl_v1_call *call, const struct cl_errand_end *end)
{
    const uint64_t since = cl_clock_us() - call->sent_us;

    return since > end->queue_us ? since - end->queue_us : 1;
}

void cl_v1_call_came_back(struct cl_v1_call *call, const struct cl_errand_end *end)
{
    const char *task = call->task_id[0] ? call->task_id : end->name;

    if (end->refusal) {
        cl_v1_call_refuse(call, end->refusal);
        return;
    }
    cl_v1_outcome_end(&call->outcome, &call->plan, task, taken_us(call, end), end);
    if (call->outcome.is_failed)
        cl_v1_call_end(call);
    else if (call->plan.operation == CL_V1_REGISTER)
        ask_names(call, CL_V1_NAMES_PUT, on_kept);
    else if (call->plan.operation == CL_V1_INFO)
        end_info(call);
    else
        cl_v1_call_end(call);
}
