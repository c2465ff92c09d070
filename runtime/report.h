/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a call ends when it raised: the exception becomes exactly one final frame. Only the
 * caller's own frames are shown; everything is text, capped, and made without the caller's help
 * wherever possible.
 */
#ifndef CL_RUNTIME_REPORT_H
#define CL_RUNTIME_REPORT_H

#include "policies/policy.h"
#include "runtime/call.h"
#include "runtime/pyref.h"
#include "runtime/traceback.h"

#define CL_SOURCE_NAME "main.py" /* the file name of the caller's source */
#define CL_MODULE_NAME                                                                         \
    "main" /* its `__name__`, so that `if __name__ == "__main__"` is not run */

struct cl_report {
    const struct cl_policy *policy;
    struct cl_bytes source;
    struct cl_place place; /* of what was evaluated without frames; line 0: frames tell */
};

/* ERROR, DENIED or LIMIT for `exception` (borrowed). Returns in a session only. */
void cl_report_end(const struct cl_report *report, PyObject *exception);

/* The traceback as text (owned), NULL with an exception set. */
PyObject *cl_report_traceback(const struct cl_report *report, PyObject *exception);

/* The class as Python prints it: "ValueError", "MyError", "json.decoder.JSONDecodeError". */
PyObject *cl_report_type(PyObject *exception);

/* str(exception), or a text that says that it failed. */
PyObject *cl_report_message(PyObject *exception);

#endif
