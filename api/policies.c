/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/policies and /v1/policies/{name}: what the caller's policies grant, in the shape of
 * the files that an admin writes. Paths of the host are left out.
 * Runs in: cloche-api.
 * Trusts: compiled policies, which were bounds-checked when they were mapped.
 */
#include <inttypes.h>
#include <string.h>

#include "api/json/scan.h"
#include "api/visit.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"

enum { ANSWER_MAX = 16 << 20 };

static int put_text(struct cl_buf *out, const char *text, struct cl_err *err)
{
    return cl_json_put_string(out, text, strlen(text), err);
}

/* Every `step`th string of a span, from `first` on. */
static int put_list(const struct cl_policy *policy, const struct cl_policy_span *span,
                    unsigned first, unsigned step, struct cl_buf *out, struct cl_err *err)
{
    const char *text = NULL;
    bool is_first = true;

    if (cl_buf_put(out, "[", 1, err) < 0)
        return -1;
    for (unsigned i = 0; (text = cl_policyview_text(policy, span, text)); i++) {
        if (i % step != first)
            continue;
        if ((!is_first && cl_buf_put(out, ",", 1, err) < 0) || put_text(out, text, err) < 0)
            return -1;
        is_first = false;
    }
    return cl_buf_put(out, "]", 1, err);
}

static int put_tiers(const struct cl_policy *policy, struct cl_buf *out, struct cl_err *err)
{
    static const struct {
        enum cl_policy_tier tier;
        const char *name;
    } tiers[] = {
        { CL_TIER_COMPUTE, "compute" },           { CL_TIER_TIME, "time" },
        { CL_TIER_THREADS, "threads" },           { CL_TIER_ASYNCIO, "asyncio" },
        { CL_TIER_LATE_IMPORTS, "late_imports" }, { CL_TIER_TMP_FILES, "tmp_files" },
    };
    const char *comma = "";

    for (size_t i = 0; i < CL_COUNT(tiers); i++) {
        if (!(policy->tiers & tiers[i].tier))
            continue;
        if (cl_buf_format(out, err, "%s\"%s\"", comma, tiers[i].name) < 0)
            return -1;
        comma = ",";
    }
    return 0;
}

static const char *flag(const struct cl_policy *policy, enum cl_policy_flag bit)
{
    return policy->flags & bit ? "true" : "false";
}

/* "module=name,name" becomes "module":["name","name"]. */
static int put_one_names(const char *entry, struct cl_buf *out, struct cl_err *err)
{
    const char *at = strchr(entry, '=');
    const char *comma = "";

    if (!at)
        return 0;
    if (cl_json_put_string(out, entry, (size_t)(at - entry), err) < 0 ||
        cl_buf_put_text(out, ":[", err) < 0)
        return -1;
    for (at++; *at;) {
        const size_t length = strcspn(at, ",");

        if (cl_buf_put_text(out, comma, err) < 0 ||
            cl_json_put_string(out, at, length, err) < 0)
            return -1;
        at += length + (at[length] == ',');
        comma = ",";
    }
    return cl_buf_put(out, "]", 1, err);
}

static int put_names(const struct cl_policy *policy, struct cl_buf *out, struct cl_err *err)
{
    const char *comma = "";

    for (const char *entry = cl_policyview_text(policy, &policy->names, NULL); entry;
         entry = cl_policyview_text(policy, &policy->names, entry)) {
        if (cl_buf_put_text(out, comma, err) < 0 || put_one_names(entry, out, err) < 0)
            return -1;
        comma = ",";
    }
    return 0;
}

static int put_python(const struct cl_policy *policy, struct cl_buf *out, struct cl_err *err)
{
    const char *transitive = policy->flags & CL_POLICY_TRANSITIVE_LISTED ? "listed" : "allow";

    if (cl_buf_put_text(out, ",\"python\":{\"modules\":", err) < 0 ||
        put_list(policy, &policy->modules, 0, 1, out, err) < 0 ||
        cl_buf_put_text(out, ",\"names\":{", err) < 0 || put_names(policy, out, err) < 0 ||
        cl_buf_put_text(out, "},\"preload\":", err) < 0 ||
        put_list(policy, &policy->preload, 0, 1, out, err) < 0 ||
        cl_buf_format(out, err, ",\"transitive\":\"%s\",\"eval\":%s,\"register\":%s",
                      transitive, flag(policy, CL_POLICY_EVAL),
                      policy->flags & CL_POLICY_NO_REGISTER ? "false" : "true") < 0 ||
        cl_buf_put_text(out, ",\"builtins\":{\"remove\":", err) < 0 ||
        put_list(policy, &policy->builtins_removed, 0, 1, out, err) < 0)
        return -1;
    return cl_buf_put_text(out, "}}", err);
}

/* Numbers, not quantities: bytes and milliseconds, as in `limit` of an answer. */
static int put_limits(const struct cl_policy *policy, struct cl_buf *out, struct cl_err *err)
{
    return cl_buf_format(
        out, err,
        ",\"limits\":{\"wall_ms\":%" PRIu64 ",\"cpu_ms\":%" PRIu64 ",\"memory_bytes\":%" PRIu64
        ",\"processes\":%" PRIu32 ",\"output_bytes\":%" PRIu64 ",\"result_bytes\":%" PRIu64
        ",\"request_bytes\":%" PRIu64 ",\"files_bytes\":%" PRIu64 ",\"inodes\":%" PRIu32
        ",\"depth\":%d,\"calls_per_worker\":1}",
        policy->wall_ms, policy->cpu_ms, policy->memory_bytes, policy->processes,
        policy->output_bytes, policy->result_bytes, policy->request_bytes, policy->files_bytes,
        policy->inodes, CL_DEPTH_MAX);
}

