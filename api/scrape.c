/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics: reads what is there now.
 * Runs in: cloche-api.
 * Trusts: our own state; of the request only Accept is looked at.
 */
#include <string.h>
#include <time.h>

#include "api/async/async.h"
#include "api/field.h"
#include "api/sessions/session.h"
#include "api/storeq.h"
#include "api/visit.h"
#include "api/workflow/run.h"
#include "sandbox/base/own.h"

enum { ANSWER_MAX = 1 << 20 };

static const char text_type[] = "text/plain; version=0.0.4; charset=utf-8";
static const char open_type[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";

static void read_pools(struct cl_app *app, struct cl_metrics_now *now)
{
    for (struct cl_pool *pool = cl_tenancy_next(app->tenancy, NULL, NULL); pool;
         pool = cl_tenancy_next(app->tenancy, NULL, pool)) {
        now->spares[cl_metrics_policy(&app->metrics, pool->policy->name)] += pool->idle_count;
        now->queued[cl_metrics_class(pool->tenant->quota.limits.weight)] += pool->queued;
    }
}

static void read_store(const struct cl_app *app, struct cl_metrics_now *now)
{
    struct cl_storeq_health store = { .is_writable = false };

    if (!app->storeq)
        return;
    cl_storeq_health(app->storeq, &store);
    now->store_waiting = cl_storeq_waiting(app->storeq);
    now->store_writable = store.is_writable;
    if (app->async) {
        now->stored_waiting = cl_async_waiting(app->async);
        now->stored_running = cl_async_running(app->async);
    }
    now->workflows = app->runs ? cl_runs_count(app->runs) : 0;
}

static void read_audit(const struct cl_app *app, struct cl_metrics_now *now)
{
    struct cl_audit_health audit;

    if (!cl_audit_is_on(app->audit))
        return;
    cl_audit_health(app->audit, &audit);
    now->audit_writable = audit.is_writable;
    now->audit_lines = audit.seq;
    now->audit_lost = audit.lost;
}

static uint64_t own_cpu_us(void)
{
    struct timespec cpu = { 0 };

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (uint64_t)cpu.tv_sec * 1000000 + (uint64_t)cpu.tv_nsec / 1000;
}

int cl_health_metrics(struct cl_visit *visit, const char *body, size_t length,
                      struct cl_refusal *refusal)
{
    struct cl_app *app = visit->app;
    const bool is_open = cl_field_weight(cl_exchange_field(visit->exchange, "accept"),
                                         "application/openmetrics-text") > 0;
    const struct cl_http_counts *counts = cl_http_server_counts(app->server);
    struct cl_metrics_now now = {
        .running = cl_dispatch_running(app->dispatch),
        .requeued = cl_dispatch_requeued(app->dispatch),
        .sessions = cl_sessions_count(app),
        .connections = cl_http_server_connections(app->server),
        .generation = cl_tenancy_generation(app->tenancy),
        .buffered = cl_http_server_charged(app->server),
        .turned_away = counts->turned_away,
        .evicted = counts->evicted,
        .over_memory = counts->over_memory,
        .cpu_us = own_cpu_us(),
        .start_s = app->start_s,
        .descriptors_max = app->descriptors,
    };
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(ANSWER_MAX);
    struct cl_err err = CL_ERR_INIT;

    (void)body;
    (void)length;
    read_pools(app, &now);
    read_store(app, &now);
    read_audit(app, &now);
    if (cl_metrics_format(&app->metrics, &now, is_open, &out, &err) < 0)
        return cl_refusal_set(refusal, CL_R_NOT_READY, "%s", err.text);
    cl_visit_answer(visit, is_open ? open_type : text_type, &out);
    return 0;
}
