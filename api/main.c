/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloche-api: the only process that reads what callers send. Started by cloched with its
 * control socket as fd 3, the listening socket as fd 4 and the directory of the store as fd 5;
 * lives as long as the control socket does.
 * Runs in: cloche-api.
 * Trusts: cloched, and what is inherited once its type is checked.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/async/async.h"
#include "api/confine.h"
#include "api/dispatch/jailclient.h"
#include "api/http1/tls.h"
#include "api/options.h"
#include "api/pair.h"
#include "api/pythonv1/names.h"
#include "api/sessions/session.h"
#include "api/storeq.h"
#include "api/tenants/store.h"
#include "api/visit.h"
#include "api/workflow/run.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

enum {
    LISTENER_FD = 4,
    STORE_FD = 5,
    AUDIT_FD = 6, /* ours: the log comes by message, and is put there */
    AUDIT_WAIT_S = 10,
    OWN_GRACE_MS = 10000, /* when SIGTERM came and not DRAIN */
    DRAIN_LOOK_MS = 20,
};

struct drain {
    struct event *look;
    uint64_t until_us;
};

static struct cl_app app;
static struct drain drain;

/* ----------------------------------------------------------------------------- going down */

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    const bool is_idle = cl_dispatch_queued(app.dispatch) + cl_dispatch_running(app.dispatch) +
                             cl_storeq_waiting(app.storeq) ==
                         0;

    (void)fd;
    (void)what;
    (void)arg;
    if ((is_idle && cl_async_is_idle(app.async) &&
         cl_http_server_connections(app.server) == 0) ||
        cl_clock_us() > drain.until_us)
        event_base_loopexit(app.base, NULL);
}

static void start_drain(uint64_t grace_ms)
{
    static const struct timeval every = { 0, DRAIN_LOOK_MS * 1000 };

    if (!app.server)
        _exit(0); /* nobody was let in yet */
    if (app.is_draining)
        return;
    app.is_draining = true;
    drain.until_us = cl_clock_us() + grace_ms * 1000;
    cl_log(CL_INFO, "api.drain", "grace_ms=%" PRIu64 " running=%u queued=%u", grace_ms,
           cl_dispatch_running(app.dispatch), cl_dispatch_queued(app.dispatch));
    cl_sessions_drain(&app);
    cl_http_server_drain(app.server);
    cl_async_drain(app.async);
    drain.look = event_new(app.base, -1, EV_PERSIST, on_look, NULL);
    CL_CHECK(drain.look && event_add(drain.look, &every) == 0);
}

static void on_sigterm(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    start_drain(OWN_GRACE_MS);
}

/* --------------------------------------------------------------------- what cloched says */

_Noreturn static void lose(const struct cl_err *why)
{
    /* Without cloched nothing can be served; it starts another one, or is gone itself. */
    cl_log(app.is_draining ? CL_INFO : CL_ERROR, "api.lost", "what=\"%s\"", why->text);
    _exit(1);
}

static void on_lost(void *self, const struct cl_err *why)
{
    (void)self;
    lose(why);
}

static void on_tenant(void *self, const struct cl_msg_tenant *msg, int fd)
{
    struct cl_err err = CL_ERR_INIT;

    (void)self;
    if (cl_tenancy_on_tenant(app.tenancy, msg, fd, &err) < 0)
        lose(&err);
}

static void on_policy(void *self, const struct cl_msg_policy *msg, int fd)
{
    struct cl_err err = CL_ERR_INIT;

    (void)self;
    if (cl_tenancy_on_policy(app.tenancy, msg, fd, &err) < 0)
        lose(&err);
}

/* Nothing is served before it is known who may call and where that is written down. */
static void look_whether_told(void)
{
    if (!app.server && cl_tenancy_generation(app.tenancy) > 0 && cl_audit_is_ready(app.audit) &&
        (!app.has_tls || app.tls))
        event_base_loopbreak(app.base); /* now it can be started */
}

static void on_audit(void *self, const struct cl_msg_audit *msg, int *fd)
{
    struct cl_err err = CL_ERR_INIT;

    (void)self;
    if (cl_audit_on_file(app.audit, msg, fd, &err) < 0)
        lose(&err);
    look_whether_told();
}

static void on_no_audit(evutil_socket_t fd, short what, void *arg)
{
    struct cl_err err = CL_ERR_INIT;

    (void)fd;
    (void)what;
    (void)arg;
    if (cl_audit_is_ready(app.audit))
        return;
    cl_fail(&err, CL_E_LOST, "no audit log came");
    lose(&err); /* the next one of us is greeted again */
}

