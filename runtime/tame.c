/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replaces functions of built-in modules that have no use in a worker.
 * Runs in: zygote; the replacements in workers.
 * Trusts: -; the kernel refuses what is taken out here.
 */
#include "runtime/tame.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "runtime/denial.h"
#include "runtime/learn.h"
#include "runtime/pyref.h"

static PyObject *system_name; /* what uname() answers; owned, for ever */

/* No audit event tells of a new thread in Python 3.11. The kernel refuses it anyway, as
 * "can't start new thread"; this names the rule. */
static PyObject *refuse_thread(PyObject *self, PyObject *args, PyObject *keywords)
{
    cl_pyref_auto PyObject *name = PyUnicode_FromString("thread");

    (void)self;
    (void)args;
    (void)keywords;
    /* pthread_create blocks the signal that would tell of the refused call. */
    if (cl_learn_is_on()) {
        cl_learn_syscall(SYS_clone, EPERM);
        PyErr_SetString(PyExc_RuntimeError, "can't start new thread");
    } else if (name)
        cl_denial_raise(PyExc_RuntimeError, "processes", name, "starting a thread");
    return NULL;
}

/* What modules do after a fork is to remake locks that another thread may have held, and to
 * reseed `random`. The zygote has one thread and holds no lock when it clones, and cl_warm_reseed
 * does the other; the hooks' Python code would cost each clone a hundred page faults. */
static PyObject *ignore_fork_hooks(PyObject *self, PyObject *args, PyObject *keywords)
{
    (void)self;
    (void)args;
    (void)keywords;
    Py_RETURN_NONE;
}

/* `uuid` and `platform` ask when they are imported; the filter does not know the call. */
static PyObject *tell_system_name(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return Py_NewRef(system_name);
}

static PyMethodDef thread_def = { "start_new_thread",
                                  (PyCFunction)(void (*)(void))refuse_thread,
                                  METH_VARARGS | METH_KEYWORDS, NULL };
static PyMethodDef hooks_def = { "register_at_fork",
                                 (PyCFunction)(void (*)(void))ignore_fork_hooks,
                                 METH_VARARGS | METH_KEYWORDS, NULL };
static PyMethodDef uname_def = { "uname", tell_system_name, METH_NOARGS, NULL };

static int replace(const char *module, const char *name, PyMethodDef *definition)
{
    cl_pyref_auto PyObject *owner = PyImport_ImportModule(module);
    cl_pyref_auto PyObject *function = PyCFunction_New(definition, NULL);

    return owner && function ? PyObject_SetAttrString(owner, name, function) : -1;
}

static int forget(const char *module, const char *name)
{
    cl_pyref_auto PyObject *owner = PyImport_ImportModule(module);

    return owner ? PyObject_DelAttrString(owner, name) : -1;
}

/* The host's own name is none of a caller's business. */
static int keep_system_name(void)
{
    cl_pyref_auto PyObject *posix = PyImport_ImportModule("posix");
    cl_pyref_auto PyObject *real = posix ? PyObject_CallMethod(posix, "uname", NULL) : NULL;
    cl_pyref_auto PyObject *fields = real ? PySequence_List(real) : NULL;
    PyObject *jail = PyUnicode_FromString("jail");

    if (!fields || !jail || PyList_SetItem(fields, 1, jail) < 0)
        return -1;
    system_name = PyObject_CallOneArg((PyObject *)Py_TYPE(real), fields);
    return system_name ? replace("posix", "uname", &uname_def) : -1;
}

int cl_tame_prepare(const struct cl_policy *policy)
{
    bool has_threads = policy->processes > 1 && (policy->tiers & CL_TIER_THREADS);

    if (keep_system_name() < 0 || replace("posix", "register_at_fork", &hooks_def) < 0)
        return -1;
    if (!has_threads && (replace("_thread", "start_new_thread", &thread_def) < 0 ||
                         replace("_thread", "start_new", &thread_def) < 0))
        return -1;
    /* `selectors` tries both when it is imported. */
    if (!(policy->tiers & CL_TIER_ASYNCIO) &&
        (forget("select", "epoll") < 0 || forget("select", "poll") < 0))
        return -1;
    return 0;
}
