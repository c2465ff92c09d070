/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refuses audit events that the policy does not open.
 * Runs in: worker (installed in the zygote).
 * Trusts: nothing; a second line that gives clear errors.
 */
#include "runtime/audit.h"

#include <string.h>

#include "runtime/asker.h"
#include "runtime/attributes.h"
#include "runtime/denial.h"
#include "runtime/guard.h"
#include "runtime/learn.h"
#include "runtime/modules.h"
#include "runtime/pyref.h"

enum feature {
    NEVER = 0,
    FILES = 1 << 0,   /* the policy grants a /tmp or a folder */
    THREADS = 1 << 1, /* the policy grants threads */
    LOOP = 1 << 2,    /* the policy grants asyncio's own loop */
};

enum reach {
    ANYONE, /* refused whoever does it */
    CALLER, /* refused to the caller's own code; libraries do it for good reasons */
};

/* `event` ending in '.' or '*' is a prefix. `modules`: listing one of them opens the row (the
 * kernel is the boundary). The first row that matches decides; an event without a row is free. The
 * table is CPython 3.11's own list of events; what it has and this one lacks on purpose:
 * `import` (the guarded __import__ and the finder decide), `compile` and `exec` (own code is
 * harmless, a library's can't be had), `builtins.id`, `builtins.input` (policies remove the builtin),
 * `array.__new__`, `time.sleep`, `sys.excepthook` and `sys.unraisablehook` (they tell, not ask),
 * and what only exists on Windows. */
static struct row {
    const char *event;
    const char *rule;
    const char *modules;
    enum feature feature;
    enum reach reach;
    bool is_open;
} rows[] = {
    /* Files of the host: there are none, and who asks should hear so at once. */
    { "open", "files", NULL, FILES, ANYONE, false },
    { "setopencodehook", "files", NULL, NEVER, ANYONE, false },
    { "os.chdir", "files", "os", FILES, ANYONE, false },
    /* Other processes, and signals to them. */
    { "os.exec", "processes", "os", NEVER, ANYONE, false },
    { "os.fork*", "processes", "os", NEVER, ANYONE, false },
    { "os.kill*", "processes", "os", NEVER, ANYONE, false },
    { "os.posix_spawn", "processes", "os", NEVER, ANYONE, false },
    { "os.spawn", "processes", "os", NEVER, ANYONE, false },
    { "os.startfile*", "processes", "os", NEVER, ANYONE, false },
    { "os.system", "processes", "os", NEVER, ANYONE, false },
    /* The call's own environment is set before it; C code would see what is changed later. */
    { "os.putenv", "environment", "os", NEVER, ANYONE, false },
    { "os.unsetenv", "environment", "os", NEVER, ANYONE, false },
    { "os.", "files", "os", FILES, ANYONE, false },
    { "shutil.", "files", "shutil", FILES, ANYONE, false },
    { "tempfile.", "files", "tempfile", FILES, ANYONE, false },
    { "glob.", "files", "glob", FILES, ANYONE, false },
    { "pathlib.", "files", "pathlib", FILES, ANYONE, false },
    { "fcntl.", "files", "fcntl", FILES, ANYONE, false },
    { "mmap.", "files", "mmap", FILES, ANYONE, false },
    { "sqlite3.connect*", "files", "sqlite3", FILES, ANYONE, false },
    { "sqlite3.", "ctypes", NULL, NEVER, ANYONE, false }, /* loads native code */
    { "ensurepip.", "files", "ensurepip", NEVER, ANYONE, false },
    /* No network in any jail; asyncio's own loop makes a pair of sockets to wake itself. */
    { "socket.", "network", "socket", LOOP, ANYONE, false },
    { "urllib.", "network", "urllib.request", NEVER, ANYONE, false },
    { "http.", "network", "http.client urllib.request", NEVER, ANYONE, false },
    { "ftplib.", "network", "ftplib", NEVER, ANYONE, false },
    { "imaplib.", "network", "imaplib", NEVER, ANYONE, false },
    { "nntplib.", "network", "nntplib", NEVER, ANYONE, false },
    { "poplib.", "network", "poplib", NEVER, ANYONE, false },
    { "smtplib.", "network", "smtplib", NEVER, ANYONE, false },
    { "telnetlib.", "network", "telnetlib", NEVER, ANYONE, false },
    { "webbrowser.", "network", "webbrowser", NEVER, ANYONE, false },
    { "subprocess.", "processes", "subprocess", NEVER, ANYONE, false },
    { "pty.", "processes", "pty", NEVER, ANYONE, false },
    { "_thread.", "processes", NULL, THREADS, ANYONE, false },
    { "signal.", "processes", "signal", NEVER, ANYONE, false },
    { "syslog.", "introspection", "syslog", NEVER, ANYONE, false },
    { "resource.", "introspection", "resource", NEVER, ANYONE, false },
    /* Memory as such: native code and another interpreter are beyond any guard. */
    { "ctypes.", "ctypes", "ctypes", NEVER, ANYONE, false },
    { "cpython.", "introspection", NULL, NEVER, ANYONE, false },
    { "pdb.", "introspection", "pdb", NEVER, ANYONE, false },
    { "builtins.breakpoint", "introspection", "pdb", NEVER, ANYONE, false },
    /* Made-up code objects crash the interpreter, and unpickling calls whatever it is told to.
     * Libraries use these for good reasons. */
    { "marshal.", "introspection", "marshal", NEVER, CALLER, false },
    { "pickle.", "introspection", "pickle", NEVER, CALLER, false },
    { "code.", "introspection", "ctypes", NEVER, CALLER, false },
    { "function.", "introspection", "ctypes", NEVER, CALLER, false },
    /* Other people's objects: all there are, those of frames on the stack, those behind functions. */
    { "gc.", "introspection", "gc", NEVER, CALLER, false },
    { "sys._getframe", "introspection", "sys inspect", NEVER, CALLER, false },
    { "sys._current_*", "introspection", "sys inspect", NEVER, CALLER, false },
    { "sys.addaudithook", "introspection", "sys", NEVER, CALLER, false },
    { "sys.set*", "introspection", "sys", NEVER, CALLER, false },
    { "object.__getattr__", "introspection", "inspect", NEVER, CALLER, false },
    { "object.__setattr__", "introspection", "inspect", NEVER, CALLER, false },
    { "object.__delattr__", "introspection", "inspect", NEVER, CALLER, false },
};

