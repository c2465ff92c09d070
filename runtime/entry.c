/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the caller's source as a module, or imports the tenant's, and calls the entry.
 * Runs in: worker.
 * Trusts: nothing.
 */
#include "runtime/entry.h"

#include <string.h>

#include "runtime/compile.h"
#include "runtime/drive.h"
#include "runtime/modset.h"
#include "runtime/modules.h"
#include "runtime/report.h"
#include "runtime/session.h"

static PyObject *entry_error; /* owned, for ever */
static const char default_entry[] = "main";
static struct cl_bytes shown_source; /* borrowed from the call */

int cl_entry_prepare(void)
{
    entry_error = PyErr_NewException("cloche.EntryError", PyExc_NameError, NULL);
    return entry_error ? 0 : -1;
}

int cl_entry_arguments(struct cl_entry *entry, const struct cl_call *call)
{
    cl_pyref_auto PyObject *list = NULL;

    if (call->args.length > 0)
        list = cl_drive_parse(call->args.bytes, call->args.length);
    else
        list = PyList_New(0);
    if (!list || !PyList_CheckExact(list))
        return -1;
    entry->args = PyList_AsTuple(list);
    if (call->kwargs.length > 0)
        entry->kwargs = cl_drive_parse(call->kwargs.bytes, call->kwargs.length);
    else
        entry->kwargs = PyDict_New();
    return entry->args && entry->kwargs && PyDict_CheckExact(entry->kwargs) ? 0 : -1;
}

void cl_entry_fini(struct cl_entry *entry)
{
    Py_CLEAR(entry->args);
    Py_CLEAR(entry->kwargs);
}

/* A module that sys.modules knows, as dataclasses, typing and pickle expect. */
PyObject *cl_entry_make_module(void)
{
    cl_pyref_auto PyObject *module = PyModule_New(CL_MODULE_NAME);
    cl_pyref_auto PyObject *file = PyUnicode_FromString(CL_SOURCE_NAME);
    PyObject *b_modules = PyImport_GetModuleDict();

    if (!module || !file || PyObject_SetAttrString(module, "__file__", file) < 0 ||
        PyObject_SetAttrString(module, "__builtins__", cl_modules_builtins()) < 0)
        return NULL;
    if (PyDict_SetItemString(b_modules, CL_MODULE_NAME, module) < 0 ||
        PyDict_SetItemString(b_modules, "__main__", module) < 0)
        return NULL;
    return cl_take_ptr(&module);
}

static PyObject *get_source(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyUnicode_DecodeUTF8(shown_source.bytes, (Py_ssize_t)shown_source.length, "replace");
}

static PyMethodDef source_def = { "source", get_source, METH_NOARGS, NULL };

/* linecache has a place for sources that are no files: a function that is asked when needed. */
int cl_entry_offer_source(void)
{
    PyObject *b_linecache = cl_pyref_module("linecache");
    cl_pyref_auto PyObject *cache = NULL;
    cl_pyref_auto PyObject *source = NULL;
    cl_pyref_auto PyObject *entry = NULL;

    if (!b_linecache)
        return 0;
    if (!shown_source.bytes)
        return cl_modset_offer_sources();
    cache = PyObject_GetAttrString(b_linecache, "cache");
    source = PyCFunction_New(&source_def, NULL);
    entry = source ? PyTuple_Pack(1, source) : NULL;
    if (!cache || !entry || PyMapping_SetItemString(cache, CL_SOURCE_NAME, entry) < 0)
        return -1;
    return cl_modset_offer_sources();
}

PyObject *cl_entry_module(struct cl_bytes source, PyObject *names)
{
    cl_pyref_auto PyObject *file = PyUnicode_FromString(CL_SOURCE_NAME);
    cl_pyref_auto PyObject *code = file ? cl_compile(source, file, 0) : NULL;
    cl_pyref_auto PyObject *module = code ? cl_entry_make_module() : NULL;
    cl_pyref_auto PyObject *nothing = NULL;
    PyObject *b_dict;

    if (!module)
        return NULL;
    b_dict = PyModule_GetDict(module);
    if (names && PyDict_Update(b_dict, names) < 0)
        return NULL;
    shown_source = source;
    if (cl_entry_offer_source() < 0)
        return NULL;
    nothing = PyEval_EvalCode(code, b_dict, b_dict);
    return nothing ? cl_take_ptr(&module) : NULL;
}

