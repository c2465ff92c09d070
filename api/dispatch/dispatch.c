/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs and spares: who exists, who belongs to whom, who is told.
 * Runs in: cloche-api.
 * Trusts: cloched's messages. Events of sockets are only hints; lease.c checks what they carry.
 */
#include "api/dispatch/dispatch.h"

#include <event2/event.h>
#include <string.h>

#include "api/dispatch/impl.h"
#include "api/dispatch/jailclient.h"
#include "api/dispatch/turn.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

const struct cl_dispatch_caps cl_dispatch_caps_default = {
    .queue_pool = 512,
    .queue_all = 2048,
    .queue_bytes = 128 << 20,
    .queue_ms = 10000,
};

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    cl_queue_on_late(arg);
}

struct cl_dispatch *cl_dispatch_new(struct event_base *base, struct cl_tenancy *tenancy,
                                    const struct cl_dispatch_caps *caps,
                                    const struct cl_dispatch_calls *calls, void *self)
{
    struct cl_dispatch *dispatch = calloc(1, sizeof(*dispatch));

    CL_CHECK(dispatch);
    dispatch->base = base;
    dispatch->tenancy = tenancy;
    dispatch->caps = *caps;
    dispatch->calls = calls;
    dispatch->self = self;
    cl_list_init(&dispatch->waiting);
    cl_list_init(&dispatch->held);
    dispatch->late = event_new(base, -1, 0, on_late, dispatch);
    dispatch->scratch = malloc(CL_SCRATCH_BYTES);
    CL_CHECK(dispatch->late && dispatch->scratch);
    return dispatch;
}

void cl_dispatch_set_client(struct cl_dispatch *dispatch, struct cl_jailclient *client)
{
    dispatch->client = client;
}

void cl_dispatch_free(struct cl_dispatch *dispatch)
{
    if (!dispatch)
        return;
    for (size_t i = 0; i < dispatch->spares.capacity; i++) {
        struct cl_spare *spare = dispatch->spares.slots[i].value;

        if (spare && spare->state != CL_SPARE_TAKEN)
            cl_spare_free(spare);
    }
    for (size_t i = 0; i < dispatch->jobs.capacity; i++) {
        /* Taking one out may move another one here. */
        while (dispatch->jobs.slots[i].value)
            cl_job_free(dispatch, dispatch->jobs.slots[i].value);
    }
    cl_list_each (node, keep, &dispatch->held)
        cl_list_unlink(node); /* of tenants, who stay */
    cl_idtable_fini(&dispatch->jobs);
    cl_idtable_fini(&dispatch->spares);
    event_free(dispatch->late);
    free(dispatch->scratch);
    free(dispatch);
}

/* ------------------------------------------------------------------------------------- jobs */

struct cl_job *cl_job_new(struct cl_dispatch *dispatch, struct cl_pool *pool,
                          struct cl_request *request, uint32_t flags, enum cl_reply_form form)
{
    struct cl_job *job = calloc(1, sizeof(*job));

    CL_CHECK(job);
    job->id = ++dispatch->last_id;
    cl_ulid_make(job->name);
    cl_list_init(&job->in_pool);
    cl_list_init(&job->in_age);
    job->pool = pool;
    pool->users++;
    job->calls = dispatch->calls;
    job->self = dispatch->self;
    job->request = *request;
    *request = (struct cl_request){ 0 };
    job->flags = flags;
    memcpy(job->policy, pool->policy->name, sizeof(job->policy));
    job->arrived_us = cl_clock_us();
    cl_reply_init(&job->reply, form);
    cl_stream_init(&job->stream, job->request.limits.value, &cl_reply_sink, &job->reply);
    cl_idtable_put(&dispatch->jobs, job->id, job);
    return job;
}

struct cl_job *cl_job_find(const struct cl_dispatch *dispatch, uint64_t id)
{
    return cl_idtable_get(&dispatch->jobs, id);
}

void cl_job_free(struct cl_dispatch *dispatch, struct cl_job *job)
{
    if (job->lane)
        job->lane->gone(job);
    cl_turn_end(dispatch, job); /* counted, and never begun: a lane's */
    cl_queue_remove(dispatch, job);
    cl_idtable_take(&dispatch->jobs, job->id);
    cl_spare_free(job->spare);
    cl_stream_fini(&job->stream);
    cl_reply_fini(&job->reply);
    cl_request_fini(&job->request);
    job->pool->users--;
    free(job);
}

void cl_job_refuse(struct cl_dispatch *dispatch, struct cl_job *job,
                   const struct cl_refusal *why)
{
    cl_queue_remove(dispatch, job);
    cl_idtable_take(&dispatch->jobs, job->id); /* from here on nobody finds it */
    job->calls->on_refused(job->self, job, why);
    cl_job_free(dispatch, job);
}

