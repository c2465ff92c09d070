/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results and failures in python/v1's shapes.
 * Runs in: cloche-api.
 * Trusts: nothing of a worker: of its RESULT only the members that are looked for here count,
 * and they passed the JSON checker; codes and shapes are ours.
 */
#include "api/pythonv1/writer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

void cl_v1_outcome_fini(struct cl_v1_outcome *outcome)
{
    cl_buf_fini(&outcome->json);
}

void cl_v1_outcome_fail(struct cl_v1_outcome *outcome, const struct cl_v1_fault *fault)
{
    struct cl_err err = CL_ERR_INIT;

    cl_buf_clear(&outcome->json);
    outcome->is_error = outcome->is_failed = true;
    outcome->code = fault->code;
    snprintf(outcome->exception, sizeof(outcome->exception), "%s",
             fault->exception[0] ? fault->exception : cl_v1_exception_of(fault->code));
    /* A fault has a few hundred bytes; the buffer takes megabytes. */
    CL_CHECK(cl_v1_fault_put(fault, &outcome->json, &err) == 0);
}

/* --------------------------------------------------------------------------------- parts */

static int put(struct cl_v1_writer *w, const char *text)
{
    return cl_buf_put_text(&w->outcome->json, text, &w->err);
}

static int put_json(struct cl_v1_writer *w, const char *key, struct cl_json value)
{
    if (put(w, key) < 0)
        return -1;
    return cl_buf_put(&w->outcome->json, value.text, value.length, &w->err);
}

/* Text of a worker, which is UTF-8 and no JSON. */
static int put_text(struct cl_v1_writer *w, const char *key, struct cl_json text)
{
    if (put(w, key) < 0)
        return -1;
    return cl_json_put_string(&w->outcome->json, text.length ? text.text : "", text.length,
                              &w->err);
}

/* With microseconds and no zone, as Python's isoformat() has it. */
static int put_stamp(struct cl_v1_writer *w)
{
    char stamp[CL_UTC_SIZE];

    return cl_buf_format(&w->outcome->json, &w->err, ",\"timestamp\":\"%s\"",
                         cl_utc_text(cl_utc_us(), 6, stamp));
}

/* The last word of "json.decoder.JSONDecodeError" or "f.<locals>.E". */
static struct cl_json last_word(struct cl_json type)
{
    const char *dot = type.length ? memrchr(type.text, '.', type.length) : NULL;

    if (!dot)
        return type;
    return (struct cl_json){ dot + 1, type.length - (size_t)(dot + 1 - type.text) };
}

static int put_output(struct cl_v1_writer *w)
{
    static const char *const keys[] = { ",\"stdout\":", ",\"stderr\":" };
    static const char *const flags[] = { ",\"stdout_truncated\":", ",\"stderr_truncated\":" };

    for (size_t i = 0; i < CL_COUNT(keys); i++) {
        if (put(w, keys[i]) < 0 ||
            cl_keep_format(&w->end->output[i], &w->outcome->json, &w->err) < 0 ||
            put(w, flags[i]) < 0 ||
            put(w, cl_keep_is_truncated(&w->end->output[i]) ? "true" : "false") < 0)
            return -1;
    }
    return 0;
}

static int put_usage(struct cl_v1_writer *w)
{
    const struct cl_msg_end *usage = w->end->usage;

    return cl_buf_format(&w->outcome->json, &w->err,
                         ",\"duration_ms\":%.3f,\"limits\":{\"wall_ms\":%.3f,\"cpu_ms\":%.3f,"
                         "\"memory_peak_bytes\":%" PRIu64 "}",
                         (double)w->wall_us / 1000, (double)w->wall_us / 1000,
                         (double)usage->cpu_us / 1000, usage->memory_peak_bytes);
}

/* ------------------------------------------------------------------------------- results */

static int write_execute(struct cl_v1_writer *w, struct cl_json result, bool is_nonfinite)
{
    if (put_json(w, "{\"function\":", w->plan->shown) < 0 ||
        put_json(w, ",\"result\":", result) < 0 || put(w, ",\"success\":true") < 0 ||
        put_stamp(w) < 0)
        return -1;
    if (is_nonfinite && put(w, ",\"nonfinite\":true") < 0)
        return -1;
    if (put_output(w) < 0 || put_usage(w) < 0)
        return -1;
    return put(w, "}");
}

static int write_eval(struct cl_v1_writer *w, struct cl_json result, bool is_nonfinite)
{
    if (put_json(w, "{\"expression\":", w->plan->shown) < 0 ||
        put_json(w, ",\"result\":", result) < 0 || put(w, ",\"success\":true") < 0)
        return -1;
    if (is_nonfinite && put(w, ",\"nonfinite\":true") < 0)
        return -1;
    return put(w, "}");
}

static int write_code(struct cl_v1_writer *w, struct cl_json result, bool is_nonfinite)
{
    if (put_json(w, "{\"result\":", result) < 0 || put(w, ",\"output\":") < 0 ||
        cl_keep_format(&w->end->output[0], &w->outcome->json, &w->err) < 0 ||
        cl_buf_format(&w->outcome->json, &w->err, ",\"success\":true,\"execution_time\":%.6f",
                      (double)w->wall_us / 1e6) < 0)
        return -1;
    if (is_nonfinite && put(w, ",\"nonfinite\":true") < 0)
        return -1;
    return put(w, "}");
}

