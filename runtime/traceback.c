/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Picks the caller's frames out of a traceback and prints them as Python does.
 * Runs in: worker.
 * Trusts: nothing; works on code objects and frames only, never calls the caller's code.
 */
#include "runtime/traceback.h"

#include <frameobject.h>
#include <string.h>

#include "runtime/modset.h"
#include "runtime/modules.h"
#include "runtime/report.h"

enum { FRAMES_FIRST = 50, FRAMES_LAST = 50, REPEATS_MAX = 3, LINE_BYTES_MAX = 400 };

bool cl_traceback_is_own(PyObject *file, struct cl_bytes *source)
{
    return PyUnicode_CheckExact(file) &&
           (PyUnicode_CompareWithASCIIString(file, CL_SOURCE_NAME) == 0 ||
            cl_modset_source(file, source));
}

struct cl_bytes cl_traceback_line(struct cl_bytes source, int number)
{
    const char *at = source.bytes ? source.bytes : "";
    const char *end = at + source.length;
    struct cl_bytes line = { "", 0 };

    if (number < 1)
        return line;
    while (--number > 0) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (!at)
            return line;
        at++;
    }
    line.bytes = at;
    at = memchr(line.bytes, '\n', (size_t)(end - line.bytes));
    line.length = (size_t)((at ? at : end) - line.bytes);
    return line;
}

/* Characters in the first `bytes` bytes of a line. */
static int characters_in(struct cl_bytes line, int bytes)
{
    int count = 0;

    for (int i = 0; i < bytes && (size_t)i < line.length; i++)
        count += ((unsigned char)line.bytes[i] & 0xc0) != 0x80;
    return count;
}

static struct cl_place place_of(struct cl_bytes source, PyTracebackObject *entry,
                                PyCodeObject *code)
{
    struct cl_place place = { entry->tb_lineno, 0, 0, 0 };
    int line, column, end_line, end_column;

    if (!PyCode_Addr2Location(code, entry->tb_lasti, &line, &column, &end_line, &end_column))
        return place;
    if (line > 0)
        place.line = line;
    if (column >= 0)
        place.column = characters_in(cl_traceback_line(source, line), column) + 1;
    if (end_column >= 0 && place.column > 0) {
        place.end_line = end_line;
        place.end_column = characters_in(cl_traceback_line(source, end_line), end_column) + 1;
    }
    return place;
}

/* Whether the code is of the caller's source, or of a module that came with the call; then
 * `source` is its own. */
static bool is_own(PyCodeObject *code, struct cl_bytes *source)
{
    return cl_traceback_is_own(code->co_filename, source);
}

/* Code that the caller compiled itself runs with the caller's builtins. */
static bool is_callers(PyFrameObject *frame, PyCodeObject *code)
{
    cl_pyref_auto PyObject *builtins = PyFrame_GetBuiltins(frame);
    struct cl_bytes source;

    return is_own(code, &source) || builtins == cl_modules_builtins();
}

static PyCodeObject *code_of(PyTracebackObject *entry)
{
    return PyFrame_GetCode(entry->tb_frame);
}

struct cl_place cl_traceback_place(struct cl_bytes source, PyObject *traceback)
{
    struct cl_place place = { 0, 0, 0, 0 };

    for (PyTracebackObject *entry = (PyTracebackObject *)traceback; entry;
         entry = entry->tb_next) {
        PyCodeObject *code = code_of(entry);

        if (is_own(code, &source))
            place = place_of(source, entry, code);
        Py_DECREF(code);
    }
    return place;
}

static int put_text(PyObject *lines, PyObject *text)
{
    cl_pyref_auto PyObject *owned = text;

    return owned ? PyList_Append(lines, owned) : -1;
}

static int put_carets(struct cl_bytes line, const struct cl_place *place, int indent,
                      PyObject *lines)
{
    int length = characters_in(line, (int)line.length);
    int from = place->column - 1 - indent;
    int to = place->end_line == place->line ? place->end_column - 1 - indent : length - indent;
    cl_pyref_auto PyObject *row = NULL;

    if (place->column < 1 || place->end_column < 1 || from < 0 || to <= from ||
        (from == 0 && to >= length - indent))
        return 0;
    row = PyUnicode_New(4 + to + 1, '~');
    if (!row || PyUnicode_Fill(row, 0, 4 + from, ' ') < 0 ||
        PyUnicode_Fill(row, 4 + from, to - from, '^') < 0 ||
        PyUnicode_WriteChar(row, 4 + to, '\n') < 0)
        return -1;
    return PyList_Append(lines, row);
}

