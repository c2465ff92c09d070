/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verdicts as python/v1 tells them: which code, which words, whether it is a result after all.
 * Runs in: cloche-api.
 * Trusts: nothing of a worker: of its RESULT only the members that are looked for here count,
 * and they passed the JSON checker; codes are ours.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/pythonv1/writer.h"
#include "sandbox/base/own.h"

static struct cl_json bare_text(const char *text)
{
    return (struct cl_json){ text, strlen(text) };
}

/* {"failed":{"error","error_type"}}: an expression that did not come to a value. */
static void end_said(struct cl_v1_writer *w, struct cl_json failed)
{
    struct cl_buf CL_AUTO(cl_buf_fini) error = CL_BUF_INIT(CL_V1_ANSWER_MAX);
    struct cl_buf CL_AUTO(cl_buf_fini) type = CL_BUF_INIT(4096);
    const struct cl_json said = cl_v1_member(failed, "error");
    const struct cl_json name = cl_v1_member(failed, "error_type");
    struct cl_v1_failure why = { 0 };

    if (cl_json_kind(said) != CL_JSON_STRING || cl_json_kind(name) != CL_JSON_STRING ||
        cl_json_string(said, &error, &w->err) < 0 || cl_json_string(name, &type, &w->err) < 0) {
        cl_v1_write_fault(w, CL_V1_TASK_FAILED, "Worker ended: protocol error");
        return;
    }
    why.error = (struct cl_json){ (const char *)error.bytes, error.length };
    why.type = (struct cl_json){ (const char *)type.bytes, type.length };
    cl_v1_write_failure(w, &why);
}

/* {"refusal":{"message","exception_type"}}: what was asked for is refused by the rules. */
static void end_refusal(struct cl_v1_writer *w, struct cl_json refusal)
{
    struct cl_v1_fault fault = { .code = CL_V1_PARAMS };

    cl_v1_plain(cl_v1_member(refusal, "message"), fault.message, sizeof(fault.message));
    cl_v1_plain(cl_v1_member(refusal, "exception_type"), fault.exception,
                sizeof(fault.exception));
    cl_v1_plain(cl_v1_member(refusal, "reason"), fault.reason, sizeof(fault.reason));
    cl_v1_outcome_fail(w->outcome, &fault);
}

static void end_ok(struct cl_v1_writer *w)
{
    static const struct cl_json null = { "null", sizeof("null") - 1 };
    const struct cl_json answer = w->end->result;
    const struct cl_json result = cl_json_kind(answer) == CL_JSON_NULL
                                      ? null /* sys.exit() */
                                      : cl_v1_member(answer, "result");
    const struct cl_json failed = cl_v1_member(answer, "failed");
    const struct cl_json refusal = cl_v1_member(answer, "refusal");

    if (cl_json_kind(result) != CL_JSON_NONE)
        cl_v1_write_result(w, result,
                           cl_json_kind(cl_v1_member(answer, "nonfinite")) == CL_JSON_TRUE);
    else if (cl_json_kind(failed) == CL_JSON_OBJECT)
        end_said(w, failed);
    else if (cl_json_kind(refusal) == CL_JSON_OBJECT)
        end_refusal(w, refusal);
    else
        cl_v1_write_fault(w, CL_V1_TASK_FAILED, "Worker ended: protocol error");
}

static void end_error(struct cl_v1_writer *w)
{
    const struct cl_v1_failure why = { w->end->text[1], w->end->text[0], w->end->text[2] };

    if (w->end->detail->is_protocol)
        cl_v1_write_fault(w, CL_V1_TASK_FAILED, "Worker ended: protocol error");
    else
        cl_v1_write_failure(w, &why);
}

static bool is_rule(struct cl_json rule, const char *name)
{
    return rule.length == strlen(name) && memcmp(rule.text, name, rule.length) == 0;
}

/* What the filter stopped ends the worker; what Python refused is an exception of the function's. */
static void end_denied(struct cl_v1_writer *w)
{
    const struct cl_json rule = w->end->text[0];
    const struct cl_json name = w->end->text[1];
    const struct cl_v1_failure why = {
        .error = w->end->text[2],
        .type = bare_text(is_rule(rule, "modules") ? "ImportError" : "PermissionError"),
    };

    if (w->end->detail->is_syscall || is_rule(rule, "syscall"))
        cl_v1_write_fault(w, CL_V1_TASK_FAILED, "Worker ended: forbidden system call%s%.*s",
                          name.length ? " " : "", (int)(name.length < 64 ? name.length : 64),
                          name.length ? name.text : "");
    else
        cl_v1_write_failure(w, &why);
}

