/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module "main" of a session: every source of its calls runs in it once.
 * Runs in: worker.
 * Trusts: nothing; sources are the caller's.
 */
#include <stdio.h>

#include "runtime/compile.h"
#include "runtime/entry.h"
#include "runtime/modset.h"
#include "runtime/modules.h"
#include "runtime/report.h"
#include "runtime/session.h"

static PyObject *module;  /* owned, for ever */
static PyObject *sources; /* dict: bytes of a source -> what it defines; its keys stay */
static PyObject *first;   /* bytes of the one that is "main.py"; borrowed from the dict */

/* One thread at a time: what a source binds must be its own. */
static PyThread_type_lock lock;

static void take_lock(void)
{
    if (!lock)
        lock = PyThread_allocate_lock();
    if (!lock || PyThread_acquire_lock(lock, NOWAIT_LOCK))
        return;
    Py_BEGIN_ALLOW_THREADS
    PyThread_acquire_lock(lock, WAIT_LOCK);
    Py_END_ALLOW_THREADS
}

struct cl_bytes cl_session_source(void)
{
    struct cl_bytes source = { "", 0 };

    if (first)
        source = (struct cl_bytes){ PyBytes_AS_STRING(first), (size_t)PyBytes_GET_SIZE(first) };
    return source;
}

/* The functions and classes among the names that the source binds. */
static int note_own(PyObject *names, PyObject *dict, PyObject *own)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *b_name = PyTuple_GET_ITEM(names, i);
        PyObject *b_value = PyDict_GetItemWithError(dict, b_name);

        if (b_value && (PyFunction_Check(b_value) || PyType_Check(b_value)) &&
            PyDict_SetItem(own, b_name, b_value) < 0)
            return -1;
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* The file name that tracebacks show: main.py, main-2.py, ... Owned. */
static PyObject *name_of(struct cl_bytes source)
{
    const Py_ssize_t known = PyDict_GET_SIZE(sources);
    struct cl_bytes name;
    char room[32];

    if (known == 0)
        return PyUnicode_FromString(CL_SOURCE_NAME);
    name.bytes = room;
    name.length = (size_t)snprintf(room, sizeof(room), "main-%zd", known + 1);
    if (cl_modset_show(name, source) < 0 || cl_modset_offer_sources() < 0)
        return NULL;
    return cl_compile_file(name);
}

static int open_module(void)
{
    if (!sources)
        sources = PyDict_New();
    if (!module && sources)
        module = cl_entry_make_module();
    return module ? 0 : -1;
}

/* Known from here on, so that its lines can be shown whatever happens; run again if it fails. */
static int run_source(PyObject *text, PyObject *own)
{
    const struct cl_bytes source = { PyBytes_AS_STRING(text), (size_t)PyBytes_GET_SIZE(text) };
    PyObject *b_dict = PyModule_GetDict(module);
    cl_pyref_auto PyObject *file = name_of(source);
    cl_pyref_auto PyObject *code = NULL;
    cl_pyref_auto PyObject *names = NULL;
    cl_pyref_auto PyObject *nothing = NULL;

    if (!file || PyDict_SetItem(sources, text, Py_None) < 0)
        return -1;
    if (!first)
        first = text;
    code = cl_compile(source, file, 0);
    nothing = code ? PyEval_EvalCode(code, b_dict, b_dict) : NULL;
    names = nothing ? PyObject_GetAttrString(code, "co_names") : NULL;
    if (!names || note_own(names, b_dict, own) < 0)
        return -1;
    return PyDict_SetItem(sources, text, own);
}

static int load(struct cl_bytes source)
{
    cl_pyref_auto PyObject *text =
        PyBytes_FromStringAndSize(source.bytes, (Py_ssize_t)source.length);
    cl_pyref_auto PyObject *own = NULL;
    PyObject *b_known;

    if (!text || open_module() < 0)
        return -1;
    b_known = PyDict_GetItemWithError(sources, text);
    if (b_known && b_known != Py_None)
        return PyDict_Update(PyModule_GetDict(module), b_known);
    own = PyDict_New();
    return own ? run_source(text, own) : -1;
}

PyObject *cl_session_module(struct cl_bytes source)
{
    int loaded;

    take_lock();
    loaded = load(source);
    if (lock)
        PyThread_release_lock(lock);
    return loaded < 0 ? NULL : Py_NewRef(module);
}
