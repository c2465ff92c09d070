/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the caller's code from a library's, and a library's own wish from one it was handed.
 * Runs in: worker.
 * Trusts: that nobody but the interpreter has its `__builtins__`; the kernel jail is the boundary.
 */
#include "runtime/asker.h"

static PyObject *real; /* owned, for ever */

void cl_asker_prepare(void)
{
    if (!real)
        real = Py_NewRef(PyEval_GetBuiltins());
}

bool cl_asker_is_real(PyObject *builtins)
{
    return builtins == real || (PyModule_Check(builtins) && PyModule_GetDict(builtins) == real);
}

bool cl_asker_is_caller(void)
{
    return PyEval_GetBuiltins() != real;
}

static bool holds(PyObject *texts, const char *name)
{
    for (Py_ssize_t i = 0; texts && i < PyTuple_GET_SIZE(texts); i++) {
        PyObject *b_text = PyTuple_GET_ITEM(texts, i);

        if (PyUnicode_CheckExact(b_text) && PyUnicode_CompareWithASCIIString(b_text, name) == 0)
            return true;
    }
    return false;
}

bool cl_asker_is_library_naming(const char *name)
{
    PyFrameObject *b_frame = PyEval_GetFrame();
    cl_pyref_auto PyObject *code = NULL;

    if (!b_frame)
        return true;
    if (cl_asker_is_caller())
        return false;
    code = (PyObject *)PyFrame_GetCode(b_frame);
    return holds(((PyCodeObject *)code)->co_names, name) ||
           holds(((PyCodeObject *)code)->co_consts, name);
}