static int write_bare(struct cl_v1_writer *w, struct cl_json result, bool is_nonfinite)
{
    (void)is_nonfinite;
    return put_json(w, "", result);
}

/* ------------------------------------------------------------------------------- failures */

static int fail_execute(struct cl_v1_writer *w, const struct cl_v1_failure *why)
{
    if (put_json(w, "{\"function\":", w->plan->shown) < 0 ||
        put_text(w, ",\"error\":", why->error) < 0 || put(w, ",\"success\":false") < 0 ||
        put_stamp(w) < 0 || put_text(w, ",\"error_type\":", last_word(why->type)) < 0 ||
        put_text(w, ",\"traceback\":", why->traceback) < 0 || put_output(w) < 0 ||
        put_usage(w) < 0)
        return -1;
    return put(w, "}");
}

static int fail_eval(struct cl_v1_writer *w, const struct cl_v1_failure *why)
{
    if (put_json(w, "{\"expression\":", w->plan->shown) < 0 ||
        put_text(w, ",\"error\":", why->error) < 0 || put(w, ",\"success\":false") < 0 ||
        put_text(w, ",\"error_type\":", last_word(why->type)) < 0)
        return -1;
    return put(w, "}");
}

/* A result that is no JSON has no frames; its words are said bare. */
static bool has_frames(struct cl_json traceback)
{
    static const char start[] = "Traceback ";

    return traceback.length >= sizeof(start) - 1 &&
           memcmp(traceback.text, start, sizeof(start) - 1) == 0;
}

static int fail_code(struct cl_v1_writer *w, const struct cl_v1_failure *why)
{
    static const char code[] = "\"<code>\"";
    const struct cl_json file =
        w->plan->shown.length ? w->plan->shown : (struct cl_json){ code, sizeof(code) - 1 };

    if (put_json(w, "{\"file\":", file) < 0 ||
        put_text(w, ",\"error\":", has_frames(why->traceback) ? why->traceback : why->error) <
            0 ||
        put(w, ",\"success\":false") < 0 || put_stamp(w) < 0 ||
        put_text(w, ",\"error_type\":", last_word(why->type)) < 0 ||
        put(w, ",\"output\":") < 0 ||
        cl_keep_format(&w->end->output[0], &w->outcome->json, &w->err) < 0)
        return -1;
    return put(w, "}");
}

static const struct shape {
    int (*result)(struct cl_v1_writer *w, struct cl_json result, bool is_nonfinite);
    int (*failure)(struct cl_v1_writer *w,
                   const struct cl_v1_failure *why); /* NULL: an error object */
} shapes[] = {
    [CL_V1_EXECUTE] = { write_execute, fail_execute },
    [CL_V1_REGISTER] = { write_bare, NULL },
    [CL_V1_UNREGISTER] = { write_bare, NULL },
    [CL_V1_LIST] = { write_bare, NULL },
    [CL_V1_INFO] = { write_bare, NULL },
    [CL_V1_EVAL] = { write_eval, fail_eval },
    [CL_V1_CODE] = { write_code, fail_code },
    [CL_V1_VALIDATE] = { write_bare, NULL },
};

void cl_v1_write_fault(struct cl_v1_writer *w, int32_t code, const char *format, ...)
{
    struct cl_v1_fault fault = { 0 };
    char text[CL_V1_MESSAGE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    cl_v1_fail(&fault, code, "%s", text);
    cl_v1_outcome_fail(w->outcome, &fault);
}

/* An answer that is too large for its buffer says so. */
static void check_written(struct cl_v1_writer *w, int written)
{
    if (written < 0)
        cl_v1_write_fault(w, CL_V1_TASK_RESULT, "Result larger than %d bytes",
                          CL_V1_ANSWER_MAX);
}

/* An error object for what has no result of its own kind: a file that raised while `info` read
 * it. */
static void end_unexpected(struct cl_v1_writer *w, const struct cl_v1_failure *why)
{
    struct cl_v1_fault fault = { 0 };
    const struct cl_json type = last_word(why->type);

    cl_v1_plain_text(type.length ? type.text : "", type.length, fault.exception,
                     sizeof(fault.exception));
    cl_v1_plain_text(why->error.length ? why->error.text : "", why->error.length, fault.message,
                     sizeof(fault.message));
    fault.code = strcmp(fault.exception, "ValueError") == 0 ||
                         strcmp(fault.exception, "TypeError") == 0 ||
                         strcmp(fault.exception, "SyntaxError") == 0 ||
                         strcmp(fault.exception, "AttributeError") == 0
                     ? CL_V1_PARAMS
                     : CL_V1_INTERNAL;
    cl_v1_outcome_fail(w->outcome, &fault);
}

void cl_v1_write_failure(struct cl_v1_writer *w, const struct cl_v1_failure *why)
{
    const struct shape *shape = &shapes[w->plan->operation];
    const struct cl_json type = last_word(why->type);

    if (!shape->failure) {
        end_unexpected(w, why);
        return;
    }
    w->outcome->is_failed = true;
    cl_v1_plain_text(type.length ? type.text : "", type.length, w->outcome->exception,
                     sizeof(w->outcome->exception));
    check_written(w, shape->failure(w, why));
}

void cl_v1_write_result(struct cl_v1_writer *w, struct cl_json result, bool is_nonfinite)
{
    check_written(w, shapes[w->plan->operation].result(w, result, is_nonfinite));
}
