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
#include "api/drain.h"
#include "api/http1/tls.h"
#include "api/options.h"
#include "api/pair.h"
#include "api/pythonv1/names.h"
#include "api/sessions/session.h"
#include "api/storeq.h"
#include "api/told.h"
#include "api/visit.h"
#include "api/workflow/run.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

enum {
    USAGE = 2,
    LISTENER_FD = 4,
    STORE_FD = 5,
    AUDIT_FD = 6, /* ours: the log comes by message, and is put there */
    AUDIT_WAIT_S = 10,
    OWN_GRACE_MS = 10000, /* when SIGTERM came and not DRAIN */
};

static struct cl_app app;

static void on_sigterm(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    cl_drain_start(&app, OWN_GRACE_MS);
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
    cl_told_lose(&app, &err); /* the next one of us is greeted again */
}

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
    if (options->queue_ms)
        jobs.queue_ms = options->queue_ms;
    jobs.running_all = options->spares; /* cloched makes no more */
    app.dispatch = cl_dispatch_new(app.base, app.tenancy, &jobs, &cl_calls_jobs, &app);
    app.client = cl_jailclient_new(app.base, CL_CONTROL_FD, &cl_told_calls, &app, err);
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

/* cloche-begin asks, for cloched: it is that one's command line. */
static int check_options(int count, char **args)
{
    struct cl_options options;
    struct cl_err err = CL_ERR_INIT;

    if (cl_options_parse(&options, count, args, &err) == 0)
        return 0;
    fprintf(stderr, "cloched: %s\n", err.text);
    return USAGE;
}

int main(int count, char **args)
{
    struct cl_options options;
    struct cl_err err = CL_ERR_INIT;

    if (count == 2 && strcmp(args[1], "--check-pair") == 0)
        return cl_pair_check();
    if (count > 1 && strcmp(args[1], "--check") == 0) /* before cloched starts anything */
        return check_options(count - 1, args + 1);
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
    cl_audit_left_out(&app);
    cl_audit_stop(app.audit);
    cl_audit_free(app.audit);
    cl_log(CL_INFO, "api.stop", "running=%u queued=%u", cl_dispatch_running(app.dispatch),
           cl_dispatch_queued(app.dispatch));
    return 0;
}
