/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings, numbers and keys as JSON, and the places that errors name.
 * Runs in: worker.
 * Trusts: nothing; the API validates the result again.
 */
#include <stdarg.h>
#include <string.h>

#include "runtime/convert_types.h"

enum {
    KEY_SHOWN_MAX = 60,    /* characters of a key in an error's place */
    INT_BITS_MAX = 217706, /* 65536 decimal digits at most, what the validator lets through */
};

static const char hex[] = "0123456789abcdef";

/* `place` followed by `.key`, `['odd key']` or `[3]` for one step. Owned. */
static PyObject *join_step(PyObject *place, const struct cl_convert_step *step)
{
    cl_pyref_auto PyObject *shown = NULL;

    if (!step->key && step->index < 0)
        return Py_NewRef(place);
    if (!step->key)
        return PyUnicode_FromFormat("%U[%zd]", place, step->index);
    shown = PyUnicode_Substring(step->key, 0, KEY_SHOWN_MAX);
    if (!shown)
        return NULL;
    if (PyUnicode_IsIdentifier(shown) == 1)
        return PyUnicode_FromFormat("%U.%U", place, shown);
    return PyUnicode_FromFormat("%U[%A]", place, shown);
}

int cl_convert_fail(struct cl_convert *convert, const char *format, ...)
{
    cl_pyref_auto PyObject *place = PyUnicode_FromString("$");
    cl_pyref_auto PyObject *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    message = PyUnicode_FromFormatV(format, arguments);
    va_end(arguments);
    for (unsigned i = 0; i < convert->depth && place; i++)
        Py_SETREF(place, join_step(place, &convert->path[i]));
    if (place && message)
        PyErr_Format(cl_convert_error(), "%U: %U", place, message);
    return -1;
}

int cl_convert_text(struct cl_convert *convert, const char *text, size_t length)
{
    struct cl_buf *out = convert->out;
    struct cl_err err;

    if (out->capacity - out->length >= length && out->limit - out->length >= length) {
        memcpy(out->bytes + out->length, text, length);
        out->length += length;
        return 0;
    }
    if (cl_buf_put(out, text, length, &err) == 0)
        return 0;
    convert->limit = CL_LIMIT_RESULT;
    return -1;
}

static int put_escape(struct cl_convert *convert, Py_UCS4 character)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = character ? strchr(plain, (int)character) : NULL;
    char text[6] = { '\\',
                     'u',
                     hex[(character >> 12) & 15],
                     hex[(character >> 8) & 15],
                     hex[(character >> 4) & 15],
                     hex[character & 15] };

    if (character < 0x80 && at) {
        text[1] = letters[at - plain];
        return cl_convert_text(convert, text, 2);
    }
    return cl_convert_text(convert, text, sizeof(text));
}

/* U+2028 and U+2029 are legal in JSON, but end a line for too many readers. */
static bool needs_escape(Py_UCS4 c)
{
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7f || c == 0x2028 || c == 0x2029;
}

static int put_ascii(struct cl_convert *convert, const char *text, Py_ssize_t length)
{
    Py_ssize_t from = 0;

    for (Py_ssize_t at = 0; at < length; at++) {
        if (!needs_escape((Py_UCS4)(unsigned char)text[at]))
            continue;
        if (cl_convert_text(convert, text + from, (size_t)(at - from)) < 0 ||
            put_escape(convert, (Py_UCS4)(unsigned char)text[at]) < 0)
            return -1;
        from = at + 1;
    }
    return cl_convert_text(convert, text + from, (size_t)(length - from));
}

static size_t encode_utf8(Py_UCS4 c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static int put_wide(struct cl_convert *convert, PyObject *text)
{
    int kind = PyUnicode_KIND(text);
    const void *characters = PyUnicode_DATA(text);

    for (Py_ssize_t at = 0; at < PyUnicode_GET_LENGTH(text); at++) {
        Py_UCS4 c = PyUnicode_READ(kind, characters, at);
        char bytes[4];

        if (Py_UNICODE_IS_SURROGATE(c))
            return cl_convert_fail(convert, "text with a lone surrogate \\u%04x is not JSON",
                                   (unsigned)c);
        if (needs_escape(c) ? put_escape(convert, c) < 0
                            : cl_convert_text(convert, bytes, encode_utf8(c, bytes)) < 0)
            return -1;
    }
    return 0;
}

int cl_convert_str(struct cl_convert *convert, PyObject *text)
{
    if (PyUnicode_READY(text) < 0 || cl_convert_text(convert, "\"", 1) < 0)
        return -1;
    if (PyUnicode_IS_ASCII(text)) {
        if (put_ascii(convert, PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text)) < 0)
            return -1;
    } else if (put_wide(convert, text) < 0) {
        return -1;
    }
    return cl_convert_text(convert, "\"", 1);
}

