/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text streams that end in frames.
 * Runs in: worker.
 * Trusts: nothing; the API counts output again.
 */
#include "runtime/stdio.h"

#include <string.h>

#include "runtime/boot.h"
#include "runtime/emit.h"

enum { BUFFER_BYTES = 32 << 10, SMALL_BYTES = 4 << 10 };

/* A stream lives for ever: its object is a handle, so even a tampered `sys` cannot lose output. */
struct stream {
    enum cl_frame_type type;
    const char *name;
    size_t length;
    char bytes[BUFFER_BYTES];
};

static struct stream streams[] = { { CL_F_STDOUT, "<stdout>", 0, "" },
                                   { CL_F_STDERR, "<stderr>", 0, "" } };

/* In a session each call has streams of its own, and the two above are handles only. */
struct cl_stdio_pair {
    struct stream streams[CL_COUNT(streams)];
};

static struct cl_stdio_pair *(*find_pair)(void);

static bool is_muted; /* while warming up there is nobody to write to */

/* The streams of who writes; NULL: nobody hears him. */
static struct stream *own_streams(void)
{
    struct cl_stdio_pair *pair = find_pair ? find_pair() : NULL;

    return pair ? pair->streams : find_pair ? NULL : streams;
}

struct handle {
    PyObject_HEAD
    struct stream *stream;
    PyObject *raw; /* the bytes side (`.buffer`) of a text stream; NULL on the bytes side */
};

/* Blocks while the reader is slow; other threads run meanwhile, so `bytes` must not be a buffer
 * that they may write to. */
static void send_bytes(const struct stream *stream, const char *bytes, size_t length)
{
    if (is_muted || length == 0)
        return;
    Py_BEGIN_ALLOW_THREADS
    cl_emit_output(stream->type, bytes, length);
    Py_END_ALLOW_THREADS
}

static void flush_stream(struct stream *stream)
{
    char small[SMALL_BYTES];
    size_t length = stream->length;
    cl_free_auto char *large = length > sizeof(small) ? malloc(length) : NULL;
    char *copy = large ? large : small;

    if (length > sizeof(small) && !large)
        copy = stream->bytes; /* no memory: rather mixed lines than lost ones */
    if (copy != stream->bytes)
        memcpy(copy, stream->bytes, length);
    stream->length = 0;
    send_bytes(stream, copy, length);
}

static void put_bytes(const struct stream *handle, const char *bytes, size_t length)
{
    struct stream *own = own_streams();
    struct stream *stream = own ? &own[handle - streams] : NULL;
    const char *last = memrchr(bytes, '\n', length);
    size_t ready = last ? (size_t)(last - bytes) + 1 : 0;

    if (!stream)
        return;
    if (length > BUFFER_BYTES - stream->length)
        flush_stream(stream);
    if (length > BUFFER_BYTES) {
        send_bytes(stream, bytes, length);
        return;
    }
    memcpy(stream->bytes + stream->length, bytes, length);
    stream->length += length;
    if (ready)
        flush_stream(stream);
}

static int put_text(struct stream *stream, PyObject *text)
{
    Py_ssize_t length;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &length);
    cl_pyref_auto PyObject *escaped = NULL;

    if (bytes) {
        put_bytes(stream, bytes, (size_t)length);
        return 0;
    }
    PyErr_Clear();
    escaped = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    if (!escaped)
        return -1;
    put_bytes(stream, PyBytes_AS_STRING(escaped), (size_t)PyBytes_GET_SIZE(escaped));
    return 0;
}

static PyObject *text_write(PyObject *self, PyObject *text)
{
    if (!PyUnicode_Check(text))
        return PyErr_Format(PyExc_TypeError, "write() argument must be str, not %s",
                            Py_TYPE(text)->tp_name);
    if (put_text(((struct handle *)self)->stream, text) < 0)
        return NULL;
    return PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text));
}

