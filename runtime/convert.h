/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python values to JSON text. Only the real contents of real types are read; methods that a
 * subclass overrides have no say, except where the type's own text is asked for (isoformat, str).
 * The text is valid JSON without duplicate keys or it is not made at all.
 */
#ifndef CL_RUNTIME_CONVERT_H
#define CL_RUNTIME_CONVERT_H

#include <stdbool.h>

#include "runtime/pyref.h"
#include "sandbox/base/buf.h"
#include "sandbox/base/wire.h"

struct cl_convert_step {
    PyObject *container; /* borrowed: the caller of this step holds it */
    PyObject *key;       /* borrowed; NULL: `index` counts */
    Py_ssize_t index;    /* -1: in the container, but at no item of it */
};

struct cl_convert;

/* Rules of another protocol. Basic types stay as they are; NaN and the infinities become null. */
struct cl_convert_rules {
    /* What is no exact basic type. NULL: Cloche's own rules, and nothing below counts. */
    int (*other)(struct cl_convert *convert, PyObject *value);
    PyObject *wrap;     /* for `other`: a callable, or None; borrowed */
    bool drains;        /* for `other`: iterators become arrays */
    bool has_nonfinite; /* set when such a number was written */
};

struct cl_convert {
    struct cl_buf *out; /* its limit is the result cap */
    struct cl_convert_rules rules;
    unsigned depth_max; /* a scalar is 1 deep */
    unsigned depth;
    enum cl_limit limit; /* which one ended the conversion; CL_LIMIT_NONE: an exception did */
    struct cl_convert_step path[CL_DEPTH_MAX];
};

/* In the zygote: makes the exception type. -1 with an exception set. */
int cl_convert_prepare(void);

/* Appends one value. -1: either convert->limit is set, or a Python exception is (of type
 * ResultError, which names the place, or whatever the caller's code raised on the way). */
int cl_convert_put(struct cl_convert *convert, PyObject *value);

/* One level in and out by hand, for a list whose items come from elsewhere. */
int cl_convert_enter(struct cl_convert *convert, PyObject *container);
void cl_convert_leave(struct cl_convert *convert);
int cl_convert_text(struct cl_convert *convert, const char *text, size_t length);

/* The exception type, borrowed. */
PyObject *cl_convert_error(void);

#endif
