/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of every request from its head to its end.
 * Runs in: cloche-api.
 * Trusts: nothing of a request but its grammar, which http1/ checked.
 */
#include "api/visit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json/scan.h"
#include "api/query.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

/* ---------------------------------------------------------------------------------- answers */

static int put_extra(const struct cl_refusal *refusal, struct cl_buf *extra, struct cl_err *err)
{
    const bool has_pointer = refusal->kind == CL_R_MALFORMED || refusal->pointer[0];

    if (has_pointer &&
        (cl_buf_put_text(extra, "\"pointer\":", err) < 0 ||
         cl_json_put_string(extra, refusal->pointer, strlen(refusal->pointer), err) < 0))
        return -1;
    if (refusal->limit && cl_buf_format(extra, err, "%s\"limit\":%" PRIu64,
                                        extra->length ? "," : "", refusal->limit) < 0)
        return -1;
    if (refusal->extra[0] &&
        cl_buf_format(extra, err, "%s%s", extra->length ? "," : "", refusal->extra) < 0)
        return -1;
    return cl_buf_put(extra, "", 1, err);
}

void cl_visit_refuse(struct cl_app *app, struct cl_exchange *exchange,
                     const struct cl_refusal *refusal)
{
    const struct cl_refusal_row *row = cl_refusal_row(refusal->kind);
    struct cl_buf CL_AUTO(cl_buf_fini) extra = CL_BUF_INIT(4096);
    struct cl_err err = CL_ERR_INIT;
    char seconds[16];

    app->metrics.refused[refusal->kind]++;
    cl_audit_refused(app, exchange, refusal);
    if (refusal->kind == CL_R_UNAUTHORIZED)
        cl_exchange_header(exchange, "WWW-Authenticate", "Bearer");
    if (refusal->allow[0])
        cl_exchange_header(exchange, "Allow", refusal->allow);
    if (refusal->retry_after_s) {
        snprintf(seconds, sizeof(seconds), "%" PRIu32, refusal->retry_after_s);
        cl_exchange_header(exchange, "Retry-After", seconds);
    }
    if (put_extra(refusal, &extra, &err) < 0)
        cl_buf_fini(&extra);
    cl_exchange_problem(exchange, row->status, row->slug, row->title, refusal->detail,
                        (const char *)extra.bytes);
}

const char *cl_visit_key(const struct cl_visit *visit)
{
    return visit->key ? visit->key->id : "";
}

void cl_visit_answer(struct cl_visit *visit, const char *type, const struct cl_buf *body)
{
    cl_exchange_answer(visit->exchange, 200, type, body->bytes, body->length);
}

/* ------------------------------------------------------------------------------------- head */

/* Before the policy is known, the largest of those that the tenant may use counts. */
static uint64_t most_body(const struct cl_visit *visit)
{
    const struct cl_tenancy *tenancy = visit->app->tenancy;
    uint64_t most = 0;

    for (struct cl_pool *pool = cl_tenancy_next(tenancy, visit->tenant, NULL); pool;
         pool = cl_tenancy_next(tenancy, visit->tenant, pool)) {
        if (pool->policy->request_bytes > most)
            most = pool->policy->request_bytes;
    }
    return most;
}

static bool has_content(const struct cl_http_head *head)
{
    return head->has_body && (head->is_chunked || head->content_length > 0);
}

static int check_body(struct cl_visit *visit, struct cl_refusal *refusal)
{
    const struct cl_http_head *head = cl_exchange_head(visit->exchange);
    const uint32_t takes = visit->route->takes;
    char types[96];
    uint64_t most;

    if (!has_content(head) && (takes == CL_TAKES_NONE || (takes & CL_TAKES_NOTHING)))
        return 0;
    if (takes == CL_TAKES_NONE)
        return cl_refusal_set(refusal, CL_R_MALFORMED, "no body has a meaning here");
    if (!head->has_body)
        return cl_refusal_set(refusal, CL_R_LENGTH_REQUIRED,
                              "send Content-Length, or Transfer-Encoding: chunked");
    visit->body_type = cl_route_type(takes, cl_exchange_field(visit->exchange, "content-type"));
    if (visit->body_type == CL_TAKES_NONE) {
        cl_route_put_types(takes, types, sizeof(types));
        return cl_refusal_set(refusal, CL_R_MEDIA_TYPE, "send Content-Type: %s", types);
    }
    most = most_body(visit);
    refusal->limit = most;
    if (head->content_length > most)
        return cl_refusal_set(refusal, CL_R_TOO_LARGE,
                              "the body has %" PRIu64 " bytes, at most %" PRIu64 " are taken",
                              head->content_length, most);
    refusal->limit = 0;
    cl_exchange_want_body(visit->exchange, (size_t)most);
    return 0;
}

/* On every answer to a tenant that has a rate: what is left of it, after this request. */
static void tell_rate(struct cl_visit *visit, uint64_t now_us)
{
    char policy[CL_QUOTA_FIELD], state[CL_QUOTA_FIELD];

    if (!cl_quota_fields(&visit->tenant->quota, now_us, policy, state))
        return;
    cl_exchange_header(visit->exchange, "RateLimit-Policy", policy);
    cl_exchange_header(visit->exchange, "RateLimit", state);
}

/* The token, what it opens, and (before a byte of the body is read) the tenant's quota: requests
 * that make work count against it. */
