/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owned and borrowed references. A variable that owns one is `cl_pyref_auto`, initialised on its
 * own line and left with cl_take_ptr. A borrowed one is named `b_x` and is dead before the next
 * call that may run Python code.
 */
#ifndef CL_RUNTIME_PYREF_H
#define CL_RUNTIME_PYREF_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "sandbox/base/own.h"

static inline void cl_own_pyref(PyObject **object)
{
    Py_CLEAR(*object);
}

#define cl_pyref_auto __attribute__((cleanup(cl_own_pyref)))

/* Both are borrowed, NULL without an exception when there is no such module or attribute. */
PyObject *cl_pyref_module(const char *name); /* from sys.modules, never imports */
PyObject *cl_pyref_type(const char *module, const char *name); /* a type in a loaded module */

#endif
