/* SPDX-License-Identifier: Apache-2.0 */
/* Python source of a caller to a code object or a tree. */
#ifndef CL_RUNTIME_COMPILE_H
#define CL_RUNTIME_COMPILE_H

#include "runtime/call.h"
#include "runtime/pyref.h"

/* What a name of a file stands for: "<module>.py". Owned. */
PyObject *cl_compile_file(struct cl_bytes module);

/* Owned; NULL with an exception. `flags` adds to those every caller's source is compiled with:
 * PyCF_ONLY_AST answers the tree. */
PyObject *cl_compile(struct cl_bytes source, PyObject *file, int flags);

/* Code as bytes that another worker of the same interpreter takes, and back: NULL without an
 * exception when they are another interpreter's, damaged, or another file's. */
PyObject *cl_compile_pack(PyObject *code);
PyObject *cl_compile_unpack(struct cl_bytes packed, PyObject *file);

#endif
