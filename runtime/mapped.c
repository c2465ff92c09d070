/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serves imports from bytecode in memory.
 * Runs in: zygote (prepare) and worker (late imports).
 * Trusts: the host's Python modules; the mapping is private and sealed, a worker can spoil only
 * its own view of it.
 */
#include "runtime/mapped.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <marshal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "runtime/asker.h"
#include "runtime/asyncloop.h"
#include "runtime/audit.h"
#include "runtime/boot.h"
#include "runtime/denial.h"
#include "runtime/entry.h"
#include "runtime/guard.h"
#include "runtime/known.h"
#include "runtime/modules.h"
#include "sandbox/base/policyview.h"

static const uint8_t *blob;
static size_t blob_length;
static PyObject *index_by_name; /* owned, lives for ever: name -> entry of scan.py */
static PyObject *zones_by_name; /* likewise: key of a time zone -> (offset, length) */

static int parse_span(PyObject *const *args, Py_ssize_t count, size_t *offset, size_t *length)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "an offset and a length are needed");
        return -1;
    }
    *offset = PyLong_AsSize_t(args[0]);
    *length = PyErr_Occurred() ? 0 : PyLong_AsSize_t(args[1]);
    if (PyErr_Occurred())
        return -1;
    if (*offset <= blob_length && *length <= blob_length - *offset)
        return 0;
    PyErr_SetString(PyExc_ValueError, "outside of the mapping");
    return -1;
}

static PyObject *load_code(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    size_t offset, length;

    (void)self;
    if (parse_span(args, count, &offset, &length) < 0)
        return NULL;
    return PyMarshal_ReadObjectFromString((const char *)blob + offset, (Py_ssize_t)length);
}

static bool is_machinery(PyFrameObject *frame)
{
    cl_pyref_auto PyObject *builtins = PyFrame_GetBuiltins(frame);
    cl_pyref_auto PyObject *code = (PyObject *)PyFrame_GetCode(frame);
    const char *file = PyUnicode_AsUTF8(((PyCodeObject *)code)->co_filename);

    PyErr_Clear();
    return file && cl_asker_is_real(builtins) && /* anybody may name a file like that */
           (strncmp(file, "<frozen importlib", 17) == 0 || strncmp(file, "<cloche ", 8) == 0 ||
            strstr(file, "/importlib/__init__.py"));
}

/* Whether the code that wants the module, behind the import machinery, is the caller's. */
static bool is_wanted_by_caller(void)
{
    PyFrameObject *frame = (PyFrameObject *)Py_XNewRef((PyObject *)PyEval_GetFrame());
    cl_pyref_auto PyObject *builtins = NULL;

    while (frame && is_machinery(frame)) {
        PyFrameObject *back = PyFrame_GetBack(frame);

        Py_DECREF(frame);
        frame = back;
    }
    builtins = frame ? PyFrame_GetBuiltins(frame) : NULL;
    Py_XDECREF(frame);
    return builtins && !cl_asker_is_real(builtins);
}

/* find_entry(name): where the module lies. Refuses what does not exist here, and what only a
 * library may load: the caller can get hold of the real __import__ through one. */
static PyObject *find_entry(PyObject *self, PyObject *name)
{
    PyObject *b_entry;

    (void)self;
    if (!PyUnicode_Check(name))
        return PyErr_Format(PyExc_TypeError, "a module's name is text");
    b_entry = PyDict_GetItemWithError(index_by_name, name);
    if (b_entry && (!CL_GUARD || !is_wanted_by_caller() || cl_modules_may_load(name)))
        return Py_NewRef(b_entry);
    if (!PyErr_Occurred())
        cl_denial_raise(PyExc_ModuleNotFoundError, "modules", name, "module '%U'", name);
    return NULL;
}

/* While a library's module is being run, it may do what libraries do then. */
static PyObject *on_loading(PyObject *self, PyObject *more)
{
    (void)self;
    cl_audit_load(PyLong_AsLong(more) > 0);
    Py_RETURN_NONE;
}

static PyObject *read_bytes(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    size_t offset, length;

    (void)self;
    if (parse_span(args, count, &offset, &length) < 0)
        return NULL;
    return PyBytes_FromStringAndSize((const char *)blob + offset, (Py_ssize_t)length);
}

static PyMethodDef read_def = { "raw", (PyCFunction)(void (*)(void))read_bytes, METH_FASTCALL,
                                NULL };

/* The host's time zones lie beside the code; the file system they come from does not exist. */
static int install_zones(const char *function)
{
    struct cl_err err = CL_ERR_INIT;
    cl_pyref_auto PyObject *helper = NULL;
    cl_pyref_auto PyObject *raw = NULL;
    cl_pyref_auto PyObject *done = NULL;

    helper = cl_boot_helper("zones", &err);
    raw = PyCFunction_New(&read_def, NULL);
    if (!helper)
        PyErr_SetString(PyExc_ImportError, err.text);
    if (!helper || !raw || PyObject_SetAttrString(helper, "raw", raw) < 0 ||
        PyObject_SetAttrString(helper, "ZONES", zones_by_name) < 0)
        return -1;
    done = PyObject_CallMethod(helper, function, NULL);
    return done ? 0 : -1;
}

