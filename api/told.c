/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cloched says, handed to whom it concerns.
 * Runs in: cloche-api.
 * Trusts: cloched.
 */
#include "api/told.h"

#include <event2/event.h>
#include <inttypes.h>
#include <unistd.h>

#include "api/drain.h"
#include "api/pair.h"
#include "api/sessions/session.h"
#include "api/tenants/store.h"
#include "sandbox/base/log.h"

_Noreturn void cl_told_lose(const struct cl_app *app, const struct cl_err *why)
{
    /* Without cloched nothing can be served; it starts another one, or is gone itself. */
    cl_log(app->is_draining ? CL_INFO : CL_ERROR, "api.lost", "what=\"%s\"", why->text);
    _exit(1);
}

static void on_lost(void *self, const struct cl_err *why)
{
    cl_told_lose(self, why);
}

static void on_tenant(void *self, const struct cl_msg_tenant *msg, int fd)
{
    struct cl_app *app = self;
    struct cl_err err = CL_ERR_INIT;

    if (cl_tenancy_on_tenant(app->tenancy, msg, fd, &err) < 0)
        cl_told_lose(app, &err);
}

static void on_policy(void *self, const struct cl_msg_policy *msg, int fd)
{
    struct cl_app *app = self;
    struct cl_err err = CL_ERR_INIT;

    if (cl_tenancy_on_policy(app->tenancy, msg, fd, &err) < 0)
        cl_told_lose(app, &err);
}

/* Nothing is served before it is known who may call and where that is written down. */
static void look_whether_told(const struct cl_app *app)
{
    if (!app->server && cl_tenancy_generation(app->tenancy) > 0 &&
        cl_audit_is_ready(app->audit) && (!app->has_tls || app->tls))
        event_base_loopbreak(app->base); /* now it can be started */
}

static void on_audit(void *self, const struct cl_msg_audit *msg, int *fd)
{
    struct cl_app *app = self;
    struct cl_err err = CL_ERR_INIT;

    if (cl_audit_on_file(app->audit, msg, fd, &err) < 0)
        cl_told_lose(app, &err);
    look_whether_told(app);
}

static void on_loaded(void *self, const struct cl_msg_loaded *msg)
{
    struct cl_app *app = self;
    const bool is_first = !app->server;
    struct cl_err err = CL_ERR_INIT;

    if (cl_tenancy_on_loaded(app->tenancy, msg, cl_dispatch_on_change, app->dispatch, &err) < 0)
        cl_told_lose(app, &err);
    cl_sessions_on_loaded(app);
    cl_tenantstore_tell(app->tenancy, app->storeq);
    cl_log(CL_INFO, "api.loaded", "generation=%u policies=%u", msg->generation, msg->policies);
    if (!is_first)
        cl_audit_loaded(app, false);
    look_whether_told(app);
}

static void on_problem(void *self, const struct cl_msg_problem *msg)
{
    struct cl_app *app = self;

    cl_audit_problem(app->audit, msg);
    cl_tenancy_on_problem(app->tenancy, msg);
}

static void on_spare(void *self, const struct cl_msg_offer *msg, int *fd)
{
    struct cl_app *app = self;

    cl_metrics_count_spare(&app->metrics, msg);
    cl_dispatch_on_spare(app->dispatch, msg, fd);
}

/* Cannot happen while the caps on connections hold; if it does, clients make room, not jails. */
static void on_crowded(void *self, const struct cl_msg_offer *msg)
{
    struct cl_app *app = self;

    cl_log(CL_WARN, "spare.crowded", "spare=%" PRIu64 " what=\"no descriptor was free\"",
           msg->spare);
    cl_jailclient_send_drop(app->client, msg->spare);
    if (app->server)
        cl_http_server_relieve(app->server);
}

static void on_taken(void *self, uint64_t spare)
{
    struct cl_app *app = self;

    cl_dispatch_on_taken(app->dispatch, spare);
}

static void on_end(void *self, const struct cl_msg_end *msg)
{
    struct cl_app *app = self;

    cl_metrics_count_end(&app->metrics, msg);
    cl_dispatch_on_end(app->dispatch, msg);
}

static void on_counts(void *self, const struct cl_counts *counts)
{
    struct cl_app *app = self;

    app->metrics.zygotes = *counts;
}

static void on_usage(void *self, const struct cl_msg_usage *msg)
{
    struct cl_app *app = self;

    cl_dispatch_on_usage(app->dispatch, msg);
}

static void on_retire(void *self, uint64_t spare)
{
    struct cl_app *app = self;

    cl_dispatch_on_retire(app->dispatch, spare);
}

static void on_function(void *self, const struct cl_msg_function *msg, int fd)
{
    struct cl_app *app = self;

    cl_modules_on_function(app->modules, msg, fd);
}

static void on_functions(void *self, const struct cl_msg_functions *msg)
{
    struct cl_app *app = self;

    cl_modules_on_functions(app->modules, msg);
}

static void on_tls(void *self, const struct cl_msg_tls *msg, int fd)
{
    struct cl_app *app = self;
    struct cl_err err = CL_ERR_INIT;

    if (cl_pair_take(app, msg, fd, &err) < 0)
        cl_told_lose(app, &err);
    look_whether_told(app);
}

static void on_drain(void *self, const struct cl_msg_drain *msg)
{
    cl_drain_start(self, msg->grace_ms);
}

const struct cl_jailclient_calls cl_told_calls = {
    .on_tenant = on_tenant,
    .on_policy = on_policy,
    .on_loaded = on_loaded,
    .on_problem = on_problem,
    .on_spare = on_spare,
    .on_crowded = on_crowded,
    .on_taken = on_taken,
    .on_end = on_end,
    .on_usage = on_usage,
    .on_counts = on_counts,
    .on_retire = on_retire,
    .on_function = on_function,
    .on_functions = on_functions,
    .on_audit = on_audit,
    .on_tls = on_tls,
    .on_drain = on_drain,
    .on_lost = on_lost,
};
