/* SPDX-License-Identifier: Apache-2.0 */
/*
 * python/v1's operations: loads their Python half, gives it what only C can, writes the result.
 * Runs in: worker, once in the zygote.
 * Trusts: nothing of the call; the API reads the result like any other text of a worker.
 */
#include "runtime/v1.h"

#include <string.h>

#include "runtime/boot.h"
#include "runtime/denial.h"
#include "runtime/drive.h"
#include "runtime/entry.h"
#include "runtime/eval.h"
#include "runtime/modset.h"
#include "runtime/modules.h"
#include "runtime/public.h"
#include "sandbox/base/own.h"

/* One per process: a call of a session finds what the one before it has loaded. */
static struct {
    const struct cl_policy *policy;
    PyObject *host;   /* what the Python half asks for; owned, for ever */
    PyObject *helper; /* v1.py; likewise */
} state;

/* A worker finds no module but those of the policy and what they load, which need not be these. */
int cl_v1_prepare(const struct cl_policy *policy, struct cl_err *err)
{
    static const char *const imported[] = { "binascii", "_ast" };
    const size_t count = CL_COUNT(imported) - !!(policy->flags & CL_POLICY_NO_REGISTER);

    for (size_t i = 0; i < count; i++) {
        cl_pyref_auto PyObject *module = PyImport_ImportModule(imported[i]);

        if (!module)
            return cl_boot_failed(err, imported[i]);
    }
    return 0;
}

void cl_v1_open(const struct cl_policy *policy)
{
    state.policy = policy;
}

/* ------------------------------------------------------------------------------ what C offers */

/* Another frozen part by its name, loaded once. */
static PyObject *host_part(PyObject *self, PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    PyObject *b_parts = PyDict_GetItemString(self, "parts");
    PyObject *b_known = text && b_parts ? PyDict_GetItem(b_parts, name) : NULL;
    cl_pyref_auto PyObject *module = NULL;
    struct cl_err err = CL_ERR_INIT;

    if (!text || !b_parts)
        return NULL;
    if (b_known)
        return Py_NewRef(b_known);
    module = cl_boot_helper(text, &err);
    if (!module)
        return PyErr_Format(PyExc_RuntimeError, "%s", err.text);
    return PyDict_SetItem(b_parts, name, module) < 0 ? NULL : cl_take_ptr(&module);
}

static PyObject *host_allows(PyObject *self, PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);

    (void)self;
    return text ? PyBool_FromLong(cl_modules_allows(text)) : NULL;
}

/* The text as module "main", with names bound before it runs. */
static PyObject *host_load(PyObject *self, PyObject *args)
{
    struct cl_bytes source;
    PyObject *text, *names;
    Py_ssize_t length;

    (void)self;
    if (!PyArg_ParseTuple(args, "UO!:load", &text, &PyDict_Type, &names))
        return NULL;
    source.bytes = PyUnicode_AsUTF8AndSize(text, &length);
    if (!source.bytes)
        return NULL;
    source.length = (size_t)length;
    Py_INCREF(text); /* tracebacks show lines of it: for ever */
    return cl_entry_module(source, names);
}

/* A file of the tenant's that came with the call, run if it was not. */
static PyObject *host_file(PyObject *self, PyObject *name)
{
    (void)self;
    return PyUnicode_Check(name) ? cl_modset_import(name)
                                 : PyErr_Format(PyExc_TypeError, "a name is a str");
}

/* The text of such a file, by its file name. */
static PyObject *host_source(PyObject *self, PyObject *file)
{
    struct cl_bytes source;

    (void)self;
    if (!cl_modset_source(file, &source))
        return PyErr_Format(PyExc_FileNotFoundError, "File %S not found", file);
    return PyUnicode_DecodeUTF8(source.bytes, (Py_ssize_t)source.length, "replace");
}

static PyMethodDef host_defs[] = {
    { "part", host_part, METH_O, NULL },       { "allows", host_allows, METH_O, NULL },
    { "load", host_load, METH_VARARGS, NULL }, { "file", host_file, METH_O, NULL },
    { "source", host_source, METH_O, NULL },
};

