/* SPDX-License-Identifier: Apache-2.0 */
/* Problems and the map from kinds of errors to statuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/json/scan.h"
#include "api/status.h"
#include "sandbox/base/own.h"

static void status_follows_the_kind_of_an_error(void **state)
{
    static const struct {
        uint32_t kind;
        int status;
        bool may_tell;
    } samples[] = {
        { CL_E_NONE, 500, false }, { CL_E_INPUT, 400, true }, { CL_E_DENIED, 403, true },
        { CL_E_LIMIT, 413, true }, { CL_E_BUSY, 503, true },  { CL_E_LOST, 503, false },
        { CL_E_SYS, 500, false },  { 7, 500, false },         { UINT32_MAX, 500, false },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(samples); i++) {
        assert_int_equal(cl_status_of_kind(samples[i].kind), samples[i].status);
        assert_int_equal(cl_status_may_tell(samples[i].kind), samples[i].may_tell);
    }
}

static void status_that_is_never_sent_counts_as_500(void **state)
{
    (void)state;
    assert_int_equal(cl_status_of(418)->code, 500);
    assert_string_equal(cl_status_of(200)->reason, "OK");
    assert_string_equal(cl_status_of(431)->slug, "head-too-large");
}

static void status_of_a_full_house_asks_to_come_again(void **state)
{
    (void)state;
    assert_int_equal(cl_status_of(503)->retry_after, 1);
    assert_int_equal(cl_status_of(429)->retry_after, 1);
    assert_int_equal(cl_status_of(400)->retry_after, 0);
}

static void assert_formats(const struct cl_problem *problem, const char *text)
{
    CL_AUTO(cl_buf_fini) struct cl_buf out = CL_BUF_INIT(4096);
    const struct cl_json_caps caps = CL_JSON_CAPS(4096);
    struct cl_err err = CL_ERR_INIT;

    assert_int_equal(cl_status_format(&out, problem, &err), 0);
    assert_int_equal(out.length, strlen(text));
    assert_memory_equal(out.bytes, text, out.length);
    assert_int_equal(
        cl_json_check((const char *)out.bytes, out.length, &caps, NULL, NULL, &err), 0);
}

static void problem_has_type_title_and_status(void **state)
{
    (void)state;
    assert_formats(
        &(struct cl_problem){ .status = 404 },
        "{\"type\":\"urn:cloche:problem:not-found\",\"title\":\"There is nothing here\","
        "\"status\":404}");
}

static void problem_takes_own_words(void **state)
{
    (void)state;
    assert_formats(
        &(struct cl_problem){ 422, "no-compile", "It does not compile", "line 1: \"\n\x7f\xff",
                              "\"line\":1,\"column\":2" },
        "{\"type\":\"urn:cloche:problem:no-compile\",\"title\":\"It does not compile\","
        "\"status\":422,\"detail\":\"line 1: \\\"\\n\\u007f\xef\xbf\xbd\","
        "\"line\":1,\"column\":2}");
}

static void problem_of_a_good_status_is_still_one(void **state)
{
    (void)state;
    assert_formats(
        &(struct cl_problem){ .status = 200, .extra = "" },
        "{\"type\":\"urn:cloche:problem:internal\",\"title\":\"OK\",\"status\":200}");
}

static void problem_that_does_not_fit_fails_as_limit(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf out = CL_BUF_INIT(20);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_int_equal(cl_status_format(&out, &(struct cl_problem){ .status = 404 }, &err), -1);
    assert_int_equal(err.kind, CL_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_follows_the_kind_of_an_error),
        cmocka_unit_test(status_that_is_never_sent_counts_as_500),
        cmocka_unit_test(status_of_a_full_house_asks_to_come_again),
        cmocka_unit_test(problem_has_type_title_and_status),
        cmocka_unit_test(problem_takes_own_words),
        cmocka_unit_test(problem_of_a_good_status_is_still_one),
        cmocka_unit_test(problem_that_does_not_fit_fails_as_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
