/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules that the tenant keeps, made and run on demand.
 * Runs in: worker.
 * Trusts: nothing: names, sources and code are the tenant's, the jail is around them.
 */
#include "runtime/modset.h"

#include <string.h>

#include "runtime/compile.h"
#include "runtime/mapped.h"
#include "runtime/modules.h"
#include "runtime/report.h"

/* Owned for ever, like all here: frames and tracebacks point at the bytes. */
struct kept {
    PyObject *name;
    PyObject *file;
    PyObject *module; /* NULL: not imported yet */
    struct cl_bytes source, code;
};

static PyObject *by_name; /* dict: name -> address of a struct kept; NULL: none ever came */
static PyObject *by_file; /* the same by file name, and files that are no modules */

/* One thread at a time runs modules; it may come again, as cycles do. */
static struct {
    PyThread_type_lock lock;
    unsigned long owner;
    int depth;
} running;

static struct kept *look_up(PyObject *table, PyObject *key)
{
    PyObject *b_address =
        table && PyUnicode_CheckExact(key) ? PyDict_GetItemWithError(table, key) : NULL;

    return b_address ? PyLong_AsVoidPtr(b_address) : NULL;
}

bool cl_modset_has(PyObject *name)
{
    return look_up(by_name, name);
}

bool cl_modset_keeps(struct cl_bytes name, struct cl_bytes source)
{
    cl_pyref_auto PyObject *text =
        PyUnicode_DecodeUTF8(name.bytes, (Py_ssize_t)name.length, NULL);
    const struct kept *kept = text ? look_up(by_name, text) : NULL;

    PyErr_Clear();
    return kept && kept->source.bytes == source.bytes;
}

bool cl_modset_source(PyObject *file, struct cl_bytes *source)
{
    const struct kept *kept = look_up(by_file, file);

    if (kept)
        *source = kept->source;
    return kept;
}

static bool is_dunder(PyObject *name)
{
    const Py_ssize_t end = PyUnicode_GET_LENGTH(name);

    return end > 4 && PyUnicode_READ_CHAR(name, 0) == '_' &&
           PyUnicode_READ_CHAR(name, 1) == '_' && PyUnicode_READ_CHAR(name, end - 1) == '_' &&
           PyUnicode_READ_CHAR(name, end - 2) == '_';
}

bool cl_modset_hides(PyObject *name)
{
    return is_dunder(name) || cl_modules_may_load(name) || cl_mapped_has(name);
}

/* ------------------------------------------------------------------------------- what comes */

static int enter(PyObject *table, PyObject *key, struct kept *kept)
{
    cl_pyref_auto PyObject *address = PyLong_FromVoidPtr(kept);

    return address ? PyDict_SetItem(table, key, address) : -1;
}

static int open_tables(void)
{
    if (!by_name)
        by_name = PyDict_New();
    if (!by_file)
        by_file = PyDict_New();
    return by_name && by_file ? 0 : -1;
}

