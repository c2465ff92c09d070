/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker that stays for a session: call after call in one interpreter, or several at a time in
 * threads where the policy has them. Globals last; output, input and caps are each call's own.
 * Loaded when the first call of a session comes, never for a plain one.
 */
#ifndef CL_RUNTIME_SESSION_H
#define CL_RUNTIME_SESSION_H

#include "policies/policy.h"
#include "runtime/intake.h"
#include "runtime/pyref.h"

/* In the zygote: decides whether calls may run at the same time. */
void cl_session_prepare(const struct cl_policy *policy);

/* `first` is complete and in static memory; the next ones are read here. */
_Noreturn void cl_session_run(struct cl_intake *intake, const struct cl_call *first);

/* Input of the call that this thread runs. -1 with an exception. */
int cl_session_feed(const char *text, size_t length);

/* The module "main" of the session once this source has run in it. A source that has run before
 * is not run again: its functions and classes are put back in place, its data is as calls left it.
 * Owned; NULL with an exception. */
PyObject *cl_session_module(struct cl_bytes source);
/* The one that tracebacks call main.py. */
struct cl_bytes cl_session_source(void);

#endif
