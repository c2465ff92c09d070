/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a module: compiles it twice, to code that is kept and to a tree that inspect.py walks.
 * Runs in: worker.
 * Trusts: nothing; the source may be made to exhaust whoever reads it, which is why it is read here.
 */
#include "runtime/inspect.h"

#include "runtime/boot.h"
#include "runtime/compile.h"
#include "runtime/modset.h"

static PyObject *text_of(struct cl_bytes text)
{
    return PyUnicode_DecodeUTF8(text.bytes, (Py_ssize_t)text.length, "replace");
}

static int is_stdlib(PyObject *name)
{
    PyObject *b_names = PySys_GetObject("stdlib_module_names");

    return b_names ? PySequence_Contains(b_names, name) : 0;
}

/* As bytes become base64, a third longer; what does not fit beside the rest is made at each call. */
static PyObject *pack(const struct cl_call *call, PyObject *code)
{
    PyObject *packed = cl_compile_pack(code);

    if (packed && (uint64_t)PyBytes_GET_SIZE(packed) > call->head.result_bytes / 4 * 3 / 2)
        Py_SETREF(packed, Py_NewRef(Py_None));
    return packed;
}

static PyObject *describe(const struct cl_call *call, PyObject *tree)
{
    struct cl_err err = CL_ERR_INIT;
    cl_pyref_auto PyObject *helper = cl_boot_helper("inspect", &err);
    cl_pyref_auto PyObject *source = helper ? text_of(call->source) : NULL;

    if (!helper)
        return PyErr_Format(PyExc_RuntimeError, "%s", err.text);
    return source ? PyObject_CallMethod(helper, "describe", "OO", tree, source) : NULL;
}

static int put_flag(PyObject *result, const char *key, int is_set)
{
    return is_set < 0 ? -1 : PyDict_SetItemString(result, key, is_set ? Py_True : Py_False);
}

PyObject *cl_inspect_run(const struct cl_call *call)
{
    cl_pyref_auto PyObject *name = text_of(call->entry);
    cl_pyref_auto PyObject *file = cl_compile_file(call->entry);
    cl_pyref_auto PyObject *code = NULL;
    cl_pyref_auto PyObject *packed = NULL;
    cl_pyref_auto PyObject *tree = NULL;
    cl_pyref_auto PyObject *result = NULL;

    if (!name || !file || cl_modset_show(call->entry, call->source) < 0)
        return NULL;
    code = cl_compile(call->source, file, 0);
    packed = code ? pack(call, code) : NULL;
    tree = packed ? cl_compile(call->source, file, PyCF_ONLY_AST) : NULL;
    result = tree ? describe(call, tree) : NULL;
    if (!result || PyDict_SetItemString(result, "code", packed) < 0 ||
        put_flag(result, "hides", is_stdlib(name) || cl_modset_hides(name)) < 0)
        return NULL;
    return cl_take_ptr(&result);
}
