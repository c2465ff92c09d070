/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request on its way through the API: from its head over route, token and body to a
 * handler, and its end. Also the few things that all handlers share.
 */
#ifndef CL_API_VISIT_H
#define CL_API_VISIT_H

#include "api/audit/events.h"
#include "api/calls/prepare.h"
#include "api/dispatch/dispatch.h"
#include "api/http1/server.h"
#include "api/metrics.h"
#include "api/route.h"
#include "api/tenants/auth.h"

/* Everything this process has; one, made by main.c. */
struct cl_app {
    struct event_base *base;
    struct cl_http_server *server;
    struct cl_jailclient *client;
    struct cl_tenancy *tenancy;
    struct cl_dispatch *dispatch;
    struct cl_modules *modules;
    struct cl_async *async;   /* NULL only where storeq is */
    struct cl_runs *runs;     /* workflows */
    struct cl_storeq *storeq; /* NULL only in tests that store nothing */
    struct cl_auth auth;
    struct cl_audit *audit; /* NULL only in tests that log nothing */
    struct cl_audit_refusals audit_refusals[CL_R_COUNT_];
    struct cl_metrics metrics;
    struct cl_sessions *sessions; /* NULL before the first one */
    struct cl_errands *errands;   /* NULL before the first one */
    struct cl_v1_all *pythonv1;   /* likewise */
    uint64_t start_s;             /* when this process began, since 1970 */
    uint64_t descriptors;         /* it may have */
    bool is_draining;
    bool has_tls;
    struct cl_tls *tls; /* owned, until there is a server to take it */
    char tls_problem[sizeof(((struct cl_err *)0)->text)]; /* of the last pair; "": it serves */
    int64_t tls_until; /* the end of the pair that serves, in seconds since 1970 */
};

/* What a handler that answers later hears; each may be NULL. Run on the event loop. */
struct cl_visit_later {
    void (*on_drained)(void *self); /* everything written so far has left */
    void (*on_end)(void *self);     /* the last: answered, or the client is gone */
};

struct cl_visit {
    struct cl_app *app;
    struct cl_exchange *exchange;
    const struct cl_route *route;
    struct cl_tenant *tenant; /* NULL on open routes */
    const struct cl_key *key; /* of the tenant: which token called; NULL on open routes */
    uint32_t generation;      /* in force when the token was checked */
    char *trace;              /* that it belongs to, by trace.h; NULL: none */
    char param[CL_ROUTE_PARAM_MAX];
    enum cl_takes
        body_type; /* which of the route's the body is; CL_TAKES_NONE: there is none */
    /* of a call */
    uint64_t job; /* 0: none */
    enum cl_reply_form form;
    bool is_detached; /* runs on when the client goes away */
    bool is_async;    /* answered before it runs */
    bool is_stored;   /* it is async, or has an Idempotency-Key */
    /* of whatever else answers later */
    const struct cl_visit_later *later; /* NULL: nobody */
    void *later_self;
};

extern const struct cl_route cl_routes[]; /* routes.c */
extern const size_t cl_routes_count;

extern const struct cl_exchange_calls cl_visit_calls; /* server user: struct cl_app */
extern const struct cl_dispatch_calls cl_calls_jobs;  /* self: struct cl_app */

/* What every ended call is counted and logged by, and its envelope but for the output. */
void cl_calls_note_end(struct cl_app *app, const struct cl_job *job,
                       const struct cl_verdict *verdict);
struct cl_envelope cl_calls_envelope(const struct cl_job *job,
                                     const struct cl_verdict *verdict);

/* The id of the token that was sent; "" on open routes. */
const char *cl_visit_key(const struct cl_visit *visit);

/* Answers with a problem. */
void cl_visit_refuse(struct cl_app *app, struct cl_exchange *exchange,
                     const struct cl_refusal *refusal);
/* 200 with a body of this type. */
void cl_visit_answer(struct cl_visit *visit, const char *type, const struct cl_buf *body);

/* The check of a route that takes no query: 400 for any. */
int cl_visit_check_bare(struct cl_visit *visit, struct cl_refusal *refusal);

