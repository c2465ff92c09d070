/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes module objects that show less than the real module.
 * Runs in: worker (prepared in the zygote).
 * Trusts: nothing; hygiene, the kernel jail is the boundary.
 */
#include "runtime/view.h"

#include <string.h>

#include "runtime/denial.h"
#include "runtime/public.h"

static struct {
    PyObject *names;             /* dict: module -> tuple of the policy's names */
    PyObject *views;             /* dict: module -> view */
    PyObject *open;              /* set: what is shown as a module, not as a mere parent */
    PyObject *replaced;          /* dict: dotted name -> what stands in for it */
    PyObject *allowed, *parents; /* of modules.c */
    PyObject *forwarding;        /* the type of the view of `sys` */
} state;                         /* owned, for ever */

static PyObject *view_of(PyObject *name);

static PyObject *b_loaded(PyObject *name)
{
    return PyDict_GetItemWithError(PyImport_GetModuleDict(), name);
}

static bool is_in(PyObject *set, PyObject *name)
{
    return PySet_Contains(set, name) == 1;
}

/* -------------------------------------------------------------------------- what a name shows */

/* A module as the value of a name. Owned; NULL without an exception: it is not shown. */
static PyObject *shown_module(const struct cl_public *from, PyObject *item, PyObject *value)
{
    cl_pyref_auto PyObject *whole = PyUnicode_FromFormat("%U.%U", from->name, item);
    cl_pyref_auto PyObject *home = NULL;

    if (!whole)
        return NULL;
    if (b_loaded(whole) == value) {
        if (is_in(state.allowed, whole) ||
            (is_in(state.open, from->name) && cl_public_lists(from, item)))
            return cl_view_public(whole, value);
        return is_in(state.parents, whole) ? Py_XNewRef(view_of(whole)) : NULL;
    }
    if (!from->names || !cl_public_lists(from, item))
        return NULL;
    home = PyModule_GetNameObject(value);
    return home ? cl_view_public(home, value) : NULL;
}

/* What stands for the real `value` of a name. Owned; NULL without an exception: it is not shown. */
static PyObject *shown(const struct cl_public *from, PyObject *item, PyObject *value)
{
    cl_pyref_auto PyObject *whole = PyUnicode_FromFormat("%U.%U", from->name, item);
    PyObject *b_replaced = whole ? PyDict_GetItemWithError(state.replaced, whole) : NULL;

    if (PyErr_Occurred())
        return NULL;
    if (PyModule_Check(value))
        return shown_module(from, item, value);
    if (!is_in(state.open, from->name) || !cl_public_has(from, item, value))
        return NULL;
    return Py_NewRef(b_replaced ? b_replaced : value);
}

/* What a view is made of: false when there is no such module now. */
static bool open_real(struct cl_public *from, PyObject *name)
{
    PyObject *b_module = b_loaded(name);

    if (!b_module || !PyModule_Check(b_module))
        return false;
    cl_public_open(from, name, b_module, PyDict_GetItemWithError(state.names, name));
    return true;
}

static void refuse(const struct cl_public *from, PyObject *item, PyObject *value)
{
    cl_pyref_auto PyObject *whole = PyUnicode_FromFormat("%U.%U", from->name, item);

    if (whole && PyModule_Check(value) && b_loaded(whole) == value)
        cl_denial_raise(PyExc_AttributeError, "modules", whole, "module '%U'", whole);
    else if (whole)
        cl_denial_raise(PyExc_AttributeError, "names", item, "name '%U' of module '%U'", item,
                        from->name);
}

static bool is_dunder(PyObject *item)
{
    return PyUnicode_GET_LENGTH(item) > 2 && PyUnicode_READ_CHAR(item, 0) == '_' &&
           PyUnicode_READ_CHAR(item, 1) == '_';
}

/* `__getattr__` of a view, for what its dict does not have; self is the real module's name. */
static PyObject *missing_name(PyObject *self, PyObject *item)
{
    struct cl_public from;
    cl_pyref_auto PyObject *value = NULL;
    cl_pyref_auto PyObject *result = NULL;
    PyObject *b_view = PyDict_GetItemWithError(state.views, self);

    if (!PyUnicode_CheckExact(item))
        return PyErr_Format(PyExc_TypeError, "a name is exactly a str");
    if (b_view && open_real(&from, self))
        value = PyObject_GetAttr(from.module, item);
    if (!value && PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_AttributeError))
        return NULL;
    PyErr_Clear();
    if (value && !(result = shown(&from, item, value)) && !PyErr_Occurred() && !is_dunder(item))
        refuse(&from, item, value);
    if (result && !cl_public_is_live(&from, item) &&
        PyDict_SetItem(PyModule_GetDict(b_view), item, result) < 0)
        return NULL;
    if (!result && !PyErr_Occurred())
        PyErr_Format(PyExc_AttributeError, "module '%U' has no attribute '%U'", self, item);
    return cl_take_ptr(&result);
}

