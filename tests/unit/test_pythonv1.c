/* SPDX-License-Identifier: Apache-2.0 */
/*
 * python/v1 without a jail: envelopes, plans, faults, registrations of a batch, and how the end of
 * an errand is told.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/pythonv1/answer.h"
#include "api/pythonv1/envelope.h"
#include "api/pythonv1/names.h"
#include "sandbox/base/own.h"

static struct cl_v1_batch batch;
static struct cl_v1_fault fault;
static struct cl_v1_plan plan;

static int teardown(void **state)
{
    (void)state;
    cl_v1_envelope_fini(&batch);
    batch = (struct cl_v1_batch){ 0 };
    fault = (struct cl_v1_fault){ 0 };
    return 0;
}

static int parse(const char *text)
{
    teardown(NULL);
    return cl_v1_envelope_parse(&batch, text, strlen(text), &fault);
}

static struct cl_json json_of(const char *text)
{
    return (struct cl_json){ text, strlen(text) };
}

static int make(const char *method, const char *params)
{
    fault = (struct cl_v1_fault){ 0 };
    return cl_v1_plan_make(&plan, method, json_of(params), &fault);
}

/* ----------------------------------------------------------------------------------- envelope */

static void wants_response(const char *text)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(1024);
    struct cl_err err = CL_ERR_INIT;

    assert_int_equal(cl_v1_envelope_put(&batch.items[0], false, json_of("5"), &out, &err), 0);
    assert_int_equal(out.length, strlen(text));
    assert_memory_equal(out.bytes, text, out.length);
}

static void a_request_is_read_with_its_digits(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"jsonrpc\":\"2.0\",\"id\":1.00e2,\"method\":\"list\"}"), 0);
    assert_int_equal(batch.items[0].fault.code, 0);
    assert_false(batch.is_array || batch.items[0].is_silent);
    wants_response("{\"jsonrpc\":\"2.0\",\"id\":1.00e2,\"result\":5}");
    assert_int_equal(parse("{\"protocol\":\"python/v1\",\"method\":\"list\"}"), 0);
    wants_response("{\"result\":5}");
    assert_int_equal(parse("{\"protocol\":\"python/v1\",\"method\":\"list\",\"id\":\"x\"}"), 0);
    wants_response("{\"id\":\"x\",\"result\":5}");
}

static void a_request_without_id_is_silent_when_it_is_in_order(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"jsonrpc\":\"2.0\",\"method\":\"list\"}"), 0);
    assert_true(batch.items[0].is_silent);
    assert_int_equal(parse("{\"jsonrpc\":\"2.0\",\"method\":5}"), 0);
    assert_false(batch.items[0].is_silent);
    assert_int_equal(batch.items[0].fault.code, CL_V1_REQUEST);
    assert_int_equal(parse("{\"jsonrpc\":\"2.0\",\"method\":\"list\",\"id\":null}"), 0);
    assert_false(batch.items[0].is_silent);
}

static void the_first_fault_of_a_request_counts(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"jsonrpc\":\"1\",\"method\":5,\"id\":3}"), 0);
    assert_non_null(strstr(batch.items[0].fault.message, "'jsonrpc'"));
    wants_response("{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":5}");
}

static void a_batch_has_a_first_and_a_last_size(void **state)
{
    (void)state;
    assert_int_equal(parse("[]"), -1);
    assert_string_equal(fault.message, "Empty batch request");
    assert_int_equal(parse("[1]"), 0);
    assert_true(batch.is_array);
    assert_int_equal(parse("{"), -1);
    assert_int_equal(fault.code, CL_V1_PARSE);
    assert_int_equal(parse(""), -1);
    assert_int_equal(fault.code, CL_V1_PARSE);
}

/* --------------------------------------------------------------------------------------- plans */

static void names_end_at_their_cap(void **state)
{
    char params[256];

    (void)state;
    snprintf(params, sizeof(params), "{\"name\":\"%0128d\",\"lambda\":\"\"}", 0);
    params[9] = 'a';
    assert_int_equal(make("register", params), 0);
    assert_int_equal(strlen(plan.name), CL_V1_NAME_MAX);
    snprintf(params, sizeof(params), "{\"name\":\"%0129d\",\"lambda\":\"\"}", 0);
    params[9] = 'a';
    assert_int_equal(make("register", params), -1);
    assert_int_equal(make("execute", "{\"function\":\"a\\u0000b\"}"), -1);
    assert_string_equal(fault.message, "Function a?b not found");
}

