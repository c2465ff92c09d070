/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the three files of the dispatcher share: dispatch.c (jobs and spares), queue.c (who
 * waits, who is refused), lease.c (one job on one spare). Nobody else includes this.
 */
#ifndef CL_API_DISPATCH_IMPL_H
#define CL_API_DISPATCH_IMPL_H

#include "api/dispatch/dispatch.h"
#include "api/idtable.h"

struct event;

struct cl_dispatch {
    struct event_base *base;
    struct cl_tenancy *tenancy;
    struct cl_jailclient *client;
    struct cl_dispatch_caps caps;
    const struct cl_dispatch_calls *calls;
    void *self; /* of the calls */
    struct cl_idtable jobs;
    struct cl_idtable spares;
    uint64_t last_id;

    struct cl_list waiting; /* queued jobs by age */
    uint32_t queued;
    uint64_t queued_bytes;
    struct event *late; /* the oldest has waited too long */

    struct cl_list held;      /* struct cl_tenant: turn.h */
    uint64_t pass, turn;      /* of the last tenant that had one; how many there were */
    uint64_t weights_waiting; /* of tenants with calls that wait */

    uint32_t running;
    uint64_t requeued;
    uint8_t *scratch; /* what is read from job sockets, one piece at a time */
};

enum { CL_SCRATCH_BYTES = 64 << 10 };

/* dispatch.c: removes and frees a job with its spare's socket. The only place. */
void cl_job_free(struct cl_dispatch *dispatch, struct cl_job *job);
/* Answers through on_refused and frees. */
void cl_job_refuse(struct cl_dispatch *dispatch, struct cl_job *job,
                   const struct cl_refusal *why);

/* dispatch.c: the oldest spare of the pool that is ready, NULL if none is. */
struct cl_spare *cl_dispatch_pick(struct cl_dispatch *dispatch, struct cl_pool *pool);

/* queue.c */
int cl_queue_check(const struct cl_dispatch *dispatch, const struct cl_job *job,
                   struct cl_refusal *why);
void cl_queue_put(struct cl_dispatch *dispatch, struct cl_job *job, bool in_front);
void cl_queue_remove(struct cl_dispatch *dispatch, struct cl_job *job);
/* Gives waiting calls of a pool the spares it has. */
void cl_queue_serve(struct cl_dispatch *dispatch, struct cl_pool *pool);
void cl_queue_on_late(struct cl_dispatch *dispatch);
void cl_queue_on_change(struct cl_dispatch *dispatch, struct cl_pool *pool);
void cl_queue_note_done(struct cl_pool *pool, uint64_t now_us);

/* lease.c */
void cl_lease_start(struct cl_dispatch *dispatch, struct cl_job *job, struct cl_spare *spare);
void cl_lease_send(struct cl_dispatch *dispatch,
                   struct cl_job *job); /* frames, as far as they go */
void cl_lease_recv(struct cl_dispatch *dispatch, struct cl_job *job); /* one piece */
void cl_lease_note_end(struct cl_job *job, const struct cl_msg_end *end);
void cl_lease_settle(struct cl_dispatch *dispatch, struct cl_job *job); /* ends it if it can */
void cl_lease_kill(struct cl_dispatch *dispatch, struct cl_job *job, enum cl_kill reason,
                   enum cl_limit limit);

#endif