static PyObject *raw_write(PyObject *self, PyObject *bytes)
{
    Py_buffer view;
    Py_ssize_t length;

    if (PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    length = view.len;
    put_bytes(((struct handle *)self)->stream, view.buf, (size_t)length);
    PyBuffer_Release(&view);
    return PyLong_FromSsize_t(length);
}

static PyObject *any_writelines(PyObject *self, PyObject *lines)
{
    cl_pyref_auto PyObject *iterator = PyObject_GetIter(lines);
    bool is_text = ((struct handle *)self)->raw != NULL;
    PyObject *line;

    while (iterator && (line = PyIter_Next(iterator))) {
        PyObject *count = is_text ? text_write(self, line) : raw_write(self, line);

        Py_DECREF(line);
        if (!count)
            return NULL;
        Py_DECREF(count);
    }
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *any_flush(PyObject *self, PyObject *unused)
{
    struct stream *own = own_streams();

    (void)unused;
    if (own)
        flush_stream(&own[((struct handle *)self)->stream - streams]);
    Py_RETURN_NONE;
}

static PyObject *any_true(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_TRUE;
}

static PyObject *any_false(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_FALSE;
}

static PyObject *any_nothing(PyObject *self, PyObject *args, PyObject *keywords)
{
    (void)self;
    (void)args;
    (void)keywords;
    Py_RETURN_NONE;
}

static PyObject *any_unsupported(PyObject *self, PyObject *args)
{
    PyObject *b_type = cl_pyref_type("io", "UnsupportedOperation");

    (void)args;
    return PyErr_Format(b_type ? b_type : PyExc_OSError, "%s is not backed by a file",
                        ((struct handle *)self)->stream->name);
}

static PyObject *any_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(self);
}

static PyMethodDef text_methods[] = {
    { "write", text_write, METH_O, NULL },
    { "writelines", any_writelines, METH_O, NULL },
    { "flush", any_flush, METH_NOARGS, NULL },
    { "close", any_flush, METH_NOARGS, NULL },
    { "isatty", any_false, METH_NOARGS, NULL },
    { "readable", any_false, METH_NOARGS, NULL },
    { "seekable", any_false, METH_NOARGS, NULL },
    { "writable", any_true, METH_NOARGS, NULL },
    { "fileno", any_unsupported, METH_NOARGS, NULL },
    { "detach", any_unsupported, METH_NOARGS, NULL },
    { "read", any_unsupported, METH_VARARGS, NULL },
    { "readline", any_unsupported, METH_VARARGS, NULL },
    { "seek", any_unsupported, METH_VARARGS, NULL },
    { "tell", any_unsupported, METH_NOARGS, NULL },
    { "truncate", any_unsupported, METH_VARARGS, NULL },
    { "reconfigure", (PyCFunction)(void (*)(void))any_nothing, METH_VARARGS | METH_KEYWORDS,
      NULL },
    { "__enter__", any_enter, METH_NOARGS, NULL },
    { "__exit__", (PyCFunction)(void (*)(void))any_nothing, METH_VARARGS | METH_KEYWORDS,
      NULL },
    { NULL, NULL, 0, NULL },
};

static PyObject *any_get(PyObject *self, void *attribute)
{
    const struct handle *handle = (struct handle *)self;
    const char *const name = attribute;

    if (strcmp(name, "buffer") == 0 && handle->raw)
        return Py_NewRef(handle->raw);
    if (strcmp(name, "name") == 0)
        return PyUnicode_FromString(handle->stream->name);
    if (strcmp(name, "closed") == 0)
        Py_RETURN_FALSE;
    if (strcmp(name, "line_buffering") == 0)
        Py_RETURN_TRUE;
    Py_RETURN_NONE;
}

static PyObject *text_constant(PyObject *self, void *text)
{
    (void)self;
    return PyUnicode_FromString(text);
}

static char names[][16] = { "buffer", "name", "closed", "line_buffering", "newlines" };
static char utf8[] = "utf-8", backslashes[] = "backslashreplace", mode_text[] = "w",
            mode_raw[] = "wb";

static PyGetSetDef text_attributes[] = {
    { "buffer", any_get, NULL, NULL, names[0] },
    { "name", any_get, NULL, NULL, names[1] },
    { "closed", any_get, NULL, NULL, names[2] },
    { "line_buffering", any_get, NULL, NULL, names[3] },
    { "newlines", any_get, NULL, NULL, names[4] },
    { "encoding", text_constant, NULL, NULL, utf8 },
    { "errors", text_constant, NULL, NULL, backslashes },
    { "mode", text_constant, NULL, NULL, mode_text },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyGetSetDef raw_attributes[] = {
    { "name", any_get, NULL, NULL, names[1] },
    { "closed", any_get, NULL, NULL, names[2] },
    { "mode", text_constant, NULL, NULL, mode_raw },
    { NULL, NULL, NULL, NULL, NULL },
};

static PyTypeObject text_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "cloche.TextOutput",
    .tp_basicsize = sizeof(struct handle),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_methods = text_methods,
    .tp_getset = text_attributes,
};

static PyTypeObject raw_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "cloche.RawOutput",
    .tp_basicsize = sizeof(struct handle),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_getset = raw_attributes,
};

