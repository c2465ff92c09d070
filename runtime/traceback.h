/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's own frames of a traceback, and the lines of the caller's source. */
#ifndef CL_RUNTIME_TRACEBACK_H
#define CL_RUNTIME_TRACEBACK_H

#include <stdbool.h>

#include "runtime/call.h"
#include "runtime/pyref.h"

struct cl_place {
    int line;   /* 0: unknown */
    int column; /* in characters, 1-based; 0: unknown */
    int end_line;
    int end_column; /* one past the last character */
};

/* Whether a file name is that of the caller's source, or of a module that came with the call; of a
 * module, `source` becomes its text. */
bool cl_traceback_is_own(PyObject *file, struct cl_bytes *source);

/* The innermost place in the caller's source that a traceback passes through. */
struct cl_place cl_traceback_place(struct cl_bytes source, PyObject *traceback);

/* Appends "  File ..." entries to the list `lines`; -1 with an exception set. */
int cl_traceback_put(struct cl_bytes source, PyObject *traceback, PyObject *lines);

/* Line `number` (1-based) of the source without its end; length 0 when there is none. */
struct cl_bytes cl_traceback_line(struct cl_bytes source, int number);

/* Appends "    <line>" and, unless the place is all of the line, a row of carets below it. */
int cl_traceback_put_line(struct cl_bytes source, const struct cl_place *place,
                          PyObject *lines);

#endif