static void raise_missing(PyObject *module, PyObject *name, PyObject *part)
{
    cl_pyref_auto PyObject *home = PyModule_GetNameObject(module);
    const bool is_own = home && PyUnicode_CompareWithASCIIString(home, CL_MODULE_NAME) == 0;

    if (home && !is_own && PyUnicode_Compare(name, part) == 0)
        PyErr_Format(entry_error, "the module '%U' defines no function '%U'", home, name);
    else if (PyUnicode_CompareWithASCIIString(name, default_entry) == 0)
        PyErr_Format(entry_error,
                     "the source defines no function 'main'; define `def main(...)` "
                     "or name another one as entry");
    else if (PyUnicode_Compare(name, part) == 0)
        PyErr_Format(entry_error, "the source defines no function '%U'", name);
    else
        PyErr_Format(entry_error, "the entry '%U' is not there: no '%U'", name, part);
}

/* Follows a dotted name from the module. Owned. */
static PyObject *find_entry(PyObject *module, PyObject *name)
{
    cl_pyref_auto PyObject *dot = PyUnicode_FromString(".");
    cl_pyref_auto PyObject *parts = dot ? PyUnicode_Split(name, dot, -1) : NULL;
    cl_pyref_auto PyObject *found = Py_NewRef(module);

    for (Py_ssize_t i = 0; parts && i < PyList_GET_SIZE(parts); i++) {
        PyObject *b_part = PyList_GET_ITEM(parts, i);

        Py_SETREF(found, PyObject_GetAttr(found, b_part));
        if (found)
            continue;
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return NULL;
        PyErr_Clear();
        raise_missing(module, name, b_part);
        return NULL;
    }
    return parts ? cl_take_ptr(&found) : NULL;
}

static PyObject *text_of(const char *bytes, size_t length)
{
    return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)length, "replace");
}

/* "module.name" of a call by name: imports the module. `name` is owned by the caller. */
static PyObject *load_named(const struct cl_call *call, PyObject **name)
{
    const char *text = call->entry.bytes;
    const char *dot = memchr(text, '.', call->entry.length);
    const size_t length = dot ? (size_t)(dot - text) : call->entry.length;
    cl_pyref_auto PyObject *module = text_of(text, length);

    *name = dot ? text_of(dot + 1, call->entry.length - length - 1)
                : PyUnicode_FromString(default_entry);
    return module && *name ? cl_modset_import(module) : NULL;
}

static PyObject *load_source(const struct cl_call *call, PyObject **name)
{
    *name = call->entry.length > 0 ? text_of(call->entry.bytes, call->entry.length)
                                   : PyUnicode_FromString(default_entry);
    if (call->number != 0)
        return *name ? cl_session_module(call->source) : NULL;
    return *name ? cl_entry_module(call->source, NULL) : NULL;
}

PyObject *cl_entry_run(const struct cl_entry *entry, const struct cl_call *call)
{
    const bool is_named = call->head.flags & CL_CALL_FUNCTION;
    cl_pyref_auto PyObject *module = NULL;
    cl_pyref_auto PyObject *name = NULL;
    cl_pyref_auto PyObject *function = NULL;

    if (cl_modset_put(call) < 0)
        return NULL;
    module = is_named ? load_named(call, &name) : load_source(call, &name);
    function = module ? find_entry(module, name) : NULL;
    if (!function)
        return NULL;
    if (!PyCallable_Check(function))
        return PyErr_Format(entry_error, "the entry '%U' is not a function but a %.100s", name,
                            Py_TYPE(function)->tp_name);
    return PyObject_Call(function, entry->args, entry->kwargs);
}
