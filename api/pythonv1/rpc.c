/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/rpc: one request or a batch of python/v1, some at a time, answered in order.
 * Runs in: cloche-api.
 * Trusts: nothing of the body but what envelope.c made of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http1/exchange.h"
#include "api/pythonv1/envelope.h"
#include "api/pythonv1/scoped.h"
#include "api/sessions/session.h"
#include "api/visit.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

enum {
    COPIES = 3,
    AT_ONCE_MAX = 8, /* requests of one batch that run beside each other */
    BODY_MAX = 256 << 20,
};

struct rpc;

struct slot {
    struct rpc *rpc;
    uint64_t call; /* 0: it does not run */
    struct cl_buf json;
    bool is_error;
    bool is_done;
};

/* One body on its way. Views of the batch point into it; it stays until the exchange ends. */
struct rpc {
    struct cl_visit *visit;
    struct cl_v1_batch batch;
    struct slot *slots;
    size_t next, running;
    size_t body_bytes;
    struct cl_v1_scope scope;
    struct cl_refusal refusal; /* of the only request */
    struct cl_v1_caller caller;
    char session[CL_V1_SESSION_MAX];
    char policy[CL_NAME_MAX];
};

static const char json_type[] = "application/json";

/* ------------------------------------------------------------------------------------- the end */

static void rpc_free(struct rpc *rpc)
{
    for (size_t i = 0; rpc->slots && i < rpc->batch.count; i++)
        cl_buf_fini(&rpc->slots[i].json);
    free(rpc->slots);
    cl_v1_envelope_fini(&rpc->batch);
    cl_v1_scope_fini(&rpc->scope);
    free(rpc);
}

/* The client is gone, or has its answer: what still runs is ended. */
static void on_visit_end(void *self)
{
    struct rpc *rpc = self;

    for (size_t i = 0; rpc->slots && i < rpc->batch.count; i++) {
        if (rpc->slots[i].call)
            cl_pythonv1_forget(rpc->visit->app, rpc->slots[i].call);
    }
    rpc_free(rpc);
}

static const struct cl_visit_later later = { .on_end = on_visit_end };

/* Parameters are copied for their call, and again into its frames. */
static size_t held_by(const struct rpc *rpc)
{
    size_t bytes = COPIES * rpc->body_bytes + rpc->batch.count * sizeof(struct cl_v1_item);

    for (size_t i = 0; i < rpc->batch.count; i++)
        bytes += rpc->slots[i].json.capacity;
    return bytes;
}

static int put_one(const struct rpc *rpc, size_t at, struct cl_buf *out, struct cl_err *err)
{
    const struct slot *slot = &rpc->slots[at];
    const struct cl_json json = { (const char *)slot->json.bytes, slot->json.length };

    return cl_v1_envelope_put(&rpc->batch.items[at], slot->is_error, json, out, err);
}

static int put_all(const struct rpc *rpc, struct cl_buf *out, struct cl_err *err)
{
    size_t put = 0;

    for (size_t i = 0; i < rpc->batch.count; i++) {
        if (rpc->batch.items[i].is_silent)
            continue;
        if (rpc->batch.is_array && cl_buf_put_text(out, put ? "," : "[", err) < 0)
            return -1;
        if (put_one(rpc, i, out, err) < 0)
            return -1;
        put++;
    }
    return rpc->batch.is_array && put ? cl_buf_put_text(out, "]", err) : 0;
}

static void answer(struct rpc *rpc)
{
    struct cl_visit *visit = rpc->visit;
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(BODY_MAX);
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    struct cl_err err = CL_ERR_INIT;

    if (!rpc->batch.is_array && rpc->refusal.kind != CL_R_NONE) {
        cl_visit_refuse(visit->app, visit->exchange, &rpc->refusal);
        return;
    }
    if (put_all(rpc, &out, &err) < 0) {
        refusal.retry_after_s = 1;
        cl_refusal_set(&refusal, CL_R_NO_MEMORY, "the answers of this batch are too large");
        cl_visit_refuse(visit->app, visit->exchange, &refusal);
        return;
    }
    cl_exchange_reserve(visit->exchange, 0); /* the answer counts by itself */
    if (out.length == 0)
        cl_exchange_answer(visit->exchange, 204, NULL, "", 0);
    else
        cl_visit_answer(visit, json_type, &out);
}

