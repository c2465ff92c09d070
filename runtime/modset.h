/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tenant's own modules that came with a call (frames MODULE): importable in this worker under
 * their names, run with the caller's builtins when they are first imported. They are the caller's
 * code as the source of an ad-hoc call is.
 */
#ifndef CL_RUNTIME_MODSET_H
#define CL_RUNTIME_MODSET_H

#include <stdbool.h>

#include "runtime/call.h"
#include "runtime/pyref.h"

/* Takes the modules of a call; their bytes must live as long as the process. One that is there
 * already is replaced, and starts anew, if its source is another. One whose name belongs to a
 * module of the interpreter's is left out. -1 with an exception. */
int cl_modset_put(const struct cl_call *call);

bool cl_modset_has(PyObject *name);
/* Whether these bytes, of a call that is over, are the source that the name stands for now. */
bool cl_modset_keeps(struct cl_bytes name, struct cl_bytes source);

/* The module, run if it was not. Owned; NULL with an exception: also when a name was left out. */
PyObject *cl_modset_import(PyObject *name);

/* Whether a module of this name would stand in the way of one that others import. */
bool cl_modset_hides(PyObject *name);

/* Makes the lines of a file known by its name ("prices.py") without making it a module. */
int cl_modset_show(struct cl_bytes name, struct cl_bytes source);

/* The source behind a file name, if it is one of these. */
bool cl_modset_source(PyObject *file, struct cl_bytes *source);

/* Whether a word occurs in one of the sources. */
bool cl_modset_mentions(const char *word);

/* Puts the sources into linecache, if that is loaded. -1 with an exception. */
int cl_modset_offer_sources(void);

#endif
