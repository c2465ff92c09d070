/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusals as Python exceptions that remember the rule behind them.
 * Runs in: worker (and zygote, while it prepares).
 * Trusts: nothing: a caller can at worst forge the verdict of its own call.
 */
#include "runtime/denial.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

static const char *policy_name = "?";
static bool speaks_v1;
static const char capsule_name[] = "cloche.denied";
static const char attribute[] = "__cloche_denied__";

void cl_denial_open(const char *name)
{
    policy_name = name;
}

void cl_denial_speak_v1(void)
{
    speaks_v1 = true;
}

/* The message (owned); takes `what`. */
static PyObject *make_text(const char *rule, PyObject *name, PyObject *what)
{
    cl_pyref_auto PyObject *owned = what;

    if (speaks_v1 && strcmp(rule, "modules") == 0)
        return PyUnicode_FromFormat("Module %U not allowed", name);
    if (!owned)
        return NULL;
    return PyUnicode_FromFormat("%U is not allowed by policy '%s'", owned, policy_name);
}

static PyObject *make_exception(PyObject *type, PyObject *name, PyObject *message)
{
    cl_pyref_auto PyObject *text = message;
    cl_pyref_auto PyObject *exception = text ? PyObject_CallOneArg(type, text) : NULL;

    if (!exception)
        return NULL;
    if (PyObject_IsInstance(exception, PyExc_ImportError) == 1 &&
        PyObject_SetAttrString(exception, "name", name) < 0)
        return NULL;
    return cl_take_ptr(&exception);
}

/* The rule lives in a capsule, so that it is a pointer to one of our literals or nothing. */
static int mark(PyObject *exception, const char *rule, PyObject *name)
{
    cl_pyref_auto PyObject *capsule =
        PyCapsule_New((void *)(uintptr_t)rule, capsule_name, NULL);
    cl_pyref_auto PyObject *pair = NULL;

    if (!capsule)
        return -1;
    pair = PyTuple_Pack(2, capsule, name);
    if (!pair)
        return -1;
    return PyObject_SetAttrString(exception, attribute, pair);
}

int cl_denial_raise(PyObject *type, const char *rule, PyObject *name, const char *what_format,
                    ...)
{
    cl_pyref_auto PyObject *exception = NULL;
    va_list arguments;

    va_start(arguments, what_format);
    exception = make_exception(
        type, name, make_text(rule, name, PyUnicode_FromFormatV(what_format, arguments)));
    va_end(arguments);
    if (exception && mark(exception, rule, name) == 0)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    return -1;
}

const char *cl_denial_rule(PyObject *exception, PyObject **name)
{
    cl_pyref_auto PyObject *dict = PyObject_GenericGetDict(exception, NULL);
    PyObject *b_pair = dict ? PyDict_GetItemString(dict, attribute) : NULL;
    PyObject *b_capsule;

    PyErr_Clear();
    if (!b_pair || !PyTuple_CheckExact(b_pair) || PyTuple_GET_SIZE(b_pair) != 2)
        return NULL;
    b_capsule = PyTuple_GET_ITEM(b_pair, 0);
    if (!PyCapsule_IsValid(b_capsule, capsule_name) ||
        !PyUnicode_Check(PyTuple_GET_ITEM(b_pair, 1)))
        return NULL;
    *name = Py_NewRef(PyTuple_GET_ITEM(b_pair, 1));
    return PyCapsule_GetPointer(b_capsule, capsule_name);
}