static bool is_same(struct cl_bytes a, struct cl_bytes b)
{
    return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

/* Another content under a known name starts anew; who imported the old one keeps it. */
static int renew(struct kept *kept, struct cl_bytes source, struct cl_bytes code)
{
    PyObject *b_modules = PyImport_GetModuleDict();

    if (is_same(kept->source, source))
        return 0;
    kept->source = source;
    kept->code = code;
    if (kept->module && PyDict_GetItem(b_modules, kept->name) == kept->module &&
        PyDict_DelItem(b_modules, kept->name) < 0)
        return -1;
    Py_CLEAR(kept->module);
    return 0;
}

static struct kept *new_kept(struct cl_bytes name, struct cl_bytes source, struct cl_bytes code)
{
    struct kept *kept = calloc(1, sizeof(*kept));

    if (!kept) {
        PyErr_NoMemory();
        return NULL;
    }
    kept->source = source;
    kept->code = code;
    kept->name = PyUnicode_DecodeUTF8(name.bytes, (Py_ssize_t)name.length, NULL);
    if (kept->name)
        PyUnicode_InternInPlace(&kept->name);
    kept->file = kept->name ? cl_compile_file(name) : NULL;
    return kept->file ? kept : NULL;
}

/* A name that belongs to a module of the interpreter's stays that module's. */
static int put_one(struct cl_bytes name, struct cl_bytes source, struct cl_bytes code)
{
    cl_pyref_auto PyObject *text =
        PyUnicode_DecodeUTF8(name.bytes, (Py_ssize_t)name.length, NULL);
    struct kept *kept = text ? look_up(by_name, text) : NULL;

    if (!text)
        return -1;
    if (kept)
        return renew(kept, source, code);
    if (!PyUnicode_IsIdentifier(text) || cl_modset_hides(text))
        return 0;
    kept = new_kept(name, source, code);
    return kept && enter(by_name, kept->name, kept) == 0 ? enter(by_file, kept->file, kept)
                                                         : -1;
}

int cl_modset_put(const struct cl_call *call)
{
    if (call->module_count == 0)
        return 0;
    if (open_tables() < 0)
        return -1;
    for (size_t i = 0; i < call->module_count; i++) {
        if (put_one(call->module_name[i], call->module_source[i], call->module_code[i]) < 0)
            return -1;
    }
    return 0;
}

int cl_modset_show(struct cl_bytes name, struct cl_bytes source)
{
    struct kept *kept =
        open_tables() < 0 ? NULL : new_kept(name, source, (struct cl_bytes){ 0 });

    return kept ? enter(by_file, kept->file, kept) : -1;
}

/* ------------------------------------------------------------------------------ the import */

static void lock_running(void)
{
    const unsigned long self = PyThread_get_thread_ident();

    if (!running.lock)
        running.lock = PyThread_allocate_lock();
    if (running.lock && (running.depth == 0 || running.owner != self)) {
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock(running.lock, WAIT_LOCK);
        Py_END_ALLOW_THREADS
        running.owner = self;
    }
    running.depth++;
}

static void unlock_running(void)
{
    running.depth--;
    if (running.lock && running.depth == 0)
        PyThread_release_lock(running.lock);
}

static PyObject *code_of(const struct kept *kept)
{
    PyObject *code = cl_compile_unpack(kept->code, kept->file);

    if (code || PyErr_Occurred())
        return code;
    return cl_compile(kept->source, kept->file, 0);
}

static PyObject *make_module(const struct kept *kept)
{
    cl_pyref_auto PyObject *module = PyModule_NewObject(kept->name);

    if (!module || PyObject_SetAttrString(module, "__file__", kept->file) < 0 ||
        PyObject_SetAttrString(module, "__builtins__", cl_modules_builtins()) < 0)
        return NULL;
    return cl_take_ptr(&module);
}

/* What failed is not there, as in Python: the next import tries again. */
static void forget(struct kept *kept)
{
    PyObject *type, *value, *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    if (PyDict_DelItem(PyImport_GetModuleDict(), kept->name) < 0)
        PyErr_Clear(); /* it may have taken itself out */
    Py_CLEAR(kept->module);
    PyErr_Restore(type, value, traceback);
}

static PyObject *run_module(struct kept *kept)
{
    cl_pyref_auto PyObject *code = code_of(kept);
    cl_pyref_auto PyObject *module = code ? make_module(kept) : NULL;
    cl_pyref_auto PyObject *nothing = NULL;
    PyObject *b_dict;

    if (!module || PyDict_SetItem(PyImport_GetModuleDict(), kept->name, module) < 0)
        return NULL;
    kept->module = Py_NewRef(module);
    b_dict = PyModule_GetDict(module);
    if (cl_modset_offer_sources() == 0)
        nothing = PyEval_EvalCode(code, b_dict, b_dict);
    if (!nothing) {
        forget(kept);
        return NULL;
    }
    return cl_take_ptr(&module);
}

PyObject *cl_modset_import(PyObject *name)
{
    struct kept *kept = look_up(by_name, name);
    PyObject *module;

    if (!kept)
        return PyErr_Format(PyExc_ImportError, "File name %U hides a module", name);
    if (kept->module && running.depth == 0)
        return Py_NewRef(kept->module);
    lock_running();
    module = kept->module ? Py_NewRef(kept->module) : run_module(kept);
    unlock_running();
    return module;
}

/* ------------------------------------------------------------------------------- the lines */

bool cl_modset_mentions(const char *word)
{
    PyObject *b_name, *b_address;
    Py_ssize_t at = 0;

    while (by_name && PyDict_Next(by_name, &at, &b_name, &b_address)) {
        const struct kept *kept = PyLong_AsVoidPtr(b_address);

        if (memmem(kept->source.bytes, kept->source.length, word, strlen(word)))
            return true;
    }
    return false;
}

static PyObject *get_lines(PyObject *self, PyObject *unused)
{
    struct cl_bytes source = { "", 0 };

    (void)unused;
    cl_modset_source(self, &source);
    return PyUnicode_DecodeUTF8(source.bytes, (Py_ssize_t)source.length, "replace");
}

static PyMethodDef lines_def = { "source", get_lines, METH_NOARGS, NULL };

int cl_modset_offer_sources(void)
{
    PyObject *b_linecache = cl_pyref_module("linecache");
    cl_pyref_auto PyObject *cache = NULL;
    PyObject *b_file, *b_address;
    Py_ssize_t at = 0;

    if (!by_file || !b_linecache)
        return 0;
    cache = PyObject_GetAttrString(b_linecache, "cache");
    while (cache && PyDict_Next(by_file, &at, &b_file, &b_address)) {
        cl_pyref_auto PyObject *lines = PyCFunction_New(&lines_def, b_file);
        cl_pyref_auto PyObject *entry = lines ? PyTuple_Pack(1, lines) : NULL;

        if (!entry || PyObject_SetItem(cache, b_file, entry) < 0)
            return -1;
    }
    return cache ? 0 : -1;
}
