/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles callers' source; packs what came out and checks it before it is used again.
 * Runs in: worker.
 * Trusts: nothing; packed code is checked against accidents, not against an enemy: who made it
 * runs in the same tenant's jail anyway.
 */
#include "runtime/compile.h"

#include <marshal.h>
#include <string.h>

#include "runtime/audit.h"

/* In front of packed code. */
struct mark {
    uint32_t magic; /* PyImport_GetMagicNumber() */
    uint32_t length;
    uint64_t sum; /* of the code */
};

PyObject *cl_compile_file(struct cl_bytes module)
{
    cl_pyref_auto PyObject *name =
        PyUnicode_DecodeUTF8(module.bytes, (Py_ssize_t)module.length, "replace");

    return name ? PyUnicode_FromFormat("%U.py", name) : NULL;
}

PyObject *cl_compile(struct cl_bytes source, PyObject *file, int flags)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors put it first */
    PyCompilerFlags all = { .cf_flags = PyCF_SOURCE_IS_UTF8 | PyCF_IGNORE_COOKIE | flags,
                            .cf_feature_version = PY_MINOR_VERSION };
    const char *text = source.bytes ? source.bytes : "";
    PyObject *code;

    if (memchr(text, '\0', source.length)) {
        PyErr_SetString(PyExc_SyntaxError, "source code cannot contain null bytes");
        return NULL;
    }
    if (strncmp(text, mark, sizeof(mark) - 1) == 0)
        text += sizeof(mark) - 1;
    code = Py_CompileStringObject(text, file, Py_file_input, &all, -1);
    /* So the parser says that its stack is full; memory that is used up ends in a kill. */
    if (!code && PyErr_ExceptionMatches(PyExc_MemoryError))
        PyErr_SetString(PyExc_RecursionError, "the source is nested too deeply");
    return code;
}

static uint64_t sum_of(const char *bytes, size_t length)
{
    uint64_t sum = length;

    while (length > 0) {
        const size_t step = length < sizeof(uint64_t) ? length : sizeof(uint64_t);
        uint64_t word = 0;

        memcpy(&word, bytes, step);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 29;
        bytes += step;
        length -= step;
    }
    return sum;
}

PyObject *cl_compile_pack(PyObject *code)
{
    cl_pyref_auto PyObject *plain = PyMarshal_WriteObjectToString(code, Py_MARSHAL_VERSION);
    PyObject *packed;
    struct mark mark;

    if (!plain)
        return NULL;
    mark.magic = (uint32_t)PyImport_GetMagicNumber();
    mark.length = (uint32_t)PyBytes_GET_SIZE(plain);
    mark.sum = sum_of(PyBytes_AS_STRING(plain), mark.length);
    packed = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(sizeof(mark) + mark.length));
    if (!packed)
        return NULL;
    memcpy(PyBytes_AS_STRING(packed), &mark, sizeof(mark));
    memcpy(PyBytes_AS_STRING(packed) + sizeof(mark), PyBytes_AS_STRING(plain), mark.length);
    return packed;
}

static bool is_whole(struct cl_bytes packed)
{
    struct mark mark;

    if (packed.length <= sizeof(mark))
        return false;
    memcpy(&mark, packed.bytes, sizeof(mark));
    return mark.magic == (uint32_t)PyImport_GetMagicNumber() &&
           mark.length == packed.length - sizeof(mark) &&
           mark.sum == sum_of(packed.bytes + sizeof(mark), mark.length);
}

PyObject *cl_compile_unpack(struct cl_bytes packed, PyObject *file)
{
    const bool was_active = cl_audit_is_active();
    cl_pyref_auto PyObject *code = NULL;

    if (!is_whole(packed))
        return NULL;
    /* The caller's frame may be the innermost one, and must not unmarshal; we may. */
    cl_audit_set(false);
    code = PyMarshal_ReadObjectFromString(packed.bytes + sizeof(struct mark),
                                          (Py_ssize_t)(packed.length - sizeof(struct mark)));
    cl_audit_set(was_active);
    PyErr_Clear();
    if (!code || !PyCode_Check(code) ||
        PyUnicode_Compare(((PyCodeObject *)code)->co_filename, file) != 0)
        return NULL;
    return cl_take_ptr(&code);
}
