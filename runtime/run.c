/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one call: files, arguments, the caller's module, its entry, the final frame.
 * Runs in: worker (prepared in the zygote).
 * Trusts: nothing of the call; the kernel jail is around it.
 */
#include "runtime/run.h"

#include <string.h>
#include <unistd.h>

#include "runtime/asyncloop.h"
#include "runtime/audit.h"
#include "runtime/boot.h"
#include "runtime/denial.h"
#include "runtime/drive.h"
#include "runtime/emit.h"
#include "runtime/entry.h"
#include "runtime/eval.h"
#include "runtime/events.h"
#include "runtime/inspect.h"
#include "runtime/learn.h"
#include "runtime/mapped.h"
#include "runtime/modules.h"
#include "runtime/report.h"
#include "runtime/session.h"
#include "runtime/stdio.h"
#include "runtime/tame.h"
#include "runtime/v1.h"
#include "runtime/warm.h"
#include "runtime/workdir.h"

static const char root[] = "/tmp"; /* the call's own file system, where the policy grants one */

static const struct cl_policy *policy;

int cl_run_prepare(const struct cl_policy *in_force, struct cl_run_loaded *loaded,
                   struct cl_err *err)
{
    policy = in_force;
    cl_denial_open(policy->name);
    cl_learn_prepare(policy);
    cl_asyncloop_prepare(policy);
    cl_session_prepare(policy);
    if (cl_boot_start(err) < 0 || cl_stdio_prepare(err) < 0)
        return -1;
    if (cl_convert_prepare() < 0 || cl_entry_prepare() < 0 || cl_events_prepare() < 0 ||
        cl_tame_prepare(policy) < 0)
        return cl_boot_failed(err, "prepare the interpreter");
    if (cl_eval_prepare(policy, err) < 0 || cl_v1_prepare(policy, err) < 0 ||
        cl_mapped_prepare(policy, loaded, err) < 0 || cl_modules_prepare(policy, err) < 0 ||
        cl_audit_prepare(policy, err) < 0 || cl_drive_prepare(err) < 0)
        return -1;
    return cl_warm_prepare(policy, err);
}

void cl_run_park(struct cl_call *call)
{
    cl_warm_reseed(policy);
    cl_warm_run(call);
    cl_stdio_drop();
}

static _Noreturn void end_failed(const char *what)
{
    struct cl_err err = CL_ERR_INIT;

    cl_boot_failed(&err, what);
    cl_emit_failed(&err);
}

/* Files that could not be put in place or read. */
static void end_files(const struct cl_err *err)
{
    struct cl_frame_denied head = { .line = 0 };

    if (err->kind == CL_E_LIMIT)
        cl_emit_limit(CL_LIMIT_FILES, policy->files_bytes, 0);
    if (policy->files_bytes > 0 && err->kind != CL_E_INPUT)
        cl_emit_failed(err);
    cl_emit_denied(&head, "files", "files", err->text);
}

/* -1: that has ended the call. */
static int send_artifacts(const struct cl_call *call)
{
    struct cl_err err = CL_ERR_INIT;

    if (cl_workdir_send(root, call, &err) == 0)
        return 0;
    end_files(&err);
    return -1;
}

/* sys.exit() and sys.exit(0) end a call well, with no result; other codes are an error. */
static bool is_good_exit(PyObject *exception)
{
    cl_pyref_auto PyObject *code = NULL;
    long number;

    if ((PyObject *)Py_TYPE(exception) != PyExc_SystemExit)
        return false;
    code = PyObject_GetAttrString(exception, "code");
    number = code && PyLong_CheckExact(code) ? PyLong_AsLong(code) : -1;
    PyErr_Clear();
    return code == Py_None || number == 0;
}

/* The exception that is set ends the call. */
static void end_raised(const struct cl_call *call)
{
    const struct cl_report report = {
        .policy = policy,
        .source = call->number ? cl_session_source() : call->source,
    };
    cl_pyref_auto PyObject *type = NULL;
    cl_pyref_auto PyObject *value = NULL;
    cl_pyref_auto PyObject *traceback = NULL;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback)
        PyException_SetTraceback(value, traceback);
    cl_stdio_flush();
    if (send_artifacts(call) < 0)
        return;
    if (is_good_exit(value))
        cl_emit_result("null", 4);
    else if (call->head.flags & CL_CALL_EVAL)
        cl_eval_end(&report, value);
    else
        cl_report_end(&report, value);
}

static int set_variable(PyObject *name, PyObject *value)
{
    cl_pyref_auto PyObject *os = PyImport_ImportModule("os");
    cl_pyref_auto PyObject *variables = os ? PyObject_GetAttrString(os, "environ") : NULL;

    return variables ? PyObject_SetItem(variables, name, value) : -1;
}

