/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API's side of the monitor protocol (docs/protocol.md): tells what cloched said, sends
 * what the API may ask. Messages leave in order; when the socket is full they wait in a bounded
 * queue. A closed or broken connection is the end of this process: `on_lost` does not return to
 * it.
 */
#ifndef CL_API_JAILCLIENT_H
#define CL_API_JAILCLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/base/wire.h"

struct event_base;
struct cl_jailclient;

/* fds are borrowed, but for on_spare: it takes the job socket. */
struct cl_jailclient_calls {
    void (*on_tenant)(void *self, const struct cl_msg_tenant *msg, int fd);
    void (*on_policy)(void *self, const struct cl_msg_policy *msg, int fd);
    void (*on_loaded)(void *self, const struct cl_msg_loaded *msg);
    void (*on_spare)(void *self, const struct cl_msg_offer *msg, int *fd);
    /* A SPARE whose job socket was lost, because no descriptor was free. */
    void (*on_crowded)(void *self, const struct cl_msg_offer *msg);
    void (*on_taken)(void *self, uint64_t spare);
    void (*on_end)(void *self, const struct cl_msg_end *msg);
    void (*on_counts)(void *self, const struct cl_counts *counts); /* may be NULL */
    void (*on_usage)(void *self, const struct cl_msg_usage *msg);
    void (*on_retire)(void *self, uint64_t spare);
    void (*on_problem)(void *self, const struct cl_msg_problem *msg);
    /* A tenant's functions_dir, file by file, then complete; NULL where nobody keeps them. */
    void (*on_function)(void *self, const struct cl_msg_function *msg, int fd);
    void (*on_functions)(void *self, const struct cl_msg_functions *msg);
    /* A file of the audit log; it may be taken. NULL where none is kept. */
    void (*on_audit)(void *self, const struct cl_msg_audit *msg, int *fd);
    /* The pair to serve from now on; NULL where nobody serves. */
    void (*on_tls)(void *self, const struct cl_msg_tls *msg, int fd);
    void (*on_drain)(void *self, const struct cl_msg_drain *msg);
    void (*on_lost)(void *self, const struct cl_err *why);
};

/* Takes over a connected, checked control socket (borrowed) and says HELLO. */
struct cl_jailclient *cl_jailclient_new(struct event_base *base, int control,
                                        const struct cl_jailclient_calls *calls, void *self,
                                        struct cl_err *err);
void cl_jailclient_free(struct cl_jailclient *client);

/* Fills `acknowledge`: limits have to be narrowed, or cloched reads slowly and TAKE waits. The worker
 * gets nothing to run before TAKEN then, or it would run without a deadline. */
void cl_jailclient_send_take(struct cl_jailclient *client, struct cl_msg_take *take);
void cl_jailclient_send_next(struct cl_jailclient *client, const struct cl_msg_next *next);
void cl_jailclient_send_rest(struct cl_jailclient *client, uint64_t spare);
void cl_jailclient_send_finish(struct cl_jailclient *client, uint64_t spare);
void cl_jailclient_send_kill(struct cl_jailclient *client, uint64_t spare, enum cl_kill reason,
                             enum cl_limit limit);
void cl_jailclient_send_drop(struct cl_jailclient *client, uint64_t spare);
void cl_jailclient_send_want(struct cl_jailclient *client, uint32_t pool, uint32_t queued);

#endif
