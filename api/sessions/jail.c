/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail of a session: its spare from TAKE to END, frames out, frames in, and what its end means
 * for the calls that ran in it.
 * Runs in: cloche-api.
 * Trusts: USAGE and END. The socket's other side is an enemy from the first GO on.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "api/dispatch/impl.h"
#include "api/dispatch/jailclient.h"
#include "api/sessions/impl.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

enum {
    DRAIN_MAX = 64, /* pieces that can be left in a dead worker's socket, and some */
    ATTEMPTS_MAX = 3,
    TOGETHER_MAX = 4096,
};

void cl_session_kill(struct cl_session *session, enum cl_kill reason, enum cl_limit limit)
{
    if (!session->spare || session->state == CL_SESSION_CLOSING)
        return;
    session->state = CL_SESSION_CLOSING;
    cl_jailclient_send_kill(session->app->client, session->spare->id, reason, limit);
}

/* ------------------------------------------------------------------------------------- frames out */

static size_t size_of(const struct cl_seat *seat)
{
    return sizeof(seat->head) + seat->job->request.frames.length;
}

/* Number and call in one piece where they are small: the worker wakes once. (sendmsg is not for
 * this process.) */
static ssize_t send_part(const struct cl_seat *seat)
{
    const struct cl_buf *frames = &seat->job->request.frames;
    const int fd = seat->session->spare->fd;
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    uint8_t together[TOGETHER_MAX];
    const size_t whole = size_of(seat);

    if (seat->sent >= sizeof(seat->head))
        return send(fd, frames->bytes + seat->sent - sizeof(seat->head), whole - seat->sent,
                    flags);
    if (whole > sizeof(together))
        return send(fd, seat->head + seat->sent, sizeof(seat->head) - seat->sent, flags);
    memcpy(together, seat->head, sizeof(seat->head));
    memcpy(together + sizeof(seat->head), frames->bytes, frames->length);
    return send(fd, together + seat->sent, whole - seat->sent, flags);
}

/* Whole calls one behind the other, in the order in which they began. False: no room. */
static bool send_seat(struct cl_session *session, struct cl_seat *seat)
{
    while (seat->sent < size_of(seat)) {
        const ssize_t sent = send_part(seat);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            const bool is_full = errno == EAGAIN;
            /* Any other error: it died, or the kernel has no room. END tells, once the worker has seen
             * that no more comes. */
            session->is_unread |= !is_full;
            cl_spare_write(session->spare, is_full);
            if (!is_full)
                shutdown(session->spare->fd, SHUT_RDWR);
            return false;
        }
        seat->sent += (size_t)sent;
    }
    return true;
}

void cl_session_send(struct cl_session *session)
{
    cl_list_each (node, keep, &session->running) {
        if (!send_seat(session, cl_list_entry(node, struct cl_seat, node)))
            return;
    }
    cl_spare_write(session->spare, false);
}

/* -------------------------------------------------------------------------------------- frames in */

static struct cl_stream *find_stream(void *self, uint32_t call)
{
    struct cl_seat *seat = cl_session_seat(self, call);

    return seat && seat->job->stream.state == CL_STREAM_OPEN ? &seat->job->stream : NULL;
}

static void broken(struct cl_session *session, uint32_t call, const char *why)
{
    cl_log(CL_WARN, "session.protocol", "session=%s tenant=%s from=worker what=\"%s\"",
           session->id, session->tenant->name, why);
    session->culprit = session->culprit ? session->culprit : call;
    cl_session_kill(session, CL_KILL_PROTOCOL, CL_LIMIT_NONE);
}

static void on_final(struct cl_session *session, struct cl_seat *seat)
{
    seat->ended_us = cl_clock_us();
    seat->wall_at_us = UINT64_MAX;
    if (seat->sent < size_of(seat)) {
        seat->job->stream.state = CL_STREAM_BROKEN;
        broken(session, seat->number, "an answer to a call that was not sent yet");
        return;
    }
    /* After these our own worker goes, and a jail that reached a limit is not used again. */
    if (seat->job->stream.final_type == CL_F_LIMIT ||
        seat->job->stream.final_type == CL_F_FAILED) {
        session->culprit = session->culprit ? session->culprit : seat->number;
        cl_session_kill(session, CL_KILL_CANCELLED, CL_LIMIT_NONE);
    }
    if (session->state != CL_SESSION_UP)
        return; /* END is near, and speaks for all */
    cl_list_append(&session->resting, &seat->rest);
    cl_jailclient_send_rest(session->app->client, session->spare->id);
}