uint64_t cl_dispatch_submit(struct cl_dispatch *dispatch, struct cl_job *job)
{
    const uint64_t id = job->id;

    if (job->lane)
        job->lane->submit(job);
    else
        cl_dispatch_place(dispatch, job);
    return id;
}

void cl_dispatch_place(struct cl_dispatch *dispatch, struct cl_job *job)
{
    struct cl_refusal why = CL_REFUSAL_INIT;
    struct cl_spare *spare = NULL;

    if (cl_turn_check(job, &why) < 0) {
        cl_job_refuse(dispatch, job, &why);
        return;
    }
    if (cl_list_is_empty(&job->pool->jobs))
        spare = cl_dispatch_pick(dispatch, job->pool);
    if (spare && cl_turn_take(dispatch, job))
        cl_lease_start(dispatch, job, spare);
    else if (cl_queue_check(dispatch, job, &why) < 0)
        cl_job_refuse(dispatch, job, &why);
    else
        cl_queue_put(dispatch, job, false);
}

void cl_dispatch_resume(struct cl_dispatch *dispatch, uint64_t id)
{
    struct cl_job *job = cl_job_find(dispatch, id);

    if (!job || !job->is_paused)
        return;
    job->is_paused = false;
    if (job->lane) {
        job->lane->resume(job);
        return;
    }
    cl_spare_read(job->spare, true);
    cl_lease_settle(dispatch, job);
}

bool cl_dispatch_withdraw(struct cl_dispatch *dispatch, struct cl_job *job)
{
    if (job->state != CL_JOB_NEW && job->state != CL_JOB_QUEUED)
        return false;
    cl_queue_remove(dispatch, job);
    if (job->lane)
        job->lane->leave(job);
    return true;
}

void cl_dispatch_abandon(struct cl_dispatch *dispatch, uint64_t id, bool runs_on)
{
    struct cl_job *job = cl_job_find(dispatch, id);

    if (!job)
        return;
    job->exchange = NULL;
    if (job->state == CL_JOB_NEW || job->state == CL_JOB_QUEUED) {
        if (runs_on)
            return;
        cl_log(CL_INFO, "call.cancelled", CL_JOB_TEXT " queued=1", CL_JOB_OF(job));
        cl_job_free(dispatch, job);
        return;
    }
    if (!runs_on && job->lane)
        job->lane->kill(job);
    else if (!runs_on)
        cl_lease_kill(dispatch, job, CL_KILL_CANCELLED, CL_LIMIT_NONE);
    cl_dispatch_resume(dispatch, id);
}

/* ----------------------------------------------------------------------------------- spares */

/* Gives a spare back that nobody has taken. Its END is still to come. */
static void drop(struct cl_dispatch *dispatch, struct cl_spare *spare)
{
    if (spare->state == CL_SPARE_GONE || spare->state == CL_SPARE_TAKEN)
        return;
    cl_spare_close(spare);
    cl_jailclient_send_drop(dispatch->client, spare->id);
}

/* Reads what a parked worker says; gives it back when that is not READY. */
static void look(struct cl_dispatch *dispatch, struct cl_spare *spare)
{
    struct cl_err err = CL_ERR_INIT;

    if (cl_spare_recv_ready(spare, &err) >= 0)
        return;
    cl_log(CL_INFO, "spare.gone", "spare=%llu what=\"%s\"", (unsigned long long)spare->id,
           err.text);
    drop(dispatch, spare);
}

struct cl_spare *cl_dispatch_pick(struct cl_dispatch *dispatch, struct cl_pool *pool)
{
    cl_list_each (node, keep, &pool->idle) {
        struct cl_spare *spare = cl_list_entry(node, struct cl_spare, node);

        if (spare->state == CL_SPARE_BORN)
            look(dispatch, spare);
        if (spare->state == CL_SPARE_IDLE)
            return spare;
    }
    return NULL;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct cl_spare *spare = arg;
    struct cl_dispatch *dispatch = spare->owner;
    struct cl_job *job = cl_job_find(dispatch, spare->job);

    (void)fd;
    (void)what;
    if (spare->holder) {
        spare->holder->on_readable(spare->holder_self);
        return;
    }
    if (!job) {
        look(dispatch, spare);
        cl_queue_serve(dispatch, spare->pool);
        return;
    }
    cl_lease_recv(dispatch, job);
    cl_lease_settle(dispatch, job);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct cl_spare *spare = arg;
    struct cl_dispatch *dispatch = spare->owner;
    struct cl_job *job = cl_job_find(dispatch, spare->job);

