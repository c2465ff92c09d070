/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of evals: what becomes of a good one, which names a context may have.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "api/calls/request.h"
#include "sandbox/base/own.h"
#include "tests/support/policy_sample.h"

static struct cl_request request;
static struct cl_refusal refusal;
static struct policy_sample sample;

static int setup(void **state)
{
    (void)state;
    policy_sample_init(&sample);
    request = (struct cl_request){ 0 };
    refusal = (struct cl_refusal)CL_REFUSAL_INIT;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cl_request_fini(&request);
    return 0;
}

static int parse(const char *text)
{
    teardown(NULL);
    setup(NULL);
    return cl_request_parse_eval(&request, text, strlen(text), &refusal);
}

static void wants_frame(size_t *at, uint32_t type, const char *text)
{
    struct cl_frame head;

    memcpy(&head, request.frames.bytes + *at, sizeof(head));
    *at += sizeof(head);
    assert_int_equal(head.type, type);
    if (text) {
        assert_int_equal(head.length, strlen(text));
        assert_memory_equal(request.frames.bytes + *at, text, head.length);
    }
    *at += head.length;
}

static void an_eval_is_a_call_with_source_and_kwargs(void **state)
{
    struct cl_frame_call call;
    size_t at = 0;

    (void)state;
    assert_int_equal(parse("{\"expression\":\"a\\n+ 1\",\"context\":{\"a\": 1e2},"
                           "\"policy\":\"calc\",\"limits\":{\"wall\":\"1ms\"}}"),
                     0);
    assert_string_equal(request.policy, "calc");
    assert_int_equal(request.asked[CL_LIMIT_WALL], 1);
    assert_int_equal(cl_request_seal(&request, &sample.head, CL_CALL_EVAL, &refusal), 0);
    memcpy(&call, request.frames.bytes + sizeof(struct cl_frame), sizeof(call));
    assert_int_equal(call.flags, CL_CALL_EVAL);
    wants_frame(&at, CL_F_CALL, NULL);
    wants_frame(&at, CL_F_SOURCE, "a\n+ 1");
    wants_frame(&at, CL_F_KWARGS, "{\"a\": 1e2}");
    wants_frame(&at, CL_F_GO, "");
    assert_int_equal(at, request.frames.length);
}

static void what_is_malformed_is_pointed_at(void **state)
{
    static const struct {
        const char *body, *pointer, *detail;
    } rows[] = {
        { "{}", "/expression", "an expression is required" },
        { "[]", "", "not a JSON object" },
        { "{\"expression\":1}", "/expression", "expected a string" },
        { "{\"expression\":\"1\",\"context\":[]}", "/context", "expected an object" },
        { "{\"expression\":\"1\",\"source\":\"1\"}", "/source", "unknown key" },
        { "{\"expression\":\"1\",\"contxt\":{}}", "/contxt", "did you mean \"context\"?" },
        { "{\"expression\":\"1\",\"metadata\":{}}", "/metadata", "unknown key" },
        { "{\"expression\":\"1\",\"context\":{\"_a\":1}}", "/context/_a", "identifier" },
        { "{\"expression\":\"1\",\"context\":{\"__a__\":1}}", "/context/__a__", "identifier" },
        { "{\"expression\":\"1\",\"context\":{\"\":1}}", "/context/", "identifier" },
        { "{\"expression\":\"1\",\"context\":{\"1a\":1}}", "/context/1a", "identifier" },
        { "{\"expression\":\"1\",\"context\":{\"a.b\":1}}", "/context/a.b", "identifier" },
        { "{\"expression\":\"1\",\"context\":{\"a b\":1}}", "/context/a b", "identifier" },
        { "{\"expression\":\"1\",\"context\":{\"a\\u0000\":1}}", "/context/a", "identifier" },
        { "{\"expression\":\"1\",\"context\":{\"\\u005fa\":1}}", "/context/_a", "identifier" },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        assert_int_equal(parse(rows[i].body), -1);
        assert_int_equal(refusal.kind, CL_R_MALFORMED);
        assert_string_equal(refusal.pointer, rows[i].pointer);
        assert_non_null(strstr(refusal.detail, rows[i].detail));
    }
}

static void names_that_are_no_ascii_are_left_to_python(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"expression\":\"1\",\"context\":{\"\xc3\xa9t\xc3\xa9_1\":1}}"),
                     0);
    assert_int_equal(parse("{\"expression\":\"1\",\"context\":{\"a_1\":1,\"A\":{\"_\":2}}}"),
                     0);
}

static void an_expression_may_have_64_KiB(void **state)
{
    enum { MOST = 64 << 10 };
    static const char head[] = "{\"expression\":\"";
    char *body = malloc(sizeof(head) + MOST + 8);

    (void)state;
    memcpy(body, head, sizeof(head) - 1);
    memset(body + sizeof(head) - 1, '1', MOST + 1);
    strcpy(body + sizeof(head) - 1 + MOST, "\"}");
    assert_int_equal(parse(body), 0);
    strcpy(body + sizeof(head) - 1 + MOST, "1\"}");
    assert_int_equal(parse(body), -1);
    assert_int_equal(refusal.kind, CL_R_TOO_LARGE);
    assert_int_equal(refusal.limit, MOST);
    assert_string_equal(refusal.pointer, "/expression");
    free(body);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_eval_is_a_call_with_source_and_kwargs),
        CASE(what_is_malformed_is_pointed_at),
        CASE(names_that_are_no_ascii_are_left_to_python),
        CASE(an_expression_may_have_64_KiB),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
