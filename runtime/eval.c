/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands expressions to the walker and turns its refusals into final frames.
 * Runs in: worker (prepared in the zygote).
 * Trusts: the walker, which is ours; nothing of the expression or its context.
 */
#include "runtime/eval.h"

#include <string.h>
#include <unistd.h>

#include "runtime/boot.h"
#include "runtime/drive.h"
#include "runtime/emit.h"
#include "sandbox/base/own.h"

enum {
    WARM_ROUNDS = 16,
    BYTES_MAX = 32 << 20, /* of all values of one expression */
    MEMORY_SHARE = 4,     /* at most this part of the policy's memory */
};

static struct {
    PyObject *module; /* owned, for ever, like all here */
    PyObject *run;
    PyObject *place;
    PyObject *denied;
    PyObject *limit;
    uint64_t bytes_max;
} walker;

/* Each may import those before it. */
static const char *const parts[] = {
    "eval_cost", "eval_text", "eval_ops", "eval_calls", "eval_tree", "eval",
};

/* Every kind of node and of guard once or more, so that clones find code that has settled. */
static const char warm_source[] =
    "[f'{k!s:>4}' + '%d' % v if v > 1 and k in {'a', 'b'} else -v for k, v in sorted({'a': x, "
    "**dict(b=2)}.items(), key=len) if not v == 5.5] + [sum(i * 2 for i in range(3)), 'a,b'"
    ".split(',')[0:1], (max(1, 2), *[3]), {n: str(n) for n in (1, 2)}, len({n for n in [1]})]";

/* While they load, the parts find each other as modules; nobody else ever does. */
static PyObject *load_parts(PyObject **cost, struct cl_err *err)
{
    PyObject *b_modules = PyImport_GetModuleDict();
    PyObject *module = NULL;
    bool has_failed = false;

    for (size_t i = 0; i < CL_COUNT(parts) && !has_failed; i++) {
        Py_XSETREF(module, cl_boot_helper(parts[i], err));
        has_failed = !module || PyDict_SetItemString(b_modules, parts[i], module) < 0;
        if (i == 0 && module)
            *cost = Py_NewRef(module);
    }
    for (size_t i = 0; i < CL_COUNT(parts); i++) {
        if (PyDict_GetItemString(b_modules, parts[i]) &&
            PyDict_DelItemString(b_modules, parts[i]) < 0)
            has_failed = true;
    }
    if (has_failed)
        Py_CLEAR(module);
    return module;
}

static PyObject *evaluate(struct cl_bytes source, PyObject *context)
{
    cl_pyref_auto PyObject *text =
        PyUnicode_DecodeUTF8(source.bytes ? source.bytes : "", (Py_ssize_t)source.length, NULL);

    if (!text || !context)
        return NULL;
    return PyObject_CallFunction(walker.run, "OOK", text, context,
                                 (unsigned long long)walker.bytes_max);
}

static int warm_up(void)
{
    const struct cl_bytes source = { warm_source, sizeof(warm_source) - 1 };
    cl_pyref_auto PyObject *context = Py_BuildValue("{s:i}", "x", 1);

    for (int i = 0; i < WARM_ROUNDS; i++) {
        cl_pyref_auto PyObject *value = evaluate(source, context);

        if (!value)
            return -1;
    }
    return 0;
}

int cl_eval_prepare(const struct cl_policy *policy, struct cl_err *err)
{
    const uint64_t share = policy->memory_bytes / MEMORY_SHARE;
    cl_pyref_auto PyObject *cost = NULL;
    cl_pyref_auto PyObject *module = NULL;

    if (!(policy->flags & CL_POLICY_EVAL))
        return 0;
    module = load_parts(&cost, err);
    if (!module)
        return -1;
    walker.module = Py_NewRef(module);
    walker.run = PyObject_GetAttrString(module, "run");
    walker.place = PyObject_GetAttrString(module, "place");
    walker.denied = PyObject_GetAttrString(cost, "Denied");
    walker.limit = PyObject_GetAttrString(cost, "Limit");
    walker.bytes_max = share < BYTES_MAX ? share : BYTES_MAX;
    if (!walker.run || !walker.place || !walker.denied || !walker.limit || warm_up() < 0)
        return cl_boot_failed(err, "prepare eval");
    return 0;
}

