/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Module objects for the caller, made of real ones: a view is an ordinary module whose dict holds
 * the public names (public.h), so an attribute costs what it costs of any module. What the real
 * module binds later (on first use, or by its own `__getattr__`) comes in when it is asked for. A
 * name that is left out is refused with its rule. Libraries keep the real modules, and what the
 * caller assigns to a view stays there. There is one view of a module in a process.
 */
#ifndef CL_RUNTIME_VIEW_H
#define CL_RUNTIME_VIEW_H

#include <stdbool.h>

#include "policies/policy.h"
#include "runtime/pyref.h"

/* `allowed` and `parents` are sets of whole dotted names, kept for ever. */
int cl_view_prepare(const struct cl_policy *policy, PyObject *allowed, PyObject *parents);

/* Makes the views of what is loaded already, so that no call has to. */
int cl_view_preload(void);

/* What views show in place of the real `whole` (a dotted name with the attribute last). */
int cl_view_replace(const char *whole, PyObject *value);

/* The view of a listed module. Owned. */
PyObject *cl_view_public(PyObject *name, PyObject *module);

/* The view of a module that is listed or part of a listed one, else None. Owned. */
PyObject *cl_view_granted(PyObject *name, PyObject *module);

/* 0 when the view of a loaded module has `item`, or nobody has; else -1 and ImportError. */
int cl_view_check(PyObject *name, PyObject *item);

/* Whether a dotted name is a module that is part of its listed parent (`os.path`). */
bool cl_view_has_part(PyObject *name);

/* The top package of a dotted name, which is a mere parent, as a view of the way down. Owned. */
PyObject *cl_view_path(PyObject *name);

/* A mere parent with these submodules in it, which must have been checked. Owned. */
PyObject *cl_view_items(PyObject *name, PyObject *items);

#endif