static PyMethodDef missing_def = { "__getattr__", missing_name, METH_O, NULL };

/* ------------------------------------------------------------------------------------ the views */

/* `sys.stdout = x` has to reach the real module: print() looks there. */
static int set_forwarded(PyObject *view, PyObject *item, PyObject *value)
{
    struct cl_public from;
    cl_pyref_auto PyObject *name = PyUnicode_FromString("sys");

    if (name && PyUnicode_Check(item) && open_real(&from, name) &&
        cl_public_is_live(&from, item))
        return PyObject_SetAttr(from.module, item, value);
    return PyObject_GenericSetAttr(view, item, value);
}

static PyObject *new_module(PyObject *name)
{
    static PyType_Slot slots[] = { { Py_tp_setattro, (void *)(uintptr_t)set_forwarded },
                                   { 0, NULL } };
    static PyType_Spec spec = { "module", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                                slots };

    if (PyUnicode_CompareWithASCIIString(name, "sys") != 0)
        return PyModule_NewObject(name);
    if (!state.forwarding)
        state.forwarding = PyType_FromSpecWithBases(&spec, (PyObject *)&PyModule_Type);
    return state.forwarding ? PyObject_CallOneArg(state.forwarding, name) : NULL;
}

/* The view of `name`, made empty when there is none yet. Borrowed. */
static PyObject *view_of(PyObject *name)
{
    PyObject *b_view = PyDict_GetItemWithError(state.views, name);
    cl_pyref_auto PyObject *view = NULL;
    cl_pyref_auto PyObject *missing = NULL;

    if (b_view || PyErr_Occurred())
        return b_view;
    view = new_module(name);
    missing = PyCFunction_New(&missing_def, name);
    if (!view || !missing ||
        PyDict_SetItemString(PyModule_GetDict(view), "__getattr__", missing) < 0)
        return NULL;
    return PyDict_SetItem(state.views, name, view) < 0 ? NULL : view;
}

/* `from module import *` takes what the real one would give, less what is not shown. */
static int fill_all(PyObject *dict, const struct cl_public *from)
{
    PyObject *b_listed = from->names ? from->names : from->all;
    cl_pyref_auto PyObject *all = b_listed ? PyList_New(0) : NULL;

    if (!b_listed)
        return 0;
    for (Py_ssize_t i = 0; all && i < PySequence_Fast_GET_SIZE(b_listed); i++) {
        PyObject *b_item = PySequence_Fast_GET_ITEM(b_listed, i);

        if (PyDict_Contains(dict, b_item) == 0 && PyDict_Contains(from->dict, b_item) == 1 &&
            !cl_public_is_live(from, b_item))
            continue;
        if (PyList_Append(all, b_item) < 0)
            return -1;
    }
    return all ? PyDict_SetItemString(dict, "__all__", all) : -1;
}

static int fill_one(PyObject *dict, const struct cl_public *from, PyObject *item,
                    PyObject *value)
{
    cl_pyref_auto PyObject *result = NULL;

    if (!PyUnicode_CheckExact(item) || PyUnicode_GET_LENGTH(item) == 0 ||
        cl_public_is_live(from, item))
        return 0;
    if (PyUnicode_CompareWithASCIIString(item, "__doc__") == 0)
        result = Py_NewRef(value);
    else if (PyUnicode_CompareWithASCIIString(item, "__all__") != 0)
        result = shown(from, item, value);
    if (!result)
        return PyErr_Occurred() ? -1 : 0;
    return PyDict_SetItem(dict, item, result);
}

static int fill_view(PyObject *view, const struct cl_public *from)
{
    cl_pyref_auto PyObject *fixed = PyDict_Copy(from->dict); /* looking may import and bind */
    PyObject *b_dict = PyModule_GetDict(view);
    PyObject *b_item, *b_value;
    Py_ssize_t at = 0;

    while (fixed && PyDict_Next(fixed, &at, &b_item, &b_value)) {
        if (fill_one(b_dict, from, b_item, b_value) < 0)
            return -1;
    }
    return fixed ? fill_all(b_dict, from) : -1;
}

/* A name of the policy's may be one that the module makes on first use. */
static int fetch_named(PyObject *view, PyObject *names)
{
    for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); i++) {
        cl_pyref_auto PyObject *value = PyObject_GetAttr(view, PyTuple_GET_ITEM(names, i));

        if (!value)
            return -1;
    }
    return 0;
}

PyObject *cl_view_public(PyObject *name, PyObject *module)
{
    struct cl_public from;
    PyObject *b_view;

    if (!PyModule_Check(module)) /* a library put something else into sys.modules */
        return Py_NewRef(module);
    b_view = view_of(name);
    if (!b_view)
        return NULL;
    if (!is_in(state.open, name)) {
        cl_public_open(&from, name, module, PyDict_GetItemWithError(state.names, name));
        if (PySet_Add(state.open, name) < 0 || fill_view(b_view, &from) < 0 ||
            fetch_named(b_view, from.names) < 0) {
            PySet_Discard(state.open, name);
            return NULL;
        }
    }
    return Py_NewRef(b_view);
}

