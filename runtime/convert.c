/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks a Python value and writes it as JSON.
 * Runs in: worker.
 * Trusts: nothing; the values are hostile, the API validates the text again.
 */
#include "runtime/convert.h"

#include "runtime/convert_types.h"

static PyObject *result_error; /* owned, for ever */

int cl_convert_prepare(void)
{
    result_error = PyErr_NewException("cloche.ResultError", PyExc_TypeError, NULL);
    return result_error ? 0 : -1;
}

PyObject *cl_convert_error(void)
{
    return result_error;
}

static bool is_open(const struct cl_convert *convert, PyObject *container)
{
    for (unsigned i = 0; i < convert->depth; i++) {
        if (convert->path[i].container == container)
            return true;
    }
    return false;
}

/* Whether one more value below what is open now would be deeper than allowed. */
static bool is_too_deep(struct cl_convert *convert)
{
    if (convert->depth < convert->depth_max && convert->depth < CL_DEPTH_MAX)
        return false;
    convert->limit = CL_LIMIT_DEPTH;
    return true;
}

int cl_convert_enter(struct cl_convert *convert, PyObject *container)
{
    if (is_open(convert, container) && convert->rules.other) {
        PyErr_SetString(PyExc_ValueError, "Circular reference detected");
        return -1;
    }
    if (is_open(convert, container))
        return cl_convert_fail(convert, "this %.100s contains itself",
                               Py_TYPE(container)->tp_name);
    if (is_too_deep(convert))
        return -1;
    convert->path[convert->depth++] = (struct cl_convert_step){ container, NULL, -1 };
    return 0;
}

void cl_convert_leave(struct cl_convert *convert)
{
    convert->depth--;
}

static struct cl_convert_step *step_of(struct cl_convert *convert)
{
    return &convert->path[convert->depth - 1];
}

/* Items are held while they are written: code that runs in between may change the container. */
static int put_item(struct cl_convert *convert, PyObject *item, Py_ssize_t index)
{
    cl_pyref_auto PyObject *held = Py_NewRef(item);

    step_of(convert)->index = index;
    if (index > 0 && cl_convert_text(convert, ",", 1) < 0)
        return -1;
    return cl_convert_put(convert, held);
}

static int put_list(struct cl_convert *convert, PyObject *list)
{
    if (cl_convert_enter(convert, list) < 0 || cl_convert_text(convert, "[", 1) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        if (put_item(convert, PyList_GET_ITEM(list, i), i) < 0)
            return -1;
    }
    cl_convert_leave(convert);
    return cl_convert_text(convert, "]", 1);
}

static int put_tuple(struct cl_convert *convert, PyObject *tuple)
{
    if (cl_convert_enter(convert, tuple) < 0 || cl_convert_text(convert, "[", 1) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        if (put_item(convert, PyTuple_GET_ITEM(tuple, i), i) < 0)
            return -1;
    }
    cl_convert_leave(convert);
    return cl_convert_text(convert, "]", 1);
}

int cl_convert_iterator(struct cl_convert *convert, PyObject *container, PyObject *iterator)
{
    PyObject *item;
    Py_ssize_t index = 0;

    if (cl_convert_enter(convert, container) < 0 || cl_convert_text(convert, "[", 1) < 0)
        return -1;
    while ((item = PyIter_Next(iterator))) {
        int put = put_item(convert, item, index++);

        Py_DECREF(item);
        if (put < 0)
            return -1;
    }
    if (PyErr_Occurred())
        return -1;
    cl_convert_leave(convert);
    return cl_convert_text(convert, "]", 1);
}

/* `text` is an exact str. The step's key is borrowed from the caller while the value is put. */
static int put_member(struct cl_convert *convert, PyObject *text, PyObject *value,
                      bool is_first)
{
    cl_pyref_auto PyObject *held = Py_NewRef(value);
    cl_pyref_auto PyObject *key = Py_NewRef(text);
    int put;

    step_of(convert)->key = key;
    if ((!is_first && cl_convert_text(convert, ",", 1) < 0) ||
        cl_convert_str(convert, key) < 0 || cl_convert_text(convert, ":", 1) < 0)
        return -1;
    put = cl_convert_put(convert, held);
    if (put == 0)
        step_of(convert)->key = NULL;
    return put;
}

/* Keys that are not all exact str may become the same text; `seen` is a set, NULL while none of
 * them could. */
