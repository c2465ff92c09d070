/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of a session: who waits, who begins, how each ends.
 * Runs in: cloche-api.
 * Trusts: USAGE and END; of the worker what the stream of each call has let through.
 */
#include <string.h>

#include "api/dispatch/jailclient.h"
#include "api/dispatch/turn.h"
#include "api/sessions/impl.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

enum {
    WALL_GRACE_US = 30000, /* cloched's deadline comes first where one call runs */
    ATTEMPTS_MAX = 3,
};

/* ------------------------------------------------------------------------------------------ seats */

struct cl_seat *cl_session_seat(const struct cl_session *session, uint32_t number)
{
    cl_list_each (node, keep, &session->running) {
        struct cl_seat *seat = cl_list_entry(node, struct cl_seat, node);

        if (seat->number == number)
            return seat;
    }
    return NULL;
}

/* Not linked means neither: a seat is in `waiting` without a number, in `running` with one. */
void cl_session_unseat(struct cl_seat *seat)
{
    if (!cl_list_is_empty(&seat->node)) {
        seat->session->waiting_count -= seat->number == 0;
        seat->session->running_count -= seat->number != 0;
        seat->session->rested_us = cl_clock_us();
    }
    cl_list_unlink(&seat->node);
    cl_list_unlink(&seat->rest);
}

static void wait_here(struct cl_seat *seat, bool in_front)
{
    struct cl_session *session = seat->session;

    seat->number = 0;
    seat->job->state = CL_JOB_NEW;
    cl_list_append(in_front ? session->waiting.next : &session->waiting, &seat->node);
    session->waiting_count++;
}

void cl_session_put_back(struct cl_seat *seat)
{
    struct cl_job *job = seat->job;

    cl_session_unseat(seat);
    cl_dispatch_release(seat->session->app->dispatch, job);
    seat->sent = 0;
    wait_here(seat, true);
}

void cl_session_join(struct cl_session *session, struct cl_job *job)
{
    struct cl_seat *seat = calloc(1, sizeof(*seat));

    CL_CHECK(seat && !job->lane);
    cl_list_init(&seat->node);
    cl_list_init(&seat->rest);
    seat->session = session;
    seat->job = job;
    seat->told = (struct cl_envelope_session){ .id = session->id };
    job->lane = &cl_session_lane;
    job->seat = seat;
    job->session = &seat->told;
}

uint64_t cl_session_call(struct cl_session *session, struct cl_request *request, uint32_t flags,
                         const struct cl_errand_calls *calls, void *self)
{
    struct cl_refusal ignored = CL_REFUSAL_INIT;
    struct cl_pool *pool = cl_session_pool(session, &ignored);
    uint64_t id;

    CL_CHECK(pool); /* the request was sealed for it just now */
    id = cl_errand_start(session->app, pool, request, flags | CL_CALL_SESSION, calls, self);
    cl_session_join(session, cl_job_find(session->app->dispatch, id));
    return id;
}

struct cl_pool *cl_session_pool(struct cl_session *session, struct cl_refusal *refusal)
{
    struct cl_pool *pool = session->spare ? session->spare->pool : NULL;

    if (!pool)
        pool = cl_tenancy_find(session->app->tenancy, session->tenant, session->policy);
    if (!pool)
        cl_refusal_set(refusal, CL_R_SESSION_ENDED, "policy \"%s\" is gone", session->policy);
    return pool;
}

/* ----------------------------------------------------------------------------------------- ending */

static void finish(struct cl_seat *seat, const struct cl_msg_end *end,
                   const struct cl_verdict *verdict)
{
    struct cl_dispatch *dispatch = seat->session->app->dispatch;

    seat->job->end = *end;
    seat->job->state = CL_JOB_OVER;
    cl_session_unseat(seat);
    cl_dispatch_finish(dispatch, seat->job, verdict);
}

void cl_session_settle(struct cl_seat *seat, const struct cl_msg_end *end)
{
    const struct cl_stream *stream = &seat->job->stream;
    struct cl_verdict_seen seen = {
        .final = stream->final_type,
        .broke_protocol = stream->state == CL_STREAM_BROKEN ||
                          (end->cause == CL_END_KILLED && end->reason == CL_KILL_PROTOCOL),
        .is_starved = stream->is_starved,
        .has_partial = cl_sessionstream_is_partial(&seat->session->stream),
        .over = stream->over,
        .over_used = stream->over_used,
        .limits = seat->job->request.limits.value,
    };
    struct cl_verdict verdict;

    if (stream->final_type == CL_F_LIMIT)
        memcpy(&seen.own, stream->final.bytes, sizeof(seen.own));
    verdict = cl_verdict_join(&seen, end);
    finish(seat, end, &verdict);
}

