/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives asyncio a loop that only sleeps, and refuses threads where there may be none.
 * Runs in: worker (prepared in the zygote).
 * Trusts: nothing.
 */
#include "runtime/asyncloop.h"

#include "runtime/boot.h"
#include "runtime/denial.h"
#include "runtime/mapped.h"

static bool has_threads;
static bool has_real_loop; /* the policy opens epoll and socketpair */

/* No audit event tells of a new thread in Python 3.11. The kernel refuses it anyway, as
 * "can't start new thread"; this names the rule. */
static PyObject *refuse_thread(PyObject *self, PyObject *args, PyObject *keywords)
{
    cl_pyref_auto PyObject *name = PyUnicode_FromString("thread");

    (void)self;
    (void)args;
    (void)keywords;
    if (name)
        cl_denial_raise(PyExc_RuntimeError, "processes", name, "starting a thread");
    return NULL;
}

static PyMethodDef refuse_def = { "start_new_thread",
                                  (PyCFunction)(void (*)(void))refuse_thread,
                                  METH_VARARGS | METH_KEYWORDS, NULL };

static int refuse_threads(void)
{
    cl_pyref_auto PyObject *module = PyImport_ImportModule("_thread");
    cl_pyref_auto PyObject *refuse = PyCFunction_New(&refuse_def, NULL);

    if (!module || !refuse || PyObject_SetAttrString(module, "start_new_thread", refuse) < 0)
        return -1;
    return PyObject_SetAttrString(module, "start_new", refuse);
}

int cl_asyncloop_prepare(const struct cl_policy *policy)
{
    has_threads = policy->processes > 1 && (policy->tiers & CL_TIER_THREADS);
    has_real_loop = policy->tiers & CL_TIER_ASYNCIO;
    return has_threads ? 0 : refuse_threads();
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