/* ---------------------------------------------------------------------------------- the requests */

static int keep(struct slot *slot, struct cl_json json)
{
    struct cl_err err = CL_ERR_INIT;

    slot->json.limit = json.length;
    return cl_buf_put(&slot->json, json.text, json.length, &err);
}

static void keep_fault(struct slot *slot, const struct cl_v1_fault *fault)
{
    struct cl_err err = CL_ERR_INIT;

    slot->json.limit = 8 * CL_V1_MESSAGE_MAX;
    CL_CHECK(cl_v1_fault_put(fault, &slot->json, &err) == 0);
    slot->is_error = true;
    slot->is_done = true;
}

static void pump(struct rpc *rpc);

static void on_done(void *self, const struct cl_v1_answer *got)
{
    struct slot *slot = self;
    struct rpc *rpc = slot->rpc;
    struct cl_v1_fault fault = { 0 };

    slot->call = 0;
    rpc->running--;
    slot->is_error = got->is_error;
    slot->is_done = true;
    if (got->refusal)
        rpc->refusal = *got->refusal;
    CL_CHECK(keep(slot, got->json) == 0);
    if (!cl_exchange_reserve(rpc->visit->exchange, held_by(rpc))) {
        cl_buf_fini(&slot->json);
        cl_v1_fail(&fault, CL_V1_RESOURCES, "Other requests hold what there is for its answer");
        keep_fault(slot, &fault);
    }
    pump(rpc);
}

static const struct cl_v1_calls calls = { .on_done = on_done };

static void start(struct rpc *rpc, size_t at)
{
    const struct cl_v1_item *item = &rpc->batch.items[at];
    const struct cl_v1_want want = { item->method, item->params };
    struct cl_v1_caller caller = rpc->caller;
    struct slot *slot = &rpc->slots[at];

    slot->rpc = rpc;
    if (item->fault.code) {
        keep_fault(slot, &item->fault);
        return;
    }
    caller.task_id = item->task_id;
    caller.timeout_s = item->timeout_s;
    rpc->running++;
    slot->call =
        cl_v1_start_scoped(rpc->visit->app, &caller, rpc->batch.is_array ? &rpc->scope : NULL,
                           &want, &calls, slot);
}

/* What changes the table of names waits for all before it, and all behind it wait for it. */
static bool is_fence(const struct cl_v1_item *item)
{
    static const char *const methods[] = { "register", "python/register", "unregister" };

    for (size_t i = 0; i < CL_COUNT(methods); i++) {
        if (strcmp(item->method, methods[i]) == 0)
            return true;
    }
    return false;
}

static bool may_start(const struct rpc *rpc)
{
    const struct cl_v1_item *items = rpc->batch.items;

    if (rpc->next >= rpc->batch.count || rpc->running >= AT_ONCE_MAX)
        return false;
    if (rpc->running == 0)
        return true;
    if (is_fence(&items[rpc->next]))
        return false;
    /* A fence runs alone, so it is the last one that was started. */
    return !is_fence(&items[rpc->next - 1]) || rpc->slots[rpc->next - 1].is_done;
}

static void pump(struct rpc *rpc)
{
    while (may_start(rpc))
        start(rpc, rpc->next++);
    if (rpc->running == 0 && rpc->next == rpc->batch.count)
        answer(rpc);
}

/* ------------------------------------------------------------------------------------- the head */

static const char *field(const struct cl_visit *visit, const char *name)
{
    const char *value = cl_exchange_field(visit->exchange, name);

    return value ? value : "";
}