static void on_loaded(void *self, const struct cl_msg_loaded *msg)
{
    const bool is_first = !app.server;
    struct cl_err err = CL_ERR_INIT;

    (void)self;
    if (cl_tenancy_on_loaded(app.tenancy, msg, cl_dispatch_on_change, app.dispatch, &err) < 0)
        lose(&err);
    cl_sessions_on_loaded(&app);
    cl_tenantstore_tell(app.tenancy, app.storeq);
    cl_log(CL_INFO, "api.loaded", "generation=%u policies=%u", msg->generation, msg->policies);
    if (!is_first)
        cl_audit_loaded(&app, false);
    look_whether_told();
}

static void on_problem(void *self, const struct cl_msg_problem *msg)
{
    (void)self;
    cl_audit_problem(app.audit, msg);
    cl_tenancy_on_problem(app.tenancy, msg);
}

static void on_spare(void *self, const struct cl_msg_offer *msg, int *fd)
{
    (void)self;
    cl_metrics_count_spare(&app.metrics, msg);
    cl_dispatch_on_spare(app.dispatch, msg, fd);
}

/* Cannot happen while the caps on connections hold; if it does, clients make room, not jails. */
static void on_crowded(void *self, const struct cl_msg_offer *msg)
{
    (void)self;
    cl_log(CL_WARN, "spare.crowded", "spare=%" PRIu64 " what=\"no descriptor was free\"",
           msg->spare);
    cl_jailclient_send_drop(app.client, msg->spare);
    if (app.server)
        cl_http_server_relieve(app.server);
}

static void on_taken(void *self, uint64_t spare)
{
    (void)self;
    cl_dispatch_on_taken(app.dispatch, spare);
}

static void on_end(void *self, const struct cl_msg_end *msg)
{
    (void)self;
    cl_metrics_count_end(&app.metrics, msg);
    cl_dispatch_on_end(app.dispatch, msg);
}

static void on_counts(void *self, const struct cl_counts *counts)
{
    (void)self;
    app.metrics.zygotes = *counts;
}

static void on_usage(void *self, const struct cl_msg_usage *msg)
{
    (void)self;
    cl_dispatch_on_usage(app.dispatch, msg);
}

static void on_retire(void *self, uint64_t spare)
{
    (void)self;
    cl_dispatch_on_retire(app.dispatch, spare);
}

static void on_function(void *self, const struct cl_msg_function *msg, int fd)
{
    (void)self;
    cl_modules_on_function(app.modules, msg, fd);
}

static void on_functions(void *self, const struct cl_msg_functions *msg)
{
    (void)self;
    cl_modules_on_functions(app.modules, msg);
}

static void on_tls(void *self, const struct cl_msg_tls *msg, int fd)
{
    struct cl_err err = CL_ERR_INIT;

    (void)self;
    if (cl_pair_take(&app, msg, fd, &err) < 0)
        lose(&err);
    look_whether_told();
}

static void on_drain(void *self, const struct cl_msg_drain *msg)
{
    (void)self;
    start_drain(msg->grace_ms);
}

static const struct cl_jailclient_calls jail_calls = {
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

/* -------------------------------------------------------------------------------- coming up */

static int check_listener(struct cl_err *err)
{
    socklen_t size = sizeof(int);
    int is_listening = 0;

    if (getsockopt(LISTENER_FD, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) < 0)
        return cl_fail(err, CL_E_SYS, "fd %d is no socket", LISTENER_FD);
    if (!is_listening)
        return cl_fail(err, CL_E_INPUT, "fd %d does not listen", LISTENER_FD);
    if (evutil_make_socket_nonblocking(LISTENER_FD) < 0 ||
        evutil_make_socket_closeonexec(LISTENER_FD) < 0 ||
        evutil_make_socket_closeonexec(CL_CONTROL_FD) < 0)
        return cl_fail(err, CL_E_SYS, "set up fd %d", LISTENER_FD);
    return 0;
}

static int start_loop(struct cl_err *err)
{
    struct event *term;

    if (sodium_init() < 0)
        return cl_fail(err, CL_E_SYS, "start libsodium");
    app.base = event_base_new();
    if (!app.base)
        return cl_fail(err, CL_E_SYS, "start libevent");
    term = evsignal_new(app.base, SIGTERM, on_sigterm, NULL);
    if (!term || event_add(term, NULL) < 0)
        return cl_fail(err, CL_E_SYS, "watch SIGTERM");
    return 0;
}

/* All that the hard limit permits; cloched has raised it as far as it can. */
static int raise_descriptors(uint64_t *descriptors, struct cl_err *err)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return cl_fail(err, CL_E_SYS, "ask for the number of descriptors");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        return cl_fail(err, CL_E_SYS, "raise the number of descriptors");
    *descriptors = files.rlim_cur;
    return 0;
}

/* The thread has to be there before the filter that is to cover it, and after Landlock, which
 * only its starter hands down. */