static int put_odd_member(struct cl_convert *convert, PyObject *key, PyObject *value,
                          PyObject *seen)
{
    cl_pyref_auto PyObject *text = cl_convert_key(convert, key);
    bool is_first = PySet_GET_SIZE(seen) == 0;
    int known = text ? PySet_Contains(seen, text) : -1;

    if (known < 0)
        return -1;
    if (known)
        return cl_convert_fail(convert, "two keys become the same text %R", text);
    if (PySet_Add(seen, text) < 0)
        return -1;
    return put_member(convert, text, value, is_first);
}

static bool has_plain_keys(PyObject *dict)
{
    PyObject *b_key;
    Py_ssize_t at = 0;

    while (PyDict_Next(dict, &at, &b_key, NULL)) {
        if (!PyUnicode_CheckExact(b_key))
            return false;
    }
    return true;
}

static int put_members(struct cl_convert *convert, PyObject *dict, PyObject *seen)
{
    uint64_t version = ((PyDictObject *)dict)->ma_version_tag;
    PyObject *b_key, *b_value;
    Py_ssize_t at = 0;
    bool is_first = true;

    while (PyDict_Next(dict, &at, &b_key, &b_value)) {
        int put = seen ? put_odd_member(convert, b_key, b_value, seen)
                       : put_member(convert, b_key, b_value, is_first);

        if (put < 0)
            return -1;
        is_first = false;
        if (((PyDictObject *)dict)->ma_version_tag != version)
            return cl_convert_fail(convert, "the dict changed while it was read");
    }
    return 0;
}

/* The real contents of a dict or of a subclass: its `items` and `__iter__` are not asked. */
static int put_dict(struct cl_convert *convert, PyObject *dict)
{
    cl_pyref_auto PyObject *seen = NULL;

    if (!has_plain_keys(dict)) {
        seen = PySet_New(NULL);
        if (!seen)
            return -1;
    }
    if (cl_convert_enter(convert, dict) < 0 || cl_convert_text(convert, "{", 1) < 0 ||
        put_members(convert, dict, seen) < 0)
        return -1;
    cl_convert_leave(convert);
    return cl_convert_text(convert, "}", 1);
}

int cl_convert_fields(struct cl_convert *convert, PyObject *object, PyObject *names,
                      PyObject *values)
{
    cl_pyref_auto PyObject *seen = PySet_New(NULL);

    if (!seen || cl_convert_enter(convert, object) < 0 || cl_convert_text(convert, "{", 1) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        cl_pyref_auto PyObject *value =
            values ? Py_NewRef(PyTuple_GET_ITEM(values, i))
                   : PyObject_GetAttr(object, PyTuple_GET_ITEM(names, i));

        if (!value || put_odd_member(convert, PyTuple_GET_ITEM(names, i), value, seen) < 0)
            return -1;
    }
    cl_convert_leave(convert);
    return cl_convert_text(convert, "}", 1);
}

int cl_convert_put(struct cl_convert *convert, PyObject *value)
{
    if (is_too_deep(convert))
        return -1;
    if (value == Py_None)
        return cl_convert_text(convert, "null", 4);
    if (value == Py_True)
        return cl_convert_text(convert, "true", 4);
    if (value == Py_False)
        return cl_convert_text(convert, "false", 5);
    if (PyUnicode_CheckExact(value))
        return cl_convert_str(convert, value);
    if (PyLong_CheckExact(value))
        return cl_convert_int(convert, value);
    if (PyFloat_CheckExact(value))
        return cl_convert_float(convert, value);
    if (PyList_CheckExact(value))
        return put_list(convert, value);
    if (PyDict_CheckExact(value))
        return put_dict(convert, value);
    if (PyTuple_CheckExact(value))
        return put_tuple(convert, value);
    return cl_convert_other(convert, value);
}

/* Called by cl_convert_other for subclasses of the basic types. */
int cl_convert_basic(struct cl_convert *convert, PyObject *value)
{
    if (PyUnicode_Check(value))
        return cl_convert_str(convert, value);
    if (PyLong_Check(value))
        return cl_convert_int(convert, value);
    if (PyFloat_Check(value))
        return cl_convert_float(convert, value);
    if (PyList_Check(value))
        return put_list(convert, value);
    if (PyDict_Check(value))
        return put_dict(convert, value);
    return put_tuple(convert, value);
}