/* The session that the call is in, and the policy that comes with it. */
static int enter_session(struct rpc *rpc, struct cl_refusal *refusal)
{
    struct cl_visit *visit = rpc->visit;
    const char *asked = field(visit, "cloche-session");
    struct cl_session *session;
    struct cl_pool *pool;

    if (strcmp(asked, "none") == 0)
        return 0;
    if (asked[0]) {
        session = cl_session_find(visit->app, visit->tenant, rpc->caller.key, asked);
        if (!session)
            return cl_refusal_set(refusal, CL_R_SESSION_NOT_FOUND,
                                  "this token has no such session");
    } else {
        session = cl_session_default(visit->app, visit->tenant, rpc->caller.key, rpc->policy,
                                     refusal);
        if (!session)
            return refusal->kind == CL_R_NONE ? 0 : -1;
    }
    pool = cl_session_pool(session, refusal);
    if (!pool)
        return -1;
    snprintf(rpc->session, sizeof(rpc->session), "%s", cl_session_id(session));
    snprintf(rpc->policy, sizeof(rpc->policy), "%s", pool->policy->name);
    return 0;
}

static int open_caller(struct rpc *rpc, struct cl_refusal *refusal)
{
    const char *policy = cl_exchange_field(rpc->visit->exchange, "cloche-policy");

    rpc->caller = (struct cl_v1_caller){
        .tenant = rpc->visit->tenant,
        .policy = rpc->policy,
        .key = cl_visit_key(rpc->visit),
        .session = rpc->session,
        .trace = rpc->visit->trace,
        .peer = cl_exchange_peer(rpc->visit->exchange),
    };
    snprintf(rpc->policy, sizeof(rpc->policy), "%s", policy ? policy : "");
    if (policy &&
        (!policy[0] || !cl_tenancy_find(rpc->visit->app->tenancy, rpc->visit->tenant, policy)))
        return cl_refusal_set(refusal, CL_R_POLICY_NOT_ALLOWED,
                              "no policy \"%s\" for this token", rpc->policy);
    return enter_session(rpc, refusal);
}

/* A body that holds no request is answered at once. */
static void answer_fault(struct cl_visit *visit, const struct cl_v1_fault *fault)
{
    static const struct cl_v1_item nobody = { .is_jsonrpc = true };
    struct cl_buf CL_AUTO(cl_buf_fini) json = CL_BUF_INIT(8 * CL_V1_MESSAGE_MAX);
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(16 * CL_V1_MESSAGE_MAX);
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(cl_v1_fault_put(fault, &json, &err) == 0);
    CL_CHECK(cl_v1_envelope_put(&nobody, true,
                                (struct cl_json){ (const char *)json.bytes, json.length }, &out,
                                &err) == 0);
    cl_exchange_answer(visit->exchange, fault->code == CL_V1_PARSE ? 400 : 200, json_type,
                       out.bytes, out.length);
}

int cl_pythonv1_run(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal)
{
    struct cl_v1_fault fault = { 0 };
    struct rpc *rpc = calloc(1, sizeof(*rpc));

    CL_CHECK(rpc);
    rpc->visit = visit;
    if (open_caller(rpc, refusal) < 0) {
        rpc_free(rpc);
        return -1;
    }
    if (cl_v1_envelope_parse(&rpc->batch, body, length, &fault) < 0) {
        answer_fault(visit, &fault);
        rpc_free(rpc);
        return 0;
    }
    rpc->slots = calloc(rpc->batch.count, sizeof(*rpc->slots));
    CL_CHECK(rpc->slots);
    rpc->body_bytes = length;
    if (!cl_exchange_reserve(visit->exchange, held_by(rpc))) {
        rpc_free(rpc);
        refusal->retry_after_s = 1;
        return cl_refusal_set(refusal, CL_R_NO_MEMORY,
                              "other requests hold what there is for a batch of this size");
    }
    cl_quota_owe(&visit->tenant->quota, (uint32_t)rpc->batch.count - 1, cl_clock_us());
    visit->later = &later;
    visit->later_self = rpc;
    pump(rpc);
    return 0;
}
