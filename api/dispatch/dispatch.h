/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings calls and jails together. A call gets the oldest ready spare of its pool, or waits in
 * the pool's queue: first in, first out, bounded in number, bytes and time. A pool belongs to
 * one tenant, so nobody's queue stands in front of another's; of the room that all share, no
 * tenant with company may take more than its part.
 *
 * One struct cl_job is one request: made by cl_job_new, freed by dispatch.c when it is over, in
 * exactly one place. Everybody else holds its id.
 */
#ifndef CL_API_DISPATCH_H
#define CL_API_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "api/calls/request.h"
#include "api/calls/stream.h"
#include "api/dispatch/spare.h"
#include "api/reply.h"
#include "api/tenants/tenant.h"
#include "api/ulid.h"

struct cl_dispatch;
struct cl_exchange;
struct cl_jailclient;
struct cl_job;

struct cl_dispatch_caps {
    uint32_t queue_pool;  /* calls that may wait for one pool */
    uint32_t queue_all;   /* ... for all pools */
    uint64_t queue_bytes; /* requests kept for them */
    uint32_t queue_ms;    /* longest wait */
    uint32_t running_all; /* jails that may be at work; 0: nobody counts */
};

extern const struct cl_dispatch_caps cl_dispatch_caps_default;

/* What the owner of a job hears. A job is gone when on_refused or on_done return. */
struct cl_dispatch_calls {
    void (*on_start)(void *self, struct cl_job *job); /* it has a worker */
    /* New events are composed. False: stop reading until cl_dispatch_resume. */
    bool (*on_progress)(void *self, struct cl_job *job);
    /* It never had one. */
    void (*on_refused)(void *self, struct cl_job *job, const struct cl_refusal *why);
    void (*on_done)(void *self, struct cl_job *job, const struct cl_verdict *verdict);
};

/* One who waits for room in a tenant's quota without a place in a queue. */
struct cl_turn_room {
    struct cl_list node; /* of tenant->rooms */
    void (*on_room)(struct cl_turn_room *room);
};

/* The way of a job into a jail that stays, instead of one of its own (api/session*.c). */
struct cl_lane {
    void (*submit)(struct cl_job *job);
    /* The dispatcher has found it a spare: the lane's from here on. */
    void (*start)(struct cl_job *job, struct cl_spare *spare);
    void (*leave)(struct cl_job *job); /* it waits no more, but may come again */
    void (*gone)(struct cl_job *job);  /* it is freed */
    void (*resume)(struct cl_job *job);
    void (*kill)(struct cl_job *job);
};

enum cl_job_state {
    CL_JOB_NEW = 0,
    CL_JOB_QUEUED,
    CL_JOB_TAKING,  /* its limits are not in force yet: waits for TAKEN */
    CL_JOB_RUNNING, /* its frames are going out or are out */
    CL_JOB_OVER,    /* FINISH or KILL is sent: only END matters */
};

struct cl_job {
    uint64_t id;
    char name[CL_ULID_SIZE];
    enum cl_job_state state;
    struct cl_list in_pool; /* pool->jobs while queued */
    struct cl_list in_age;  /* all queued, oldest first */
    struct cl_pool *pool;
    const struct cl_dispatch_calls *calls; /* who is told: the dispatcher's, or an errand's */
    void *self;                            /* of the calls */
    struct cl_exchange *exchange;          /* NULL: the client is gone, or an errand */
    bool is_errand;                        /* wanted without a client */
    struct cl_request request;
    uint32_t flags; /* enum cl_call_flags */
    char policy[CL_NAME_MAX];
    uint32_t generation;

    const struct cl_lane *lane;                /* NULL: a jail of its own */
    void *seat;                                /* the lane's */
    const struct cl_envelope_session *session; /* what its envelope tells; NULL: no lane */
    struct cl_spare *spare; /* owned from take to the end; a lane's job has none */
    size_t sent;            /* bytes of request.frames */
    struct cl_stream stream;
    struct cl_reply reply;
    struct cl_msg_end end;
    bool has_end;
    bool is_dry;     /* nothing more will be read from its socket */
    bool is_unread;  /* the worker died before it had read the whole call */
    bool is_paused;  /* a slow client */
    bool is_counted; /* among those that run, against its tenant's quota: turn.h */
    unsigned attempts;