static void a_plan_needs_an_object(void **state)
{
    (void)state;
    assert_int_equal(make("list", "null"), 0);
    assert_int_equal(make("list", ""), 0);
    assert_int_equal(make("list", "[]"), -1);
    assert_int_equal(fault.code, CL_V1_PARAMS);
    assert_int_equal(make("nope", "{}"), -1);
    assert_int_equal(fault.code, CL_V1_METHOD);
    assert_true(cl_pythonv1_has_method("python/execute"));
    assert_false(cl_pythonv1_has_method("python/nope"));
}

static void files_are_stems_without_folders(void **state)
{
    (void)state;
    assert_int_equal(make("python/execute", "{\"file\":\"a.py\"}"), 0);
    assert_string_equal(plan.file, "a");
    assert_int_equal(plan.timeout_s, 30);
    assert_int_equal(make("python/execute", "{\"file\":\".py\"}"), 0);
    assert_string_equal(plan.file, ".py");
    assert_int_equal(make("python/execute", "{\"file\":\"/a.py\"}"), -1);
    assert_int_equal(make("python/execute", "{\"file\":\"a..py\"}"), -1);
    assert_int_equal(make("python/execute", "{\"file\":\"a\",\"timeout\":301}"), -1);
    assert_int_equal(make("python/execute", "{\"file\":\"a\",\"timeout\":300}"), 0);
}

/* ------------------------------------------------------------------------------------- answers */

static struct cl_v1_outcome outcome = CL_V1_OUTCOME_INIT;

static const char *told(const struct cl_verdict *verdict, const char *result)
{
    static const struct cl_keep output[2] = { CL_KEEP_INIT, CL_KEEP_INIT };
    static const struct cl_msg_end usage = { .cpu_us = 5 };
    const struct cl_errand_end end = { .name = "id",
                                       .verdict = verdict->kind,
                                       .detail = verdict,
                                       .result = json_of(result),
                                       .output = output,
                                       .usage = &usage };
    struct cl_err err = CL_ERR_INIT;

    cl_v1_outcome_fini(&outcome);
    outcome = (struct cl_v1_outcome)CL_V1_OUTCOME_INIT;
    cl_v1_outcome_end(&outcome, &plan, "t", 1500000, &end);
    assert_int_equal(cl_buf_put(&outcome.json, "", 1, &err), 0);
    return (const char *)outcome.json.bytes;
}

static void every_limit_has_its_code(void **state)
{
    static const struct {
        enum cl_limit limit;
        int32_t code;
        const char *message;
    } rows[] = {
        { CL_LIMIT_WALL, CL_V1_TASK_TIMEOUT, "Task t timed out after 1.5s" },
        { CL_LIMIT_CPU, CL_V1_TASK_TIMEOUT, "Task t timed out after 1.5s" },
        { CL_LIMIT_MEMORY, CL_V1_RESOURCES, "Memory limit exceeded" },
        { CL_LIMIT_PROCESSES, CL_V1_RESOURCES, "Process limit exceeded" },
        { CL_LIMIT_FILES, CL_V1_RESOURCES, "File limit exceeded" },
        { CL_LIMIT_OUTPUT, CL_V1_TASK_RESULT, "Result larger than 1500 bytes" },
        { CL_LIMIT_RESULT, CL_V1_TASK_RESULT, "Result larger than 1500 bytes" },
        { CL_LIMIT_DEPTH, 0, "RecursionError" },
    };

    (void)state;
    assert_int_equal(make("execute", "{\"function\":\"f\"}"), 0);
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        const struct cl_verdict verdict = { .kind = CL_V_LIMIT,
                                            .limit = rows[i].limit,
                                            .value = 1500 };

        assert_non_null(strstr(told(&verdict, ""), rows[i].message));
        assert_int_equal(outcome.code, rows[i].code);
        assert_true(outcome.is_failed);
    }
}

