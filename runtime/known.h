/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Some libraries look up a module, or an attribute of `sys`, under a name that their caller may
 * choose. Those get a `sys` that shows no more than the caller could import.
 */
#ifndef CL_RUNTIME_KNOWN_H
#define CL_RUNTIME_KNOWN_H

#include "runtime/pyref.h"
#include "sandbox/base/err.h"

/* In the zygote, once the views are prepared: for what is loaded already. */
int cl_known_prepare(struct cl_err *err);

/* A library's module has been run. -1 with an exception. */
int cl_known_on_loaded(PyObject *name);

#endif
