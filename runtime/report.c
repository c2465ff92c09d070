/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns the exception that ended a call into its final frame.
 * Runs in: worker.
 * Trusts: nothing; `__str__` of the exception may do anything a call may do.
 */
#include "runtime/report.h"

#include <errno.h>
#include <string.h>

#include "runtime/convert.h"
#include "runtime/denial.h"
#include "runtime/emit.h"
#include "runtime/traceback.h"

enum { CHAIN_MAX = 8 };

static const char traceback_head[] = "Traceback (most recent call last):\n";

/* A str attribute of a class, or NULL without an exception. Owned. */
static PyObject *class_text(PyObject *type, const char *name)
{
    PyObject *text = PyObject_GetAttrString(type, name);

    PyErr_Clear();
    if (text && !PyUnicode_Check(text))
        Py_CLEAR(text);
    return text;
}

PyObject *cl_report_type(PyObject *exception)
{
    PyObject *b_type = (PyObject *)Py_TYPE(exception);
    cl_pyref_auto PyObject *module = class_text(b_type, "__module__");
    cl_pyref_auto PyObject *name = class_text(b_type, "__qualname__");

    if (!name)
        return PyUnicode_DecodeUTF8(Py_TYPE(exception)->tp_name,
                                    (Py_ssize_t)strlen(Py_TYPE(exception)->tp_name), "replace");
    if (!module || PyUnicode_CompareWithASCIIString(module, "builtins") == 0 ||
        PyUnicode_CompareWithASCIIString(module, "cloche") == 0 ||
        PyUnicode_CompareWithASCIIString(module, CL_MODULE_NAME) == 0)
        return cl_take_ptr(&name);
    return PyUnicode_FromFormat("%U.%U", module, name);
}

PyObject *cl_report_message(PyObject *exception)
{
    PyObject *text = PyObject_Str(exception);

    if (text)
        return text;
    PyErr_Clear();
    return PyUnicode_FromString("<exception str() failed>");
}

static int put_text(PyObject *lines, PyObject *text)
{
    cl_pyref_auto PyObject *owned = text;

    return owned ? PyList_Append(lines, owned) : -1;
}

static int number_of(PyObject *exception, const char *attribute)
{
    cl_pyref_auto PyObject *value = PyObject_GetAttrString(exception, attribute);
    int overflow;
    long number = value && PyLong_Check(value) ? PyLong_AsLongAndOverflow(value, &overflow) : 0;

    PyErr_Clear();
    return number > 0 && number < INT32_MAX ? (int)number : 0;
}

/* The file of a SyntaxError in the caller's own source (owned), else NULL. */
static PyObject *own_syntax_file(PyObject *exception, struct cl_bytes *source)
{
    cl_pyref_auto PyObject *file = NULL;

    if (!PyObject_TypeCheck(exception, (PyTypeObject *)PyExc_SyntaxError))
        return NULL;
    file = PyObject_GetAttrString(exception, "filename");
    PyErr_Clear();
    return file && cl_traceback_is_own(file, source) ? cl_take_ptr(&file) : NULL;
}

static bool is_own_syntax(PyObject *exception)
{
    struct cl_bytes source;
    cl_pyref_auto PyObject *file = own_syntax_file(exception, &source);

    return file;
}

static struct cl_place syntax_place(PyObject *exception)
{
    struct cl_place place = { number_of(exception, "lineno"), number_of(exception, "offset"),
                              number_of(exception, "end_lineno"),
                              number_of(exception, "end_offset") };

    if (place.column > 0 && place.end_column <= place.column)
        place.end_column = place.column + 1;
    return place;
}

/* Its str() repeats the place; `msg` alone is the message. */
static PyObject *syntax_message(PyObject *exception)
{
    PyObject *text = PyObject_GetAttrString(exception, "msg");

    if (text && PyUnicode_Check(text))
        return text;
    PyErr_Clear();
    Py_XDECREF(text);
    return cl_report_message(exception);
}

static PyObject *message_of(PyObject *exception)
{
    return is_own_syntax(exception) ? syntax_message(exception) : cl_report_message(exception);
}

