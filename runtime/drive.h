/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the entry returned to JSON: awaits what is awaitable, takes generators item by item.
 */
#ifndef CL_RUNTIME_DRIVE_H
#define CL_RUNTIME_DRIVE_H

#include "runtime/call.h"
#include "runtime/convert.h"
#include "sandbox/base/err.h"

int cl_drive_prepare(struct cl_err *err);

/* From now on `run(coroutine)` finishes coroutines. */
int cl_drive_set_runner(PyObject *run);

/* Validated JSON text to a Python value (owned). */
PyObject *cl_drive_parse(const char *json, size_t length);

/* What is awaitable is awaited, all else comes back as it is. Owned; NULL with an exception. A
 * coroutine runs in asyncio's loop where that is loaded, or allowed and named in `source`. */
PyObject *cl_drive_settle(PyObject *returned, struct cl_bytes source);

/* Writes the result of `returned` (borrowed) into convert->out; with `is_streaming` each item of a
 * generator also becomes an ITEM frame. -1 as cl_convert_put. */
int cl_drive_put(struct cl_convert *convert, PyObject *returned, struct cl_bytes source,
                 bool is_streaming);

#endif
