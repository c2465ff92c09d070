/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters as Prometheus reads them.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/metrics.h"
#include "sandbox/base/own.h"

static void calls_and_their_times_are_counted(void **state)
{
    struct cl_metrics metrics = { 0 };
    const struct cl_metrics_now now = {
        .queued = 1,
        .running = 2,
        .idle = 3,
        .connections = 4,
        .generation = 5,
        .requeued = 6,
        .buffered = 7,
        .turned_away = 8,
        .evicted = 9,
        .over_memory = 10,
    };
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(64 << 10);
    struct cl_err err = CL_ERR_INIT;
    const char *text;

    (void)state;
    metrics.refused[CL_R_UNAUTHORIZED] = 9;
    cl_metrics_count_call(&metrics, CL_V_OK, 250);
    cl_metrics_count_call(&metrics, CL_V_OK, 251);
    cl_metrics_count_call(&metrics, CL_V_LIMIT, 31000000);
    assert_works(cl_metrics_format(&metrics, &now, &out, &err), &err);
    assert_works(cl_buf_put(&out, "", 1, &err), &err);
    text = (const char *)out.bytes;
    assert_non_null(strstr(text, "\ncloche_calls_total{verdict=\"ok\"} 2\n"));
    assert_non_null(strstr(text, "\ncloche_calls_total{verdict=\"limit\"} 1\n"));
    assert_non_null(strstr(text, "\ncloche_calls_total{verdict=\"lost\"} 0\n"));
    assert_non_null(strstr(text, "\ncloche_refused_total{problem=\"unauthorized\"} 9\n"));
    assert_non_null(strstr(text, "_bucket{le=\"0.00025\"} 1\n"));
    assert_non_null(strstr(text, "_bucket{le=\"0.0005\"} 2\n"));
    assert_non_null(strstr(text, "_bucket{le=\"30\"} 2\n"));
    assert_non_null(strstr(text, "_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "\ncloche_call_seconds_sum 31.000501\n"));
    assert_non_null(strstr(text, "\ncloche_call_seconds_count 3\n"));
    assert_non_null(strstr(text, "\ncloche_queued_calls 1\n"));
    assert_non_null(strstr(text, "\ncloche_running_calls 2\n"));
    assert_non_null(strstr(text, "\ncloche_spare_jails 3\n"));
    assert_non_null(strstr(text, "\ncloche_connections 4\n"));
    assert_non_null(strstr(text, "\ncloche_policy_generation 5\n"));
    assert_non_null(strstr(text, "\ncloche_requeued_total 6\n"));
    assert_non_null(strstr(text, "\ncloche_buffered_bytes 7\n"));
    assert_non_null(strstr(text, "\ncloche_connections_refused_total 8\n"));
    assert_non_null(strstr(text, "\ncloche_connections_evicted_total 9\n"));
    assert_non_null(strstr(text, "\ncloche_buffers_refused_total 10\n"));
}

static void a_buffer_too_small_is_an_error(void **state)
{
    const struct cl_metrics metrics = { 0 };
    const struct cl_metrics_now now = { 0 };

    (void)state;
    for (size_t limit = 0; limit < 2000; limit += 100) {
        struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(limit);
        struct cl_err err = CL_ERR_INIT;

        assert_fails(cl_metrics_format(&metrics, &now, &out, &err), &err, CL_E_LIMIT);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_and_their_times_are_counted),
        cmocka_unit_test(a_buffer_too_small_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
