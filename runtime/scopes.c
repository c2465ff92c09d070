/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps functions that work on the innermost frame away from the frames of libraries.
 * Runs in: worker (prepared in the zygote).
 * Trusts: nothing the caller passes; hygiene, the kernel jail is the boundary.
 */
#include "runtime/scopes.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/asker.h"
#include "runtime/audit.h"
#include "runtime/denial.h"
#include "runtime/public.h"

static PyObject *callers; /* the caller's `__builtins__`; borrowed, for ever */

enum { ARGUMENTS_MAX = 4 };

enum which { EVAL, EXEC, GLOBALS, LOCALS, VARS, SCOPES };

struct scope {
    PyMethodDef definition;
    bool runs_code;
    PyObject *original; /* owned, for ever */
};
static struct scope scopes[SCOPES];

/* The import machinery runs modules through a helper that is handed `exec`. */
static bool is_import(void)
{
    PyFrameObject *b_frame = PyEval_GetFrame();
    cl_pyref_auto PyObject *code = b_frame ? (PyObject *)PyFrame_GetCode(b_frame) : NULL;
    const char *file = code ? PyUnicode_AsUTF8(((PyCodeObject *)code)->co_filename) : NULL;

    PyErr_Clear();
    return file &&
           (strncmp(file, "<frozen importlib", 17) == 0 || strncmp(file, "<cloche ", 8) == 0);
}

static int refuse(const char *name)
{
    cl_pyref_auto PyObject *text = PyUnicode_FromString(name);

    return text ? cl_denial_raise(PyExc_PermissionError, "introspection", text,
                                  "%s() in the name of a library", name)
                : -1;
}

/* What a library evaluates while a call runs may be the caller's text (an annotation, a field's
 * name): it sees the public part of that module, and the caller's builtins. Owned. */
static PyObject *safe_globals(PyObject *globals)
{
    cl_pyref_auto PyObject *copy = NULL;
    PyObject *b_builtins = PyDict_GetItemString(globals, "__builtins__");

    if (b_builtins && !cl_asker_is_real(b_builtins))
        return Py_NewRef(globals);
    copy = b_builtins ? cl_public_copy(globals) : Py_NewRef(globals);
    if (!copy || PyDict_SetItemString(copy, "__builtins__", callers) < 0)
        return NULL;
    return cl_take_ptr(&copy);
}

/* The library itself says eval(text, globals...). */
static PyObject *run_safely(const struct scope *scope, PyObject *const *args, Py_ssize_t count,
                            PyObject *keywords)
{
    PyObject *passed[ARGUMENTS_MAX];
    cl_pyref_auto PyObject *globals = NULL;

    if (count < 2 || count > ARGUMENTS_MAX || !PyDict_Check(args[1]) || keywords)
        return PyObject_Vectorcall(scope->original, args, (size_t)count, keywords);
    globals = safe_globals(args[1]);
    if (!globals)
        return NULL;
    memcpy(passed, args, (size_t)count * sizeof(*args));
    passed[1] = globals;
    /* Locals that are the same dict are so on purpose. */
    if (count > 2 && args[2] == args[1])
        passed[2] = globals;
    return PyObject_Vectorcall(scope->original, passed, (size_t)count, NULL);
}

static PyObject *call_scope(const struct scope *scope, PyObject *const *args, Py_ssize_t count,
                            PyObject *keywords)
{
    if (!cl_audit_is_guarding() || cl_asker_is_caller() || is_import())
        return PyObject_Vectorcall(scope->original, args, (size_t)count, keywords);
    if (!cl_asker_is_library_naming(scope->definition.ml_name)) {
        refuse(scope->definition.ml_name);
        return NULL;
    }
    if (scope->runs_code)
        return run_safely(scope, args, count, keywords);
    return PyObject_Vectorcall(scope->original, args, (size_t)count, keywords);
}

#define SCOPE(index_, name_)                                                                   \
    static PyObject *guarded_##name_(PyObject *self, PyObject *const *args, Py_ssize_t count,  \
                                     PyObject *keywords)                                       \
    {                                                                                          \
        (void)self;                                                                            \
        return call_scope(&scopes[index_], args, count, keywords);                             \
    }
SCOPE(EVAL, eval)
SCOPE(EXEC, exec)
SCOPE(GLOBALS, globals)
SCOPE(LOCALS, locals)
SCOPE(VARS, vars)

#define ROW(index_, name_, runs_)                                                              \
    [index_] = { { #name_, (PyCFunction)(void (*)(void))guarded_##name_,                       \
                   METH_FASTCALL | METH_KEYWORDS, NULL },                                      \
                 runs_,                                                                        \
                 NULL }
static struct scope scopes[SCOPES] = { ROW(EVAL, eval, true), ROW(EXEC, exec, true),
                                       ROW(GLOBALS, globals, false), ROW(LOCALS, locals, false),
                                       ROW(VARS, vars, false) };

static int replace(struct scope *scope, PyObject *builtins)
{
    const char *name = scope->definition.ml_name;
    PyObject *b_original = PyDict_GetItemString(builtins, name);
    cl_pyref_auto PyObject *module = PyUnicode_FromString("builtins");
    cl_pyref_auto PyObject *function = NULL;

    if (!b_original || !module)
        return -1;
    scope->definition.ml_doc =
        PyCFunction_Check(b_original) ? ((PyCFunctionObject *)b_original)->m_ml->ml_doc : NULL;
    scope->original = Py_NewRef(b_original);
    function = PyCFunction_NewEx(&scope->definition, NULL, module);
    return function ? PyDict_SetItemString(builtins, name, function) : -1;
}

int cl_scopes_prepare(void)
{
    PyObject *b_builtins = PyEval_GetBuiltins();

    for (size_t i = 0; i < CL_COUNT(scopes); i++) {
        if (!scopes[i].original && replace(&scopes[i], b_builtins) < 0)
            return -1;
    }
    return 0;
}

void cl_scopes_open(PyObject *callers_builtins)
{
    callers = callers_builtins;
}