static void on_state(struct cl_session *session, struct cl_seat *seat)
{
    switch (seat->job->stream.state) {
    case CL_STREAM_OPEN:
        return;
    case CL_STREAM_FINAL:
        on_final(session, seat);
        return;
    case CL_STREAM_BROKEN:
        broken(session, seat->number, seat->job->stream.why);
        return;
    case CL_STREAM_OVER:
        session->culprit = session->culprit ? session->culprit : seat->number;
        cl_session_kill(session, CL_KILL_LIMIT, seat->job->stream.over);
        return;
    }
}

static bool on_frame(void *self, uint32_t call, size_t length)
{
    struct cl_session *session = self;
    struct cl_seat *seat = cl_session_seat(session, call);
    struct cl_job *job = seat->job;
    const uint64_t id = job->id;

    on_state(session, seat);
    if (job->is_paused)
        seat->behind += length;
    if (!job->calls->on_progress(job->self, job) &&
        cl_job_find(session->app->dispatch, id) == job)
        job->is_paused = true;
    /* What a jail says while it is being ended is still read, up to a broken rule. */
    return !session->stream.is_over && job->stream.state != CL_STREAM_BROKEN &&
           job->stream.state != CL_STREAM_OVER;
}

static void dry(struct cl_session *session)
{
    session->is_dry = true;
    cl_spare_read(session->spare, false);
    cl_spare_write(session->spare, false);
}

/* The socket is at its end, or will not say more. */
static void on_quiet(struct cl_session *session, int sys, bool has_end)
{
    if (sys == EAGAIN && !has_end)
        return;
    if (sys && sys != EAGAIN && sys != ECONNRESET && sys != EPIPE)
        return; /* want of memory and the like: it will be there the next time */
    if (sys == ECONNRESET || sys == EPIPE)
        session->is_unread = true;
    dry(session);
}

static void recv_piece(struct cl_session *session, bool has_end)
{
    uint8_t *scratch = session->app->dispatch->scratch;
    const ssize_t length = recv(session->spare->fd, scratch, CL_SCRATCH_BYTES, MSG_DONTWAIT);

    if (length < 0 && errno == EINTR)
        return;
    if (length <= 0) {
        on_quiet(session, length < 0 ? errno : 0, has_end);
        return;
    }
    if (cl_sessionstream_feed(&session->stream, scratch, (size_t)length))
        return;
    if (session->stream.is_broken)
        broken(session, 0, session->stream.why);
    dry(session);
}

void cl_session_read(struct cl_session *session)
{
    session->is_held = false;
    cl_list_each (node, keep, &session->running)
        session->is_held |=
            cl_list_entry(node, struct cl_seat, node)->behind > CL_SESSION_BEHIND_MAX;
    if (session->spare && !session->is_dry)
        cl_spare_read(session->spare, !session->is_held);
}

/* ----------------------------------------------------------------------------- the end of one call */

static void on_usage(void *self, const struct cl_msg_usage *usage)
{
    struct cl_session *session = self;
    const uint32_t refused = usage->pids_refused - session->pids_refused;
    struct cl_seat *seat;

    session->cpu_us = usage->cpu_us;
    session->memory_now_bytes = usage->memory_bytes;
    session->memory_peak_bytes = usage->memory_peak_bytes;
    session->pids_refused = usage->pids_refused;
    if (cl_list_is_empty(&session->resting))
        return; /* its call was given up in between */
    seat = cl_list_entry(session->resting.next, struct cl_seat, rest);
    const struct cl_msg_end end = {
        .spare = usage->spare,
        .cause = CL_END_FINISHED,
        .wall_us = seat->ended_us - seat->job->taken_us,
        .cpu_us = usage->cpu_us > seat->cpu_before_us ? usage->cpu_us - seat->cpu_before_us : 0,
        .memory_peak_bytes = usage->memory_peak_bytes,
        .pids_refused = session->running_count == 1 ? refused : 0,
    };
    cl_session_settle(seat, &end);
    cl_session_wake(session);
}

/* ------------------------------------------------------------------------------------ its own end */

static bool is_silent(const struct cl_stream *stream)
{
    return stream->state == CL_STREAM_OPEN &&
           stream->output_bytes[0] + stream->output_bytes[1] + stream->chatter_bytes +
                   stream->item_bytes + stream->file_count ==
               0;
}

/* Whether this jail has run nothing of the call. Of what it was sent, it has read nothing only if
 * it was sent no other call with it. */
static bool was_unread(const struct cl_session *session, const struct cl_seat *seat,
                       bool is_sole)
{
    const bool is_unsent = seat->sent < size_of(seat);

    return (is_unsent || (session->is_unread && is_sole)) && is_silent(&seat->job->stream) &&
           !session->is_ending && session->culprit == 0 && seat->job->attempts < ATTEMPTS_MAX;
}

static const char *words_of(const struct cl_msg_end *end)
{
    static const char *const expiries[] = { "", "the session was idle for too long",
                                            "the session has reached sessions.max" };

    if (end->cause == CL_END_EXPIRED && end->reason < CL_COUNT(expiries))
        return expiries[end->reason];
    return "another call, or the service, ended the jail of the session";
}