bool cl_eval_is_open(void)
{
    return walker.run != NULL;
}

PyObject *cl_eval_walker(void)
{
    return walker.module;
}

uint64_t cl_eval_bytes(void)
{
    return walker.bytes_max;
}

PyObject *cl_eval_run(const struct cl_call *call)
{
    cl_pyref_auto PyObject *context = NULL;

    if (call->kwargs.length > 0)
        context = cl_drive_parse(call->kwargs.bytes, call->kwargs.length);
    else
        context = PyDict_New();
    return evaluate(call->source, context);
}

/* ----------------------------------------------------------------------------------------- ends */

/* A text attribute of one of the walker's exceptions. Never freed: the process ends. */
static struct cl_bytes text_of(PyObject *exception, const char *name)
{
    PyObject *text = PyObject_GetAttrString(exception, name);
    PyObject *bytes =
        text ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;
    struct cl_bytes view = { "", 0 };

    PyErr_Clear();
    if (bytes)
        view = (struct cl_bytes){ PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes) };
    return view;
}

static uint64_t number_of(PyObject *exception, const char *name)
{
    cl_pyref_auto PyObject *number = PyObject_GetAttrString(exception, name);
    unsigned long long value = number ? PyLong_AsUnsignedLongLong(number) : 0;

    if (PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return value;
}

static struct cl_place place_now(void)
{
    cl_pyref_auto PyObject *found = PyObject_CallNoArgs(walker.place);
    struct cl_place place = { 0, 0, 0, 0 };

    if (!found || !PyArg_ParseTuple(found, "iiii", &place.line, &place.column, &place.end_line,
                                    &place.end_column))
        PyErr_Clear();
    return place;
}

static _Noreturn void end_denied(PyObject *exception)
{
    const struct cl_place place = place_now();
    const struct cl_bytes rule = text_of(exception, "rule");
    const struct cl_bytes name = text_of(exception, "name");
    const struct cl_bytes message = text_of(exception, "message");
    const struct cl_frame_denied head = { .line = place.line,
                                          .column = place.column,
                                          .rule_length = (uint32_t)rule.length,
                                          .name_length = (uint32_t)name.length,
                                          .message_length = (uint32_t)message.length };

    cl_emit_denied(&head, rule.bytes, name.bytes, message.bytes);
    _exit(0); /* no expression runs in a session */
}

static _Noreturn void end_limit(PyObject *exception)
{
    const struct cl_place place = place_now();
    const struct cl_bytes name = text_of(exception, "name");
    const struct cl_bytes message = text_of(exception, "message");
    struct cl_frame_limit head = { .limit = CL_LIMIT_CPU,
                                   .line = place.line ? place.line : 1,
                                   .column = place.column ? place.column : 1,
                                   .value = number_of(exception, "value"),
                                   .used = number_of(exception, "used") };

    for (uint32_t i = CL_LIMIT_CPU; i < CL_LIMIT_COUNT_; i++) {
        if (strcmp(cl_limit_name(i), name.bytes) == 0)
            head.limit = i;
    }
    cl_emit_limit_at(&head, message.bytes, message.length);
}

_Noreturn void cl_eval_end(const struct cl_report *report, PyObject *exception)
{
    struct cl_report placed = *report;

    if ((PyObject *)Py_TYPE(exception) == walker.denied)
        end_denied(exception);
    if ((PyObject *)Py_TYPE(exception) == walker.limit)
        end_limit(exception);
    placed.place = place_now();
    cl_report_end(&placed, exception);
    _exit(0); /* as above */
}