static int authorize(struct cl_visit *visit, struct cl_refusal *refusal)
{
    struct cl_app *app = visit->app;
    const struct cl_route *route = visit->route;
    int done = 0;

    const struct cl_auth_shown shown = {
        cl_exchange_field(visit->exchange, "authorization"),
        cl_exchange_certificate(visit->exchange),
        cl_exchange_peer(visit->exchange),
    };
    visit->key = cl_auth_check(&app->auth, app->tenancy, &shown, refusal);
    if (!visit->key)
        return -1;
    visit->tenant = visit->key->tenant;
    visit->generation = cl_tenancy_generation(app->tenancy);
    if (route->scope & ~visit->key->scopes)
        return cl_auth_refuse_scope(route->scope, refusal);
    if (!cl_quota_is_timed(&visit->tenant->quota))
        return 0;
    const uint64_t now_us = cl_clock_us();
    if (route->takes != CL_TAKES_NONE)
        done = cl_quota_admit(&visit->tenant->quota, now_us, refusal);
    tell_rate(visit, now_us);
    return done;
}

int cl_visit_check_bare(struct cl_visit *visit, struct cl_refusal *refusal)
{
    return cl_query_parse(cl_exchange_head(visit->exchange)->query, NULL, 0, refusal);
}

static int enter(struct cl_visit *visit, struct cl_refusal *refusal)
{
    const struct cl_http_head *head = cl_exchange_head(visit->exchange);

    visit->route = cl_route_find(cl_routes, cl_routes_count, head->method, head->path,
                                 visit->param, refusal);
    if (!visit->route)
        return -1;
    if (visit->route->auth == CL_ROUTE_TOKEN && authorize(visit, refusal) < 0)
        return -1;
    if (check_body(visit, refusal) < 0)
        return -1;
    if (visit->route->takes != CL_TAKES_NONE && !cl_audit_may_serve(visit->app->audit)) {
        refusal->retry_after_s = 1;
        return cl_refusal_set(refusal, CL_R_NOT_READY, "the audit log can't be written");
    }
    return visit->route->check ? visit->route->check(visit, refusal) : 0;
}

/* The answer names the span under which the request was served. */
static void join_trace(struct cl_visit *visit)
{
    char timing[sizeof("traceparent;desc=\"\"") + CL_TRACE_PARENT];

    visit->trace = cl_trace_of(cl_exchange_head(visit->exchange));
    if (!visit->trace)
        return;
    snprintf(timing, sizeof(timing), "traceparent;desc=\"%.*s\"", CL_TRACE_PARENT,
             visit->trace);
    cl_exchange_header(visit->exchange, "Server-Timing", timing);
}

static void on_head(struct cl_exchange *exchange, void *server)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    struct cl_visit *visit = calloc(1, sizeof(*visit));

    CL_CHECK(visit);
    visit->app = server;
    visit->exchange = exchange;
    cl_exchange_set_user(exchange, visit);
    join_trace(visit);
    if (enter(visit, &refusal) < 0) {
        visit->route = NULL;
        cl_visit_refuse(visit->app, exchange, &refusal);
    }
}

/* ----------------------------------------------------------------------- body, way out, end */

static void on_body(struct cl_exchange *exchange, const char *body, size_t length)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    struct cl_visit *visit = cl_exchange_user(exchange);

    if (!visit || !visit->route)
        return;
    /* A reload may have taken the token away, or made it another one, while its body came. */
    if (visit->key && (!visit->key->is_live || visit->key->since > visit->generation))
        cl_refusal_set(&refusal, CL_R_UNAUTHORIZED, "send Authorization: Bearer <token>");
    else if (visit->route->run(visit, body, length, &refusal) == 0)
        return;
    cl_visit_refuse(visit->app, exchange, &refusal);
}

/* Its row instead of its path, which is a caller's text. */
static void log_answer(const struct cl_visit *visit, int status)
{
    char trace[CL_TRACE_ID_SIZE];

    if (!cl_log_has(CL_DEBUG))
        return;
    cl_trace_id(visit->trace, trace);
    cl_log(CL_DEBUG, "http.answer",
           "request=%" PRIu64 " tenant=%s trace=%s status=%d method=%s route=%s",
           cl_exchange_id(visit->exchange), visit->tenant ? visit->tenant->name : "", trace,
           status, visit->route ? visit->route->method : "",
           visit->route ? visit->route->path : "");
}

static void on_answer(struct cl_exchange *exchange, int status)
{
    const struct cl_visit *visit = cl_exchange_user(exchange);

    if (!visit)
        return;
    cl_metrics_count_answer(&visit->app->metrics, status);
    cl_audit_answer(visit, status);
    log_answer(visit, status);
}

static void on_drained(struct cl_exchange *exchange)
{
    const struct cl_visit *visit = cl_exchange_user(exchange);

    if (visit && visit->job)
        cl_dispatch_resume(visit->app->dispatch, visit->job);
    if (visit && visit->later && visit->later->on_drained)
        visit->later->on_drained(visit->later_self);
}

static void on_end(struct cl_exchange *exchange, bool complete)
{
    struct cl_visit *visit = cl_exchange_user(exchange);

    (void)complete; /* a job that is still there has not answered, so its client is gone */
    if (!visit)
        return;
    cl_exchange_set_user(exchange, NULL);
    if (visit->job)
        cl_dispatch_abandon(visit->app->dispatch, visit->job, visit->is_detached);
    if (visit->later && visit->later->on_end)
        visit->later->on_end(visit->later_self);
    free(visit->trace);
    free(visit);
}

const struct cl_exchange_calls cl_visit_calls = {
    .on_head = on_head,
    .on_body = on_body,
    .on_answer = on_answer,
    .on_drained = on_drained,
    .on_end = on_end,
};
