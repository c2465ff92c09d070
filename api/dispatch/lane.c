/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the dispatcher does for jobs that take a lane of their own, on the lane's word; and the end
 * of one that never ran.
 * Runs in: cloche-api.
 * Trusts: the lane, which is ours; USAGE.
 */
#include "api/dispatch/impl.h"
#include "api/dispatch/turn.h"
#include "sandbox/base/clock.h"

void cl_dispatch_refuse(struct cl_dispatch *dispatch, struct cl_job *job,
                        const struct cl_refusal *why)
{
    cl_job_refuse(dispatch, job, why);
}

void cl_dispatch_begin(struct cl_dispatch *dispatch, struct cl_job *job)
{
    job->attempts++;
    job->taken_us = cl_clock_us();
    job->state = CL_JOB_RUNNING;
    cl_turn_begin(dispatch, job);
    job->calls->on_start(job->self, job);
}

void cl_dispatch_release(struct cl_dispatch *dispatch, struct cl_job *job)
{
    cl_turn_end(dispatch, job);
}

void cl_dispatch_finish(struct cl_dispatch *dispatch, struct cl_job *job,
                        const struct cl_verdict *verdict)
{
    cl_dispatch_release(dispatch, job);
    cl_queue_note_done(job->pool, cl_clock_us());
    cl_idtable_take(&dispatch->jobs, job->id); /* from here on nobody finds it */
    job->calls->on_done(job->self, job, verdict);
    cl_job_free(dispatch, job);
    cl_turn_serve(dispatch);
}

void cl_dispatch_on_usage(struct cl_dispatch *dispatch, const struct cl_msg_usage *usage)
{
    const struct cl_spare *spare = cl_idtable_get(&dispatch->spares, usage->spare);

    if (spare && spare->holder)
        spare->holder->on_usage(spare->holder_self, usage);
}

void cl_dispatch_cancel(struct cl_dispatch *dispatch, struct cl_job *job)
{
    const struct cl_verdict verdict = { .kind = CL_V_CANCELLED };

    CL_CHECK(job->state == CL_JOB_NEW);
    cl_idtable_take(&dispatch->jobs, job->id); /* from here on nobody finds it */
    job->calls->on_done(job->self, job, &verdict);
    cl_job_free(dispatch, job);
}
