/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Imports without a file system. In the zygote everything that the policy's modules need is found
 * once; Python code lies as marshalled bytes in a sealed memfd (mapped read-only, so a clone pays
 * nothing for it), extension modules are mapped by dlopen and initialised when imported. The
 * finder that serves them is the only one left.
 */
#ifndef CL_RUNTIME_MAPPED_H
#define CL_RUNTIME_MAPPED_H

#include <stdbool.h>

#include "policies/policy.h"
#include "runtime/pyref.h"
#include "runtime/run.h"
#include "sandbox/base/err.h"

/* Finds, maps and preloads. A module that this host does not have is CL_E_INPUT and named. */
int cl_mapped_prepare(const struct cl_policy *policy, struct cl_run_loaded *loaded,
                      struct cl_err *err);

/* Whether a whole dotted name is a module that could be imported. */
bool cl_mapped_has(PyObject *name);

#endif
