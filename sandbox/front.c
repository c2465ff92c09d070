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
#include <sys/socket.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/daemon.h"
#include "sandbox/monitor.h"
#include "sandbox/pool.h"
#include "sandbox/reap.h"
#include "sandbox/zygote.h"

enum {
    QUEUE_MAX = 4096,
    MESSAGES_PER_EVENT = 64,
    RETRY_MIN_US = 50000,
    RETRY_MAX_US = 5000000,
    STABLE_US = 10000000,
    QUEUED_BYTES = 128, /* the largest message of this way fits */
};

struct queued {
    struct cl_list node;
    enum cl_msg_type type;
    int fd;
    uint8_t bytes[QUEUED_BYTES];
};

/* ---------------------------------------------------------------------------------- sending */

static void drop_queue(struct cl_front *front)
{
    cl_list_each (node, keep, &front->queue) {
        struct queued *queued = cl_list_entry(node, struct queued, node);
        cl_list_unlink(node);
        cl_own_close(&queued->fd);
        free(queued);
    }
    front->queued = 0;
}

static void flush(struct cl_front *front)
{
    struct cl_err err = CL_ERR_INIT;

    cl_list_each (node, keep, &front->queue) {
        struct queued *queued = cl_list_entry(node, struct queued, node);
        if (cl_msg_send(front->watch.fd, queued->type, queued->bytes, &queued->fd,
                        queued->fd >= 0, &err) < 0) {
            if (err.kind != CL_E_BUSY)
                cl_front_end(front, &err);
            return;
        }
        cl_list_unlink(node);
        cl_own_close(&queued->fd);
        free(queued);
        front->queued--;
    }
    cl_loop_change(&front->daemon->loop, &front->watch, EPOLLIN);
}

static void enqueue(struct cl_front *front, enum cl_msg_type type, const void *msg, int *fd)
{
    static const size_t sizes[] = {
        [CL_M_POLICY] = sizeof(struct cl_msg_policy),
        [CL_M_TENANT] = sizeof(struct cl_msg_tenant),
        [CL_M_LOADED] = sizeof(struct cl_msg_loaded),
        [CL_M_SPARE] = sizeof(struct cl_msg_offer),
        [CL_M_TAKEN] = sizeof(struct cl_msg_spare),
        [CL_M_END] = sizeof(struct cl_msg_end),
        [CL_M_RETIRE] = sizeof(struct cl_msg_spare),
        [CL_M_DRAIN] = sizeof(struct cl_msg_drain),
    };
    struct queued *queued = calloc(1, sizeof(*queued));

    CL_CHECK(queued && sizes[type] > 0 && sizes[type] <= QUEUED_BYTES);
    queued->type = type;
    queued->fd = fd ? cl_take_fd(fd) : -1;
    memcpy(queued->bytes, msg, sizes[type]);
    cl_list_init(&queued->node);
    cl_list_append(&front->queue, &queued->node);
    front->queued++;
    cl_loop_change(&front->daemon->loop, &front->watch, EPOLLIN | EPOLLOUT);
}

void cl_front_send(struct cl_front *front, enum cl_msg_type type, void *msg, int *fd)
{
    struct cl_err err = CL_ERR_INIT;

    if (front->watch.fd < 0 || !front->is_greeted)
        return;
    if (front->queued == 0 &&
        cl_msg_send(front->watch.fd, type, msg, fd, fd && *fd >= 0, &err) == 0) {
        if (fd)
            cl_own_close(fd);
        return;
    }
    if (front->queued == 0 && err.kind != CL_E_BUSY)
        cl_front_end(front, &err);
    else if (front->queued == QUEUE_MAX) {
        cl_fail(&err, CL_E_LIMIT, "it does not read: %d messages wait", QUEUE_MAX);
        cl_front_end(front, &err);
    } else {
        enqueue(front, type, msg, fd);
    }
}

