/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts cloche-api, speaks the monitor protocol with it, starts it again when it dies.
 * Runs in: cloched.
 * Trusts: nothing of the API: its first wrong message is its last.
 */
#include "sandbox/front.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/daemon.h"
#include "sandbox/pool.h"
#include "sandbox/reap.h"

enum { QUEUE_MAX = 16384 };

struct queued {
    struct cl_list node;
    enum cl_msg_type type;
    int fd;
    uint8_t bytes[];
};

/* ---------------------------------------------------------------------------------- sending */

static void drop(struct cl_front *front, struct queued *queued)
{
    cl_list_unlink(&queued->node);
    cl_own_close(&queued->fd);
    free(queued);
    front->queued--;
}

/* By itself. */
static bool is_leaving(const struct cl_daemon *daemon)
{
    return daemon->is_draining || !daemon->is_proved;
}

static void hang_up(struct cl_front *front)
{
    front->is_greeted = false;
    cl_peer_hang_up(&front->peer);
    cl_list_each (node, keep, &front->queue)
        drop(front, cl_list_entry(node, struct queued, node));
    cl_load_pace(front->peer.daemon, true);
}

/* It broke the protocol, or hangs: another one is started. */
static void end(struct cl_peer *peer, const char *why)
{
    struct cl_front *front = cl_list_entry(peer, struct cl_front, peer);

    cl_log(is_leaving(peer->daemon) ? CL_INFO : CL_ERROR,
           peer->daemon->is_proved ? "api.end" : "prover.end", "why=\"%s\"",
           why ? why : "it closed its control socket");
    hang_up(front);
    if (!is_leaving(peer->daemon))
        cl_child_kill(&peer->child);
}

static void flush(struct cl_front *front)
{
    struct cl_peer *peer = &front->peer;
    struct cl_err err = CL_ERR_INIT;

    cl_list_for (struct queued, queued, node, &front->queue) {
        if (cl_msg_send(peer->watch.fd, queued->type, queued->bytes, &queued->fd,
                        queued->fd >= 0, &err) < 0) {
            if (err.kind != CL_E_BUSY)
                end(peer, err.text);
            break;
        }
        drop(front, queued);
    }
    cl_loop_change(&peer->daemon->loop, &peer->watch,
                   EPOLLIN | (front->queued > 0 ? EPOLLOUT : 0));
    cl_load_pace(peer->daemon, front->queued < QUEUE_MAX / 8);
}

void cl_front_send(struct cl_front *front, enum cl_msg_type type, const void *msg, int *fd)
{
    size_t size = cl_msg_size(type);

    if (!front->is_greeted)
        return;
    if (front->queued == QUEUE_MAX) {
        end(&front->peer, "it does not read, and too many messages wait");
        return;
    }
    struct queued *queued = cl_own_new(sizeof(*queued) + size);
    queued->type = type;
    queued->fd = fd ? cl_take_fd(fd) : -1;
    memcpy(queued->bytes, msg, size);
    cl_list_append(&front->queue, &queued->node);
    if (++front->queued == 1)
        flush(front);
    else if (front->queued == QUEUE_MAX / 8)
        cl_load_pace(front->peer.daemon, false);
}

void cl_front_count(struct cl_front *front, enum cl_count what)
{
    front->counts.counts.of[what]++;
    cl_front_send(front, CL_M_COUNTS, &front->counts, NULL);
}

static void send_copy(struct cl_front *front, enum cl_msg_type type, const void *msg, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    if (copy >= 0)
        cl_front_send(front, type, msg, &copy);
    cl_own_close(&copy);
}

static void tell_tenant(struct cl_front *front, const struct cl_tenant *tenant)
{
    struct cl_msg_tenant msg = {
        .tenant = tenant->number,
        .generation = front->peer.daemon->generation,
        .kind = tenant->file ? CL_TENANT_FILE : CL_TENANT_LOCAL,
    };

    snprintf(msg.name, sizeof(msg.name), "%s", cl_tenant_name(tenant));
    send_copy(front, CL_M_TENANT, &msg, tenant->fd);
}

void cl_front_tell(struct cl_front *front)
{
    struct cl_daemon *daemon = front->peer.daemon;
    struct cl_msg_loaded loaded = { .generation = daemon->generation };

    if (!front->is_greeted || daemon->generation == 0)
        return;
    cl_list_for (struct cl_tenant, tenant, node, &daemon->tenants)
        tell_tenant(front, tenant);
    cl_list_for (struct cl_pool, pool, node, &daemon->pools) {
        struct cl_msg_policy policy = { .pool = pool->index,
                                        .generation = daemon->generation,
                                        .tenant = pool->tenant_place };
        if (pool->is_retired)
            continue;
        memcpy(policy.name, pool->policy->name, sizeof(policy.name));
        send_copy(front, CL_M_POLICY, &policy, pool->brood->ruling->fd);
        loaded.policies++;
    }
    cl_front_send(front, CL_M_LOADED, &loaded, NULL);
    cl_front_send(front, CL_M_COUNTS, &front->counts, NULL);
    if (daemon->refused.count > 0)
        cl_front_send(front, CL_M_PROBLEM, &daemon->refused, NULL);
    cl_spare_each(daemon, cl_pool_offer);
    cl_load_tell(daemon, CL_M_SHOW, -1);
    cl_daemon_check_ready(daemon);
}

