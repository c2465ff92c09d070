/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives libraries that are told module names a `sys` of their own.
 * Runs in: worker (prepared in the zygote).
 * Trusts: nothing; hygiene, the kernel jail is the boundary.
 */
#include "runtime/known.h"

#include "runtime/audit.h"
#include "runtime/boot.h"
#include "runtime/modset.h"
#include "runtime/report.h"
#include "runtime/view.h"

static PyObject *helper; /* owned, for ever */

static PyObject *is_guarding(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyBool_FromLong(cl_audit_is_guarding());
}

/* public(name): what the caller would get, or None. */
static PyObject *find_public(PyObject *self, PyObject *name)
{
    PyObject *b_module = PyDict_GetItemWithError(PyImport_GetModuleDict(), name);

    (void)self;
    if (!b_module || !PyUnicode_CheckExact(name))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    if (PyUnicode_CompareWithASCIIString(name, CL_MODULE_NAME) == 0 ||
        PyUnicode_CompareWithASCIIString(name, "__main__") == 0 || cl_modset_has(name))
        return Py_NewRef(b_module);
    return cl_view_granted(name, b_module);
}

static PyMethodDef functions[] = {
    { "is_guarding", is_guarding, METH_NOARGS, NULL },
    { "public", find_public, METH_O, NULL },
    { NULL, NULL, 0, NULL },
};

static int give_modules(PyObject *module)
{
    cl_pyref_auto PyObject *done = PyObject_CallMethod(helper, "install", "O", module);

    return done ? 0 : -1;
}

/* redirect_stdout() sets whatever attribute of `sys` a subclass names. */
static int give_view(PyObject *module)
{
    cl_pyref_auto PyObject *name = PyUnicode_FromString("sys");
    PyObject *b_sys = cl_pyref_module("sys");
    cl_pyref_auto PyObject *view = name && b_sys ? cl_view_public(name, b_sys) : NULL;

    return view ? PyObject_SetAttrString(module, "sys", view) : -1;
}

static const struct {
    const char *module;
    int (*give)(PyObject *module);
} rows[] = { { "enum", give_modules },
             { "typing", give_modules },
             { "dataclasses", give_modules },
             { "contextlib", give_view } };

int cl_known_on_loaded(PyObject *name)
{
    for (size_t i = 0; helper && PyUnicode_Check(name) && i < CL_COUNT(rows); i++) {
        PyObject *b_module = NULL;

        if (PyUnicode_CompareWithASCIIString(name, rows[i].module) == 0 &&
            (b_module = cl_pyref_module(rows[i].module)))
            return rows[i].give(b_module);
    }
    return 0;
}

int cl_known_prepare(struct cl_err *err)
{
    if (!helper) {
        helper = cl_boot_helper("known", err);
        if (!helper)
            return -1;
        if (PyModule_AddFunctions(helper, functions) < 0)
            return cl_boot_failed(err, "prepare the import guard");
    }
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        PyObject *b_module = cl_pyref_module(rows[i].module);

        if (b_module && rows[i].give(b_module) < 0)
            return cl_boot_failed(err, "prepare the import guard");
    }
    return 0;
}