static int start_store(const struct cl_store_caps *caps, struct cl_err *err)
{
    struct cl_store *store = cl_store_open(STORE_FD, caps, err);

    app.modules = cl_modules_new(&app);
    if (store && cl_modules_load(app.modules, store, err) == 0 &&
        cl_confine_files(STORE_FD, err) == 0)
        app.storeq = cl_storeq_new(app.base, &store, &cl_storeq_caps_default, err);
    cl_store_close(store);
    if (!app.storeq)
        return -1;
    cl_v1_names_clear(app.storeq); /* no session outlives the process */
    return 0;
}

/* Before anything else gets that number. */
static int keep_place(struct cl_err *err)
{
    if (fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, AUDIT_FD) == AUDIT_FD)
        return 0;
    return cl_fail(err, CL_E_SYS, "descriptor %d is not free", AUDIT_FD);
}

static int start_audit(struct cl_err *err)
{
    static const struct timeval wait = { AUDIT_WAIT_S, 0 };

    app.audit = cl_audit_new(app.base, AUDIT_FD);
    return event_base_once(app.base, -1, EV_TIMEOUT, on_no_audit, NULL, &wait) < 0
               ? cl_fail(err, CL_E_SYS, "wait for the audit log")
               : 0;
}

/* Clients wait in the listener's queue until there are tenants to know them by; nothing of theirs
 * is read before this process is confined. */
static int start(const struct cl_options *options, struct cl_err *err)
{
    struct cl_http_caps caps = cl_http_caps_default;
    struct cl_dispatch_caps jobs = cl_dispatch_caps_default;
    uint64_t descriptors = 0;

    if (cl_fdpass_check(CL_CONTROL_FD, SOCK_SEQPACKET, err) < 0 || check_listener(err) < 0 ||
        keep_place(err) < 0 || start_loop(err) < 0)
        return -1;
    app.has_tls = options->tls;
    if ((app.has_tls && cl_tls_prepare(err) < 0) || raise_descriptors(&descriptors, err) < 0 ||
        cl_options_caps(options, descriptors, &caps, err) < 0 || start_audit(err) < 0 ||
        start_store(&options->store, err) < 0)
        return -1;
    app.descriptors = descriptors;
    app.start_s = (uint64_t)time(NULL);
    cl_auth_init(&app.auth);
    app.tenancy = cl_tenancy_new();
    jobs.running_all = options->spares; /* cloched makes no more */
    app.dispatch = cl_dispatch_new(app.base, app.tenancy, &jobs, &cl_calls_jobs, &app);
    app.client = cl_jailclient_new(app.base, CL_CONTROL_FD, &jail_calls, NULL, err);
    if (!app.client)
        return -1;
    cl_dispatch_set_client(app.dispatch, app.client);
    if (event_base_dispatch(app.base) < 0)
        return cl_fail(err, CL_E_SYS, "wait for the policies");
    cl_audit_start(app.audit);
    cl_audit_loaded(&app, true);
    app.server = cl_http_server_new(app.base, LISTENER_FD, &caps, &cl_visit_calls, &app, err);
    cl_log(CL_INFO, "api.caps", "connections=%u per_address=%u local=%u buffers=%" PRIu64,
           caps.connections, caps.connections_per_address, caps.connections_local,
           caps.memory_bytes);
    if (!app.server || cl_confine_calls(STORE_FD, AUDIT_FD, err) < 0)
        return -1;
    cl_http_server_take_tls(app.server, &app.tls);
    app.async = cl_async_new(&app, &cl_async_caps_default);
    cl_async_load(app.async);
    app.runs = cl_runs_new(&app);
    return cl_runs_restore(app.runs, err);
}

int main(int count, char **args)
{
    struct cl_options options;
    struct cl_err err = CL_ERR_INIT;

    if (count == 2 && strcmp(args[1], "--check-pair") == 0)
        return cl_pair_check();
    const int parsed = cl_options_parse(&options, count, args, &err);

    cl_log_open("api", parsed < 0 ? CL_ERROR : options.log);
    /* A terminal sends these to all; cloched decides what they mean. */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    if (parsed < 0 || start(&options, &err) < 0) {
        cl_log(CL_ERROR, "api.start", "kind=%s errno=%d what=\"%s\"",
               cl_err_kind_name(err.kind), err.sys, err.text);
        return 1;
    }
    if (event_base_dispatch(app.base) < 0) {
        cl_log(CL_ERROR, "api.loop", "errno=%d", errno);
        return 1;
    }
    cl_runs_end(app.runs);
    cl_storeq_free(app.storeq);
    cl_runs_free(app.runs);
    cl_audit_stop(app.audit);
    cl_audit_free(app.audit);
    cl_log(CL_INFO, "api.stop", "running=%u queued=%u", cl_dispatch_running(app.dispatch),
           cl_dispatch_queued(app.dispatch));
    return 0;
}
