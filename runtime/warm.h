/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work done before a call arrives: in the zygote the paths of a call are walked, so that what
 * they set up is shared; in the worker a call of two lines, so that the pages which every call
 * dirties are its own before one comes. More lines there cost more than they save.
 */
#ifndef CL_RUNTIME_WARM_H
#define CL_RUNTIME_WARM_H

#include "policies/policy.h"
#include "runtime/call.h"
#include "sandbox/base/err.h"

/* Walks the paths, also those of an error, then collects and freezes the heap. */
int cl_warm_prepare(const struct cl_policy *policy, struct cl_err *err);

/* In the worker: replaces what clones of one zygote share and must not. */
void cl_warm_reseed(const struct cl_policy *policy);

/* In the worker: one small call, output muted. `call` is all zero, before and after. */
void cl_warm_run(struct cl_call *call);

#endif
