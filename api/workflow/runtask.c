/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an attempt of a task ends, and what follows: its dependents, another attempt, or the end of
 * others.
 * Runs in: cloche-api.
 * Trusts: that answers hold checked JSON; not what it says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api/visit.h"
#include "api/workflow/run_impl.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

enum { ROOM_WAIT_US = 500000 };

static const struct {
    int32_t code;
    const char *name;
} error_names[] = {
    { -32700, "PARSE_ERROR" },
    { -32600, "INVALID_REQUEST" },
    { -32601, "METHOD_NOT_FOUND" },
    { -32602, "INVALID_PARAMS" },
    { -32603, "INTERNAL_ERROR" },
    { -31004, "SYSTEM_RESOURCE_EXHAUSTED" },
    { -31005, "SYSTEM_RATE_LIMIT" },
    { -30003, "PROVIDER_NOT_AVAILABLE" },
    { -30007, "PROVIDER_OVERLOADED" },
    { -29001, "TASK_VALIDATION_FAILED" },
    { -29002, "TASK_EXECUTION_FAILED" },
    { -29003, "TASK_TIMEOUT" },
    { -29004, "TASK_CANCELLED" },
    { CL_CODE_DEPENDENCY, "TASK_DEPENDENCY_FAILED" },
    { CL_CODE_PARAMETER, "TASK_PARAMETER_ERROR" },
    { -29007, "TASK_RESULT_INVALID" },
    { CL_CODE_WORKFLOW_TIMEOUT, "WORKFLOW_TIMEOUT" },
    { -25004, "CONNECTION_LOST" },
    { -25006, "AUTHORIZATION_FAILED" },
};

const char *cl_run_error_name(int32_t code)
{
    if (code == 0)
        return "";
    for (size_t i = 0; i < CL_COUNT(error_names); i++) {
        if (error_names[i].code == code)
            return error_names[i].name;
    }
    return "TASK_EXECUTION_FAILED";
}

/* ------------------------------------------------------------------------ what a task holds */

/* The store thread may still read it. */
static void drop(struct cl_run_task *task, char **text)
{
    struct cl_run_flush *flush = task->run->flush;

    if (!*text)
        return;
    if (!flush) {
        free(cl_take_ptr(text));
        return;
    }
    flush->old = realloc(flush->old, (flush->old_count + 1) * sizeof(*flush->old));
    CL_CHECK(flush->old);
    flush->old[flush->old_count++] = cl_take_ptr(text);
}

void cl_run_task_forget(struct cl_run_task *task)
{
    task->run->kept_bytes -= task->envelope_length;
    drop(task, &task->envelope);
    drop(task, &task->error);
    task->envelope_length = task->error_length = 0;
    task->result = (struct cl_json){ "", 0 };
    task->code = 0;
}

static char *copy(const char *text, size_t length)
{
    char *made = malloc(length + 1);

    CL_CHECK(made);
    memcpy(made, text, length);
    made[length] = '\0';
    return made;
}

static struct cl_json member(struct cl_json object, const char *name)
{
    struct cl_json key, value;
    size_t cursor = 0;

    if (cl_json_kind(object) != CL_JSON_OBJECT)
        return (struct cl_json){ "", 0 };
    while (cl_json_next(object, &cursor, &key, &value)) {
        if (cl_json_is(key, name))
            return value;
    }
    return (struct cl_json){ "", 0 };
}

void cl_run_task_set_envelope(struct cl_run_task *task, const char *text, size_t length)
{
    task->envelope = copy(text, length);
    task->envelope_length = length;
    task->run->kept_bytes += length;
    task->result = member((struct cl_json){ task->envelope, length }, "result");
}

static void set_error_json(struct cl_run_task *task, int32_t code, struct cl_json message)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(message.length + 128);
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(cl_buf_format(&text, &err, "{\"code\":%d,\"message\":", code) == 0 &&
             cl_buf_put(&text, message.text, message.length, &err) == 0 &&
             cl_buf_put(&text, "}", 1, &err) == 0);
    drop(task, &task->error);
    task->error = copy((char *)text.bytes, text.length);
    task->error_length = text.length;
    task->code = code;
}

void cl_run_task_set_error(struct cl_run_task *task, int32_t code, const char *message)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(64 << 10);
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(cl_json_put_string(&text, message, strlen(message), &err) == 0);
    set_error_json(task, code, (struct cl_json){ (char *)text.bytes, text.length });
}

/* ---------------------------------------------------------------------------------- its end */

void cl_run_task_ready(struct cl_run_task *task)
{
    struct cl_run *run = task->run;
    const enum cl_plan_priority lane = run->plan.tasks[task->index].priority;

    task->behind = CL_RUN_NONE;
    if (run->queue[lane].last == CL_RUN_NONE)
        run->queue[lane].first = (int)task->index;
    else
        run->tasks[run->queue[lane].last].behind = (int)task->index;
    run->queue[lane].last = (int)task->index;
    task->state = CL_TASK_QUEUED;
    cl_run_tell(run, task, "queued");
}