int cl_traceback_put_line(struct cl_bytes source, const struct cl_place *place, PyObject *lines)
{
    struct cl_bytes line = cl_traceback_line(source, place->line);
    size_t indent = 0;
    cl_pyref_auto PyObject *text = NULL;

    while (line.length > 0 && strchr(" \t\r\f", line.bytes[line.length - 1]))
        line.length--;
    while (indent < line.length && strchr(" \t\f", line.bytes[indent]))
        indent++;
    if (indent == line.length || line.length > LINE_BYTES_MAX)
        return 0;
    text = PyUnicode_DecodeUTF8(line.bytes + indent, (Py_ssize_t)(line.length - indent),
                                "replace");
    if (!text || put_text(lines, PyUnicode_FromFormat("    %U\n", text)) < 0)
        return -1;
    return put_carets(line, place, (int)indent, lines);
}

static int put_entry(struct cl_bytes source, PyTracebackObject *entry, PyCodeObject *code,
                     PyObject *lines)
{
    struct cl_place place = { entry->tb_lineno, 0, 0, 0 };
    const bool has_source = is_own(code, &source);

    if (has_source)
        place = place_of(source, entry, code);
    if (put_text(lines, PyUnicode_FromFormat("  File \"%U\", line %d, in %U\n",
                                             code->co_filename, place.line, code->co_name)) < 0)
        return -1;
    return has_source ? cl_traceback_put_line(source, &place, lines) : 0;
}

/* Keeps count of the same line over and over (endless recursion) and of what is left out. */
struct walk {
    PyCodeObject *code; /* of the frame before; only compared */
    int line;
    int repeats;
    long shown;
    long left_out;
};

static int end_repeats(struct walk *walk, PyObject *lines)
{
    int more = walk->repeats - REPEATS_MAX;

    walk->repeats = 0;
    if (more <= 0)
        return 0;
    return put_text(lines, PyUnicode_FromFormat("  [Previous line repeated %d more time%s]\n",
                                                more, more == 1 ? "" : "s"));
}

static int put_frame(struct cl_bytes source, struct walk *walk, PyTracebackObject *entry,
                     PyObject *lines)
{
    PyCodeObject *code = code_of(entry);
    int put = 0;

    if (is_callers(entry->tb_frame, code)) {
        bool is_same = walk->code == code && walk->line == entry->tb_lineno;

        if (!is_same)
            put = end_repeats(walk, lines);
        walk->repeats = is_same ? walk->repeats + 1 : 1;
        walk->code = code;
        walk->line = entry->tb_lineno;
        if (put == 0 && walk->repeats <= REPEATS_MAX) {
            walk->shown++;
            put = put_entry(source, entry, code, lines);
        }
    }
    Py_DECREF(code);
    return put;
}

static long count_entries(PyObject *traceback)
{
    long count = 0;

    for (PyTracebackObject *entry = (PyTracebackObject *)traceback; entry;
         entry = entry->tb_next)
        count++;
    return count;
}

/* Long tracebacks lose their middle, unless it is one line repeated. */
int cl_traceback_put(struct cl_bytes source, PyObject *traceback, PyObject *lines)
{
    struct walk walk = { NULL, 0, 0, 0, 0 };
    long left = count_entries(traceback);

    for (PyTracebackObject *entry = (PyTracebackObject *)traceback; entry;
         entry = entry->tb_next, left--) {
        if (walk.shown >= FRAMES_FIRST && left > FRAMES_LAST) {
            walk.left_out++;
            continue;
        }
        if (walk.left_out > 0 && left == FRAMES_LAST &&
            put_text(lines, PyUnicode_FromFormat("  [%ld frames left out]\n", walk.left_out)) <
                0)
            return -1;
        if (put_frame(source, &walk, entry, lines) < 0)
            return -1;
    }
    return end_repeats(&walk, lines);
}
