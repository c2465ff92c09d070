/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Python half of a worker: what zygote_main.c and worker.c call.
 */
#ifndef CL_RUNTIME_RUN_H
#define CL_RUNTIME_RUN_H

#include <stdint.h>

#include "policies/policy.h"
#include "runtime/call.h"
#include "sandbox/base/err.h"

struct cl_run_loaded {
    uint32_t preloaded;
    uint32_t mapped; /* allowed, not preloaded, bytecode kept in memory */
};

/* In the zygote, before its tree is closed (the host's stdlib is still readable): boots the
 * frozen helpers, installs guard and audit hook (dormant until a call runs), preloads, keeps the
 * bytecode of the other allowed modules, warms the paths a call takes, freezes the heap. `policy` stays mapped. */
int cl_run_prepare(const struct cl_policy *policy, struct cl_run_loaded *loaded,
                   struct cl_err *err);

/* In the worker, locked down, before any caller's byte: reseeds every random source, replaces
 * what forks share, and runs a tiny call in `call`, so that the pages it dirties are its own. */
void cl_run_park(struct cl_call *call);

/* Runs one call and ends the process with its final frame. */
_Noreturn void cl_run_call(const struct cl_call *call);

/* One call of a session, to its final frame; by any thread that holds the GIL and speaks for it
 * (session.c). */
void cl_run_session_call(const struct cl_call *call);

#endif