static int put_sessions(const struct cl_policy *policy, struct cl_buf *out, struct cl_err *err)
{
    return cl_buf_format(out, err,
                         ",\"sessions\":{\"allow\":%s,\"default\":\"%s\",\"idle_ms\":%" PRIu64
                         ",\"max_ms\":%" PRIu64 ",\"threads\":%" PRIu32 "}",
                         flag(policy, CL_POLICY_SESSIONS),
                         policy->flags & CL_POLICY_SESSIONS_TOKEN ? "token" : "none",
                         policy->session_idle_ms, policy->session_max_ms,
                         policy->session_threads);
}

static int put_rest(const struct cl_policy *policy, struct cl_buf *out, struct cl_err *err)
{
    const char *violation = policy->flags & CL_POLICY_ON_VIOLATION_ERRNO ? "errno" : "kill";

    if (cl_buf_format(out, err,
                      ",\"cpu\":{\"weight\":%" PRIu32 ",\"max_milli\":%" PRIu32
                      "},\"network\":\"none\",\"files\":{\"read_only\":",
                      policy->cpu_weight, policy->cpu_max_milli) < 0 ||
        put_list(policy, &policy->binds, 1, 2, out, err) < 0 ||
        cl_buf_put_text(out, "},\"syscalls\":{\"tiers\":[", err) < 0 ||
        put_tiers(policy, out, err) < 0 ||
        cl_buf_format(out, err, "],\"allowed\":%" PRIu32 ",\"on_violation\":\"%s\"}",
                      policy->syscalls.count, violation) < 0 ||
        put_sessions(policy, out, err) < 0)
        return -1;
    return cl_buf_format(out, err, ",\"isolation\":\"%s\"",
                         policy->flags & CL_POLICY_SHARED_ZYGOTE ? "policy" : "tenant");
}

static int put_policy(const struct cl_pool *pool, struct cl_buf *out, struct cl_err *err)
{
    const struct cl_policy *policy = pool->policy;
    const char *description = cl_policyview_text(policy, &policy->description, NULL);

    if (cl_buf_put_text(out, "{\"name\":", err) < 0 || put_text(out, policy->name, err) < 0 ||
        cl_buf_put_text(out, ",\"description\":", err) < 0 ||
        put_text(out, description ? description : "", err) < 0 ||
        cl_buf_format(out, err, ",\"generation\":%" PRIu32, pool->generation) < 0 ||
        put_python(policy, out, err) < 0 || put_limits(policy, out, err) < 0 ||
        put_rest(policy, out, err) < 0)
        return -1;
    return cl_buf_put(out, "}", 1, err);
}

int cl_policies_put_reload(const struct cl_tenancy *tenancy, struct cl_buf *out,
                           struct cl_err *err)
{
    const struct cl_msg_problem *problem = cl_tenancy_problem(tenancy);

    if (!problem)
        return 0;
    if (cl_buf_format(out, err, ",\"reload\":{\"problems\":%" PRIu32 ",\"message\":",
                      problem->count) < 0 ||
        put_text(out, problem->text, err) < 0)
        return -1;
    return cl_buf_put(out, "}", 1, err);
}

static int put_all(const struct cl_visit *visit, struct cl_buf *out, struct cl_err *err)
{
    const struct cl_tenancy *tenancy = visit->app->tenancy;
    const char *before = "{\"policies\":[";

    for (struct cl_pool *pool = cl_tenancy_next(tenancy, visit->tenant, NULL); pool;
         pool = cl_tenancy_next(tenancy, visit->tenant, pool)) {
        if (cl_buf_put_text(out, before, err) < 0 || put_policy(pool, out, err) < 0)
            return -1;
        before = ",";
    }
    if (out->length == 0 && cl_buf_put_text(out, before, err) < 0)
        return -1;
    if (cl_buf_put(out, "]", 1, err) < 0 || cl_policies_put_reload(tenancy, out, err) < 0)
        return -1;
    return cl_buf_put(out, "}", 1, err);
}

int cl_policies_list(struct cl_visit *visit, const char *body, size_t length,
                     struct cl_refusal *refusal)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(ANSWER_MAX);
    struct cl_err err = CL_ERR_INIT;

    (void)body;
    (void)length;
    (void)refusal;
    if (put_all(visit, &out, &err) < 0)
        cl_exchange_fail(visit->exchange, &err);
    else
        cl_visit_answer(visit, "application/json", &out);
    return 0;
}

int cl_policies_get(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal)
{
    const struct cl_pool *pool =
        cl_tenancy_find(visit->app->tenancy, visit->tenant, visit->param);
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(ANSWER_MAX);
    struct cl_err err = CL_ERR_INIT;

    (void)body;
    (void)length;
    if (!pool)
        return cl_refusal_set(refusal, CL_R_POLICY_NOT_FOUND, "no policy \"%s\" for this token",
                              visit->param);
    if (put_policy(pool, &out, &err) < 0)
        cl_exchange_fail(visit->exchange, &err);
    else
        cl_visit_answer(visit, "application/json", &out);
    return 0;
}
