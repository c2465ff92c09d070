/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call on one worker: TAKE, frames out, frames in, FINISH or KILL, and the verdict once END
 * has come and the socket is dry.
 * Runs in: cloche-api.
 * Trusts: END. The socket's other side is an enemy from GO on.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "api/dispatch/impl.h"
#include "api/dispatch/jailclient.h"
#include "api/dispatch/turn.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"

enum {
    ATTEMPTS_MAX = 3,
    DRAIN_MAX = 64, /* pieces that can be left in a dead worker's socket, and some */
};

void cl_lease_start(struct cl_dispatch *dispatch, struct cl_job *job, struct cl_spare *spare)
{
    if (job->lane) {
        job->lane->start(job, spare);
        return;
    }
    const struct cl_policy *policy = job->pool->policy;
    const struct cl_request *request = &job->request;
    struct cl_msg_take take = {
        .spare = spare->id,
        .wall_ms = cl_request_narrowed(request, policy, CL_LIMIT_WALL),
        .cpu_ms = cl_request_narrowed(request, policy, CL_LIMIT_CPU),
        .memory_bytes = cl_request_narrowed(request, policy, CL_LIMIT_MEMORY),
        .processes = (uint32_t)cl_request_narrowed(request, policy, CL_LIMIT_PROCESSES),
    };

    cl_spare_take(spare, job->id);
    cl_spare_read(spare, true);
    job->spare = spare;
    job->attempts++;
    job->generation = spare->generation;
    job->taken_us = cl_clock_us();
    cl_turn_begin(dispatch, job);
    cl_jailclient_send_take(dispatch->client, &take);
    job->state = take.acknowledge ? CL_JOB_TAKING : CL_JOB_RUNNING;
    if (job->state == CL_JOB_RUNNING)
        cl_lease_send(dispatch, job);
    job->calls->on_start(job->self, job);
}

void cl_lease_send(struct cl_dispatch *dispatch, struct cl_job *job)
{
    const struct cl_buf *frames = &job->request.frames;

    (void)dispatch;
    while (job->sent < frames->length) {
        const ssize_t sent = send(job->spare->fd, frames->bytes + job->sent,
                                  frames->length - job->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN) {
            cl_spare_write(job->spare, true);
            return;
        }
        if (sent < 0) {
            /* It died parked, or the kernel has no room: END tells, once the worker has seen that no
             * more comes. GO did not reach it, so nothing ran. */
            job->is_unread = true;
            shutdown(job->spare->fd, SHUT_RDWR);
            break;
        }
        job->sent += (size_t)sent;
    }
    cl_spare_write(job->spare, false);
}

void cl_lease_kill(struct cl_dispatch *dispatch, struct cl_job *job, enum cl_kill reason,
                   enum cl_limit limit)
{
    if (job->state == CL_JOB_OVER || job->has_end)
        return;
    job->state = CL_JOB_OVER;
    cl_jailclient_send_kill(dispatch->client, job->spare->id, reason, limit);
}

/* Nothing more is wanted from the socket. */
static void dry(struct cl_job *job)
{
    job->is_dry = true;
    cl_spare_read(job->spare, false);
    cl_spare_write(job->spare, false);
}

static void on_state(struct cl_dispatch *dispatch, struct cl_job *job)
{
    switch (job->stream.state) {
    case CL_STREAM_OPEN:
        return;
    case CL_STREAM_FINAL:
        if (job->state != CL_JOB_OVER && !job->has_end) {
            job->state = CL_JOB_OVER;
            /* What may still come is looked at when END is here; its EOF should wake nobody. */
            cl_spare_read(job->spare, false);
            cl_jailclient_send_finish(dispatch->client, job->spare->id);
        }
        return;
    case CL_STREAM_BROKEN:
        cl_log(CL_WARN, "call.protocol", CL_JOB_TEXT " from=worker what=\"%s\"", CL_JOB_OF(job),
               job->stream.why);
        dry(job);
        /* After FINISH cloched takes no KILL any more; the worker is ended by it anyway. */
        cl_lease_kill(dispatch, job, CL_KILL_PROTOCOL, CL_LIMIT_NONE);
        return;
    case CL_STREAM_OVER:
        dry(job);
        cl_lease_kill(dispatch, job, CL_KILL_LIMIT, job->stream.over);
        return;
    }
}

/* The socket is at its end, or will not say more. */
static void on_quiet(struct cl_job *job, int sys)
{
    if (sys == EAGAIN && !job->has_end)
        return;
    /* Want of memory and the like: what is there will be there the next time, until the deadline. */
    if (sys && sys != EAGAIN && sys != ECONNRESET && sys != EPIPE)
        return;
    /* The kernel reports unread bytes of a dead peer as a reset: GO, the last of them, never
     * reached the code. */
    if (sys == ECONNRESET || sys == EPIPE)
        job->is_unread = true;
    dry(job);
}

