/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call with the flag INSPECT: says what is in a module's source without running any of it. The
 * result is {"functions": [...], "imports": [...], "hides": bool, "code": base64 or null}.
 */
#ifndef CL_RUNTIME_INSPECT_H
#define CL_RUNTIME_INSPECT_H

#include "runtime/call.h"
#include "runtime/pyref.h"

/* What is to be the result (owned); NULL with an exception: SyntaxError has line and column. */
PyObject *cl_inspect_run(const struct cl_call *call);

#endif
