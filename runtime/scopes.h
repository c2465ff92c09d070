/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `eval`, `exec`, `globals`, `locals` and `vars` work on the innermost Python frame. Handed to a
 * library as a callback (`json.loads(text, parse_int=eval)`) they would work on the library's.
 */
#ifndef CL_RUNTIME_SCOPES_H
#define CL_RUNTIME_SCOPES_H

#include "runtime/pyref.h"

/* In the zygote, once, before the caller's `__builtins__` are made of the real ones: puts guarded
 * functions in place of those five. -1 with an exception set. */
int cl_scopes_prepare(void);

/* The caller's `__builtins__`, which code evaluated on its behalf gets; borrowed, for ever. */
void cl_scopes_open(PyObject *callers_builtins);

#endif