/* -------------------------------------------------------------------------------- receiving */

static void on_control(struct cl_watch *watch, uint32_t events)
{
    struct cl_front *front = cl_list_entry(watch, struct cl_front, peer.watch);

    if (events & EPOLLOUT)
        flush(front);
    cl_peer_on_event(watch, events);
}

/* -------------------------------------------------------------------------------- life, death */

/* Nobody reads its socket any more. */
static void kill_offered(struct cl_spare *spare)
{
    if (!spare->is_offered)
        return;
    spare->is_offered = false;
    cl_pool_uncount(spare);
    cl_reap_kill(spare, CL_END_LOST, CL_LIMIT_NONE, 0);
}

/* The self-test is over: nobody but cloche-prover had a worker until now. */
static void on_proved(struct cl_front *front, const struct cl_exit *how)
{
    struct cl_daemon *daemon = front->peer.daemon;
    struct cl_err err = CL_ERR_INIT;

    daemon->is_proved = how->code == CLD_EXITED && how->status == 0;
    if (!daemon->is_proved)
        cl_daemon_stop(daemon, how->status == 1
                                   ? "the jail does not hold: see the lines above"
                                   : "the self-test could not be made: see the lines above");
    else if (daemon->options.self_test)
        cl_daemon_stop(daemon, NULL);
    else if (cl_front_start(front, &err) < 0)
        cl_daemon_stop(daemon, err.text);
}

static void on_exit_api(struct cl_child *child, const struct cl_exit *how)
{
    struct cl_front *front = cl_list_entry(child, struct cl_front, peer.child);
    struct cl_daemon *daemon = front->peer.daemon;

    hang_up(front);
    cl_spare_each(daemon, kill_offered);
    if (!daemon->is_proved) {
        on_proved(front, how);
        return;
    }
    cl_log(is_leaving(daemon) ? CL_INFO : CL_ERROR, "api.exit", "code=%d status=%d", how->code,
           how->status);
    if (daemon->is_draining)
        cl_daemon_stop(daemon, NULL);
    else if (!daemon->is_ready)
        cl_daemon_stop(daemon, "cloche-api ended before the service was ready");
    else
        cl_retry_later(&daemon->loop, &front->restart);
}

static void on_restart(struct cl_timer *timer)
{
    struct cl_front *front = cl_list_entry(timer, struct cl_front, restart.timer);
    struct cl_err err = CL_ERR_INIT;

    if (cl_front_start(front, &err) == 0)
        return;
    cl_log(CL_ERROR, "api.start", "error=\"%s\"", err.text);
    cl_retry_later(&front->peer.daemon->loop, &front->restart);
}

void cl_front_init(struct cl_front *front, struct cl_daemon *daemon)
{
    *front = (struct cl_front){
        .peer = {
            .daemon = daemon,
            .child.on_exit = on_exit_api,
            .watch = { -1, 0, on_control },
            .on_message = cl_monitor_on_message,
            .on_lost = end,
        },
    };
    cl_list_init(&front->queue);
    cl_timer_init(&front->restart.timer, on_restart);
}

int cl_front_start(struct cl_front *front, struct cl_err *err)
{
    const struct cl_daemon *daemon = front->peer.daemon;
    const struct cl_options *options = &daemon->options;
    char spares[16];
    const char *const api[] = { "cloche-api",
                                "--spares",
                                spares,
                                "--log",
                                options->log,
                                "--queue-wait",
                                options->queue_wait,
                                "--buffers",
                                options->buffers,
                                "--keep",
                                options->keep,
                                "--store",
                                options->store,
                                "--tls",
                                options->tls,
                                NULL };
    const char *const some[] = { "cloche-prover", "default",
                                 options->self_test ? "list" : "quiet", NULL };
    const char *const every[] = { "cloche-prover", options->proved, "every", NULL };
    const char *const *prover = options->proved ? every : some;
    const bool is_proved = daemon->is_proved;
    const int output = options->self_test ? STDOUT_FILENO : STDERR_FILENO;
    const struct cl_start start = {
        .program = is_proved ? CL_PROGRAM_API : CL_PROGRAM_PROVER,
        .arguments = is_proved ? api : prover,
        .fd = is_proved ? daemon->state.listener : output,
        .store = is_proved ? daemon->state.store : 0,
    };

    snprintf(spares, sizeof(spares), "%u", daemon->spares_max);
    return cl_peer_start(&front->peer, &start, err);
}
