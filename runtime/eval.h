/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restricted eval: one expression, walked by runtime/py/eval.py and its parts. They are read in
 * the zygote, of policies that permit it only; an expression is parsed in the worker.
 */
#ifndef CL_RUNTIME_EVAL_H
#define CL_RUNTIME_EVAL_H

#include "policies/policy.h"
#include "runtime/report.h"

/* In the zygote, while all modules may be imported. Does nothing where the policy has no eval. */
int cl_eval_prepare(const struct cl_policy *policy, struct cl_err *err);

/* Whether the policy permits it. */
bool cl_eval_is_open(void);

/* The value of the call's SOURCE with its KWARGS as names (owned); NULL with an exception set. */
PyObject *cl_eval_run(const struct cl_call *call);

/* The walker, for those who give it other rules in a worker of their own (borrowed; NULL where
 * the policy has no eval), and what all values of one expression may take. */
PyObject *cl_eval_walker(void);
uint64_t cl_eval_bytes(void);

/* DENIED, LIMIT or ERROR for what evaluating raised (borrowed). */
_Noreturn void cl_eval_end(const struct cl_report *report, PyObject *exception);

#endif