/* The time between start and end is the one it took, however the clock was set. */
static int64_t end_of(const struct cl_run_task *task)
{
    const int64_t took_us = task->began_us ? (int64_t)(cl_clock_us() - task->began_us)
                                           : cl_utc_us() - task->started_us;

    return task->started_us + (took_us > 0 ? took_us : 0);
}

static void close_task(struct cl_run_task *task, enum cl_task_state state)
{
    static const char *const words[] = { [CL_TASK_COMPLETED] = "completed",
                                         [CL_TASK_FAILED] = "failed",
                                         [CL_TASK_CANCELLED] = "cancelled",
                                         [CL_TASK_SKIPPED] = "skipped" };

    if (task->timer)
        event_free(cl_take_ptr(&task->timer));
    task->state = state;
    task->due_us = 0;
    task->ended_us = end_of(task);
    task->run->open--;
    cl_run_touch(task);
    cl_run_tell(task->run, task, task->code == CL_V1_TASK_TIMEOUT ? "timeout" : words[state]);
}

/* All that waits for it, however far away, will not run. */
static void skip_dependents(struct cl_run_task *from)
{
    struct cl_run *run = from->run;
    cl_free_auto uint32_t *stack = malloc(run->plan.count * sizeof(*stack));
    char text[CL_PROBLEM_BYTES];
    size_t depth = 0;

    CL_CHECK(stack);
    snprintf(text, sizeof(text), "Skipped: task %s did not complete",
             run->plan.tasks[from->index].id);
    stack[depth++] = from->index;
    while (depth > 0) {
        const struct cl_plan_task *at = &run->plan.tasks[stack[--depth]];
        for (size_t i = 0; i < at->next_count; i++) {
            struct cl_run_task *next = &run->tasks[at->next[i]];
            if (next->state != CL_TASK_QUEUED)
                continue;
            cl_run_task_set_error(next, CL_CODE_DEPENDENCY, text);
            close_task(next, CL_TASK_SKIPPED);
            stack[depth++] = next->index;
        }
    }
}

static void release_dependents(struct cl_run_task *task)
{
    struct cl_run *run = task->run;
    const struct cl_plan_task *plan = &run->plan.tasks[task->index];

    for (size_t i = 0; i < plan->next_count; i++) {
        struct cl_run_task *next = &run->tasks[plan->next[i]];
        if (--next->waits == 0 && next->state == CL_TASK_QUEUED)
            cl_run_task_ready(next);
    }
}

void cl_run_task_end(struct cl_run_task *task, enum cl_task_state state)
{
    struct cl_run *run = task->run;

    close_task(task, state);
    if (state == CL_TASK_COMPLETED) {
        run->completed++;
        release_dependents(task);
    } else if (state == CL_TASK_FAILED) {
        skip_dependents(task);
        if (run->plan.on_failure == CL_PLAN_FAIL_FAST)
            cl_run_stop(run, CL_STOP_FAIL_FAST);
    }
}

void cl_run_task_fail(struct cl_run_task *task, int32_t code, const char *message)
{
    cl_run_task_set_error(task, code, message);
    cl_run_task_end(task, CL_TASK_FAILED);
}

/* ---------------------------------------------------------------------------------- retries */

static bool is_named(const struct cl_plan_retry *retry, struct cl_json exception)
{
    for (size_t i = 0; i < retry->on_count; i++) {
        if (strlen(retry->on[i]) == exception.length &&
            memcmp(retry->on[i], exception.text, exception.length) == 0)
            return true;
    }
    return false;
}

static int64_t delay_us(const struct cl_plan_retry *retry, uint32_t attempts)
{
    const uint32_t steps = attempts > 1 ? attempts - 1 : 0;
    uint64_t ms = retry->base_ms;
    uint32_t random = 0;

    if (retry->backoff == CL_PLAN_LINEAR)
        ms *= steps + 1;
    if (retry->backoff == CL_PLAN_EXPONENTIAL)
        ms <<= steps < 20 ? steps : 20;
    ms = ms > retry->most_ms ? retry->most_ms : ms;
    if (!retry->has_jitter)
        return (int64_t)ms * 1000;
    CL_CHECK(getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random));
    /* Between a half and the whole, so that tasks that failed together do not come together. */
    return (int64_t)(ms * 500 + ms * 500 * (random >> 8) / (1u << 24));
}

static void on_due(evutil_socket_t fd, short what, void *self)
{
    struct cl_run_task *task = self;

    (void)fd;
    (void)what;
    event_free(cl_take_ptr(&task->timer));
    cl_run_task_ready(task);
    cl_run_pump(task->run);
    cl_run_changed(task->run);
}

