/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of the interpreter's own types that lead out of what the caller was given: from a
 * function to the globals of its module, from a frame to the frames before it, from a builtin to
 * the module it lives in, from `object` to every class there is. Each of them raises the audit
 * event `object.__getattr__`, as CPython's own `tb_frame` does; the table of audit.c decides.
 */
#ifndef CL_RUNTIME_ATTRIBUTES_H
#define CL_RUNTIME_ATTRIBUTES_H

#include <stdbool.h>

#include "runtime/pyref.h"

/* In the zygote, once. -1 with an exception set. */
int cl_attributes_prepare(void);

/* Whether reading or setting `name` of `object` shows or changes more than the caller's own. */
bool cl_attributes_leads_out(PyObject *object, const char *name);

/* Whether a library looks at it of its own accord (asker.h). */
bool cl_attributes_is_librarys_wish(const char *name);

#endif