static PyObject *make_host(void)
{
    cl_pyref_auto PyObject *host = Py_BuildValue("{s:{}}", "parts");
    cl_pyref_auto PyObject *names = cl_public_names(state.policy);
    cl_pyref_auto PyObject *bytes = PyLong_FromUnsignedLongLong(cl_eval_bytes());
    PyObject *b_walker = cl_eval_walker();

    if (!host || !names || !bytes || PyDict_SetItemString(host, "names", names) < 0 ||
        PyDict_SetItemString(host, "eval_bytes", bytes) < 0 ||
        PyDict_SetItemString(host, "walker", b_walker ? b_walker : Py_None) < 0)
        return NULL;
    for (size_t i = 0; i < CL_COUNT(host_defs); i++) {
        cl_pyref_auto PyObject *function = PyCFunction_New(&host_defs[i], host);

        if (!function || PyDict_SetItemString(host, host_defs[i].ml_name, function) < 0)
            return NULL;
    }
    return cl_take_ptr(&host);
}

static int load_helper(void)
{
    struct cl_err err = CL_ERR_INIT;

    if (state.helper)
        return 0;
    cl_denial_speak_v1();
    state.host = make_host();
    state.helper = state.host ? cl_boot_helper("v1", &err) : NULL;
    if (state.host && !state.helper)
        PyErr_SetString(PyExc_RuntimeError, err.text);
    return state.helper ? 0 : -1;
}

/* ---------------------------------------------------------------------------------- a call */

static PyObject *parse_or_empty(struct cl_bytes json, const char *empty)
{
    return json.length > 0 ? cl_drive_parse(json.bytes, json.length)
                           : cl_drive_parse(empty, strlen(empty));
}

PyObject *cl_v1_run(const struct cl_call *call)
{
    cl_pyref_auto PyObject *plan = parse_or_empty(call->args, "[]");
    cl_pyref_auto PyObject *params = plan ? parse_or_empty(call->kwargs, "{}") : NULL;
    cl_pyref_auto PyObject *text = NULL;

    if (!params || cl_modset_put(call) < 0 || load_helper() < 0)
        return NULL;
    text = PyUnicode_DecodeUTF8(call->source.bytes ? call->source.bytes : "",
                                (Py_ssize_t)call->source.length, NULL);
    if (!text)
        return NULL;
    return PyObject_CallMethod(state.helper, "run", "sOOOO",
                               call->entry.bytes ? call->entry.bytes : "", plan, params, text,
                               state.host);
}

/* ---------------------------------------------------------------------------------- values */

static bool is_basic(PyObject *value)
{
    return PyUnicode_Check(value) || PyLong_Check(value) || PyFloat_Check(value) ||
           PyList_Check(value) || PyDict_Check(value) || PyTuple_Check(value);
}

static int refuse(PyObject *value)
{
    const char *name = Py_TYPE(value)->tp_name;
    const char *dot = strrchr(name, '.');

    PyErr_Format(PyExc_TypeError, "Object of type %.100s is not JSON serializable",
                 dot ? dot + 1 : name);
    return -1;
}

static int put_other(struct cl_convert *convert, PyObject *value)
{
    cl_pyref_auto PyObject *wrapped = NULL;

    if (is_basic(value))
        return cl_convert_basic(convert, value);
    if (convert->rules.wrap != Py_None) {
        wrapped = PyObject_CallOneArg(convert->rules.wrap, value);
        if (!wrapped)
            return -1;
        if (wrapped != Py_None)
            return cl_convert_put(convert, wrapped);
    }
    if (convert->rules.drains && PyIter_Check(value))
        return cl_convert_iterator(convert, value, value);
    return refuse(value);
}

static int put_text(struct cl_convert *convert, const char *text)
{
    return cl_convert_text(convert, text, strlen(text));
}

int cl_v1_put(struct cl_convert *convert, PyObject *outcome)
{
    /* So that a coroutine which imports asyncio while it runs finds a loop around itself. */
    static const struct cl_bytes loop = { "asyncio", sizeof("asyncio") - 1 };
    cl_pyref_auto PyObject *settled = NULL;
    const char *kind;
    PyObject *b_value, *b_wrap;
    int drains;

    if (!PyArg_ParseTuple(outcome, "sOOi:outcome", &kind, &b_value, &b_wrap, &drains))
        return -1;
    settled = cl_drive_settle(b_value, loop);
    if (!settled)
        return -1;
    convert->rules =
        (struct cl_convert_rules){ .other = put_other, .wrap = b_wrap, .drains = drains };
    convert->depth_max--; /* the object around it */
    if (put_text(convert, "{\"") < 0 || put_text(convert, kind) < 0 ||
        put_text(convert, "\":") < 0 || cl_convert_put(convert, settled) < 0 ||
        (convert->rules.has_nonfinite && put_text(convert, ",\"nonfinite\":true") < 0) ||
        put_text(convert, "}") < 0)
        return -1;
    return 0;
}
