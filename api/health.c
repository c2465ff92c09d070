/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /healthz and /readyz.
 * Runs in: cloche-api.
 * Trusts: our own state; the requests carry nothing that matters.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "api/json/scan.h"
#include "api/storeq.h"
#include "api/visit.h"
#include "sandbox/base/own.h"

enum { ANSWER_MAX = 64 << 10 };

int cl_health_alive(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal)
{
    static const char alive[] = "{\"status\":\"alive\"}";

    (void)body;
    (void)length;
    (void)refusal;
    cl_exchange_answer(visit->exchange, 200, "application/json", alive, sizeof(alive) - 1);
    return 0;
}

/* The default policy of the first tenant: what a caller who names nothing needs. */
static const struct cl_pool *first_pool(const struct cl_tenancy *tenancy)
{
    const struct cl_pool *any = cl_tenancy_next(tenancy, NULL, NULL);

    return any ? cl_tenancy_find(tenancy, any->tenant, "") : NULL;
}

/* What it says is our own words. */
static int put_store(const struct cl_storeq_health *store, struct cl_buf *out,
                     struct cl_err *err)
{
    if (cl_buf_format(out, err, ",\"store\":{\"writable\":%s",
                      store->is_writable ? "true" : "false") < 0)
        return -1;
    if (!store->is_writable &&
        (cl_buf_put_text(out, ",\"message\":", err) < 0 ||
         cl_json_put_string(out, store->why, strlen(store->why), err) < 0))
        return -1;
    return cl_buf_put(out, "}", 1, err);
}

static int put_audit(const struct cl_audit_health *audit, struct cl_buf *out,
                     struct cl_err *err)
{
    return cl_buf_format(out, err,
                         ",\"audit\":{\"writable\":%s,\"seq\":%" PRIu64 ",\"head\":\"%s\"}",
                         audit->is_writable ? "true" : "false", audit->seq, audit->head);
}

/* Served either way: by the pair before, and for whoever trusts one that has ended. */
static const char *tls_problem(const struct cl_app *app)
{
    if (app->tls_problem[0])
        return app->tls_problem;
    return app->has_tls && app->tls_until <= (int64_t)time(NULL)
               ? "tls.certificate: it has expired"
               : "";
}

static int put_tls(const struct cl_app *app, struct cl_buf *out, struct cl_err *err)
{
    const char *problem = tls_problem(app);

    if (!app->has_tls)
        return 0;
    if (cl_buf_format(out, err, ",\"tls\":{\"until\":%" PRId64, app->tls_until) < 0)
        return -1;
    if (*problem && (cl_buf_put_text(out, ",\"message\":", err) < 0 ||
                     cl_json_put_string(out, problem, strlen(problem), err) < 0))
        return -1;
    return cl_buf_put(out, "}", 1, err);
}

int cl_health_ready(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal)
{
    const struct cl_app *app = visit->app;
    const struct cl_pool *pool = first_pool(app->tenancy);
    struct cl_storeq_health store = { .is_writable = true };
    struct cl_audit_health audit = { .is_writable = true };
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(ANSWER_MAX);
    struct cl_err err = CL_ERR_INIT;

    (void)body;
    (void)length;
    refusal->retry_after_s = 1;
    if (app->storeq)
        cl_storeq_health(app->storeq, &store);
    if (cl_audit_is_on(app->audit))
        cl_audit_health(app->audit, &audit);
    if (!cl_audit_may_serve(app->audit))
        return cl_refusal_set(refusal, CL_R_NOT_READY, "the audit log can't be written");
    if (app->is_draining)
        return cl_refusal_set(refusal, CL_R_NOT_READY, "the service is going down");
    if (!pool)
        return cl_refusal_set(refusal, CL_R_NOT_READY, "no policy is loaded yet");
    if (!pool->had_spare)
        return cl_refusal_set(refusal, CL_R_NOT_READY, "policy \"%s\" has no jail yet",
                              pool->policy->name);
    /* Calls are served either way, by what was in force before, and without the store. */
    const bool is_well = !cl_tenancy_problem(app->tenancy) && store.is_writable &&
                         audit.is_writable && !*tls_problem(app);
    if (cl_buf_format(&out, &err, "{\"status\":\"%s\",\"generation\":%" PRIu32,
                      is_well ? "ready" : "degraded",
                      cl_tenancy_generation(app->tenancy)) < 0 ||
        put_store(&store, &out, &err) < 0 || put_tls(app, &out, &err) < 0 ||
        (cl_audit_is_on(app->audit) && put_audit(&audit, &out, &err) < 0) ||
        cl_policies_put_reload(app->tenancy, &out, &err) < 0 ||
        cl_buf_put(&out, "}", 1, &err) < 0)
        return cl_refusal_set(refusal, CL_R_NOT_READY, "%s", err.text);
    cl_visit_answer(visit, "application/json", &out);
    return 0;
}
