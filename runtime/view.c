/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes module objects that show less than the real module.
 * Runs in: worker (prepared in the zygote).
 * Trusts: nothing; hygiene, the kernel jail is the boundary.
 */
#include "runtime/view.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/denial.h"
#include "sandbox/base/policyview.h"

static PyObject *public_names; /* dict: module -> tuple of names; owned, for ever */
static PyObject *views;        /* dict: module -> view */

static PyObject *names_tuple(const char *text)
{
    cl_pyref_auto PyObject *joined = PyUnicode_FromString(text);
    cl_pyref_auto PyObject *comma = PyUnicode_FromString(",");
    cl_pyref_auto PyObject *list = joined && comma ? PyUnicode_Split(joined, comma, -1) : NULL;

    return list ? PyList_AsTuple(list) : NULL;
}

int cl_view_prepare(const struct cl_policy *policy)
{
    const char *rule = NULL;

    public_names = PyDict_New();
    views = PyDict_New();
    if (!public_names || !views)
        return -1;
    while ((rule = cl_policyview_text(policy, &policy->names, rule))) {
        const char *equals = strchrnul(rule, '=');
        cl_pyref_auto PyObject *module = PyUnicode_FromStringAndSize(rule, equals - rule);
        cl_pyref_auto PyObject *names = names_tuple(*equals ? equals + 1 : equals);

        if (!module || !names || PyDict_SetItem(public_names, module, names) < 0)
            return -1;
    }
    return 0;
}

/* `__getattr__` of a view; self is the real module's name. Tells "left out" from "not there". */
static PyObject *missing_name(PyObject *self, PyObject *item)
{
    PyObject *b_module = PyDict_GetItemWithError(PyImport_GetModuleDict(), self);
    bool is_there = b_module && PyUnicode_Check(item) && PyObject_HasAttr(b_module, item);

    if (is_there && PyUnicode_READ_CHAR(item, 0) != '_')
        cl_denial_raise(PyExc_AttributeError, "names", item, "name '%U' of module '%U'", item,
                        self);
    else
        PyErr_Format(PyExc_AttributeError, "module '%U' has no attribute '%S'", self, item);
    return NULL;
}

static PyMethodDef missing_def = { "__getattr__", missing_name, METH_O, NULL };

/* The view of `name`, made empty when there is none yet. Borrowed. */
static PyObject *view_of(PyObject *name)
{
    PyObject *b_view = PyDict_GetItemWithError(views, name);
    cl_pyref_auto PyObject *view = NULL;
    cl_pyref_auto PyObject *missing = NULL;

    if (b_view || PyErr_Occurred())
        return b_view;
    view = PyModule_NewObject(name);
    missing = PyCFunction_New(&missing_def, name);
    if (!view || !missing || PyObject_SetAttrString(view, "__getattr__", missing) < 0)
        return NULL;
    return PyDict_SetItem(views, name, view) < 0 ? NULL : view;
}

static int fill_view(PyObject *view, PyObject *names, PyObject *module)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *b_name = PyTuple_GET_ITEM(names, i);
        cl_pyref_auto PyObject *value = PyObject_GetAttr(module, b_name);

        if (!value || PyObject_SetAttr(view, b_name, value) < 0)
            return -1;
    }
    return PyObject_SetAttrString(view, "__all__", names);
}

PyObject *cl_view_public(PyObject *name, PyObject *module)
{
    PyObject *b_names = PyDict_GetItemWithError(public_names, name);
    PyObject *b_view;
    bool is_new;

    if (!b_names)
        return PyErr_Occurred() ? NULL : Py_NewRef(module);
    is_new = PyDict_Contains(views, name) == 0;
    b_view = view_of(name);
    if (!b_view || (is_new && fill_view(b_view, b_names, module) < 0))
        return NULL;
    return Py_NewRef(b_view);
}

int cl_view_check(PyObject *module, PyObject *item)
{
    PyObject *b_names = PyDict_GetItemWithError(public_names, module);
    int found = b_names ? PySequence_Contains(b_names, item) : 1;

    if (PyErr_Occurred())
        return -1;
    if (found)
        return 0;
    return cl_denial_raise(PyExc_ImportError, "names", item, "name '%U' of module '%U'", item,
                           module);
}

/* What stands for the whole dotted name: public module, or a view of a mere parent. Owned. */
static PyObject *shown(PyObject *name, PyObject *allowed)
{
    int listed = PySet_Contains(allowed, name);
    PyObject *b_module = PyDict_GetItemWithError(PyImport_GetModuleDict(), name);

    if (listed < 0 || PyErr_Occurred())
        return NULL;
    if (listed && b_module)
        return cl_view_public(name, b_module);
    return Py_XNewRef(view_of(name));
}

static int attach(PyObject *parent, PyObject *item, PyObject *allowed)
{
    PyObject *b_view = view_of(parent);
    cl_pyref_auto PyObject *whole = PyUnicode_FromFormat("%U.%U", parent, item);
    cl_pyref_auto PyObject *value = whole ? shown(whole, allowed) : NULL;

    return b_view && value ? PyObject_SetAttr(b_view, item, value) : -1;
}

PyObject *cl_view_path(PyObject *name, PyObject *allowed)
{
    cl_pyref_auto PyObject *dot = PyUnicode_FromString(".");
    cl_pyref_auto PyObject *parts = dot ? PyUnicode_Split(name, dot, -1) : NULL;
    cl_pyref_auto PyObject *parent = NULL;

    if (!parts)
        return NULL;
    parent = Py_NewRef(PyList_GET_ITEM(parts, 0));
    for (Py_ssize_t i = 1; i < PyList_GET_SIZE(parts); i++) {
        PyObject *b_item = PyList_GET_ITEM(parts, i);
        PyObject *next;

        if (PySet_Contains(allowed, parent) != 0) /* from here on the real module has it */
            break;
        if (attach(parent, b_item, allowed) < 0)
            return NULL;
        next = PyUnicode_FromFormat("%U.%U", parent, b_item);
        Py_SETREF(parent, next);
        if (!parent)
            return NULL;
    }
    return Py_XNewRef(view_of(PyList_GET_ITEM(parts, 0)));
}

PyObject *cl_view_items(PyObject *name, PyObject *items, PyObject *allowed)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        if (attach(name, PyTuple_GET_ITEM(items, i), allowed) < 0)
            return NULL;
    }
    return Py_XNewRef(view_of(name));
}
