/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guarded `__import__` and `__builtins__` of the caller's code.
 * Runs in: worker (prepared in the zygote).
 * Trusts: nothing the caller passes; it is a second line, the kernel jail is the boundary.
 */
#include "runtime/modules.h"

#include <string.h>

#include "runtime/asker.h"
#include "runtime/attributes.h"
#include "runtime/audit.h"
#include "runtime/boot.h"
#include "runtime/denial.h"
#include "runtime/guard.h"
#include "runtime/known.h"
#include "runtime/learn.h"
#include "runtime/mapped.h"
#include "runtime/modset.h"
#include "runtime/report.h"
#include "runtime/scopes.h"
#include "runtime/view.h"
#include "sandbox/base/policyview.h"

static struct {
    PyObject *builtins; /* owned, for ever, like all here */
    PyObject *allowed;  /* set of whole dotted names */
    PyObject *parents;  /* set of the proper prefixes of those */
    PyObject *removed;  /* dict: what the policy took out of builtins */
} state;

PyObject *cl_modules_builtins(void)
{
    return state.builtins;
}

bool cl_modules_is_caller(void)
{
    return cl_asker_is_caller();
}

bool cl_modules_allows(const char *name)
{
    cl_pyref_auto PyObject *text = PyUnicode_FromString(name);
    int found = text ? PySet_Contains(state.allowed, text) : 0;

    PyErr_Clear();
    return found == 1;
}

/* What C functions import by name on behalf of the code that calls them: `time.strptime` asks for
 * _strptime, a failing `json.loads` for json.decoder. They ask through the caller's __import__. */
static const char *const asked_by_c[] = { "_strptime",    "time",    "unicodedata",
                                          "json.decoder", "copyreg", "warnings",
                                          "re",           "struct",  "_compat_pickle",
                                          CL_MODULE_NAME, "__main__" };

/* A private part of a package whose top is listed: numpy's C code imports numpy.core._methods. */
static bool is_part_of_listed(PyObject *name)
{
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, PyUnicode_GET_LENGTH(name), 1);
    cl_pyref_auto PyObject *top = dot > 0 ? PyUnicode_Substring(name, 0, dot) : NULL;

    return top && PySet_Contains(state.allowed, top) == 1;
}

static bool is_asked_by_c(PyObject *name)
{
    for (size_t i = 0; i < CL_COUNT(asked_by_c); i++) {
        if (PyUnicode_CompareWithASCIIString(name, asked_by_c[i]) == 0)
            return true;
    }
    return is_part_of_listed(name);
}

/* PyImport_Import() passes the globals twice and an empty list, and drops the answer. So may the
 * caller, who then gets None. */
static bool is_from_c(PyObject *name, PyObject *globals, PyObject *locals, PyObject *items)
{
    return globals && globals == locals && items && PyList_CheckExact(items) &&
           PyList_GET_SIZE(items) == 0 && is_asked_by_c(name);
}

bool cl_modules_may_load(PyObject *name)
{
    bool may = PySet_Contains(state.allowed, name) == 1 ||
               PySet_Contains(state.parents, name) == 1 || is_asked_by_c(name);

    PyErr_Clear();
    return may;
}

static void note(const char *kind, PyObject *name)
{
    const char *text;

    if (!cl_learn_is_on())
        return;
    text = PyUnicode_AsUTF8(name);
    if (text)
        cl_learn_text(kind, text);
    else
        PyErr_Clear();
}

static int refuse(PyObject *name)
{
    note("refused", name);
    return cl_denial_raise(PyExc_ImportError, "modules", name, "module '%U'", name);
}

/* One name of `from package import name`: a module among them must be granted itself. */
static int check_item(PyObject *package, PyObject *item, bool is_listed)
{
    cl_pyref_auto PyObject *whole = NULL;
    int found;

    if (!PyUnicode_CheckExact(item)) {
        PyErr_SetString(PyExc_TypeError, "an imported name is exactly a str");
        return -1;
    }
    if (PyUnicode_CompareWithASCIIString(item, "*") == 0)
        return is_listed ? 0 : refuse(package);
    whole = PyUnicode_FromFormat("%U.%U", package, item);
    if (!whole)
        return -1;
    found = PySet_Contains(state.allowed, whole);
    if (found == 0)
        found = PySet_Contains(state.parents, whole);
    if (found == 1)
        note("import", whole);
    if (found != 0)
        return found < 0 ? -1 : 0;
    if (!is_listed || (cl_mapped_has(whole) && !cl_view_has_part(whole)))
        return refuse(whole);
    return cl_view_check(package, item);
}