void cl_lease_recv(struct cl_dispatch *dispatch, struct cl_job *job)
{
    const enum cl_stream_state before = job->stream.state;
    const ssize_t length =
        recv(job->spare->fd, dispatch->scratch, CL_SCRATCH_BYTES, MSG_DONTWAIT);

    if (length < 0 && errno == EINTR)
        return;
    if (length <= 0) {
        on_quiet(job, length < 0 ? errno : 0);
        return;
    }
    cl_stream_feed(&job->stream, dispatch->scratch, (size_t)length);
    if (job->stream.state != before)
        on_state(dispatch, job);
    if (!job->calls->on_progress(job->self, job) && !job->is_dry) {
        job->is_paused = true;
        cl_spare_read(job->spare, false);
    }
}

static bool may_try_again(const struct cl_job *job)
{
    const struct cl_stream *stream = &job->stream;
    const bool was_unread = job->is_unread || job->sent < job->request.frames.length;
    const bool is_silent = stream->state == CL_STREAM_OPEN && stream->partial.length == 0 &&
                           stream->output_bytes[0] + stream->output_bytes[1] == 0 &&
                           stream->chatter_bytes + stream->item_bytes + stream->file_count == 0;

    /* A pool that a reload has retired gets no more spares: there the call is lost. */
    return was_unread && is_silent && (job->exchange || job->is_errand) &&
           job->state != CL_JOB_OVER && job->attempts < ATTEMPTS_MAX && job->pool->is_live &&
           job->end.cause != CL_END_LIMIT;
}

static void try_again(struct cl_dispatch *dispatch, struct cl_job *job)
{
    cl_log(CL_INFO, "call.again", CL_JOB_TEXT " attempt=%u cause=%u status=%d", CL_JOB_OF(job),
           job->attempts, job->end.cause, job->end.status);
    cl_turn_end(dispatch, job);
    cl_spare_free(job->spare);
    job->spare = NULL;
    job->sent = 0;
    job->has_end = job->is_dry = job->is_unread = job->is_paused = false;
    dispatch->requeued++;
    cl_queue_put(dispatch, job, true);
    cl_queue_serve(dispatch, job->pool);
}

/* What a worker had used before its call is an estimate; no call is told that it computed more than
 * its processes can in the time that it had. */
static void cap_cpu(struct cl_job *job)
{
    const uint64_t most_us = job->end.wall_us * job->request.limits.value[CL_LIMIT_PROCESSES];

    if (job->end.cpu_us > most_us)
        job->end.cpu_us = most_us;
}

static void finish(struct cl_dispatch *dispatch, struct cl_job *job)
{
    const struct cl_stream *stream = &job->stream;
    struct cl_verdict_seen seen = {
        .final = stream->final_type,
        .broke_protocol = stream->state == CL_STREAM_BROKEN,
        .is_starved = stream->is_starved,
        .has_partial = stream->partial.length > 0,
        .over = stream->over,
        .over_used = stream->over_used,
        .limits = job->request.limits.value,
    };
    struct cl_verdict verdict;

    if (stream->final_type == CL_F_LIMIT)
        memcpy(&seen.own, stream->final.bytes, sizeof(seen.own));
    verdict = cl_verdict_join(&seen, &job->end);
    cl_turn_end(dispatch, job);
    cap_cpu(job);
    cl_queue_note_done(job->pool, cl_clock_us());
    cl_idtable_take(&dispatch->jobs, job->id); /* from here on nobody finds it */
    job->calls->on_done(job->self, job, &verdict);
    cl_job_free(dispatch, job);
    cl_turn_serve(dispatch);
}

/* cloched's clock starts when it reads TAKE, which may be after a short call is over. Ours has seen
 * all of it. */
void cl_lease_note_end(struct cl_job *job, const struct cl_msg_end *end)
{
    const uint64_t ours_us = cl_clock_us() - job->taken_us;

    job->end = *end;
    job->has_end = true;
    if (job->end.wall_us < ours_us)
        job->end.wall_us = ours_us;
}

void cl_lease_settle(struct cl_dispatch *dispatch, struct cl_job *job)
{
    if (!job->has_end || job->is_paused)
        return;
    /* What the worker wrote before its end is in the socket, and nothing else will come. */
    for (int i = 0; i < DRAIN_MAX && !job->is_dry; i++) {
        cl_lease_recv(dispatch, job);
        if (job->is_paused)
            return;
    }
    if (may_try_again(job))
        try_again(dispatch, job);
    else
        finish(dispatch, job);
}