static int put_small_int(struct cl_convert *convert, long long number)
{
    char digits[24];
    char *at = digits + sizeof(digits);
    unsigned long long left =
        number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number;

    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (number < 0)
        *--at = '-';
    return cl_convert_text(convert, at, (size_t)(digits + sizeof(digits) - at));
}

/* Digits of the real value: a subclass' own __str__ is not asked. */
int cl_convert_int(struct cl_convert *convert, PyObject *number)
{
    int overflow;
    long long small = PyLong_AsLongLongAndOverflow(number, &overflow);
    cl_pyref_auto PyObject *text = NULL;

    if (!overflow)
        return put_small_int(convert, small);
    if (_PyLong_NumBits(number) > INT_BITS_MAX)
        return cl_convert_fail(convert, "a whole number of more than 65536 digits");
    text = PyLong_Type.tp_repr(number);
    if (!text)
        return -1;
    return cl_convert_text(convert, PyUnicode_DATA(text), (size_t)PyUnicode_GET_LENGTH(text));
}

int cl_convert_float(struct cl_convert *convert, PyObject *number)
{
    double value = PyFloat_AS_DOUBLE(number);
    char *text;
    int put;

    if (!Py_IS_FINITE(value) && convert->rules.other) {
        convert->rules.has_nonfinite = true;
        return cl_convert_text(convert, "null", 4);
    }
    if (!Py_IS_FINITE(value))
        return cl_convert_fail(convert, "%s is not a JSON number",
                               Py_IS_NAN(value) ? "nan"
                               : value > 0      ? "inf"
                                                : "-inf");
    text = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (!text)
        return -1;
    put = cl_convert_text(convert, text, strlen(text));
    PyMem_Free(text);
    return put;
}

static void encode_group(const uint8_t *in, size_t length, char *out)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t group = (uint32_t)in[0] << 16 | (length > 1 ? (uint32_t)in[1] << 8 : 0) |
                     (length > 2 ? in[2] : 0);

    out[0] = digits[group >> 18];
    out[1] = digits[group >> 12 & 63];
    out[2] = length > 1 ? digits[group >> 6 & 63] : '=';
    out[3] = length > 2 ? digits[group & 63] : '=';
}

static int put_base64(struct cl_convert *convert, const uint8_t *bytes, size_t length)
{
    char out[4];

    if (cl_convert_text(convert, "\"", 1) < 0)
        return -1;
    for (size_t at = 0; at < length; at += 3) {
        encode_group(bytes + at, length - at, out);
        if (cl_convert_text(convert, out, sizeof(out)) < 0)
            return -1;
    }
    return cl_convert_text(convert, "\"", 1);
}

int cl_convert_base64(struct cl_convert *convert, PyObject *bytes)
{
    Py_buffer view;
    int put;

    if (PyObject_GetBuffer(bytes, &view, PyBUF_CONTIG_RO) < 0)
        return -1;
    put = put_base64(convert, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return put;
}

PyObject *cl_convert_key(struct cl_convert *convert, PyObject *key)
{
    if (PyUnicode_Check(key))
        return PyUnicode_FromObject(key);
    if (key == Py_None)
        return PyUnicode_FromString("null");
    if (PyBool_Check(key))
        return PyUnicode_FromString(key == Py_True ? "true" : "false");
    if (PyLong_Check(key) && _PyLong_NumBits(key) <= INT_BITS_MAX)
        return PyLong_Type.tp_repr(key);
    if (PyFloat_Check(key) && Py_IS_FINITE(PyFloat_AS_DOUBLE(key)))
        return PyFloat_Type.tp_repr(key);
    if (convert->rules.other) { /* json.dumps' own words */
        PyErr_Format(PyExc_TypeError, "keys must be str, int, float, bool or None, not %.100s",
                     Py_TYPE(key)->tp_name);
        return NULL;
    }
    cl_convert_fail(convert, "a key of type '%.100s' is not JSON", Py_TYPE(key)->tp_name);
    return NULL;
}
