/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Body and head of a call -> frames that a worker reads, under the policy in force now.
 * Runs in: cloche-api.
 * Trusts: nothing of the request.
 */
#include "api/calls/prepare.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/sessions/session.h"
#include "api/visit.h"

int cl_prepare_trace(struct cl_request *request, const char *trace, struct cl_refusal *refusal)
{
    const char *state = cl_trace_state(trace);
    char parent[CL_TRACE_PARENT + 1];

    cl_trace_id(trace, request->trace);
    if (!request->trace[0])
        return 0;
    snprintf(parent, sizeof(parent), "%s", trace);
    if (cl_request_put_env(request, "TRACEPARENT", parent, refusal) < 0)
        return -1;
    return state[0] ? cl_request_put_env(request, "TRACESTATE", state, refusal) : 0;
}

static struct cl_pool *pool_named(const struct cl_app *app, const struct cl_tenant *tenant,
                                  const struct cl_request *request, struct cl_refusal *refusal)
{
    struct cl_pool *pool = cl_tenancy_find(app->tenancy, tenant, request->policy);

    if (pool)
        return pool;
    if (request->policy[0])
        cl_refusal_point(refusal, "policy", strlen("policy"));
    cl_refusal_set(refusal, CL_R_POLICY_NOT_ALLOWED, "no policy \"%s\" for this token",
                   request->policy);
    return NULL;
}

/* The pool of the session, or that the request names, if the tenant may use it and the body fits
 * its policy. */
static struct cl_pool *find_pool(const struct cl_app *app, const struct cl_tenant *tenant,
                                 const struct cl_call_sent *sent,
                                 const struct cl_request *request, struct cl_refusal *refusal)
{
    struct cl_pool *pool;

    if (sent->session && cl_session_check(sent->session, request, refusal) < 0)
        return NULL;
    pool = sent->session ? cl_session_pool(sent->session, refusal)
                         : pool_named(app, tenant, request, refusal);
    if (pool && sent->length > pool->policy->request_bytes) {
        refusal->limit = pool->policy->request_bytes;
        cl_refusal_set(refusal, CL_R_TOO_LARGE, "policy \"%s\" takes %" PRIu64 " bytes",
                       pool->policy->name, refusal->limit);
        return NULL;
    }
    return pool;
}

static const struct {
    int (*parse)(struct cl_request *request, const char *text, size_t length,
                 struct cl_refusal *refusal);
    uint32_t flags;
} kinds[] = {
    [CL_CALL_KIND_CALL] = { cl_request_parse, 0 },
    [CL_CALL_KIND_EVAL] = { cl_request_parse_eval, CL_CALL_EVAL },
};

void cl_prepare_caller(struct cl_request *request, const char *key, const char *peer)
{
    snprintf(request->key, sizeof(request->key), "%s", key ? key : "");
    snprintf(request->peer, sizeof(request->peer), "%s", peer ? peer : "");
}

int cl_prepare_parse(const struct cl_call_sent *sent, struct cl_prepared *prepared,
                     struct cl_refusal *refusal)
{
    struct cl_request *request = &prepared->request;

    prepared->flags |= kinds[sent->kind].flags | (sent->session ? CL_CALL_SESSION : 0);
    if (sent->function)
        snprintf(request->function, sizeof(request->function), "%s", sent->function);
    cl_prepare_caller(request, sent->key, sent->peer);
    if (kinds[sent->kind].parse(request, sent->body, sent->length, refusal) < 0)
        return -1;
    if (request->function[0])
        prepared->flags |= CL_CALL_FUNCTION;
    return 0;
}

int cl_prepare(const struct cl_app *app, const struct cl_tenant *tenant,
               const struct cl_call_sent *sent, struct cl_prepared *prepared,
               struct cl_refusal *refusal)
{
    struct cl_request *request = &prepared->request;

    if (cl_prepare_parse(sent, prepared, refusal) < 0 ||
        cl_prepare_trace(request, sent->trace, refusal) < 0)
        return -1;
    if (request->function[0]) {
        const int got =
            cl_modules_resolve(app->modules, tenant, request, &prepared->want, refusal);

        if (got != 0)
            return got;
    }
    prepared->pool = find_pool(app, tenant, sent, request, refusal);
    if (!prepared->pool)
        return -1;
    return cl_request_seal(request, prepared->pool->policy, prepared->flags, refusal);
}

void cl_prepared_fini(struct cl_prepared *prepared)
{
    cl_request_fini(&prepared->request);
}
