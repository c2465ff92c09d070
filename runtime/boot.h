/* SPDX-License-Identifier: Apache-2.0 */
/* Starts CPython inside the zygote and gives it Cloche's own frozen modules. */
#ifndef CL_RUNTIME_BOOT_H
#define CL_RUNTIME_BOOT_H

#include "runtime/pyref.h"
#include "sandbox/base/err.h"

/* Isolated, without site, signal handlers or environment. Does nothing when it already runs. */
int cl_boot_start(struct cl_err *err);

/* Runs the frozen module `name` ("finder") and returns it (owned); it never enters sys.modules. */
PyObject *cl_boot_helper(const char *name, struct cl_err *err);

/* Turns the exception that is set into err ("what: Type: message") and clears it. Returns -1. */
int cl_boot_failed(struct cl_err *err, const char *what);

#endif
