/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's source as a module, and the call of its entry function. */
#ifndef CL_RUNTIME_ENTRY_H
#define CL_RUNTIME_ENTRY_H

#include "runtime/call.h"
#include "runtime/pyref.h"

struct cl_entry {
    PyObject *args;   /* tuple, owned */
    PyObject *kwargs; /* dict, owned */
};

#define CL_ENTRY_INIT                                                                          \
    {                                                                                          \
        NULL, NULL                                                                             \
    }

/* In the zygote: makes the exception type. -1 with an exception set. */
int cl_entry_prepare(void);

/* Parses ARGS and KWARGS; absent ones are empty. */
int cl_entry_arguments(struct cl_entry *entry, const struct cl_call *call);

/* Runs the source as module "main" (or, by the flag FUNCTION, imports the module that the entry
 * starts with), finds the entry and calls it. Returns what it returned
 * (owned), NULL with an exception set. */
PyObject *cl_entry_run(const struct cl_entry *entry, const struct cl_call *call);

/* An empty module "main" that sys.modules knows. Owned. */
PyObject *cl_entry_make_module(void);

/* Runs the source as module "main", with `names` (a dict, or NULL) bound before it. The module
 * (owned), NULL with an exception set. */
PyObject *cl_entry_module(struct cl_bytes source, PyObject *names);

/* Lets tracebacks that the caller prints itself show the lines of its source. Called for the call
 * and when `linecache` is loaded during it. -1 with an exception set. */
int cl_entry_offer_source(void);

void cl_entry_fini(struct cl_entry *entry);

#endif