static int put_notes(PyObject *exception, PyObject *lines)
{
    cl_pyref_auto PyObject *notes = PyObject_GetAttrString(exception, "__notes__");

    PyErr_Clear();
    for (Py_ssize_t i = 0; notes && PyList_CheckExact(notes) && i < PyList_GET_SIZE(notes);
         i++) {
        PyObject *b_note = PyList_GET_ITEM(notes, i);

        if (PyUnicode_CheckExact(b_note) &&
            put_text(lines, PyUnicode_FromFormat("%U\n", b_note)) < 0)
            return -1;
    }
    return 0;
}

/* A place that no frame stands for; `file` is owned here. */
static int put_place(struct cl_bytes source, PyObject *file, const struct cl_place *place,
                     PyObject *lines)
{
    cl_pyref_auto PyObject *owned = file;

    if (!owned || put_text(lines, PyUnicode_FromFormat("  File \"%U\", line %d\n", owned,
                                                       place->line)) < 0)
        return -1;
    return cl_traceback_put_line(source, place, lines);
}

static int put_one(const struct cl_report *report, PyObject *exception, PyObject *lines)
{
    cl_pyref_auto PyObject *traceback = PyException_GetTraceback(exception);
    cl_pyref_auto PyObject *type = cl_report_type(exception);
    cl_pyref_auto PyObject *message = type ? message_of(exception) : NULL;
    struct cl_bytes source = report->source;
    cl_pyref_auto PyObject *syntax_file = own_syntax_file(exception, &source);

    if (!message)
        return -1;
    if (report->place.line > 0 && !syntax_file) {
        if (put_text(lines, PyUnicode_FromString(traceback_head)) < 0 ||
            put_place(report->source, PyUnicode_FromString(CL_SOURCE_NAME), &report->place,
                      lines) < 0)
            return -1;
    } else if (traceback && (put_text(lines, PyUnicode_FromString(traceback_head)) < 0 ||
                             cl_traceback_put(report->source, traceback, lines) < 0))
        return -1;
    if (syntax_file) {
        struct cl_place place = syntax_place(exception);

        if (put_place(source, Py_NewRef(syntax_file), &place, lines) < 0)
            return -1;
    }
    if (put_text(lines,
                 PyUnicode_FromFormat(PyUnicode_GET_LENGTH(message) ? "%U: %U\n" : "%U\n", type,
                                      message)) < 0)
        return -1;
    return put_notes(exception, lines);
}

/* The exception that Python would print before this one; owned, or NULL. */
static PyObject *previous_of(PyObject *exception, const char **joint)
{
    PyObject *cause = PyException_GetCause(exception);

    *joint = "\nThe above exception was the direct cause of the following exception:\n\n";
    if (cause)
        return cause;
    *joint = "\nDuring handling of the above exception, another exception occurred:\n\n";
    if (((PyBaseExceptionObject *)exception)->suppress_context)
        return NULL;
    return PyException_GetContext(exception);
}

static int put_chain(const struct cl_report *report, PyObject *exception, PyObject *lines,
                     int left)
{
    const char *joint;
    cl_pyref_auto PyObject *previous = left > 0 ? previous_of(exception, &joint) : NULL;

    if (previous && previous != exception &&
        (put_chain(report, previous, lines, left - 1) < 0 ||
         put_text(lines, PyUnicode_FromString(joint)) < 0))
        return -1;
    return put_one(report, exception, lines);
}

PyObject *cl_report_traceback(const struct cl_report *report, PyObject *exception)
{
    cl_pyref_auto PyObject *lines = PyList_New(0);
    cl_pyref_auto PyObject *nothing = PyUnicode_FromString("");

    if (!lines || !nothing || put_chain(report, exception, lines, CHAIN_MAX) < 0)
        return NULL;
    return PyUnicode_Join(nothing, lines);
}

static struct cl_place place_of(const struct cl_report *report, PyObject *exception)
{
    cl_pyref_auto PyObject *traceback = PyException_GetTraceback(exception);