static void limit_time(struct cl_v1_writer *w, uint64_t value)
{
    char text[64];
    struct cl_v1_failure why = { .type = bare_text("TimeoutError") };

    if (w->plan->operation != CL_V1_CODE) {
        cl_v1_write_fault(w, CL_V1_TASK_TIMEOUT, "Task %s timed out after %gs", w->task,
                          (double)value / 1000);
        return;
    }
    snprintf(text, sizeof(text), "Execution timed out after %g seconds", (double)value / 1000);
    why.error = bare_text(text);
    cl_v1_write_failure(w, &why);
}

static void limit_memory(struct cl_v1_writer *w, uint64_t value)
{
    (void)value;
    cl_v1_write_fault(w, CL_V1_RESOURCES, "Memory limit exceeded");
}

static void limit_processes(struct cl_v1_writer *w, uint64_t value)
{
    (void)value;
    cl_v1_write_fault(w, CL_V1_RESOURCES, "Process limit exceeded");
}

static void limit_files(struct cl_v1_writer *w, uint64_t value)
{
    (void)value;
    cl_v1_write_fault(w, CL_V1_RESOURCES, "File limit exceeded");
}

static void limit_size(struct cl_v1_writer *w, uint64_t value)
{
    cl_v1_write_fault(w, CL_V1_TASK_RESULT, "Result larger than %" PRIu64 " bytes", value);
}

/* json.dumps says the same of a value that is nested too deeply for it. */
static void limit_depth(struct cl_v1_writer *w, uint64_t value)
{
    const struct cl_v1_failure why = {
        .error = bare_text("maximum recursion depth exceeded while encoding a JSON object"),
        .type = bare_text("RecursionError"),
    };

    (void)value;
    cl_v1_write_failure(w, &why);
}

static void end_limit(struct cl_v1_writer *w)
{
    static void (*const limits[CL_LIMIT_COUNT_])(struct cl_v1_writer * w, uint64_t value) = {
        [CL_LIMIT_WALL] = limit_time,     [CL_LIMIT_CPU] = limit_time,
        [CL_LIMIT_MEMORY] = limit_memory, [CL_LIMIT_PROCESSES] = limit_processes,
        [CL_LIMIT_OUTPUT] = limit_size,   [CL_LIMIT_RESULT] = limit_size,
        [CL_LIMIT_FILES] = limit_files,   [CL_LIMIT_DEPTH] = limit_depth,
    };

    limits[w->end->detail->limit](w, w->end->detail->value);
}

static void end_crashed(struct cl_v1_writer *w)
{
    char signal[16];

    if (w->end->detail->signal)
        cl_v1_write_fault(w, CL_V1_TASK_FAILED, "Worker ended: %s",
                          cl_verdict_signal(w->end->detail->signal, signal));
    else
        cl_v1_write_fault(w, CL_V1_TASK_FAILED, "Worker ended: exit status %d",
                          w->end->detail->status);
}

static void end_cancelled(struct cl_v1_writer *w)
{
    cl_v1_write_fault(w, CL_V1_TASK_CANCELLED, "Task %s was cancelled", w->task);
}

static void end_lost(struct cl_v1_writer *w)
{
    const char *message = w->end->detail->message;

    cl_v1_write_fault(w, CL_V1_LOST, "Worker lost: %s",
                      message ? message : "its end is not known");
}

void cl_v1_outcome_end(struct cl_v1_outcome *outcome, const struct cl_v1_plan *plan,
                       const char *task, uint64_t wall_us, const struct cl_errand_end *end)
{
    static void (*const verdicts[CL_V_COUNT_])(struct cl_v1_writer * w) = {
        [CL_V_OK] = end_ok,           [CL_V_ERROR] = end_error,
        [CL_V_DENIED] = end_denied,   [CL_V_LIMIT] = end_limit,
        [CL_V_CRASHED] = end_crashed, [CL_V_CANCELLED] = end_cancelled,
        [CL_V_LOST] = end_lost,
    };
    struct cl_v1_writer w = {
        .outcome = outcome, .plan = plan, .task = task, .end = end, .wall_us = wall_us
    };

    cl_buf_clear(&outcome->json);
    verdicts[end->verdict](&w);
}
