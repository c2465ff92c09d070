/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On whose behalf something is asked of the interpreter. Code is a library's when it runs with the
 * interpreter's own `__builtins__`; whatever runs with other ones (the caller's, or a dict that the
 * caller made up) is the caller's. A library that is handed a name and looks it up is a messenger:
 * only what its own code spells out is asked by itself.
 */
#ifndef CL_RUNTIME_ASKER_H
#define CL_RUNTIME_ASKER_H

#include <stdbool.h>

#include "runtime/pyref.h"

/* In the zygote, once: what PyEval_GetBuiltins() answers outside of any frame is the real one. */
void cl_asker_prepare(void);

/* Whether this dict is the interpreter's own `__builtins__`, or the module around it. */
bool cl_asker_is_real(PyObject *builtins);

/* Whether the innermost Python frame is the caller's. */
bool cl_asker_is_caller(void);

/* Whether the innermost Python frame is a library's whose code has `name` in it, as an identifier or
 * a literal. True where there is no frame. */
bool cl_asker_is_library_naming(const char *name);

#endif