/* All that comes is the call's trace. A session has one environment for all its calls, so there
 * only cloche.trace() knows it. */
static int set_environment(const struct cl_call *call)
{
    for (size_t i = 0; i < call->env_count; i++) {
        const char *text = call->env[i].bytes;
        const char *equals = memchr(text, '=', call->env[i].length);
        cl_pyref_auto PyObject *name = NULL;
        cl_pyref_auto PyObject *value = NULL;

        if (!equals)
            return -1;
        name = PyUnicode_DecodeFSDefaultAndSize(text, equals - text);
        value = PyUnicode_DecodeFSDefault(equals + 1);
        if (!name || !value || cl_events_trace(name, value) < 0 ||
            (call->number == 0 && set_variable(name, value) < 0))
            return -1;
    }
    return 0;
}

static int feed(const struct cl_call *call)
{
    if (call->number != 0)
        return cl_session_feed(call->stdin_text.bytes, call->stdin_text.length);
    if (call->stdin_text.length == 0)
        return 0;
    return cl_stdio_feed(call->stdin_text.bytes, call->stdin_text.length);
}

/* -1: that has ended the call. */
static int bring_in(const struct cl_call *call)
{
    struct cl_err err = CL_ERR_INIT;

    if (cl_workdir_put(root, call, &err) < 0) {
        end_files(&err);
        return -1;
    }
    if (set_environment(call) < 0)
        end_failed("set the environment");
    if (feed(call) < 0)
        end_failed("feed stdin");
    return 0;
}

static int put_value(const struct cl_call *call, struct cl_convert *convert, PyObject *value)
{
    if (call->head.flags & CL_CALL_V1)
        return cl_v1_put(convert, value);
    return cl_drive_put(convert, value, call->source, call->head.flags & CL_CALL_STREAM);
}

static void end_returned(const struct cl_call *call, PyObject *value)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(call->head.result_bytes);
    struct cl_convert convert = { .out = &out, .depth_max = call->head.depth };

    if (convert.depth_max == 0 || convert.depth_max > CL_DEPTH_MAX)
        convert.depth_max = CL_DEPTH_MAX;
    if (put_value(call, &convert, value) < 0) {
        if (convert.limit == CL_LIMIT_NONE) {
            end_raised(call);
            return;
        }
        cl_stdio_flush();
        cl_emit_limit(
            convert.limit,
            convert.limit == CL_LIMIT_DEPTH ? convert.depth_max : call->head.result_bytes, 0);
    }
    cl_stdio_flush();
    if (send_artifacts(call) == 0)
        cl_emit_result((const char *)out.bytes, out.length);
}

static PyObject *run_eval(const struct cl_call *call)
{
    struct cl_frame_denied head = { .line = 0 };

    if (!cl_eval_is_open()) {
        cl_emit_denied(&head, "eval", "eval", "eval is not allowed by this policy");
        _exit(0);
    }
    cl_audit_set(true);
    cl_learn_start();
    return cl_eval_run(call);
}

static PyObject *run_v1(const struct cl_call *call)
{
    cl_v1_open(policy);
    cl_audit_set(true);
    cl_learn_start();
    return cl_v1_run(call);
}

static PyObject *run_entry(const struct cl_call *call)
{
    struct cl_entry entry = CL_ENTRY_INIT;
    PyObject *value;

    if (cl_entry_arguments(&entry, call) < 0)
        end_failed("read the arguments");
    cl_audit_set(true);
    cl_learn_start();
    value = cl_entry_run(&entry, call);
    if (call->number != 0) /* else the process ends sooner than they are freed */
        cl_entry_fini(&entry);
    return value;
}

/* Of whatever kind. What inspects runs nothing of the caller's, so what guards stays dormant. */
static PyObject *run(const struct cl_call *call)
{
    if (call->head.flags & CL_CALL_EVAL)
        return run_eval(call);
    if (call->head.flags & CL_CALL_INSPECT)
        return cl_inspect_run(call);
    return call->head.flags & CL_CALL_V1 ? run_v1(call) : run_entry(call);
}

static void run_and_end(const struct cl_call *call)
{
    cl_pyref_auto PyObject *value = run(call);

    if (value)
        end_returned(call, value);
    else
        end_raised(call);
}

_Noreturn void cl_run_call(const struct cl_call *call)
{
    const bool has_files = !(call->head.flags & (CL_CALL_EVAL | CL_CALL_INSPECT));

    if (!has_files || bring_in(call) == 0)
        run_and_end(call);
    _exit(0);
}

void cl_run_session_call(const struct cl_call *call)
{
    if (bring_in(call) == 0)
        run_and_end(call);
}