static int install_zoneinfo(void)
{
    return install_zones("install_zoneinfo");
}

static int install_pytz(void)
{
    return install_zones("install_pytz");
}

static int install_dateutil(void)
{
    return install_zones("install_dateutil");
}

static const struct {
    const char *module;
    int (*finish)(void);
} finishes[] = { { "asyncio", cl_asyncloop_install },
                 { "zoneinfo", install_zoneinfo },
                 { "pytz", install_pytz },
                 { "dateutil.tz.tz", install_dateutil },
                 { "linecache", cl_entry_offer_source } };

/* A module has run; some then need what their jail does not have otherwise. */
static PyObject *on_loaded(PyObject *self, PyObject *name)
{
    (void)self;
    for (size_t i = 0; i < CL_COUNT(finishes); i++) {
        if (PyUnicode_Check(name) &&
            PyUnicode_CompareWithASCIIString(name, finishes[i].module) == 0 &&
            finishes[i].finish() < 0)
            return NULL;
    }
    if (cl_known_on_loaded(name) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef finder_functions[] = {
    { "load", (PyCFunction)(void (*)(void))load_code, METH_FASTCALL, NULL },
    { "find_entry", find_entry, METH_O, NULL },
    { "loading", on_loading, METH_O, NULL },
    { "loaded", on_loaded, METH_O, NULL },
    { NULL, NULL, 0, NULL },
};

bool cl_mapped_has(PyObject *name)
{
    int known = PyDict_Contains(index_by_name, name);

    if (known == 0)
        known = PyDict_Contains(PyImport_GetModuleDict(), name);
    PyErr_Clear();
    return known == 1;
}

static PyObject *names_of(const struct cl_policy *policy, const struct cl_policy_span *span)
{
    cl_pyref_auto PyObject *names = PyList_New(0);
    const char *name = NULL;

    while (names && (name = cl_policyview_text(policy, span, name))) {
        cl_pyref_auto PyObject *text = PyUnicode_FromString(name);

        if (!text || PyList_Append(names, text) < 0)
            return NULL;
    }
    return cl_take_ptr(&names);
}

/* Private even though sealed: a shared mapping of it would need Linux 6.7. FUTURE_WRITE is enough,
 * since nobody has mapped it writable; WRITE is refused (EBUSY) while anything in the kernel holds
 * one of its pages. */
static int map_blob(int fd, struct cl_err *err)
{
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE;
    struct stat seen;
    void *at;

    if (fcntl(fd, F_ADD_SEALS, seals) < 0 || fstat(fd, &seen) < 0)
        return cl_fail(err, CL_E_SYS, "seal the modules' code");
    blob_length = (size_t)seen.st_size;
    at = mmap(NULL, blob_length ? blob_length : 1, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return cl_fail(err, CL_E_SYS, "map the modules' code");
    blob = at;
    return 0;
}

/* The first of [(name, why or None)], or nothing. */
static int check_failed(PyObject *failed, struct cl_err *err)
{
    const char *name, *why;

    if (PyList_GET_SIZE(failed) == 0)
        return 0;
    if (!PyArg_ParseTuple(PyList_GET_ITEM(failed, 0), "sz", &name, &why))
        return cl_boot_failed(err, "scan modules");
    if (why)
        return cl_fail(err, CL_E_INPUT, "module '%s' cannot be imported: %s", name, why);
    return cl_fail(err, CL_E_INPUT, "module '%s' does not exist on this host", name);
}

static int check_unlisted(PyObject *scan, PyObject *names, PyObject *index, PyObject *base,
                          struct cl_err *err)
{
    cl_pyref_auto PyObject *unlisted =
        PyObject_CallMethod(scan, "unlisted", "OOO", names, index, base);

    if (!unlisted)
        return cl_boot_failed(err, "check transitive modules");
    if (PyList_GET_SIZE(unlisted) == 0)
        return 0;
    return cl_fail(err, CL_E_INPUT,
                   "module '%s' is needed by a listed one, but not listed (transitive: listed)",
                   PyUnicode_AsUTF8(PyList_GET_ITEM(unlisted, 0)));
}

/* Runs the scratch child and keeps its index. `early`: what must be preloaded, because it reads
 * files when it is imported. */
static int scan_modules(const struct cl_policy *policy, PyObject *names, PyObject *base,
                        PyObject **early, struct cl_err *err)
{
    cl_close_auto int fd = memfd_create("cloche-modules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    cl_pyref_auto PyObject *scan = NULL;
    cl_pyref_auto PyObject *found = NULL;

    if (fd < 0)
        return cl_fail(err, CL_E_SYS, "make a memfd for modules");
    scan = cl_boot_helper("scan", err);
    if (!scan)
        return -1;
    found = PyObject_CallMethod(scan, "scan", "OOi", names, base, fd);
    if (!found || !PyTuple_Check(found) || PyTuple_GET_SIZE(found) != 4)
        return cl_boot_failed(err, "scan modules");
    if (check_failed(PyTuple_GET_ITEM(found, 1), err) < 0)
        return -1;
    index_by_name = Py_NewRef(PyTuple_GET_ITEM(found, 0));
    *early = Py_NewRef(PyTuple_GET_ITEM(found, 2));
    zones_by_name = Py_NewRef(PyTuple_GET_ITEM(found, 3));
    if ((policy->flags & CL_POLICY_TRANSITIVE_LISTED) &&
        check_unlisted(scan, names, index_by_name, base, err) < 0)
        return -1;
    return map_blob(fd, err);
}

static int install_finder(PyObject *base, struct cl_err *err)
{
    cl_pyref_auto PyObject *finder = cl_boot_helper("finder", err);
    cl_pyref_auto PyObject *forgotten = NULL;
    cl_pyref_auto PyObject *installed = NULL;

    if (!finder)
        return -1;
    if (PyModule_AddFunctions(finder, finder_functions) < 0 ||
        PyObject_SetAttrString(finder, "INDEX", index_by_name) < 0)
        return cl_boot_failed(err, "install the finder");
    forgotten = PyObject_CallMethod(finder, "forget", "O", base);
    installed = forgotten ? PyObject_CallMethod(finder, "install", NULL) : NULL;
    return installed ? 0 : cl_boot_failed(err, "install the finder");
}

static int preload(PyObject *names, struct cl_err *err)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names); i++) {
        const char *name = PyUnicode_AsUTF8(PyList_GET_ITEM(names, i));
        cl_pyref_auto PyObject *module = name ? PyImport_ImportModule(name) : NULL;

        if (!module)
            return cl_boot_failed(err, name ? name : "preload");
    }
    return 0;
}

/* Modules whose first import asks the kernel for what the filter refuses to a worker. */
static int import_early(struct cl_err *err)
{
    static const char *const early[] = {
        "_signal", /* reads the handler of every signal, and SIGSYS's is guarded */
    };

    for (size_t i = 0; i < CL_COUNT(early); i++) {
        cl_pyref_auto PyObject *module = NULL;

        if (PyDict_GetItemString(index_by_name, early[i]) &&
            !(module = PyImport_ImportModule(early[i])))
            return cl_boot_failed(err, early[i]);
    }
    return 0;
}

/* A worker may not map executable files. An extension that is mapped here under the same path is
 * found by dlopen in the worker without a system call. Counts what stays mapped only. */
static int map_extensions(struct cl_run_loaded *loaded, struct cl_err *err)
{
    PyObject *b_modules = PyImport_GetModuleDict();
    PyObject *b_name, *b_entry;
    Py_ssize_t at = 0;

    while (PyDict_Next(index_by_name, &at, &b_name, &b_entry)) {
        static const long extension = 1; /* EXTENSION of scan.py */
        const char *path = NULL;

        if (PyDict_Contains(b_modules, b_name) == 1)
            continue;
        loaded->mapped++;
        if (PyLong_AsLong(PyTuple_GET_ITEM(b_entry, 0)) != extension)
            continue;
        path = PyUnicode_AsUTF8(PyTuple_GET_ITEM(b_entry, 2));
        if (!path || !dlopen(path, RTLD_NOW | RTLD_LOCAL))
            return cl_fail(err, CL_E_LOST, "map %s: %s", path ? path : "?", dlerror());
    }
    return 0;
}

int cl_mapped_prepare(const struct cl_policy *policy, struct cl_run_loaded *loaded,
                      struct cl_err *err)
{
    cl_pyref_auto PyObject *base = PySet_New(PyImport_GetModuleDict());
    cl_pyref_auto PyObject *names = names_of(policy, &policy->modules);
    cl_pyref_auto PyObject *first = names_of(policy, &policy->preload);
    cl_pyref_auto PyObject *early = NULL;

    cl_asker_prepare();
    if (!base || !names || !first)
        return cl_boot_failed(err, "read the policy's modules");
    if (scan_modules(policy, names, base, &early, err) < 0 || install_finder(base, err) < 0)
        return -1;
    if (preload(policy->flags & CL_POLICY_PRELOAD_ALL ? names : first, err) < 0 ||
        import_early(err) < 0)
        return -1;
    loaded->preloaded = (uint32_t)PyDict_Size(PyImport_GetModuleDict());
    return map_extensions(loaded, err);
}
