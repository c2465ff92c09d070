/* SPDX-License-Identifier: Apache-2.0 */
/* The halves of convert.c: text and numbers, and what is neither a scalar nor a plain container. */
#ifndef CL_RUNTIME_CONVERT_TYPES_H
#define CL_RUNTIME_CONVERT_TYPES_H

#include "runtime/convert.h"

/* convert_text.c: each appends one JSON string (with quotes) or number. */
int cl_convert_str(struct cl_convert *convert, PyObject *text);
int cl_convert_int(struct cl_convert *convert, PyObject *number);
int cl_convert_float(struct cl_convert *convert, PyObject *number);
int cl_convert_base64(struct cl_convert *convert, PyObject *bytes);
/* The text that a key becomes (owned), NULL with an exception. */
PyObject *cl_convert_key(struct cl_convert *convert, PyObject *key);
/* Raises ResultError "<place>: <message>". Always returns -1. */
int cl_convert_fail(struct cl_convert *convert, const char *format, ...);

/* convert.c; `values` NULL: attributes of the object. `basic` is for subclasses of basic types. */
int cl_convert_iterator(struct cl_convert *convert, PyObject *container, PyObject *iterator);
int cl_convert_fields(struct cl_convert *convert, PyObject *object, PyObject *names,
                      PyObject *values);
int cl_convert_basic(struct cl_convert *convert, PyObject *value);

/* convert_types.c: everything that is not an exact basic type. */
int cl_convert_other(struct cl_convert *convert, PyObject *value);

#endif