void cl_session_lose(struct cl_seat *seat, const struct cl_msg_end *end, const char *why)
{
    const struct cl_verdict verdict = { .kind = CL_V_LOST, .message = why };

    finish(seat, end, &verdict);
}

/* -------------------------------------------------------------------------------------- refusing */

static void refuse(struct cl_seat *seat, enum cl_refusal_kind kind, const char *why)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    refusal.retry_after_s = kind == CL_R_SESSION_ENDED ? 0 : 1;
    cl_refusal_set(&refusal, kind, "%s", why);
    cl_dispatch_refuse(seat->session->app->dispatch, seat->job, &refusal);
}

void cl_session_refuse_all(struct cl_session *session, enum cl_refusal_kind kind,
                           const char *why)
{
    /* Only those of now: who hears of a refusal may send another call. */
    uint32_t left = session->waiting_count;

    if (session->opener && session->state == CL_SESSION_OPENING)
        refuse(session->opener, kind, why);
    while (left-- > 0 && !cl_list_is_empty(&session->waiting))
        refuse(cl_list_entry(session->waiting.next, struct cl_seat, node), kind, why);
}

/* ------------------------------------------------------------------------------------- beginning */

/* A call that was sealed under another generation of the policy. */
static int settle_in(struct cl_seat *seat, struct cl_pool *pool)
{
    struct cl_job *job = seat->job;
    struct cl_refusal why = CL_REFUSAL_INIT;

    if (job->pool == pool)
        return 0;
    if (cl_request_seal(&job->request, pool->policy, job->flags, &why) < 0) {
        refuse(seat, CL_R_POLICY_RELOADED, "the policy changed; send the call again");
        return -1;
    }
    job->pool->users--;
    job->pool = pool;
    pool->users++;
    return 0;
}

static void send_next(const struct cl_seat *seat)
{
    const struct cl_request *request = &seat->job->request;
    const struct cl_policy *policy = seat->job->pool->policy;
    const struct cl_msg_next next = {
        .spare = seat->session->spare->id,
        .wall_ms = cl_request_narrowed(request, policy, CL_LIMIT_WALL),
        .cpu_ms = cl_request_narrowed(request, policy, CL_LIMIT_CPU),
    };

    cl_jailclient_send_next(seat->session->app->client, &next);
}

static void number(struct cl_seat *seat)
{
    struct cl_session *session = seat->session;
    const struct cl_frame head = cl_frame_make(CL_F_NUMBER, sizeof(struct cl_frame_number));
    struct cl_frame_number body = { ++session->last_number };

    seat->number = body.call;
    seat->sent = 0;
    memcpy(seat->head, &head, sizeof(head));
    memcpy(seat->head + sizeof(head), &body, sizeof(body));
    seat->told.restarts = session->restarts;
    seat->told.is_restarted = session->is_restarted;
    seat->cpu_before_us = session->cpu_us;
    session->is_restarted = false;
    session->was_used = true;
    session->calls++;
}

static void begin(struct cl_seat *seat)
{
    struct cl_session *session = seat->session;
    struct cl_job *job = seat->job;
    const uint64_t wall_ms = job->request.limits.value[CL_LIMIT_WALL];

    if (settle_in(seat, session->spare->pool) < 0)
        return;
    if (seat == session->opener)
        session->opener = NULL; /* TAKE was for it */
    else
        send_next(seat);
    cl_session_unseat(seat);
    number(seat);
    cl_list_append(&session->running, &seat->node);
    session->running_count++;
    job->generation = session->spare->generation;
    seat->wall_at_us = cl_clock_us() + wall_ms * 1000 + WALL_GRACE_US;
    cl_dispatch_begin(session->app->dispatch, job);
}

