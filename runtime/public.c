/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides which names of a module are public.
 * Runs in: worker (and zygote, for what is preloaded).
 * Trusts: nothing; hygiene, the kernel jail is the boundary.
 */
#include "runtime/public.h"

#include <string.h>

#include "runtime/modules.h"
#include "sandbox/base/policyview.h"

/* Public by their names, but roads to every module, frame or import. A policy that wants one says
 * so under `names`. */
static const char *const withheld[] = {
    "sys.modules",        "sys.meta_path",    "sys.path_hooks",       "sys.path_importer_cache",
    "sys.settrace",       "sys.setprofile",   "sys.gettrace",         "sys.getprofile",
    "sys.addaudithook",   "sys.call_tracing", "sys.breakpointhook",   "sys.setdlopenflags",
    "sys.last_traceback", "importlib.reload", "threading.setprofile", "threading.settrace",
};

/* Private, harmless, and looked up by dataclasses in the `typing` that the caller has. */
static const char *const needed[] = { "typing._GenericAlias" };

/* What contextlib.redirect_stdout and the like put in place of the real thing. */
static const char *const live[] = { "sys.stdin", "sys.stdout", "sys.stderr" };

static bool is_in(const struct cl_public *from, PyObject *item, const char *const *table,
                  size_t count)
{
    const char *module = PyUnicode_AsUTF8(from->name);
    const char *name = PyUnicode_AsUTF8(item);
    char whole[128];

    PyErr_Clear();
    if (!module || !name ||
        snprintf(whole, sizeof(whole), "%s.%s", module, name) >= (int)sizeof(whole))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(whole, table[i]) == 0)
            return true;
    }
    return false;
}

bool cl_public_is_live(const struct cl_public *from, PyObject *item)
{
    return is_in(from, item, live, CL_COUNT(live));
}

void cl_public_open(struct cl_public *from, PyObject *name, PyObject *module, PyObject *names)
{
    PyObject *b_dict = PyModule_GetDict(module);
    PyObject *b_all = PyDict_GetItemString(b_dict, "__all__");
    bool is_builtins = PyUnicode_CompareWithASCIIString(name, "builtins") == 0;

    if (b_all && !PyList_CheckExact(b_all) && !PyTuple_CheckExact(b_all))
        b_all = NULL;
    *from = (struct cl_public){
        .name = name,
        .module = module,
        .dict = is_builtins ? cl_modules_builtins() : b_dict,
        .names = names,
        .all = b_all,
    };
}

static bool contains(PyObject *sequence, PyObject *item)
{
    int found = sequence ? PySequence_Contains(sequence, item) : 0;

    PyErr_Clear();
    return found == 1;
}

bool cl_public_lists(const struct cl_public *from, PyObject *item)
{
    return contains(from->names ? from->names : from->all, item);
}

static bool is_plain(PyObject *value)
{
    return PyUnicode_CheckExact(value) || PyLong_Check(value) || PyFloat_CheckExact(value) ||
           PyComplex_CheckExact(value) || PyBytes_CheckExact(value) || value == Py_None;
}

/* The first component, without a leading underscore: numpy.core and _numpy are numpy's. */
static size_t top_of(const char **name)
{
    *name += **name == '_';
    return strcspn(*name, ".");
}

/* Functions and classes say where they were defined; of another value its class says it
 * (numpy.abs is one, and numpy's `__all__` leaves it out for the sake of the built-in abs). */
static bool is_foreign(const struct cl_public *from, PyObject *value, bool is_strict)
{
    cl_pyref_auto PyObject *module = NULL;
    const char *home, *own;
    size_t length;
    bool says = PyType_Check(value) || PyFunction_Check(value) || PyCFunction_Check(value);

    if (!says && (!is_strict || is_plain(value)))
        return false;
    module = PyObject_GetAttrString(says ? value : (PyObject *)Py_TYPE(value), "__module__");
    home = module && PyUnicode_CheckExact(module) ? PyUnicode_AsUTF8(module) : NULL;
    own = PyUnicode_AsUTF8(from->name);
    PyErr_Clear();
    if (!home || !own || (!is_strict && home[0] == '_'))
        return !says;
    length = top_of(&home);
    return length != top_of(&own) || strncmp(home, own, length) != 0;
}

bool cl_public_has(const struct cl_public *from, PyObject *item, PyObject *value)
{
    if (from->names)
        return contains(from->names, item);
    if (is_in(from, item, withheld, CL_COUNT(withheld)))
        return false;
    if (contains(from->all, item) || is_in(from, item, needed, CL_COUNT(needed)))
        return true;
    if (PyUnicode_GET_LENGTH(item) == 0)
        return false;
    if (PyUnicode_READ_CHAR(item, 0) == '_')
        return PyUnicode_CompareWithASCIIString(item, "__version__") == 0 &&
               PyUnicode_CheckExact(value);
    return cl_public_is_live(from, item) || !is_foreign(from, value, from->all != NULL);
}

static int copy_public(PyObject *copy, PyObject *name, PyObject *dict)
{
    struct cl_public from = { .name = name,
                              .dict = dict,
                              .all = PyDict_GetItemString(dict, "__all__") };
    cl_pyref_auto PyObject *fixed = PyDict_Copy(dict); /* looking at values may run code */
    PyObject *b_item, *b_value;
    Py_ssize_t at = 0;

    if (!fixed)
        return -1;
    if (from.all && !PyList_CheckExact(from.all) && !PyTuple_CheckExact(from.all))
        from.all = NULL;
    while (PyDict_Next(fixed, &at, &b_item, &b_value)) {
        if (PyUnicode_CheckExact(b_item) && !PyModule_Check(b_value) &&
            cl_public_has(&from, b_item, b_value) && PyDict_SetItem(copy, b_item, b_value) < 0)
            return -1;
    }
    return 0;
}

PyObject *cl_public_copy(PyObject *dict)
{
    cl_pyref_auto PyObject *copy = PyDict_New();
    PyObject *b_name = PyDict_GetItemString(dict, "__name__");
    const char *name = b_name && PyUnicode_CheckExact(b_name) ? PyUnicode_AsUTF8(b_name) : NULL;

    PyErr_Clear();
    if (!copy || !name)
        return copy ? cl_take_ptr(&copy) : NULL;
    if (PyDict_SetItemString(copy, "__name__", b_name) < 0)
        return NULL;
    if (cl_modules_allows(name) && copy_public(copy, b_name, dict) < 0)
        return NULL;
    return cl_take_ptr(&copy);
}

static PyObject *names_tuple(const char *text)
{
    cl_pyref_auto PyObject *joined = PyUnicode_FromString(text);
    cl_pyref_auto PyObject *comma = PyUnicode_FromString(",");
    cl_pyref_auto PyObject *list = joined && comma ? PyUnicode_Split(joined, comma, -1) : NULL;

    return list ? PyList_AsTuple(list) : NULL;
}

PyObject *cl_public_names(const struct cl_policy *policy)
{
    cl_pyref_auto PyObject *all = PyDict_New();
    const char *rule = NULL;

    while (all && (rule = cl_policyview_text(policy, &policy->names, rule))) {
        const char *equals = strchrnul(rule, '=');
        cl_pyref_auto PyObject *module = PyUnicode_FromStringAndSize(rule, equals - rule);
        cl_pyref_auto PyObject *names = names_tuple(*equals ? equals + 1 : equals);

        if (!module || !names || PyDict_SetItem(all, module, names) < 0)
            return NULL;
    }
    return cl_take_ptr(&all);
}
