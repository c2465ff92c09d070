/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives asyncio a loop that only sleeps.
 * Runs in: worker (prepared in the zygote).
 * Trusts: nothing.
 */
#include "runtime/asyncloop.h"

#include <stdbool.h>

#include "runtime/boot.h"

static bool has_threads;
static bool has_real_loop; /* the policy opens epoll and socketpair */

void cl_asyncloop_prepare(const struct cl_policy *policy)
{
    has_threads = policy->processes > 1 && (policy->tiers & CL_TIER_THREADS);
    has_real_loop = policy->tiers & CL_TIER_ASYNCIO;
}

int cl_asyncloop_install(void)
{
    struct cl_err err = CL_ERR_INIT;
    cl_pyref_auto PyObject *loop = NULL;
    cl_pyref_auto PyObject *done = NULL;

    if (has_real_loop)
        return 0;
    loop = cl_boot_helper("loop", &err);
    if (!loop) {
        PyErr_SetString(PyExc_ImportError, err.text);
        return -1;
    }
    if (PyObject_SetAttrString(loop, "THREADS", has_threads ? Py_True : Py_False) < 0)
        return -1;
    done = PyObject_CallMethod(loop, "install", NULL);
    return done ? 0 : -1;
}