/* The oldest asks for a spare as any call does, and waits in the pool's queue for it. */
static void open_jail(struct cl_session *session)
{
    struct cl_seat *seat = cl_list_entry(session->waiting.next, struct cl_seat, node);
    struct cl_refusal why = CL_REFUSAL_INIT;
    struct cl_pool *pool = cl_session_pool(session, &why);

    if (!pool || !(pool->policy->flags & CL_POLICY_SESSIONS)) {
        cl_session_end(session);
        return;
    }
    if (!cl_session_has_room(session, pool)) {
        refuse(seat, CL_R_SESSIONS_FULL, "other sessions hold what the pool has for them");
        return;
    }
    if (settle_in(seat, pool) < 0)
        return;
    cl_session_unseat(seat);
    session->opener = seat;
    session->state = CL_SESSION_OPENING;
    cl_dispatch_place(session->app->dispatch, seat->job);
}

static bool may_begin(const struct cl_session *session)
{
    return session->state == CL_SESSION_UP && !session->is_dry && !session->is_ending &&
           session->waiting_count > 0 &&
           session->running_count < cl_session_most(session->spare->pool->policy);
}

/* False: neither it nor those behind it. */
static bool begin_first(struct cl_session *session)
{
    struct cl_seat *seat = cl_list_entry(session->waiting.next, struct cl_seat, node);
    struct cl_refusal why = CL_REFUSAL_INIT;

    if (cl_turn_check(seat->job, &why) < 0) {
        cl_dispatch_refuse(session->app->dispatch, seat->job, &why);
        return true;
    }
    if (!cl_turn_may(seat->job, &session->room))
        return false;
    begin(seat);
    return true;
}

void cl_session_pump(struct cl_session *session)
{
    if (session->is_ending)
        cl_session_refuse_all(session, CL_R_SESSION_ENDED, "the session ended");
    if (session->app->is_draining && session->running_count + session->waiting_count == 0)
        cl_session_end(session);
    if (session->state == CL_SESSION_EMPTY && session->waiting_count > 0 && !session->is_ending)
        open_jail(session);
    while (may_begin(session) && begin_first(session))
        ;
    if (session->state == CL_SESSION_UP)
        cl_session_send(session);
    else if (session->state == CL_SESSION_EMPTY && session->waiting_count > 0)
        cl_session_wake(session); /* what waited first was refused */
}

/* ------------------------------------------------------------------------------------------ lane */

static void on_submit(struct cl_job *job)
{
    struct cl_seat *seat = job->seat;
    struct cl_session *session = seat->session;

    wait_here(seat, false);
    if (session->is_ending)
        refuse(seat, CL_R_SESSION_ENDED, "the session ended");
    else if (session->waiting_count > CL_SESSION_WAITING_MAX)
        refuse(seat, CL_R_QUEUE_FULL, "too many calls wait in this session");
    else
        cl_session_wake(session);
}

static void on_start(struct cl_job *job, struct cl_spare *spare)
{
    struct cl_seat *seat = job->seat;

    job->state = CL_JOB_NEW;
    cl_turn_begin(seat->session->app->dispatch, job); /* the room that it was given is taken */
    cl_session_take(seat->session, seat, spare);
    wait_here(seat, true);
    cl_session_wake(seat->session);
}

static void on_leave(struct cl_job *job)
{
    struct cl_seat *seat = job->seat;
    struct cl_session *session = seat->session;

    cl_session_unseat(seat);
    cl_dispatch_release(session->app->dispatch, job);
    if (session->opener == seat) {
        session->opener = NULL;
        if (session->state == CL_SESSION_OPENING)
            session->state = CL_SESSION_EMPTY;
        else /* TAKE has armed this call's limits */
            cl_session_kill(session, CL_KILL_CANCELLED, CL_LIMIT_NONE);
    }
    cl_session_wake(session);
}

static void on_gone(struct cl_job *job)
{
    on_leave(job);
    free(job->seat);
    job->seat = NULL;
}

static void on_resume(struct cl_job *job)
{
    struct cl_seat *seat = job->seat;

    seat->behind = 0;
    cl_session_read(seat->session);
}

/* Nothing but the end of its process stops what a worker runs. */
static void on_kill(struct cl_job *job)
{
    struct cl_seat *seat = job->seat;

    if (seat->number == 0 || job->stream.state != CL_STREAM_OPEN)
        return;
    seat->session->culprit = seat->session->culprit ? seat->session->culprit : seat->number;
    cl_session_kill(seat->session, CL_KILL_CANCELLED, CL_LIMIT_NONE);
}

const struct cl_lane cl_session_lane = {
    .submit = on_submit,
    .start = on_start,
    .leave = on_leave,
    .gone = on_gone,
    .resume = on_resume,
    .kill = on_kill,
};