static int check_items(PyObject *package, PyObject *items, bool is_listed)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        if (check_item(package, PyTuple_GET_ITEM(items, i), is_listed) < 0)
            return -1;
    }
    return 0;
}

/* Loads a dotted name and returns the last module of it. */
static PyObject *load_leaf(PyObject *name)
{
    cl_pyref_auto PyObject *any = Py_BuildValue("(s)", "__name__");

    return any ? PyImport_ImportModuleLevelObject(name, NULL, NULL, any, 0) : NULL;
}

/* `import a.b.c` binds `a`: its view, or that of a mere parent with the way to what was asked. */
static PyObject *import_top(PyObject *name)
{
    cl_pyref_auto PyObject *top = PyImport_ImportModuleLevelObject(name, NULL, NULL, NULL, 0);

    return top ? cl_view_path(name) : NULL;
}

static PyObject *import_from(PyObject *name, PyObject *items, bool is_listed)
{
    cl_pyref_auto PyObject *module = is_listed ? load_leaf(name) : NULL;

    if ((is_listed && !module) || check_items(name, items, is_listed) < 0)
        return NULL;
    Py_XSETREF(module, PyImport_ImportModuleLevelObject(name, NULL, NULL, items, 0));
    if (!module)
        return NULL;
    return is_listed ? cl_view_public(name, module) : cl_view_items(name, items);
}

/* Whether the whole dotted name may be imported: it is listed, or public in a listed parent, which
 * is loaded for that. -1 with an exception. */
static int is_granted(PyObject *name)
{
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, PyUnicode_GET_LENGTH(name), -1);
    cl_pyref_auto PyObject *parent = dot > 0 ? PyUnicode_Substring(name, 0, dot) : NULL;
    cl_pyref_auto PyObject *loaded = NULL;
    int listed = PySet_Contains(state.allowed, name);

    if (listed != 0 || !parent || PySet_Contains(state.allowed, parent) != 1)
        return listed;
    loaded = load_leaf(parent);
    return loaded ? cl_view_has_part(name) : -1;
}

/* What C code asks for is loaded for it, and it looks it up itself. */
static PyObject *import_for_c(PyObject *name)
{
    cl_pyref_auto PyObject *top = PyImport_ImportModuleLevelObject(name, NULL, NULL, NULL, 0);

    return top ? Py_NewRef(Py_None) : NULL;
}

static PyObject *guarded_import(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = { "name", "globals", "locals", "fromlist", "level", NULL };
    PyObject *name, *globals = NULL, *locals = NULL, *items = NULL;
    cl_pyref_auto PyObject *tuple = NULL;
    int level = 0, listed;

    (void)self;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|OOOi:__import__", names, &name,
                                     &globals, &locals, &items, &level))
        return NULL;
    if (!PyUnicode_CheckExact(name))
        return PyErr_Format(PyExc_TypeError, "a module's name is exactly a str");
    if (level != 0)
        return PyErr_Format(PyExc_ImportError,
                            "attempted relative import with no known parent package");
    if (cl_modset_has(name))
        return cl_modset_import(name);
    listed = PySet_Contains(state.allowed, name);
    if (listed == 0 && is_from_c(name, globals, locals, items))
        return import_for_c(name);
    tuple = items && items != Py_None ? PySequence_Tuple(items) : PyTuple_New(0);
    if (!tuple)
        return NULL;
    listed = is_granted(name);
    if (listed == 0 &&
        (PyTuple_GET_SIZE(tuple) == 0 || PySet_Contains(state.parents, name) != 1))
        refuse(name);
    if (PyErr_Occurred())
        return NULL;
    if (listed == 1)
        note("import", name);
    if (PyTuple_GET_SIZE(tuple) == 0)
        return import_top(name);
    return import_from(name, tuple, listed == 1);
}

/* `importlib.import_module`: the same modules as the statement gets. */
static PyObject *import_module(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = { "name", "package", NULL };
    PyObject *name, *package = Py_None;
    cl_pyref_auto PyObject *module = NULL;
    int listed;

    (void)self;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|O:import_module", names, &name,
                                     &package))
        return NULL;
    if (!PyUnicode_CheckExact(name))
        return PyErr_Format(PyExc_TypeError, "a module's name is exactly a str");
    if (cl_modset_has(name))
        return cl_modset_import(name);
    listed = is_granted(name);
    if (listed == 0)
        refuse(name);
    if (listed <= 0)
        return NULL;
    module = load_leaf(name);
    return module ? cl_view_public(name, module) : NULL;
}