    uint64_t arrived_us; /* the request was whole */
    uint64_t taken_us;
};

/* What every log line about a job begins with. */
#define CL_JOB_TEXT    "id=%s tenant=%s trace=%s"
#define CL_JOB_OF(job) (job)->name, (job)->pool->tenant->name, (job)->request.trace

struct cl_dispatch *cl_dispatch_new(struct event_base *base, struct cl_tenancy *tenancy,
                                    const struct cl_dispatch_caps *caps,
                                    const struct cl_dispatch_calls *calls, void *self);
void cl_dispatch_free(struct cl_dispatch *dispatch);
void cl_dispatch_set_client(struct cl_dispatch *dispatch, struct cl_jailclient *client);

/* A job that was not submitted; takes the request. */
struct cl_job *cl_job_new(struct cl_dispatch *dispatch, struct cl_pool *pool,
                          struct cl_request *request, uint32_t flags, enum cl_reply_form form);
struct cl_job *cl_job_find(const struct cl_dispatch *dispatch, uint64_t id);

/* Starts it, queues it, or refuses it through on_refused. Returns its id, which may be dead. */
uint64_t cl_dispatch_submit(struct cl_dispatch *dispatch, struct cl_job *job);
/* For lanes: the plain way of such a job, up to lane->start; a job that waits no more is refused,
 * or begins or ends to be counted as running, and is told of its end. */
void cl_dispatch_place(struct cl_dispatch *dispatch, struct cl_job *job);
void cl_dispatch_refuse(struct cl_dispatch *dispatch, struct cl_job *job,
                        const struct cl_refusal *why);
void cl_dispatch_begin(struct cl_dispatch *dispatch, struct cl_job *job);
/* Not running after all: its jail read nothing of it. */
void cl_dispatch_release(struct cl_dispatch *dispatch, struct cl_job *job);
void cl_dispatch_finish(struct cl_dispatch *dispatch, struct cl_job *job,
                        const struct cl_verdict *verdict);
/* The client took what was sent. */
void cl_dispatch_resume(struct cl_dispatch *dispatch, uint64_t id);
/* Out of the queue, or not yet submitted: it stays as new. False: it has a worker. */
bool cl_dispatch_withdraw(struct cl_dispatch *dispatch, struct cl_job *job);
/* Ends such a job as cancelled, through on_done. */
void cl_dispatch_cancel(struct cl_dispatch *dispatch, struct cl_job *job);
/* The client is gone: its call is cancelled, or runs on unheard. An errand with a worker hears of
 * its end. */
void cl_dispatch_abandon(struct cl_dispatch *dispatch, uint64_t id, bool runs_on);

/* What cloched says. */
void cl_dispatch_on_spare(struct cl_dispatch *dispatch, const struct cl_msg_offer *offer,
                          int *fd);
void cl_dispatch_on_taken(struct cl_dispatch *dispatch, uint64_t spare);
void cl_dispatch_on_end(struct cl_dispatch *dispatch, const struct cl_msg_end *end);
void cl_dispatch_on_usage(struct cl_dispatch *dispatch, const struct cl_msg_usage *usage);
void cl_dispatch_on_retire(struct cl_dispatch *dispatch, uint64_t spare);
void cl_dispatch_on_change(void *dispatch, struct cl_pool *pool); /* a reload changed it */

uint32_t cl_dispatch_queued(const struct cl_dispatch *dispatch);
uint32_t cl_dispatch_running(const struct cl_dispatch *dispatch);
uint32_t cl_dispatch_idle(const struct cl_dispatch *dispatch);
uint64_t cl_dispatch_requeued(const struct cl_dispatch *dispatch);

#endif