/* The bytes side has the text side's methods, but for `write` and `reconfigure`. */
static PyMethodDef raw_methods[CL_COUNT(text_methods)];

static int ready_types(void)
{
    memcpy(raw_methods, text_methods, sizeof(text_methods));
    raw_methods[0].ml_meth = raw_write;
    raw_type.tp_methods = raw_methods;
    return PyType_Ready(&text_type) < 0 || PyType_Ready(&raw_type) < 0 ? -1 : 0;
}

static PyObject *make_handle(PyTypeObject *type, struct stream *stream, PyObject *raw)
{
    struct handle *handle = PyObject_New(struct handle, type);

    if (!handle)
        return NULL;
    handle->stream = stream;
    handle->raw = Py_XNewRef(raw);
    return (PyObject *)handle;
}

static int open_stream(struct stream *stream, const char *name, const char *original)
{
    cl_pyref_auto PyObject *raw = make_handle(&raw_type, stream, NULL);
    cl_pyref_auto PyObject *text = raw ? make_handle(&text_type, stream, raw) : NULL;

    if (!text)
        return -1;
    return PySys_SetObject(name, text) < 0 || PySys_SetObject(original, text) < 0 ? -1 : 0;
}

/* isinstance(sys.stdout, io.TextIOBase) holds. */
static int register_types(void)
{
    cl_pyref_auto PyObject *io = PyImport_ImportModule("io");
    cl_pyref_auto PyObject *text = io ? PyObject_GetAttrString(io, "TextIOBase") : NULL;
    cl_pyref_auto PyObject *raw = io ? PyObject_GetAttrString(io, "BufferedIOBase") : NULL;
    cl_pyref_auto PyObject *first = NULL;
    cl_pyref_auto PyObject *second = NULL;

    if (!text || !raw)
        return -1;
    first = PyObject_CallMethod(text, "register", "O", (PyObject *)&text_type);
    second = PyObject_CallMethod(raw, "register", "O", (PyObject *)&raw_type);
    return first && second ? 0 : -1;
}

PyObject *cl_stdio_input(const char *text, size_t length)
{
    cl_pyref_auto PyObject *io = PyImport_ImportModule("io");
    cl_pyref_auto PyObject *bytes = NULL;

    if (!io)
        return NULL;
    bytes = PyObject_CallMethod(io, "BytesIO", "y#", text ? text : "", (Py_ssize_t)length);
    return bytes ? PyObject_CallMethod(io, "TextIOWrapper", "Oss", bytes, "utf-8", "strict")
                 : NULL;
}

int cl_stdio_feed(const char *text, size_t length)
{
    cl_pyref_auto PyObject *input = cl_stdio_input(text, length);

    if (!input)
        return -1;
    return PySys_SetObject("stdin", input) < 0 || PySys_SetObject("__stdin__", input) < 0 ? -1
                                                                                          : 0;
}

int cl_stdio_prepare(struct cl_err *err)
{
    is_muted = true;
    if (ready_types() < 0 || register_types() < 0 ||
        open_stream(&streams[0], "stdout", "__stdout__") < 0 ||
        open_stream(&streams[1], "stderr", "__stderr__") < 0 || cl_stdio_feed("", 0) < 0)
        return cl_boot_failed(err, "prepare stdio");
    return 0;
}

void cl_stdio_flush(void)
{
    struct stream *own = own_streams();

    for (size_t i = 0; own && i < CL_COUNT(streams); i++)
        flush_stream(&own[i]);
}

struct cl_stdio_pair *cl_stdio_pair_new(void)
{
    struct cl_stdio_pair *pair = malloc(sizeof(*pair));

    for (size_t i = 0; pair && i < CL_COUNT(streams); i++) {
        pair->streams[i].type = streams[i].type;
        pair->streams[i].name = streams[i].name;
        pair->streams[i].length = 0;
    }
    return pair;
}

void cl_stdio_share(struct cl_stdio_pair *(*find)(void))
{
    find_pair = find;
}

void cl_stdio_drop(void)
{
    for (size_t i = 0; i < CL_COUNT(streams); i++)
        streams[i].length = 0;
    is_muted = false;
}
