/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which names of a module are public, that is, may be shown to the caller:
 *
 * - where the policy has `names` for the module, exactly these;
 * - else what its `__all__` says, and what it defines itself without an underscore in front, but
 *   nothing that it merely imported; where there is no `__all__`, all without an underscore;
 * - never a module, except one that is the module's own submodule and either allowed as well or
 *   part of its `__all__` (`os.path`); never what the table of this file withholds (`sys.modules`).
 */
#ifndef CL_RUNTIME_PUBLIC_H
#define CL_RUNTIME_PUBLIC_H

#include <stdbool.h>

#include "policies/policy.h"
#include "runtime/pyref.h"

/* One module as it is looked at. All borrowed. */
struct cl_public {
    PyObject *name;   /* str: what it is known as, `os.path` */
    PyObject *module; /* the real one */
    PyObject *dict;   /* where its names are */
    PyObject *names;  /* tuple of the policy's names, or NULL */
    PyObject *all;    /* its `__all__`, a list or tuple, or NULL */
};

void cl_public_open(struct cl_public *from, PyObject *name, PyObject *module, PyObject *names);

/* Whether `value`, which is no module, may be shown under the name `item`. */
bool cl_public_has(const struct cl_public *from, PyObject *item, PyObject *value);

/* Whether `item` is among the policy's names or, where there are none, in `__all__`. */
bool cl_public_lists(const struct cl_public *from, PyObject *item);

/* Whether the value of `item` changes while a call runs, so that it is asked for each time. */
bool cl_public_is_live(const struct cl_public *from, PyObject *item);

/* A dict with the public names of a module's dict (none, where the policy does not list the module),
 * without modules. Owned. */
PyObject *cl_public_copy(PyObject *dict);

/* The policy's `names`: a dict of module -> tuple of names. Owned. */
PyObject *cl_public_names(const struct cl_policy *policy);

#endif