static void send_copy(struct cl_front *front, enum cl_msg_type type, void *msg, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    if (copy >= 0)
        cl_front_send(front, type, msg, &copy);
    cl_own_close(&copy);
}

static void tell_policy(struct cl_front *front, const struct cl_pool *pool)
{
    struct cl_msg_policy policy = { .pool = pool->index,
                                    .generation = front->daemon->generation };

    memcpy(policy.name, pool->name, sizeof(policy.name));
    send_copy(front, CL_M_POLICY, &policy, pool->policy_fd);
}

void cl_front_tell(struct cl_front *front)
{
    struct cl_daemon *daemon = front->daemon;
    /* The first that a tenant is told of is what it gets when it names none. */
    const struct cl_pool *first = cl_pool_named(daemon, "default");
    struct cl_msg_tenant tenant = { .generation = daemon->generation, .name = "local" };
    struct cl_msg_loaded loaded = { .generation = daemon->generation };

    if (!front->is_greeted || daemon->generation == 0)
        return;
    send_copy(front, CL_M_TENANT, &tenant, daemon->state.token);
    tell_policy(front, first);
    loaded.policies = 1;
    cl_list_each (node, keep, &daemon->pools) {
        const struct cl_pool *pool = cl_list_entry(node, struct cl_pool, node);
        if (pool->is_retired || pool == first)
            continue;
        tell_policy(front, pool);
        loaded.policies++;
    }
    cl_front_send(front, CL_M_LOADED, &loaded, NULL);
    cl_pool_offer_all(daemon);
    cl_daemon_check_ready(daemon);
}

/* -------------------------------------------------------------------------------- receiving */

static void receive(struct cl_front *front)
{
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t fd_count = 0;

    for (int i = 0; i < MESSAGES_PER_EVENT && front->watch.fd >= 0; i++) {
        struct cl_err err = CL_ERR_INIT;
        int got =
            cl_msg_recv(front->watch.fd, CL_WAY_API_TO_CLOCHED, &msg, fds, &fd_count, &err);
        if (got < 0 && err.kind == CL_E_BUSY)
            return;
        if (got == 0)
            cl_fail(&err, CL_E_LOST, "it closed its control socket");
        if (got <= 0 || cl_monitor_on_message(front->daemon, &msg, &err) < 0) {
            cl_front_end(front, &err);
            return;
        }
    }
}

static void on_control(struct cl_watch *watch, uint32_t events)
{
    struct cl_front *front = cl_list_entry(watch, struct cl_front, watch);

    if (events & EPOLLOUT)
        flush(front);
    if (front->watch.fd >= 0 && (events & ~(uint32_t)EPOLLOUT))
        receive(front);
}

/* -------------------------------------------------------------------------------- life, death */

/* Nobody reads their sockets any more. */
static void kill_offered(struct cl_daemon *daemon)
{
    for (size_t k = 0; k < CL_IDMAP_ZYGOTES_MAX; k++) {
        if (!daemon->zygotes[k])
            continue;
        cl_list_each (node, keep, &daemon->zygotes[k]->spares) {
            struct cl_spare *spare = cl_list_entry(node, struct cl_spare, in_zygote);
            if (!spare->is_offered)
                continue;
            spare->is_offered = false;
            cl_pool_uncount(spare);
            cl_reap_kill(spare, CL_END_LOST, CL_LIMIT_NONE, 0);
        }
    }
}

static void hang_up(struct cl_front *front)
{
    int fd = front->watch.fd;

    front->is_greeted = false;
    cl_loop_remove(&front->daemon->loop, &front->watch);
    cl_own_close(&fd);
    drop_queue(front);
}

void cl_front_end(struct cl_front *front, const struct cl_err *why)
{
    cl_log(front->daemon->is_draining ? CL_INFO : CL_ERROR, "api.end", "why=\"%s\"", why->text);
    hang_up(front);
    if (!front->daemon->is_draining)
        cl_child_kill(&front->child); /* a draining one closes and exits by itself */
}