    if (is_own_syntax(exception))
        return syntax_place(exception);
    if (report->place.line > 0)
        return report->place;
    return cl_traceback_place(report->source, traceback);
}

/* UTF-8 of a text (taken) for a frame; lone surrogates become backslash escapes. `holder` owns the
 * bytes. */
static struct cl_bytes frame_text(PyObject *text, PyObject **holder)
{
    struct cl_bytes view = { "", 0 };

    *holder = text ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;
    Py_XDECREF(text);
    PyErr_Clear();
    if (*holder) {
        view.bytes = PyBytes_AS_STRING(*holder);
        view.length = (size_t)PyBytes_GET_SIZE(*holder);
    }
    return view;
}

static void end_denied(const struct cl_report *report, PyObject *exception, const char *rule,
                       PyObject *name)
{
    cl_pyref_auto PyObject *name_bytes = NULL;
    cl_pyref_auto PyObject *message_bytes = NULL;
    struct cl_place place = place_of(report, exception);
    struct cl_bytes name_text = frame_text(name, &name_bytes);
    struct cl_bytes message = frame_text(cl_report_message(exception), &message_bytes);
    struct cl_frame_denied head = { .line = place.line,
                                    .column = place.column,
                                    .rule_length = (uint32_t)strlen(rule),
                                    .name_length = (uint32_t)name_text.length,
                                    .message_length = (uint32_t)message.length };

    cl_emit_denied(&head, rule, name_text.bytes, message.bytes);
}

static void end_error(const struct cl_report *report, PyObject *exception)
{
    cl_pyref_auto PyObject *type_bytes = NULL;
    cl_pyref_auto PyObject *message_bytes = NULL;
    cl_pyref_auto PyObject *traceback_bytes = NULL;
    struct cl_place place = place_of(report, exception);
    struct cl_bytes type = frame_text(cl_report_type(exception), &type_bytes);
    struct cl_bytes message = frame_text(message_of(exception), &message_bytes);
    struct cl_bytes traceback = { "", 0 };
    struct cl_frame_error head = { .line = place.line, .column = place.column };

    if ((PyObject *)Py_TYPE(exception) != cl_convert_error())
        traceback = frame_text(cl_report_traceback(report, exception), &traceback_bytes);
    PyErr_Clear();
    head.type_length = (uint32_t)type.length;
    head.message_length = (uint32_t)message.length;
    head.traceback_length = (uint32_t)traceback.length;
    cl_emit_error(&head, type.bytes, message.bytes, traceback.bytes);
}

/* Exceptions that only say that a limit of the jail was reached. */
static void end_if_limit(const struct cl_policy *policy, PyObject *exception)
{
    PyObject *b_type = (PyObject *)Py_TYPE(exception);
    int sys = PyObject_TypeCheck(exception, (PyTypeObject *)PyExc_OSError)
                  ? number_of(exception, "errno")
                  : 0;

    if (b_type == PyExc_MemoryError)
        cl_emit_limit(CL_LIMIT_MEMORY, policy->memory_bytes, 0);
    if (b_type == PyExc_OSError && (sys == ENOSPC || sys == EFBIG || sys == EDQUOT))
        cl_emit_limit(CL_LIMIT_FILES, policy->files_bytes, 0);
    if (b_type == PyExc_BlockingIOError && sys == EAGAIN)
        cl_emit_limit(CL_LIMIT_PROCESSES, policy->processes, 0);
    if (b_type == PyExc_RuntimeError) {
        cl_pyref_auto PyObject *text = cl_report_message(exception);

        if (text && PyUnicode_CompareWithASCIIString(text, "can't start new thread") == 0)
            cl_emit_limit(CL_LIMIT_PROCESSES, policy->processes, 0);
    }
    PyErr_Clear();
}

void cl_report_end(const struct cl_report *report, PyObject *exception)
{
    PyObject *name = NULL;
    const char *rule = cl_denial_rule(exception, &name);

    if (rule) {
        end_denied(report, exception, rule, name);
        return;
    }
    end_if_limit(report->policy, exception);
    end_error(report, exception);
}
