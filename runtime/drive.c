/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finishes what an entry function only began: coroutines, generators, async generators.
 * Runs in: worker.
 * Trusts: nothing.
 */
#include "runtime/drive.h"

#include <string.h>

#include "runtime/boot.h"
#include "runtime/emit.h"
#include "runtime/modset.h"
#include "runtime/modules.h"
#include "runtime/stdio.h"

static PyObject *helper;    /* drive.py; owned, for ever */
static PyObject *scan_once; /* the C scanner of _json; likewise */

/* Where the items of one generator go. */
struct items {
    struct cl_convert *convert;
    Py_ssize_t count;
    bool is_streaming;
    bool has_failed; /* by a limit, which is no exception */
};

static const char items_name[] = "cloche.items";

int cl_drive_prepare(struct cl_err *err)
{
    helper = cl_boot_helper("drive", err);
    if (!helper)
        return -1;
    scan_once = PyObject_CallMethod(helper, "make_scanner", NULL);
    return scan_once ? 0 : cl_boot_failed(err, "make a JSON scanner");
}

int cl_drive_set_runner(PyObject *run)
{
    return PyObject_SetAttrString(helper, "run", run);
}

PyObject *cl_drive_parse(const char *json, size_t length)
{
    size_t space = 0;
    cl_pyref_auto PyObject *text = NULL;
    cl_pyref_auto PyObject *pair = NULL;

    while (space < length && strchr(" \t\r\n", json[space]))
        space++;
    text = PyUnicode_DecodeUTF8(json + space, (Py_ssize_t)(length - space), NULL);
    pair = text ? PyObject_CallFunction(scan_once, "Oi", text, 0) : NULL;
    return pair ? Py_NewRef(PyTuple_GET_ITEM(pair, 0)) : NULL;
}

/* A coroutine that imports asyncio while it runs would find no loop around itself. */
static int load_asyncio(struct cl_bytes source)
{
    static const char name[] = "asyncio";
    cl_pyref_auto PyObject *module = NULL;

    const bool is_named =
        source.bytes && memmem(source.bytes, source.length, name, sizeof(name) - 1);

    if (cl_pyref_module(name) || !cl_modules_allows(name) ||
        (!is_named && !cl_modset_mentions(name)))
        return 0;
    module = PyImport_ImportModule(name);
    return module ? 0 : -1;
}

static void send_item(const struct items *items, size_t start)
{
    const struct cl_buf *out = items->convert->out;

    cl_stdio_flush();
    Py_BEGIN_ALLOW_THREADS
    cl_emit_json(CL_F_ITEM, (const char *)out->bytes + start, out->length - start);
    Py_END_ALLOW_THREADS
}

static int put_item(struct items *items, PyObject *item)
{
    struct cl_convert *convert = items->convert;
    size_t start;

    convert->path[0].index = items->count;
    if (items->count++ > 0 && cl_convert_text(convert, ",", 1) < 0)
        return -1;
    start = convert->out->length;
    if (cl_convert_put(convert, item) < 0)
        return -1;
    if (items->is_streaming)
        send_item(items, start);
    return 0;
}

static int put_generator(struct items *items, PyObject *generator)
{
    PyObject *item;

    while ((item = PyIter_Next(generator))) {
        int put = put_item(items, item);

        Py_DECREF(item);
        if (put < 0)
            return -1;
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* `put` for drive.drain(): a limit has no exception of its own, so one is made to get out. */
static PyObject *take_item(PyObject *self, PyObject *item)
{
    struct items *items = PyCapsule_GetPointer(self, items_name);

    if (!items)
        return NULL;
    if (put_item(items, item) == 0)
        Py_RETURN_NONE;
    items->has_failed = true;
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_RuntimeError, "limit");
    return NULL;
}

static PyMethodDef take_def = { "put", take_item, METH_O, NULL };

static PyObject *run_coroutine(PyObject *coroutine)
{
    cl_pyref_auto PyObject *owned = coroutine;

    return owned ? PyObject_CallMethod(helper, "run", "O", owned) : NULL;
}

static int put_async_generator(struct items *items, PyObject *generator)
{
    cl_pyref_auto PyObject *self = PyCapsule_New(items, items_name, NULL);
    cl_pyref_auto PyObject *put = self ? PyCFunction_New(&take_def, self) : NULL;
    cl_pyref_auto PyObject *done = NULL;

    if (!put)
        return -1;
    done = run_coroutine(PyObject_CallMethod(helper, "drain", "OO", generator, put));
    if (items->convert->limit != CL_LIMIT_NONE)
        PyErr_Clear();
    return done && !items->has_failed ? 0 : -1;
}

static int put_items(struct cl_convert *convert, PyObject *generator, bool is_streaming)
{
    struct items items = { .convert = convert, .is_streaming = is_streaming };
    int put;

    if (cl_convert_enter(convert, generator) < 0 || cl_convert_text(convert, "[", 1) < 0)
        return -1;
    put = PyAsyncGen_CheckExact(generator) ? put_async_generator(&items, generator)
                                           : put_generator(&items, generator);
    if (put < 0)
        return -1;
    cl_convert_leave(convert);
    return cl_convert_text(convert, "]", 1);
}

static bool is_awaitable(PyObject *value)
{
    return Py_TYPE(value)->tp_as_async && Py_TYPE(value)->tp_as_async->am_await;
}

PyObject *cl_drive_settle(PyObject *returned, struct cl_bytes source)
{
    cl_pyref_auto PyObject *value = Py_NewRef(returned);

    if ((PyCoro_CheckExact(value) || PyAsyncGen_CheckExact(value)) && load_asyncio(source) < 0)
        return NULL;
    if (PyCoro_CheckExact(value))
        Py_SETREF(value, run_coroutine(Py_NewRef(value)));
    else if (is_awaitable(value))
        Py_SETREF(value, run_coroutine(PyObject_CallMethod(helper, "wait", "O", value)));
    return value ? cl_take_ptr(&value) : NULL;
}

int cl_drive_put(struct cl_convert *convert, PyObject *returned, struct cl_bytes source,
                 bool is_streaming)
{
    cl_pyref_auto PyObject *value = cl_drive_settle(returned, source);

    if (!value)
        return -1;
    if (PyGen_CheckExact(value) || PyAsyncGen_CheckExact(value))
        return put_items(convert, value, is_streaming);
    return cl_convert_put(convert, value);
}
