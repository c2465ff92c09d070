/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module `cloche`: what the caller's code may tell while it runs.
 * Runs in: worker.
 * Trusts: nothing; the API escapes and validates again.
 */
#include "runtime/events.h"

#include <string.h>

#include "runtime/convert.h"
#include "runtime/emit.h"
#include "runtime/stdio.h"
#include "sandbox/base/log.h"

enum { PROGRESS_BYTES_MAX = 8 << 10, PROGRESS_DEPTH_MAX = 4 };

static const struct {
    const char *name;
    enum cl_log_level level;
} levels[] = {
    { "debug", CL_DEBUG },  { "info", CL_INFO },   { "warn", CL_WARN },
    { "warning", CL_WARN }, { "error", CL_ERROR }, { "critical", CL_ERROR },
};

static int level_of(const char *name)
{
    for (size_t i = 0; i < CL_COUNT(levels); i++) {
        if (strcasecmp(name, levels[i].name) == 0)
            return (int)levels[i].level;
    }
    PyErr_Format(PyExc_ValueError, "level is debug, info, warning or error, not '%.40s'", name);
    return -1;
}

/* Output that was written before an event arrives before it. */
static PyObject *log_event(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = { "message", "level", NULL };
    PyObject *message;
    const char *level_name = "info";
    cl_pyref_auto PyObject *text = NULL;
    cl_pyref_auto PyObject *bytes = NULL;
    int level;

    (void)self;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|s:log", names, &message, &level_name))
        return NULL;
    level = level_of(level_name);
    text = level < 0 ? NULL : PyObject_Str(message);
    bytes = text ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;
    if (!bytes)
        return NULL;
    cl_stdio_flush();
    Py_BEGIN_ALLOW_THREADS
    cl_emit_log((uint32_t)level, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static int check_number(const char *name, PyObject *value)
{
    if (value == Py_None ||
        ((PyLong_Check(value) || PyFloat_Check(value)) && !PyBool_Check(value)))
        return 0;
    PyErr_Format(PyExc_TypeError, "%s is a number or None, not '%.100s'", name,
                 Py_TYPE(value)->tp_name);
    return -1;
}

static int put_progress(struct cl_buf *out, PyObject *values)
{
    struct cl_convert convert = { .out = out, .depth_max = PROGRESS_DEPTH_MAX };

    if (cl_convert_put(&convert, values) == 0)
        return 0;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "a progress message is at most 8 KiB");
    return -1;
}

static PyObject *progress_event(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = { "value", "total", "message", NULL };
    PyObject *value, *total = Py_None, *message = Py_None;
    CL_AUTO(cl_buf_fini) struct cl_buf out = CL_BUF_INIT(PROGRESS_BYTES_MAX);
    cl_pyref_auto PyObject *text = NULL;
    cl_pyref_auto PyObject *values = NULL;

    (void)self;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|OO:progress", names, &value, &total,
                                     &message))
        return NULL;
    if (check_number("value", value) < 0 || check_number("total", total) < 0)
        return NULL;
    text = message == Py_None ? Py_NewRef(Py_None) : PyObject_Str(message);
    values = text ? Py_BuildValue("{sOsOsO}", "value", value, "total", total, "message", text)
                  : NULL;
    if (!values || put_progress(&out, values) < 0)
        return NULL;
    cl_stdio_flush();
    Py_BEGIN_ALLOW_THREADS
    cl_emit_json(CL_F_PROGRESS, (const char *)out.bytes, out.length);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* --------------------------------------------------------------------------------- its trace */

/* A dict in a context variable, so that calls of a session that run together have their own, and
 * threads and tasks that a call starts have its. Made by the first call that has a trace. */
static PyObject *traced;

static PyObject *find_trace(void)
{
    PyObject *found = NULL;

    if (traced && PyContextVar_Get(traced, NULL, &found) < 0)
        return NULL;
    return found ? found : PyDict_New();
}

int cl_events_trace(PyObject *name, PyObject *value)
{
    cl_pyref_auto PyObject *found = NULL;
    cl_pyref_auto PyObject *longer = NULL;
    cl_pyref_auto PyObject *token = NULL;
    cl_pyref_auto PyObject *key = PyObject_CallMethod(name, "lower", NULL);

    if (!traced)
        traced = PyContextVar_New("cloche.trace", NULL);
    found = traced ? find_trace() : NULL;
    longer = found && key ? PyDict_Copy(found) : NULL;
    if (!longer || PyDict_SetItem(longer, key, value) < 0)
        return -1;
    token = PyContextVar_Set(traced, longer);
    return token ? 0 : -1;
}

static PyObject *trace(PyObject *self, PyObject *unused)
{
    cl_pyref_auto PyObject *found = find_trace();

    (void)self;
    (void)unused;
    return found ? PyDict_Copy(found) : NULL;
}

static PyMethodDef functions[] = {
    { "log", (PyCFunction)(void (*)(void))log_event, METH_VARARGS | METH_KEYWORDS,
      "log(message, level='info'): a line for whoever watches the call." },
    { "progress", (PyCFunction)(void (*)(void))progress_event, METH_VARARGS | METH_KEYWORDS,
      "progress(value, total=None, message=None): how far the call is." },
    { "trace", trace, METH_NOARGS,
      "trace(): headers that make a request of this call's part of its trace; {} without "
      "one." },
    { NULL, NULL, 0, NULL },
};

static struct PyModuleDef definition = { PyModuleDef_HEAD_INIT,
                                         "cloche",
                                         "What a function may tell Cloche while it runs.",
                                         -1,
                                         functions,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL };

int cl_events_prepare(void)
{
    cl_pyref_auto PyObject *module = PyModule_Create(&definition);

    return module ? PyDict_SetItemString(PyImport_GetModuleDict(), "cloche", module) : -1;
}