/* What stands in for a builtin that the policy takes away; self is its name. The warm-up before any
 * call is our own code, and may use it. */
static PyObject *removed_builtin(PyObject *self, PyObject *args, PyObject *keywords)
{
    if (!cl_audit_is_active())
        return PyObject_Call(PyDict_GetItem(state.removed, self), args, keywords);
    cl_denial_raise(PyExc_PermissionError, "builtins", self, "builtin '%U'", self);
    return NULL;
}

static PyMethodDef import_def = { "__import__", (PyCFunction)(void (*)(void))guarded_import,
                                  METH_VARARGS | METH_KEYWORDS, NULL };
static PyMethodDef import_module_def = { "import_module",
                                         (PyCFunction)(void (*)(void))import_module,
                                         METH_VARARGS | METH_KEYWORDS, NULL };
static PyMethodDef removed_def = { "removed", (PyCFunction)(void (*)(void))removed_builtin,
                                   METH_VARARGS | METH_KEYWORDS, NULL };

static int remove_builtin(const char *name)
{
    PyObject *b_builtin = PyDict_GetItemString(state.builtins, name);
    cl_pyref_auto PyObject *text = PyUnicode_InternFromString(name);
    cl_pyref_auto PyObject *stub = text ? PyCFunction_New(&removed_def, text) : NULL;

    if (!stub || PyDict_SetItem(state.removed, text, b_builtin) < 0)
        return -1;
    return PyDict_SetItem(state.builtins, text, stub);
}

static int remove_builtins(const struct cl_policy *policy)
{
    const char *name = NULL;

    while ((name = cl_policyview_text(policy, &policy->builtins_removed, name))) {
        if (PyDict_GetItemString(state.builtins, name) && remove_builtin(name) < 0)
            return -1;
    }
    return 0;
}

/* The way a module was loaded leads to loading others. */
static const char *const loaders[] = { "__loader__", "__spec__" };

static int make_builtins(const struct cl_policy *policy, PyObject *import)
{
    if (cl_scopes_prepare() < 0)
        return -1;
    state.builtins = PyDict_Copy(PyEval_GetBuiltins());
    if (!state.builtins || PyDict_SetItemString(state.builtins, "__import__", import) < 0)
        return -1;
    for (size_t i = 0; i < CL_COUNT(loaders); i++) {
        if (PyDict_SetItemString(state.builtins, loaders[i], Py_None) < 0)
            return -1;
    }
    cl_scopes_open(state.builtins);
    return remove_builtins(policy);
}

/* The caller's ways to a module, in its builtins and in the views. */
static int prepare_imports(const struct cl_policy *policy)
{
    cl_pyref_auto PyObject *import = PyCFunction_New(&import_def, NULL);
    cl_pyref_auto PyObject *by_name = PyCFunction_New(&import_module_def, NULL);

    if (!import || !by_name || make_builtins(policy, import) < 0 ||
        cl_view_prepare(policy, state.allowed, state.parents) < 0)
        return -1;
    if (cl_view_replace("importlib.__import__", import) < 0 ||
        cl_view_replace("importlib.import_module", by_name) < 0 || cl_view_preload() < 0)
        return -1;
    return cl_attributes_prepare();
}

static int allow(const char *name)
{
    cl_pyref_auto PyObject *text = PyUnicode_InternFromString(name);

    if (!text || PySet_Add(state.allowed, text) < 0)
        return -1;
    for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
        cl_pyref_auto PyObject *parent = PyUnicode_FromStringAndSize(name, dot - name);

        if (!parent || PySet_Add(state.parents, parent) < 0)
            return -1;
    }
    return 0;
}

int cl_modules_prepare(const struct cl_policy *policy, struct cl_err *err)
{
    const char *name = NULL;

    state.allowed = PySet_New(NULL);
    state.parents = PySet_New(NULL);
    state.removed = PyDict_New();
    if (!state.allowed || !state.parents || !state.removed || allow("cloche") < 0)
        return cl_boot_failed(err, "prepare the import guard");
    while ((name = cl_policyview_text(policy, &policy->modules, name))) {
        if (allow(name) < 0)
            return cl_boot_failed(err, "prepare the import guard");
    }
    if (!CL_GUARD) {
        state.builtins = PyDict_Copy(PyEval_GetBuiltins());
        return state.builtins ? 0 : cl_boot_failed(err, "copy builtins");
    }
    if (prepare_imports(policy) < 0)
        return cl_boot_failed(err, "prepare the import guard");
    return cl_known_prepare(err);
}