static bool is_active;
static int loading; /* library modules that are being run */

void cl_audit_set(bool active)
{
    is_active = active;
}

void cl_audit_load(bool begins)
{
    loading += begins ? 1 : -1;
}

bool cl_audit_is_active(void)
{
    return is_active;
}

bool cl_audit_is_guarding(void)
{
    return is_active && loading == 0;
}

static bool matches(const char *pattern, const char *event)
{
    size_t length = strlen(pattern);
    char last = pattern[length - 1];

    if (last == '.')
        return strncmp(pattern, event, length) == 0;
    if (last == '*')
        return strncmp(pattern, event, length - 1) == 0;
    return strcmp(pattern, event) == 0;
}

static const struct row *find_row(const char *event)
{
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (rows[i].event[0] == event[0] && matches(rows[i].event, event))
            return &rows[i];
    }
    return NULL;
}

/* Events that tell of an attribute count only when it leads out of the caller's own objects, and
 * when it is not a library that looks there of its own accord. */
static bool is_attribute(const char *event)
{
    return strncmp(event, "object.__", 9) == 0;
}

static bool is_harmless(PyObject *args)
{
    PyObject *b_object, *b_name;
    const char *name;

    if (!PyTuple_Check(args) || PyTuple_GET_SIZE(args) < 2)
        return true;
    b_object = PyTuple_GET_ITEM(args, 0);
    b_name = PyTuple_GET_ITEM(args, 1);
    name = PyUnicode_Check(b_name) ? PyUnicode_AsUTF8(b_name) : NULL;
    return !name || !cl_attributes_leads_out(b_object, name) ||
           cl_attributes_is_librarys_wish(name);
}

/* What the refusal names: the path for `open`, the attribute, else the event. Owned. */
static PyObject *name_of(const char *event, PyObject *args)
{
    if (is_attribute(event))
        return Py_NewRef(PyTuple_GET_ITEM(args, 1));
    if (strcmp(event, "open") == 0 && PyTuple_Check(args) && PyTuple_GET_SIZE(args) > 0) {
        PyObject *b_path = PyTuple_GET_ITEM(args, 0);

        return PyUnicode_CheckExact(b_path) ? Py_NewRef(b_path) : PyObject_Repr(b_path);
    }
    return PyUnicode_FromString(event);
}

static int refuse(const struct row *row, const char *event, PyObject *args)
{
    cl_pyref_auto PyObject *name = NULL;

    if (cl_learn_is_on()) { /* the kernel refuses what is behind it, and that is noted, too */
        cl_learn_text("event", event);
        return 0;
    }
    name = name_of(event, args);
    if (!name)
        return -1;
    if (strcmp(event, "open") == 0)
        return cl_denial_raise(PyExc_PermissionError, row->rule, name, "opening %R", name);
    if (is_attribute(event))
        return cl_denial_raise(PyExc_PermissionError, row->rule, name, "attribute '%U'", name);
    return cl_denial_raise(PyExc_PermissionError, row->rule, name, "%s", event);
}

static bool is_library_loading(void)
{
    return loading > 0 && !cl_asker_is_caller();
}

/* A hook runs with whatever exception is set left alone, and may set one only to refuse. */
static int on_event(const char *event, PyObject *args, void *unused)
{
    const struct row *row;

    (void)unused;
    if (!is_active)
        return 0;
    row = find_row(event);
    if (!row || row->is_open)
        return 0;
    if (is_attribute(event))
        return is_library_loading() || is_harmless(args) ? 0 : refuse(row, event, args);
    if (is_library_loading() || (row->reach == CALLER && !cl_asker_is_caller()))
        return 0;
    return refuse(row, event, args);
}

static unsigned features_of(const struct cl_policy *policy)
{
    unsigned features = 0;

    if (policy->files_bytes > 0 || policy->binds.count > 0)
        features |= FILES;
    if (policy->processes > 1 || (policy->tiers & CL_TIER_THREADS))
        features |= THREADS;
    if (policy->tiers & CL_TIER_ASYNCIO)
        features |= LOOP;
    return features;
}

static bool lists_any(const char *modules)
{
    char name[32];

    while (modules && *modules) {
        size_t length = strcspn(modules, " ");

        CL_CHECK(length < sizeof(name));
        memcpy(name, modules, length);
        name[length] = '\0';
        if (cl_modules_allows(name))
            return true;
        modules += length + (modules[length] == ' ');
    }
    return false;
}

int cl_audit_prepare(const struct cl_policy *policy, struct cl_err *err)
{
    unsigned features = features_of(policy);

    for (size_t i = 0; i < CL_COUNT(rows); i++)
        rows[i].is_open = (rows[i].feature & features) || lists_any(rows[i].modules);
    if (CL_GUARD && PySys_AddAuditHook(on_event, NULL) < 0)
        return cl_fail(err, CL_E_LOST, "install the audit hook");
    return 0;
}
