/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of python/v1 that read a caller's text or values: frozen Python (runtime/py/v1*)
 * that is loaded for such a call and no other. The frames of the call:
 *
 *   ENTRY   the operation: execute, info, register, eval, code, validate
 *   ARGS    its plan: [kind, name, ...], made by the API
 *   KWARGS  the request's `params`, as sent
 *   SOURCE  the text that the plan is about: a lambda, a source, an expression; else empty
 *
 * RESULT is an object with one of `result`, `failed` {error, error_type}, `refusal` {message,
 * exception_type}, and `nonfinite` true beside a result in which some number became null.
 */
#ifndef CL_RUNTIME_V1_H
#define CL_RUNTIME_V1_H

#include "policies/policy.h"
#include "runtime/call.h"
#include "runtime/convert_types.h"

/* In the zygote: the modules of CPython that its Python half imports. */
int cl_v1_prepare(const struct cl_policy *policy, struct cl_err *err);

/* Before the first use, in the worker. */
void cl_v1_open(const struct cl_policy *policy);

/* Runs the operation. What it came to (owned), for cl_v1_put; NULL with an exception set. */
PyObject *cl_v1_run(const struct cl_call *call);

/* Awaits what is to be awaited and writes the RESULT. -1 as cl_convert_put. */
int cl_v1_put(struct cl_convert *convert, PyObject *outcome);

#endif