void cl_run_task_wait(struct cl_run_task *task, int64_t due_us)
{
    const struct timeval time = cl_run_wait_of(due_us - cl_utc_us());

    task->state = CL_TASK_RETRY;
    task->due_us = due_us;
    task->timer = evtimer_new(task->run->runs->app->base, on_due, task);
    CL_CHECK(task->timer && evtimer_add(task->timer, &time) == 0);
    cl_run_touch(task);
}

bool cl_run_task_retry(struct cl_run_task *task, bool is_retryable, struct cl_json exception)
{
    const struct cl_run *run = task->run;
    const struct cl_plan_retry *retry = &run->plan.tasks[task->index].retry;
    const bool all = run->plan.on_failure == CL_PLAN_RETRY_FAILED && !retry->on;
    const bool may = run->stop == CL_STOP_NONE && task->attempts < retry->attempts;

    if (!may || (!all && (!retry->is_set || !(is_retryable || is_named(retry, exception)))))
        return false;
    cl_run_task_wait(task, cl_utc_us() + delay_us(retry, task->attempts));
    cl_run_tell(task->run, task, "retry_scheduled");
    return true;
}

/* ---------------------------------------------------------------------------------- answers */

/* The service had no room for the call: that is nobody's attempt. */
static void wait_for_room(struct cl_run_task *task, const struct cl_refusal *refusal)
{
    const int64_t wait_us =
        refusal->retry_after_s ? refusal->retry_after_s * (int64_t)1000000 : ROOM_WAIT_US;

    if (++task->refusals > CL_RUN_REFUSALS_MAX) {
        cl_run_task_fail(task, CL_V1_OVERLOADED, refusal->detail);
        return;
    }
    task->attempts--;
    cl_run_task_wait(task, cl_utc_us() + wait_us);
}

static void end_stopped(struct cl_run_task *task)
{
    const enum cl_run_stop stop = task->run->stop;

    cl_run_task_set_error(
        task, stop == CL_STOP_TIMEOUT ? CL_CODE_WORKFLOW_TIMEOUT : CL_V1_TASK_CANCELLED,
        stop == CL_STOP_TIMEOUT     ? "Workflow timed out"
        : stop == CL_STOP_FAIL_FAST ? "Task cancelled: another task failed"
                                    : "Task cancelled");
    cl_run_task_end(task, CL_TASK_CANCELLED);
}

/* python/execute says so in a result, where other methods give an error. A program cannot: the
 * error of one that raised begins with its traceback. */
static bool is_timeout(struct cl_json message)
{
    static const char words[] = "\"Execution timed out after ";

    return message.length > sizeof(words) &&
           memcmp(message.text, words, sizeof(words) - 1) == 0;
}

static void take_failure(struct cl_run_task *task, const struct cl_v1_answer *answer)
{
    const struct cl_json message = member(answer->json, "error");
    const bool is_late = !answer->is_error && is_timeout(message);
    const int32_t code = answer->is_error ? answer->code
                         : is_late        ? CL_V1_TASK_TIMEOUT
                                          : CL_V1_TASK_FAILED;

    if (answer->is_error) {
        task->error = copy(answer->json.text, answer->json.length);
        task->error_length = answer->json.length;
        task->code = code;
    } else {
        cl_run_task_set_envelope(task, answer->json.text, answer->json.length);
        if (cl_json_kind(message) == CL_JSON_STRING)
            set_error_json(task, code, message);
        else
            cl_run_task_set_error(task, code, "the call was no success");
    }
    if (!cl_run_task_retry(task, answer->is_retryable || is_late, answer->exception))
        cl_run_task_end(task, CL_TASK_FAILED);
}

static void take_answer(struct cl_run_task *task, const struct cl_v1_answer *answer)
{
    struct cl_run *run = task->run;
    const bool is_stopped =
        run->stop != CL_STOP_NONE && (answer->refusal || answer->code == CL_V1_TASK_CANCELLED);

    cl_run_task_forget(task);
    if (is_stopped) {
        end_stopped(task);
    } else if (answer->refusal) {
        wait_for_room(task, answer->refusal);
    } else if (answer->is_failed || answer->is_error) {
        take_failure(task, answer);
    } else if (run->kept_bytes + answer->json.length > CL_RUN_BYTES_MAX) {
        cl_run_task_fail(task, CL_V1_TASK_RESULT, "the results of the workflow get too large");
    } else {
        cl_run_task_set_envelope(task, answer->json.text, answer->json.length);
        cl_run_task_end(task, CL_TASK_COMPLETED);
    }
}

void cl_run_task_done(void *self, const struct cl_v1_answer *answer)
{
    struct cl_run_task *task = self;

    task->call = 0;
    task->run->running--;
    take_answer(task, answer);
    cl_run_pump(task->run);
    cl_run_changed(task->run);
}