/* One after the other leaves, so that who hears of an end may do as he likes. */
static void settle_all(struct cl_session *session, const struct cl_msg_end *end)
{
    uint32_t open = 0;

    cl_list_each (node, keep, &session->running)
        open += cl_list_entry(node, struct cl_seat, node)->job->stream.state != CL_STREAM_FINAL;
    /* Our worker ends by itself only after a final frame. */
    if (session->culprit == 0 && end->cause == CL_END_EXITED && end->status == 0 &&
        !cl_list_is_empty(&session->resting))
        session->culprit =
            cl_list_entry(session->resting.previous, struct cl_seat, rest)->number;

    while (!cl_list_is_empty(&session->running)) {
        struct cl_seat *seat = cl_list_entry(session->running.next, struct cl_seat, node);
        const bool is_final = seat->job->stream.state == CL_STREAM_FINAL;
        const bool is_sole = open == 1 && session->culprit == 0 && end->cause != CL_END_EXPIRED;
        struct cl_msg_end own = *end;

        if (is_final || session->is_ending)
            own.cause = is_final ? CL_END_FINISHED : CL_END_KILLED;
        if (session->is_ending && !is_final)
            own.reason = CL_KILL_CANCELLED;
        if (is_final || session->is_ending || is_sole || session->culprit == seat->number)
            cl_session_settle(seat, &own);
        else if (was_unread(session, seat, open == 1))
            cl_session_put_back(seat);
        else
            cl_session_lose(seat, end, words_of(end));
    }
}

static void reset(struct cl_session *session)
{
    cl_spare_free(session->spare);
    session->spare = NULL;
    session->state = CL_SESSION_EMPTY;
    session->restarts += session->was_used;
    session->is_restarted |= session->was_used;
    session->cpu_lost_us += session->cpu_us;
    session->cpu_us = session->memory_now_bytes = session->pids_refused = 0;
    session->culprit = 0;
    session->is_held = session->is_dry = session->is_unread = session->was_used = false;
    if (session->opener) /* it is among those that wait */
        cl_dispatch_release(session->app->dispatch, session->opener->job);
    session->opener = NULL;
    cl_sessionstream_init(&session->stream);
}

static void on_end(void *self, const struct cl_msg_end *end)
{
    struct cl_session *session = self;

    session->state = CL_SESSION_CLOSING;
    /* What the worker wrote before its end is in the socket, and nothing else will come. */
    for (int i = 0; i < DRAIN_MAX && !session->is_dry; i++)
        recv_piece(session, true);
    cl_log(CL_INFO, "session.jail", "session=%s cause=%u limit=%u reason=%u running=%u",
           session->id, end->cause, end->limit, end->reason, session->running_count);
    if (end->cause == CL_END_EXPIRED)
        session->is_ending = true;
    session->cpu_us += session->running_count ? end->cpu_us : 0;
    settle_all(session, end);
    reset(session);
    cl_session_wake(session);
}

static void on_readable(void *self)
{
    struct cl_session *session = self;

    recv_piece(session, false);
    if (session->spare && !session->is_dry)
        cl_session_read(session);
}

static void on_writable(void *self)
{
    cl_session_send(self);
}

static void on_taken(void *self)
{
    struct cl_session *session = self;

    if (session->state != CL_SESSION_TAKING)
        return;
    session->state = CL_SESSION_UP;
    cl_session_wake(session);
}

static const struct cl_spare_holder holder = {
    .on_readable = on_readable,
    .on_writable = on_writable,
    .on_taken = on_taken,
    .on_usage = on_usage,
    .on_end = on_end,
};

void cl_session_take(struct cl_session *session, struct cl_seat *seat, struct cl_spare *spare)
{
    const struct cl_policy *policy = spare->pool->policy;
    const struct cl_request *request = &seat->job->request;
    struct cl_msg_take take = {
        .spare = spare->id,
        .wall_ms = cl_request_narrowed(request, policy, CL_LIMIT_WALL),
        .cpu_ms = cl_request_narrowed(request, policy, CL_LIMIT_CPU),
        .memory_bytes =
            session->memory_bytes < policy->memory_bytes ? session->memory_bytes : 0,
        .processes = session->processes < policy->processes ? session->processes : 0,
        .session = 1,
    };

    cl_spare_take(spare, 0);
    spare->holder = &holder;
    spare->holder_self = session;
    session->spare = spare;
    session->stream.find = find_stream;
    session->stream.on_frame = on_frame;
    session->stream.self = session;
    session->opener = seat;
    cl_spare_read(spare, true);
    cl_jailclient_send_take(session->app->client, &take);
    session->state = take.acknowledge ? CL_SESSION_TAKING : CL_SESSION_UP;
}
