/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going down in order: nobody is let in any more, what runs gets its time.
 * Runs in: cloche-api.
 * Trusts: our own state.
 */
#include "api/drain.h"

#include <event2/event.h>
#include <inttypes.h>
#include <unistd.h>

#include "api/async/async.h"
#include "api/sessions/session.h"
#include "api/storeq.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"

enum { DRAIN_LOOK_MS = 20 };

static struct drain {
    struct event *look;
    uint64_t until_us;
} drain;

static void on_look(evutil_socket_t fd, short what, void *user)
{
    const struct cl_app *app = user;
    const bool is_idle = cl_dispatch_queued(app->dispatch) +
                             cl_dispatch_running(app->dispatch) +
                             cl_storeq_waiting(app->storeq) ==
                         0;

    (void)fd;
    (void)what;
    if ((is_idle && cl_async_is_idle(app->async) &&
         cl_http_server_connections(app->server) == 0) ||
        cl_clock_us() > drain.until_us)
        event_base_loopexit(app->base, NULL);
}

void cl_drain_start(struct cl_app *app, uint64_t grace_ms)
{
    static const struct timeval every = { 0, DRAIN_LOOK_MS * 1000 };

    if (!app->server)
        _exit(0); /* nobody was let in yet */
    if (app->is_draining)
        return;
    app->is_draining = true;
    drain.until_us = cl_clock_us() + grace_ms * 1000;
    cl_log(CL_INFO, "api.drain", "grace_ms=%" PRIu64 " running=%u queued=%u", grace_ms,
           cl_dispatch_running(app->dispatch), cl_dispatch_queued(app->dispatch));
    cl_sessions_drain(app);
    cl_http_server_drain(app->server);
    cl_async_drain(app->async);
    drain.look = event_new(app->base, -1, EV_PERSIST, on_look, app);
    CL_CHECK(drain.look && event_add(drain.look, &every) == 0);
}