    (void)fd;
    (void)what;
    if (spare->holder)
        spare->holder->on_writable(spare->holder_self);
    else if (job)
        cl_lease_send(dispatch, job);
}

/* A spare under a policy that is not in force any more serves nobody. */
static bool is_current(const struct cl_spare *spare)
{
    return spare->pool->is_live && spare->generation >= spare->pool->since;
}

void cl_dispatch_on_spare(struct cl_dispatch *dispatch, const struct cl_msg_offer *offer,
                          int *fd)
{
    struct cl_pool *pool = cl_tenancy_pool(dispatch->tenancy, offer->pool);
    struct cl_spare *spare;

    if (!pool || offer->spare == 0 || cl_idtable_get(&dispatch->spares, offer->spare)) {
        cl_log(CL_ERROR, "spare.refused", "spare=%llu pool=%u",
               (unsigned long long)offer->spare, offer->pool);
        if (offer->spare)
            cl_jailclient_send_drop(dispatch->client, offer->spare);
        return;
    }
    spare = cl_spare_new(offer, pool, fd);
    spare->owner = dispatch;
    event_assign(&spare->readable, dispatch->base, spare->fd, EV_READ | EV_PERSIST, on_readable,
                 spare);
    event_assign(&spare->writable, dispatch->base, spare->fd, EV_WRITE | EV_PERSIST,
                 on_writable, spare);
    cl_idtable_put(&dispatch->spares, spare->id, spare);
    if (!is_current(spare))
        drop(dispatch, spare);
    else if (!pool->had_spare || pool->queued > 0)
        cl_spare_read(spare, true); /* somebody waits for its READY */
}

void cl_dispatch_on_taken(struct cl_dispatch *dispatch, uint64_t id)
{
    const struct cl_spare *spare = cl_idtable_get(&dispatch->spares, id);
    struct cl_job *job = spare ? cl_job_find(dispatch, spare->job) : NULL;

    if (spare && spare->holder)
        spare->holder->on_taken(spare->holder_self);
    if (!job || job->state != CL_JOB_TAKING)
        return;
    job->state = CL_JOB_RUNNING;
    cl_lease_send(dispatch, job);
}

void cl_dispatch_on_end(struct cl_dispatch *dispatch, const struct cl_msg_end *end)
{
    struct cl_spare *spare = cl_idtable_take(&dispatch->spares, end->spare);
    struct cl_job *job = spare ? cl_job_find(dispatch, spare->job) : NULL;

    if (!spare)
        return;
    /* cloched counts what it has made for those who wait, up to the pool's bound: of the others
     * it has to be told again when there is room for them. */
    if (spare->pool->queued > 0)
        cl_jailclient_send_want(dispatch->client, spare->pool->index, spare->pool->queued);
    if (spare->holder) {
        spare->holder->on_end(spare->holder_self, end);
        cl_turn_serve(dispatch);
        return;
    }
    if (!job) {
        cl_spare_free(spare);
        return;
    }
    cl_lease_note_end(job, end);
    if (!job->exchange && job->calls == dispatch->calls && end->cause == CL_END_KILLED)
        job->is_dry = true;
    cl_lease_settle(dispatch, job);
}

void cl_dispatch_on_retire(struct cl_dispatch *dispatch, uint64_t id)
{
    struct cl_spare *spare = cl_idtable_get(&dispatch->spares, id);

    if (spare)
        drop(dispatch, spare);
}

void cl_dispatch_on_change(void *self, struct cl_pool *pool)
{
    struct cl_dispatch *dispatch = self;

    cl_list_each (node, keep, &pool->idle) {
        struct cl_spare *spare = cl_list_entry(node, struct cl_spare, node);

        if (!is_current(spare))
            drop(dispatch, spare);
    }
    cl_queue_on_change(dispatch, pool);
}

uint32_t cl_dispatch_queued(const struct cl_dispatch *dispatch)
{
    return dispatch->queued;
}

uint32_t cl_dispatch_running(const struct cl_dispatch *dispatch)
{
    return dispatch->running;
}

uint32_t cl_dispatch_idle(const struct cl_dispatch *dispatch)
{
    uint32_t count = 0;

    for (struct cl_pool *pool = cl_tenancy_next(dispatch->tenancy, NULL, NULL); pool;
         pool = cl_tenancy_next(dispatch->tenancy, NULL, pool))
        count += pool->idle_count;
    return count;
}

uint64_t cl_dispatch_requeued(const struct cl_dispatch *dispatch)
{
    return dispatch->requeued;
}