static void ends_that_are_nobodys_fault_are_retryable(void **state)
{
    const struct cl_verdict lost = { .kind = CL_V_LOST, .message = "gone" };
    const struct cl_verdict killed = { .kind = CL_V_CRASHED, .signal = 11 };
    const struct cl_verdict cancelled = { .kind = CL_V_CANCELLED };

    (void)state;
    assert_int_equal(make("execute", "{\"function\":\"f\"}"), 0);
    assert_non_null(strstr(told(&lost, ""), "\"retryable\":true"));
    assert_int_equal(outcome.code, CL_V1_LOST);
    assert_non_null(strstr(told(&killed, ""), "Worker ended: SIGSEGV"));
    assert_false(cl_pythonv1_is_retryable(outcome.code));
    assert_non_null(strstr(told(&cancelled, ""), "was cancelled"));
    assert_int_equal(outcome.code, CL_V1_TASK_CANCELLED);
}

static void a_worker_decides_neither_code_nor_shape(void **state)
{
    static const struct cl_verdict ok = { .kind = CL_V_OK };
    static const char *const wild[] = { "5",
                                        "{}",
                                        "[]",
                                        "{\"failed\":1}",
                                        "{\"refusal\":[]}",
                                        "{\"failed\":{\"error\":1,\"error_type\":\"x\"}}" };

    (void)state;
    assert_int_equal(make("execute", "{\"function\":\"f\"}"), 0);
    for (size_t i = 0; i < CL_COUNT(wild); i++) {
        assert_non_null(strstr(told(&ok, wild[i]), "Worker ended: protocol error"));
        assert_int_equal(outcome.code, CL_V1_TASK_FAILED);
    }
    assert_non_null(strstr(told(&ok, "{\"result\":1,\"success\":false}"), "\"success\":true"));
    assert_non_null(
        strstr(told(&ok, "{\"refusal\":{\"code\":-1,\"message\":\"m\"}}"), "-32602"));
    assert_non_null(strstr(told(&ok, "null"), "\"result\":null"));
    assert_false(outcome.is_failed);
}

/* --------------------------------------------------------------------------------------- names */

static struct cl_v1_names seen;

static void on_names(void *self, uint64_t id, const struct cl_v1_names *names)
{
    (void)self;
    assert_int_equal(id, 7);
    seen = *names;
}

static void ask(struct cl_v1_scope *scope, enum cl_v1_names_do what, const char *name,
                const char *content)
{
    const struct cl_v1_names_ask question = { .what = what,
                                              .tenant = "t",
                                              .session = "",
                                              .scope = scope,
                                              .name = name,
                                              .kind = "lambda",
                                              .content = json_of(content) };
    struct cl_err err = CL_ERR_INIT;

    assert_int_equal(cl_v1_names_run(NULL, &question, on_names, NULL, 7, &err), 0);
}

static void names_of_a_batch_are_kept_in_their_order(void **state)
{
    struct cl_v1_scope CL_AUTO(cl_v1_scope_fini) scope = { 0 };

    (void)state;
    ask(&scope, CL_V1_NAMES_PUT, "b", "[1]");
    ask(&scope, CL_V1_NAMES_PUT, "a", "[2]");
    ask(&scope, CL_V1_NAMES_PUT, "b", "[3]");
    ask(&scope, CL_V1_NAMES_DROP, "x", "");
    assert_false(seen.is_there);
    ask(&scope, CL_V1_NAMES_DROP, "a", "");
    assert_true(seen.is_there);
    ask(&scope, CL_V1_NAMES_READ, "a", "");
    assert_false(seen.is_there);
    assert_int_equal(seen.count, 1);
    ask(NULL, CL_V1_NAMES_READ, "b", "");
    assert_false(seen.is_there);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_request_is_read_with_its_digits, teardown),
        cmocka_unit_test_teardown(a_request_without_id_is_silent_when_it_is_in_order, teardown),
        cmocka_unit_test_teardown(the_first_fault_of_a_request_counts, teardown),
        cmocka_unit_test_teardown(a_batch_has_a_first_and_a_last_size, teardown),
        cmocka_unit_test(names_end_at_their_cap),
        cmocka_unit_test(a_plan_needs_an_object),
        cmocka_unit_test(files_are_stems_without_folders),
        cmocka_unit_test(every_limit_has_its_code),
        cmocka_unit_test(ends_that_are_nobodys_fault_are_retryable),
        cmocka_unit_test(a_worker_decides_neither_code_nor_shape),
        cmocka_unit_test(names_of_a_batch_are_kept_in_their_order),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);

    cl_v1_outcome_fini(&outcome);
    return failed;
}
