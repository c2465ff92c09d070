/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views of modules: module objects with only what the policy grants. A view is made once per
 * name and grows when more of it is imported. All results are owned by the caller.
 */
#ifndef CL_RUNTIME_VIEW_H
#define CL_RUNTIME_VIEW_H

#include "policies/policy.h"
#include "runtime/pyref.h"

/* Reads the policy's `names`. Returns -1 with an exception set. */
int cl_view_prepare(const struct cl_policy *policy);

/* The module as the caller may see it: itself, or a view when `names` narrows it. */
PyObject *cl_view_public(PyObject *name, PyObject *module);

/* -1 and a refusal when `names` narrows `module` and leaves `item` out. */
int cl_view_check(PyObject *module, PyObject *item);

/* A view of the top of a dotted name that is only the parent of listed modules. */
PyObject *cl_view_path(PyObject *name, PyObject *allowed);

/* A view of the package `name` with the loaded submodules `items` (a tuple of str). */
PyObject *cl_view_items(PyObject *name, PyObject *items, PyObject *allowed);

#endif