int cl_view_check(PyObject *name, PyObject *item)
{
    struct cl_public from;
    cl_pyref_auto PyObject *view = NULL;
    cl_pyref_auto PyObject *value = NULL;

    if (!open_real(&from, name))
        return PyErr_Occurred() ? -1 : 0;
    view = cl_view_public(name, from.module);
    value = view ? PyObject_GetAttr(view, item) : NULL;
    if (value || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return value ? 0 : -1;
    PyErr_Clear();
    if (!PyObject_HasAttr(from.module, item))
        return 0; /* the import statement says so itself */
    return cl_denial_raise(PyExc_ImportError, "names", item, "name '%U' of module '%U'", item,
                           name);
}

bool cl_view_has_part(PyObject *name)
{
    Py_ssize_t end = PyUnicode_GET_LENGTH(name);
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, end, -1);
    cl_pyref_auto PyObject *parent = dot > 0 ? PyUnicode_Substring(name, 0, dot) : NULL;
    cl_pyref_auto PyObject *item = parent ? PyUnicode_Substring(name, dot + 1, end) : NULL;
    cl_pyref_auto PyObject *view = NULL;
    cl_pyref_auto PyObject *part = NULL;
    struct cl_public from;

    if (item && is_in(state.allowed, parent) && open_real(&from, parent) &&
        (view = cl_view_public(parent, from.module)))
        part = PyObject_GetAttr(view, item);
    PyErr_Clear();
    return part && PyModule_Check(part);
}

PyObject *cl_view_granted(PyObject *name, PyObject *module)
{
    if (is_in(state.allowed, name) || cl_view_has_part(name))
        return cl_view_public(name, module);
    return Py_NewRef(Py_None);
}

/* ------------------------------------------------------------------------------ parents of views */

/* What stands for a dotted name: public module, or a view of a mere parent. Owned. */
static PyObject *stand_in(PyObject *name)
{
    PyObject *b_module = b_loaded(name);

    if (PyErr_Occurred())
        return NULL;
    if (b_module && is_in(state.allowed, name))
        return cl_view_public(name, b_module);
    return Py_XNewRef(view_of(name));
}

static int attach(PyObject *parent, PyObject *item)
{
    PyObject *b_view = view_of(parent);
    cl_pyref_auto PyObject *whole = PyUnicode_FromFormat("%U.%U", parent, item);
    cl_pyref_auto PyObject *value = whole ? stand_in(whole) : NULL;

    return b_view && value ? PyDict_SetItem(PyModule_GetDict(b_view), item, value) : -1;
}

PyObject *cl_view_path(PyObject *name)
{
    cl_pyref_auto PyObject *dot = PyUnicode_FromString(".");
    cl_pyref_auto PyObject *parts = dot ? PyUnicode_Split(name, dot, -1) : NULL;
    cl_pyref_auto PyObject *parent = NULL;

    if (!parts)
        return NULL;
    parent = Py_NewRef(PyList_GET_ITEM(parts, 0));
    for (Py_ssize_t i = 1; i < PyList_GET_SIZE(parts); i++) {
        PyObject *b_item = PyList_GET_ITEM(parts, i);

        if (attach(parent, b_item) < 0)
            return NULL;
        Py_SETREF(parent, PyUnicode_FromFormat("%U.%U", parent, b_item));
        if (!parent)
            return NULL;
    }
    return stand_in(PyList_GET_ITEM(parts, 0));
}

PyObject *cl_view_items(PyObject *name, PyObject *items)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        if (attach(name, PyTuple_GET_ITEM(items, i)) < 0)
            return NULL;
    }
    return Py_XNewRef(view_of(name));
}

/* -------------------------------------------------------------------------------------- start */

int cl_view_prepare(const struct cl_policy *policy, PyObject *allowed, PyObject *parents)
{
    state.allowed = allowed;
    state.parents = parents;
    state.names = cl_public_names(policy);
    state.views = PyDict_New();
    state.replaced = PyDict_New();
    state.open = PySet_New(NULL);
    if (!state.names || !state.views || !state.replaced || !state.open)
        return -1;
    return 0;
}

int cl_view_preload(void)
{
    cl_pyref_auto PyObject *names = PySequence_List(state.allowed);

    for (Py_ssize_t i = 0; names && i < PyList_GET_SIZE(names); i++) {
        PyObject *b_name = PyList_GET_ITEM(names, i);
        PyObject *b_module = b_loaded(b_name);
        cl_pyref_auto PyObject *view = b_module ? cl_view_public(b_name, b_module) : NULL;

        if (b_module && !view)
            return -1;
    }
    return names ? 0 : -1;
}

int cl_view_replace(const char *whole, PyObject *value)
{
    return PyDict_SetItemString(state.replaced, whole, value);
}