/* Handlers, one file per resource: calls.c, policies.c, health.c. */
int cl_calls_check(struct cl_visit *visit, struct cl_refusal *refusal);
/* What run and eval do; `function` is what the path names, "" when it is in the body. */
int cl_calls_take(struct cl_visit *visit, enum cl_call_kind kind, const char *function,
                  struct cl_json body, struct cl_refusal *refusal);
/* The same again when the modules that the call needs are there. */
int cl_functions_wait(struct cl_visit *visit, const struct cl_call_sent *sent,
                      const struct cl_modules_want *want);
int cl_functions_call(struct cl_visit *visit, const char *body, size_t length,
                      struct cl_refusal *refusal);
int cl_functions_list(struct cl_visit *visit, const char *body, size_t length,
                      struct cl_refusal *refusal);
int cl_modules_list(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal);
int cl_modules_get(struct cl_visit *visit, const char *body, size_t length,
                   struct cl_refusal *refusal);
int cl_modules_versions(struct cl_visit *visit, const char *body, size_t length,
                        struct cl_refusal *refusal);
int cl_modules_put(struct cl_visit *visit, const char *body, size_t length,
                   struct cl_refusal *refusal);
int cl_modules_push(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal);
int cl_modules_delete(struct cl_visit *visit, const char *body, size_t length,
                      struct cl_refusal *refusal);
enum cl_reply_form cl_calls_form(const struct cl_visit *visit); /* by Accept */
int cl_async_check(struct cl_visit *visit, struct cl_refusal *refusal);
int cl_async_get(struct cl_visit *visit, const char *body, size_t length,
                 struct cl_refusal *refusal);
int cl_async_delete(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal);
int cl_async_events(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal);
int cl_async_list(struct cl_visit *visit, const char *body, size_t length,
                  struct cl_refusal *refusal);
int cl_calls_run(struct cl_visit *visit, const char *body, size_t length,
                 struct cl_refusal *refusal);
int cl_calls_eval(struct cl_visit *visit, const char *body, size_t length,
                  struct cl_refusal *refusal);
int cl_sessions_open(struct cl_visit *visit, const char *body, size_t length,
                     struct cl_refusal *refusal);
int cl_sessions_list(struct cl_visit *visit, const char *body, size_t length,
                     struct cl_refusal *refusal);
int cl_sessions_get(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal);
int cl_sessions_end(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal);
int cl_pythonv1_run(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal);
int cl_workflows_submit(struct cl_visit *visit, const char *body, size_t length,
                        struct cl_refusal *refusal);
int cl_workflows_validate(struct cl_visit *visit, const char *body, size_t length,
                          struct cl_refusal *refusal);
int cl_workflows_list(struct cl_visit *visit, const char *body, size_t length,
                      struct cl_refusal *refusal);
int cl_workflows_get(struct cl_visit *visit, const char *body, size_t length,
                     struct cl_refusal *refusal);
int cl_workflows_events(struct cl_visit *visit, const char *body, size_t length,
                        struct cl_refusal *refusal);
int cl_workflows_cancel(struct cl_visit *visit, const char *body, size_t length,
                        struct cl_refusal *refusal);
int cl_workflows_task(struct cl_visit *visit, const char *body, size_t length,
                      struct cl_refusal *refusal);
int cl_workflows_get_task(struct cl_visit *visit, const char *body, size_t length,
                          struct cl_refusal *refusal);
int cl_policies_list(struct cl_visit *visit, const char *body, size_t length,
                     struct cl_refusal *refusal);
int cl_policies_get(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal);
/* ,"reload":{"problems":N,"message":"..."} when the last one was refused; else nothing. */
int cl_policies_put_reload(const struct cl_tenancy *tenancy, struct cl_buf *out,
                           struct cl_err *err);
int cl_health_alive(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal);
int cl_health_ready(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal);
int cl_health_metrics(struct cl_visit *visit, const char *body, size_t length,
                      struct cl_refusal *refusal);

int cl_openapi_get(struct cl_visit *visit, const char *body, size_t length,
                   struct cl_refusal *refusal);

#endif