static void on_exit_api(struct cl_child *child, const siginfo_t *how,
                        const struct rusage *usage)
{
    struct cl_front *front = cl_list_entry(child, struct cl_front, child);
    struct cl_daemon *daemon = front->daemon;
    uint64_t now = cl_clock_us(), delay = RETRY_MIN_US;
    struct cl_err err = CL_ERR_INIT;

    (void)usage;
    hang_up(front);
    kill_offered(daemon);
    if (daemon->is_draining) {
        cl_daemon_stop(daemon, NULL);
        return;
    }
    cl_log(CL_ERROR, "api.exit", "code=%d status=%d", how->si_code, how->si_status);
    if (!daemon->is_ready) {
        cl_fail(&err, CL_E_LOST, "cloche-api ended with status %d", how->si_status);
        cl_daemon_stop(daemon, &err);
        return;
    }
    front->failures = now - front->started_us > STABLE_US ? 0 : front->failures;
    for (uint32_t i = 0; i < front->failures && delay < RETRY_MAX_US; i++)
        delay *= 2;
    front->failures++;
    cl_timer_start(&daemon->loop, &front->restart, now + delay);
}

static void on_restart(struct cl_timer *timer)
{
    struct cl_front *front = cl_list_entry(timer, struct cl_front, restart);
    struct cl_err err = CL_ERR_INIT;

    if (cl_front_start(front, &err) == 0)
        return;
    cl_log(CL_ERROR, "api.start", "error=\"%s\"", err.text);
    cl_timer_start(&front->daemon->loop, timer, cl_clock_us() + RETRY_MAX_US);
}

void cl_front_init(struct cl_front *front, struct cl_daemon *daemon)
{
    *front = (struct cl_front){ .daemon = daemon, .watch = { -1, 0, NULL } };
    front->child.on_exit = on_exit_api;
    cl_list_init(&front->queue);
    cl_timer_init(&front->restart, on_restart);
}

int cl_front_adopt(struct cl_front *front, int control, struct cl_err *err)
{
    front->watch = (struct cl_watch){ control, EPOLLIN, on_control };
    if (cl_loop_add(&front->daemon->loop, &front->watch, err) == 0)
        return 0;
    front->watch.fd = -1;
    return -1;
}

int cl_front_start(struct cl_front *front, struct cl_err *err)
{
    static const char *const environment[] = { "LC_ALL=C.UTF-8", NULL };
    struct cl_daemon *daemon = front->daemon;
    char spares[16];
    const char *const arguments[] = { "cloche-api",
                                      "--log",
                                      daemon->options.log,
                                      "--buffers",
                                      daemon->options.buffers,
                                      "--spares",
                                      spares,
                                      NULL };
    int pair[2];

    snprintf(spares, sizeof(spares), "%u", daemon->spares_max);

    if (cl_fdpass_pair(SOCK_SEQPACKET, pair, err) < 0)
        return -1;
    cl_close_auto int near = pair[0];
    cl_close_auto int far = pair[1];
    const struct cl_start start = {
        .program = daemon->programs[CL_PROGRAM_API],
        .arguments = arguments,
        .environment = environment,
        .fds = { far, daemon->state.listener },
        .uid = daemon->uid_base + 1,
        .parent = getpid(),
    };
    if (fcntl(near, F_SETFL, O_NONBLOCK) < 0)
        return cl_fail(err, CL_E_SYS, "control socket");
    pid_t pid = cl_child_start(&start, err);
    if (pid < 0)
        return -1;
    cl_child_add(&daemon->children, &front->child, pid);
    front->started_us = cl_clock_us();
    if (cl_front_adopt(front, near, err) < 0) {
        cl_child_kill(&front->child);
        return -1;
    }
    cl_take_fd(&near);
    return 0;
}
