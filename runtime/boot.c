/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts CPython and runs the Python helpers that are compiled into this program.
 * Runs in: zygote.
 * Trusts: the host's libpython and stdlib; nothing of a caller exists yet.
 */
#include "runtime/boot.h"

#include <marshal.h>
#include <string.h>

#include "runtime/frozen.h"

/* Where Debian keeps what `apt install python3-numpy` brings; only used until the tree closes. */
static const wchar_t *const library_paths[] = {
    L"/usr/lib/python3.11",
    L"/usr/lib/python3.11/lib-dynload",
    L"/usr/local/lib/python3.11/dist-packages",
    L"/usr/lib/python3/dist-packages",
};

enum { INT_DIGITS_MAX = 65536 }; /* what the JSON validator lets through as one number */

static PyStatus preconfigure(void)
{
    PyPreConfig config;

    PyPreConfig_InitIsolatedConfig(&config);
    config.utf8_mode = 1; /* without a locale open() and stdio would be ASCII */
    return Py_PreInitialize(&config);
}

static PyStatus configure(PyConfig *config)
{
    PyStatus status = PyConfig_SetString(config, &config->program_name, L"/usr/bin/python3");

    for (size_t i = 0; i < CL_COUNT(library_paths) && !PyStatus_Exception(status); i++)
        status = PyWideStringList_Append(&config->module_search_paths, library_paths[i]);
    config->module_search_paths_set = 1;
    config->site_import = 0;
    config->write_bytecode = 0;
    config->install_signal_handlers = 0;
    config->faulthandler = 0;
    config->use_environment = 0;
    config->user_site_directory = 0;
    return status;
}

/* PyConfig of 3.11 has no field for it. */
static int allow_long_ints(struct cl_err *err)
{
    PyObject *b_set = PySys_GetObject("set_int_max_str_digits");
    cl_pyref_auto PyObject *done =
        b_set ? PyObject_CallFunction(b_set, "i", INT_DIGITS_MAX) : NULL;

    return done ? 0 : cl_boot_failed(err, "set the longest number");
}

int cl_boot_start(struct cl_err *err)
{
    PyConfig config;
    PyStatus status;

    if (Py_IsInitialized())
        return 0;
    status = preconfigure();
    if (PyStatus_Exception(status))
        return cl_fail(err, CL_E_LOST, "preconfigure Python: %s", status.err_msg);
    PyConfig_InitIsolatedConfig(&config);
    status = configure(&config);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status))
        return cl_fail(err, CL_E_LOST, "start Python: %s", status.err_msg);
    return allow_long_ints(err);
}

int cl_boot_failed(struct cl_err *err, const char *what)
{
    cl_pyref_auto PyObject *type = NULL;
    cl_pyref_auto PyObject *value = NULL;
    cl_pyref_auto PyObject *traceback = NULL;
    cl_pyref_auto PyObject *text = NULL;
    const char *message = NULL;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value)
        text = PyObject_Str(value);
    if (text)
        message = PyUnicode_AsUTF8(text);
    PyErr_Clear();
    return cl_fail(err, CL_E_LOST, "%s: %s", what, message ? message : "unknown exception");
}

static const struct frozen *find_frozen(const char *name)
{
    for (size_t i = 0; i < CL_COUNT(frozen_modules); i++) {
        if (strcmp(frozen_modules[i].name, name) == 0)
            return &frozen_modules[i];
    }
    return NULL;
}

static PyObject *run_frozen(const struct frozen *frozen)
{
    cl_pyref_auto PyObject *module = PyModule_New(frozen->name);
    cl_pyref_auto PyObject *code = NULL;
    cl_pyref_auto PyObject *value = NULL;
    PyObject *b_dict;

    if (!module)
        return NULL;
    code = PyMarshal_ReadObjectFromString((const char *)frozen->code, (Py_ssize_t)frozen->size);
    if (!code)
        return NULL;
    b_dict = PyModule_GetDict(module);
    if (PyDict_SetItemString(b_dict, "__builtins__", PyEval_GetBuiltins()) < 0)
        return NULL;
    value = PyEval_EvalCode(code, b_dict, b_dict);
    return value ? cl_take_ptr(&module) : NULL;
}

PyObject *cl_boot_helper(const char *name, struct cl_err *err)
{
    const struct frozen *frozen = find_frozen(name);
    PyObject *module;

    CL_CHECK(frozen);
    if (PyImport_GetMagicNumber() != FROZEN_MAGIC) {
        cl_fail(err, CL_E_LOST, "this program was built for another Python");
        return NULL;
    }
    module = run_frozen(frozen);
    if (!module)
        cl_boot_failed(err, name);
    return module;
}

PyObject *cl_pyref_module(const char *name)
{
    return PyDict_GetItemString(PyImport_GetModuleDict(), name);
}

PyObject *cl_pyref_type(const char *module, const char *name)
{
    PyObject *b_module = cl_pyref_module(module);
    PyObject *b_type;

    if (!b_module || !PyModule_Check(b_module))
        return NULL;
    b_type = PyDict_GetItemString(PyModule_GetDict(b_module), name);
    return b_type && PyType_Check(b_type) ? b_type : NULL;
}
