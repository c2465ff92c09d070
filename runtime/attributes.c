/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes revealing attributes of the interpreter's types raise an audit event.
 * Runs in: worker (prepared in the zygote).
 * Trusts: the layout of CPython 3.11's descriptors.
 */
#include "runtime/attributes.h"

#include <string.h>
#include <structmember.h>

#include "runtime/asker.h"
#include "runtime/modset.h"
#include "runtime/report.h"

enum kind {
    MEMBER, /* a flag of CPython makes it audited */
    GETSET, /* ours goes in front of its getter */
    METHOD, /* likewise of a method without arguments */
};

static PyObject *get_audited(PyObject *self, void *row);
static PyObject *call_audited(PyObject *self, PyObject *unused);

static struct row {
    PyTypeObject *type;
    const char *name;
    enum kind kind;
    getter get; /* the original, of a GETSET */
} rows[] = {
    { &PyFunction_Type, "__globals__", MEMBER, NULL },
    { &PyFunction_Type, "__builtins__", MEMBER, NULL },
    { &PyFunction_Type, "__closure__", MEMBER, NULL },
    { &PyFrame_Type, "f_back", GETSET, NULL },
    { &PyFrame_Type, "f_builtins", GETSET, NULL },
    { &PyFrame_Type, "f_globals", GETSET, NULL },
    { &PyFrame_Type, "f_locals", GETSET, NULL },
    { &PyCFunction_Type, "__self__", GETSET, NULL },
    { &PyType_Type, "__subclasses__", METHOD, NULL },
};
static PyCFunction subclasses; /* the original of the METHOD */

static int tell(PyObject *object, const char *name)
{
    return PySys_Audit("object.__getattr__", "Os", object, name);
}

static PyObject *get_audited(PyObject *self, void *closure)
{
    const struct row *row = closure;

    return tell(self, row->name) < 0 ? NULL : row->get(self, NULL);
}

static PyObject *call_audited(PyObject *self, PyObject *unused)
{
    return tell(self, "__subclasses__") < 0 ? NULL : subclasses(self, unused);
}

static int guard_row(struct row *row)
{
    PyObject *b_found = PyDict_GetItemString(row->type->tp_dict, row->name);

    if (!b_found)
        return PyErr_Format(PyExc_LookupError, "%s.%s", row->type->tp_name, row->name) ? 0 : -1;
    if (row->kind == MEMBER) {
        ((PyMemberDescrObject *)b_found)->d_member->flags |= PY_AUDIT_READ;
    } else if (row->kind == GETSET) {
        PyGetSetDef *definition = ((PyGetSetDescrObject *)b_found)->d_getset;

        row->get = definition->get;
        definition->get = get_audited;
        definition->closure = row;
    } else {
        PyMethodDef *definition = ((PyMethodDescrObject *)b_found)->d_method;

        subclasses = definition->ml_meth;
        definition->ml_meth = call_audited;
    }
    PyType_Modified(row->type);
    return 0;
}

int cl_attributes_prepare(void)
{
    if (subclasses)
        return 0;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (guard_row(&rows[i]) < 0)
            return -1;
    }
    return 0;
}

/* A class that the caller wrote knows its subclasses: registries of plug-ins are made like that. */
static bool is_callers_class(PyObject *object)
{
    PyTypeObject *type = (PyTypeObject *)object;
    PyObject *b_module = NULL;

    if (!PyType_Check(object) || !(type->tp_flags & Py_TPFLAGS_HEAPTYPE))
        return false;
    b_module = PyDict_GetItemString(type->tp_dict, "__module__");
    return b_module && PyUnicode_Check(b_module) &&
           (PyUnicode_CompareWithASCIIString(b_module, CL_MODULE_NAME) == 0 ||
            cl_modset_has(b_module));
}

bool cl_attributes_leads_out(PyObject *object, const char *name)
{
    if (PyFunction_Check(object))
        return cl_asker_is_real(((PyFunctionObject *)object)->func_builtins);
    if (PyCFunction_Check(object))
        return PyCFunction_GET_SELF(object) && PyModule_Check(PyCFunction_GET_SELF(object));
    if (strcmp(name, "__subclasses__") == 0)
        return !is_callers_class(object);
    return PyFrame_Check(object) || strstr(name, "_frame") != NULL;
}

/* issubclass() with an abstract class looks for subclasses in C, below a function of abc.py. */
bool cl_attributes_is_librarys_wish(const char *name)
{
    return cl_asker_is_library_naming(name) ||
           (strcmp(name, "__subclasses__") == 0 &&
            (cl_asker_is_library_naming("_abc_subclasscheck") ||
             cl_asker_is_library_naming("_abc_instancecheck")));
}
