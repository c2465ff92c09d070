/* SPDX-License-Identifier: Apache-2.0 */
/* The module `cloche` of the caller's code: log(message, level="info"),
 * progress(value, total=None, message=None) and trace(). Every policy has it. */
#ifndef CL_RUNTIME_EVENTS_H
#define CL_RUNTIME_EVENTS_H

#include "runtime/pyref.h"

/* Puts the module into sys.modules; -1 with an exception set. */
int cl_events_prepare(void);

/* What cloche.trace() answers to the call that runs in this context: one more name and value, both
 * text. -1 with an exception. */
int cl_events_trace(PyObject *name, PyObject *value);

#endif
