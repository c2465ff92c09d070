/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the caller's code may name: its own `__builtins__`, whose `__import__` knows the policy's
 * list. Names are compared as whole dotted names; of a package that is only the parent of a
 * listed module the caller gets a view with that module in it and nothing else.
 */
#ifndef CL_RUNTIME_MODULES_H
#define CL_RUNTIME_MODULES_H

#include <stdbool.h>

#include "policies/policy.h"
#include "runtime/pyref.h"
#include "sandbox/base/err.h"

int cl_modules_prepare(const struct cl_policy *policy, struct cl_err *err);

/* The caller's `__builtins__`; borrowed, the same for the life of the process. */
PyObject *cl_modules_builtins(void);

/* Whether the policy lists this whole dotted name. */
bool cl_modules_allows(const char *name);

/* Whether the innermost running Python frame is the caller's own code (not a library's). */
bool cl_modules_is_caller(void);

/* Whether the caller's own code may cause this module to be loaded (not: whether it may have it). */
bool cl_modules_may_load(PyObject *name);

#endif
