/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker after its jail is complete: warms up, says READY, parks, takes one call and runs it.
 * Runs in: a worker, locked down.
 * Trusts: nothing that arrives; from GO on it is itself trusted by nobody.
 */
#include "runtime/worker.h"

#include <string.h>
#include <unistd.h>

#include "runtime/emit.h"
#include "runtime/intake.h"
#include "runtime/interp.h"
#include "runtime/probe.h"
#include "runtime/run.h"
#include "runtime/session.h"

enum { SMALL_CALL = 4096 };

/* Not on the stack: the caller's code runs on top of this frame. */
static struct cl_intake intake;
static struct cl_call call;

static void answer_probe(const struct cl_frame_probe *probe)
{
    struct cl_frame_probed probed;

    cl_probe_run(probe, &probed);
    cl_emit_probed(&probed);
}

_Noreturn void cl_worker_run(const struct cl_jail_seen *seen)
{
    struct cl_err err = CL_ERR_INIT;

    cl_interp_after_fork();
    cl_probe_open(seen);
    cl_run_park(&call);
    intake.fd = CL_JOB_FD;
    /* The page faults of a small call, before it comes. */
    memset(intake.bytes, 0, SMALL_CALL);
    memset(&call.head, 0, sizeof(call.head));
    cl_emit_ready(CL_JOB_FD);

    int got = cl_intake_call(&intake, &call, answer_probe, &err);
    if (got == 0)
        _exit(0); /* nobody needs this worker any more */
    if (got < 0)
        cl_emit_failed(&err);
    cl_emit_open(CL_JOB_FD, &call.head);
    if (call.number != 0)
        cl_session_run(&intake, &call);
    cl_run_call(&call);
}
