/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to and from cloched.
 * Runs in: cloche-api.
 * Trusts: cloched, which is stronger; messages are still checked, because a broken one means
 * that the two are not of one build.
 */
#include "api/dispatch/jailclient.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"

enum {
    QUEUE_MAX = 8192, /* messages; cloched reads much faster than this fills */
    TURN_MAX = 64,    /* messages read before other events get their turn */
};

struct queued {
    enum cl_msg_type type;
    union {
        struct cl_msg head;
        struct cl_msg_take take;
        struct cl_msg_spare spare;
        struct cl_msg_kill kill;
        struct cl_msg_want want;
        struct cl_msg_next next;
    } msg;
};

struct cl_jailclient {
    int control; /* borrowed */
    const struct cl_jailclient_calls *calls;
    void *self;
    struct event *readable;
    struct event *writable;
    struct queued *queue; /* ring */
    size_t first, count;
};

static void lose(struct cl_jailclient *client, const struct cl_err *why)
{
    client->calls->on_lost(client->self, why);
}

/* ---------------------------------------------------------------------------------- sending */

/* Sends what waits, in order; what does not fit waits on. */
static void flush(struct cl_jailclient *client)
{
    struct cl_err err = CL_ERR_INIT;

    while (client->count > 0) {
        struct queued *next = &client->queue[client->first];

        if (cl_msg_send(client->control, next->type, &next->msg, NULL, 0, &err) < 0) {
            if (err.kind == CL_E_BUSY)
                event_add(client->writable, NULL);
            else
                lose(client, &err);
            return;
        }
        client->first = (client->first + 1) % QUEUE_MAX;
        client->count--;
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    flush(arg);
}

static void send_msg(struct cl_jailclient *client, enum cl_msg_type type, const void *msg,
                     size_t size)
{
    struct cl_err err = CL_ERR_INIT;

    if (client->count == QUEUE_MAX) {
        cl_fail(&err, CL_E_LOST, "cloched does not read: %d messages wait", QUEUE_MAX);
        lose(client, &err);
        return;
    }
    struct queued *slot = &client->queue[(client->first + client->count) % QUEUE_MAX];
    slot->type = type;
    memcpy(&slot->msg, msg, size);
    client->count++;
    if (client->count == 1)
        flush(client);
}

void cl_jailclient_send_take(struct cl_jailclient *client, struct cl_msg_take *take)
{
    take->acknowledge = take->memory_bytes != 0 || take->processes != 0;
    send_msg(client, CL_M_TAKE, take, sizeof(*take));
    if (client->count > 0) {
        struct queued *last = &client->queue[(client->first + client->count - 1) % QUEUE_MAX];
        last->msg.take.acknowledge = take->acknowledge = 1;
    }
}

void cl_jailclient_send_next(struct cl_jailclient *client, const struct cl_msg_next *next)
{
    send_msg(client, CL_M_NEXT, next, sizeof(*next));
}

void cl_jailclient_send_rest(struct cl_jailclient *client, uint64_t spare)
{
    const struct cl_msg_spare msg = { .spare = spare };

    send_msg(client, CL_M_REST, &msg, sizeof(msg));
}

void cl_jailclient_send_finish(struct cl_jailclient *client, uint64_t spare)
{
    const struct cl_msg_spare msg = { .spare = spare };

    send_msg(client, CL_M_FINISH, &msg, sizeof(msg));
}

void cl_jailclient_send_kill(struct cl_jailclient *client, uint64_t spare, enum cl_kill reason,
                             enum cl_limit limit)
{
    const struct cl_msg_kill msg = { .spare = spare, .reason = reason, .limit = limit };

    send_msg(client, CL_M_KILL, &msg, sizeof(msg));
}

void cl_jailclient_send_drop(struct cl_jailclient *client, uint64_t spare)
{
    const struct cl_msg_spare msg = { .spare = spare };

    send_msg(client, CL_M_DROP, &msg, sizeof(msg));
}

void cl_jailclient_send_want(struct cl_jailclient *client, uint32_t pool, uint32_t queued)
{
    const struct cl_msg_want msg = { .pool = pool, .queued = queued };

    send_msg(client, CL_M_WANT, &msg, sizeof(msg));
}

/* -------------------------------------------------------------------------------- receiving */

static void deliver(struct cl_jailclient *client, const union cl_msg_any *msg, int *fds)
{
    const struct cl_jailclient_calls *calls = client->calls;

    switch (msg->head.type) {
    case CL_M_TENANT:
        calls->on_tenant(client->self, &msg->tenant, fds[0]);
        break;
    case CL_M_POLICY:
        calls->on_policy(client->self, &msg->policy, fds[0]);
        break;
    case CL_M_LOADED:
        calls->on_loaded(client->self, &msg->loaded);
        break;
    case CL_M_COUNTS:
        if (calls->on_counts)
            calls->on_counts(client->self, &msg->counts.counts);
        break;
    case CL_M_PROBLEM:
        calls->on_problem(client->self, &msg->problem);
        break;
    case CL_M_SPARE:
        calls->on_spare(client->self, &msg->offer, &fds[0]);
        break;
    case CL_M_TAKEN:
        calls->on_taken(client->self, msg->spare.spare);
        break;
    case CL_M_END:
        calls->on_end(client->self, &msg->end);
        break;
    case CL_M_USAGE:
        calls->on_usage(client->self, &msg->usage);
        break;
    case CL_M_RETIRE:
        calls->on_retire(client->self, msg->spare.spare);
        break;
    case CL_M_FUNCTION:
        if (calls->on_function)
            calls->on_function(client->self, &msg->function, fds[0]);
        break;
    case CL_M_FUNCTIONS:
        if (calls->on_functions)
            calls->on_functions(client->self, &msg->functions);
        break;
    case CL_M_AUDIT:
        if (calls->on_audit)
            calls->on_audit(client->self, &msg->audit, &fds[0]);
        break;
    case CL_M_TLS:
        if (calls->on_tls)
            calls->on_tls(client->self, &msg->tls, fds[0]);
        break;
    case CL_M_DRAIN:
        calls->on_drain(client->self, &msg->drain);
        break;
    default:
        CL_CHECK(false); /* cl_msg_recv lets nothing else through */
    }
}

/* Without its descriptor only a SPARE may be: it is given back. */
static bool is_crowded(const union cl_msg_any *msg, const struct cl_err *why)
{
    struct cl_err ignored = CL_ERR_INIT;

    return why->kind == CL_E_LIMIT && msg->head.type == CL_M_SPARE &&
           cl_msg_check(msg, msg->head.length, 1, CL_WAY_CLOCHED_TO_API, &ignored) == 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct cl_jailclient *client = arg;
    union cl_msg_any msg;
    struct cl_err err = CL_ERR_INIT;

    (void)what;
    for (int i = 0; i < TURN_MAX; i++) {
        int fds[CL_FDPASS_MAX];
        size_t fd_count = 0;
        const int got = cl_msg_recv(fd, CL_WAY_CLOCHED_TO_API, &msg, fds, &fd_count, &err);

        if (got < 0 && err.kind == CL_E_BUSY)
            return;
        if (got < 0 && is_crowded(&msg, &err)) {
            client->calls->on_crowded(client->self, &msg.offer);
            continue;
        }
        if (got <= 0) {
            if (got == 0)
                cl_fail(&err, CL_E_LOST, "cloched closed the control socket");
            lose(client, &err);
            return;
        }
        deliver(client, &msg, fds);
        for (size_t n = 0; n < fd_count; n++)
            cl_own_close(&fds[n]);
    }
}

void cl_jailclient_free(struct cl_jailclient *client)
{
    if (!client)
        return;
    if (client->readable)
        event_free(client->readable);
    if (client->writable)
        event_free(client->writable);
    free(client->queue);
    free(client);
}

static void free_client(struct cl_jailclient **client)
{
    cl_jailclient_free(*client);
}

struct cl_jailclient *cl_jailclient_new(struct event_base *base, int control,
                                        const struct cl_jailclient_calls *calls, void *self,
                                        struct cl_err *err)
{
    struct cl_msg_hello hello = { .version = CL_WIRE_VERSION };
    struct cl_jailclient *client CL_AUTO(free_client) = calloc(1, sizeof(*client));

    CL_CHECK(client);
    client->control = control;
    client->calls = calls;
    client->self = self;
    client->queue = calloc(QUEUE_MAX, sizeof(*client->queue));
    CL_CHECK(client->queue);
    if (evutil_make_socket_nonblocking(control) < 0)
        return cl_fail(err, CL_E_SYS, "make the control socket non-blocking"), NULL;
    if (cl_msg_send(control, CL_M_HELLO, &hello, NULL, 0, err) < 0)
        return NULL;

    client->readable = event_new(base, control, EV_READ | EV_PERSIST, on_readable, client);
    client->writable = event_new(base, control, EV_WRITE, on_writable, client);
    if (!client->readable || !client->writable || event_add(client->readable, NULL) < 0)
        return cl_fail(err, CL_E_SYS, "watch the control socket"), NULL;
    return cl_take_ptr(&client);
}
