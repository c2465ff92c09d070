/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters as Prometheus reads them.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "api/metrics.h"
#include "sandbox/base/own.h"

static struct cl_buf out;
static struct cl_err err;

static const char *text_of(const struct cl_metrics *metrics, const struct cl_metrics_now *now,
                           bool is_open)
{
    cl_buf_fini(&out);
    out = (struct cl_buf)CL_BUF_INIT(256 << 10);
    assert_works(cl_metrics_format(metrics, now, is_open, &out, &err), &err);
    assert_works(cl_buf_put(&out, "", 1, &err), &err);
    return (const char *)out.bytes;
}

static void assert_has(const char *text, const char *const *lines)
{
    for (; *lines; lines++) {
        char line[200];

        snprintf(line, sizeof(line), "\n%s\n", *lines);
        if (!strstr(text, line))
            fail_msg("no line \"%s\" in\n%s", *lines, text);
    }
}

static void count(struct cl_metrics *metrics, const char *policy, enum cl_verdict_kind verdict,
                  uint64_t total_us)
{
    const struct cl_metrics_call call = { .policy = policy,
                                          .verdict = verdict,
                                          .limit = CL_LIMIT_CPU,
                                          .total_us = total_us,
                                          .queue_us = 100,
                                          .wall_us = total_us - 100,
                                          .cpu_us = 50,
                                          .has_run = verdict != CL_V_CANCELLED };

    cl_metrics_count_call(metrics, &call);
}

static void calls_and_their_times_are_counted(void **state)
{
    static const char *const lines[] = {
        "cloche_calls_total{policy=\"default\",verdict=\"ok\"} 2",
        "cloche_calls_total{policy=\"strict\",verdict=\"limit\"} 1",
        "cloche_calls_total{policy=\"strict\",verdict=\"cancelled\"} 1",
        "cloche_calls_total{policy=\"strict\",verdict=\"lost\"} 0",
        "cloche_call_seconds_bucket{le=\"0.00025\"} 1",
        "cloche_call_seconds_bucket{le=\"0.0005\"} 2",
        "cloche_call_seconds_bucket{le=\"30.0\"} 3",
        "cloche_call_seconds_bucket{le=\"+Inf\"} 4",
        "cloche_call_seconds_count 4",
        "cloche_call_seconds_sum 32.000501",
        "cloche_call_queue_seconds_count 4", /* one waited all its time */
        "cloche_call_queue_seconds_sum 1.000300",
        "cloche_call_run_seconds_count 3",
        "cloche_call_run_seconds_sum 31.000201",
        "cloche_call_cpu_seconds_total 0.000200",
        "cloche_limits_reached_total{limit=\"cpu\"} 1",
        "cloche_limits_reached_total{limit=\"wall\"} 0",
        NULL,
    };
    struct cl_metrics metrics = { 0 };
    const struct cl_metrics_now now = { 0 };

    (void)state;
    count(&metrics, "default", CL_V_OK, 250);
    count(&metrics, "default", CL_V_OK, 251);
    count(&metrics, "strict", CL_V_LIMIT, 31000000);
    count(&metrics, "strict", CL_V_CANCELLED, 1000000);
    assert_has(text_of(&metrics, &now, false), lines);
}

static void jails_are_counted_by_what_cloched_says(void **state)
{
    static const char *const lines[] = {
        "cloche_jails_ended_total{cause=\"finished\"} 1",
        "cloche_jails_ended_total{cause=\"limit\"} 2",
        "cloche_jails_ended_total{cause=\"killed\"} 2",
        "cloche_cgroup_oom_kills_total 3",
        "cloche_cgroup_pids_refused_total 5",
        "cloche_spare_seconds_bucket{le=\"0.001\"} 0",
        "cloche_spare_seconds_bucket{le=\"0.002\"} 1",
        "cloche_spare_seconds_sum 0.002000",
        "cloche_zygotes 4",
        "cloche_zygotes_started_total 9",
        "cloche_zygotes_died_total 1",
        "cloche_zygotes_recycled_total 2",
        "cloche_zygotes_evicted_total 3",
        NULL,
    };
    static const struct cl_msg_end ends[] = {
        { .cause = CL_END_FINISHED },
        { .cause = CL_END_LIMIT, .limit = CL_LIMIT_MEMORY, .oom_kills = 3 },
        { .cause = CL_END_LIMIT, .limit = CL_LIMIT_PROCESSES, .pids_refused = 5 },
        { .cause = CL_END_KILLED, .reason = CL_KILL_LIMIT, .limit = CL_LIMIT_OUTPUT },
        { .cause = CL_END_KILLED, .reason = CL_KILL_CANCELLED },
        { .cause = 99, .limit = 99 },
    };
    struct cl_metrics metrics = { .zygotes.of = { 9, 5, 1, 2, 3 } };
    const struct cl_metrics_now now = { 0 };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(ends); i++)
        cl_metrics_count_end(&metrics, &ends[i]);
    cl_metrics_count_spare(&metrics, &(struct cl_msg_offer){ .made_us = 2000 });
    assert_has(text_of(&metrics, &now, false), lines);
}

static void what_is_there_now_is_told(void **state)
{
    static const char *const lines[] = {
        "cloche_queued_calls{weight=\"1-9\"} 1",
        "cloche_queued_calls{weight=\"1000-10000\"} 4",
        "cloche_spare_jails{policy=\"a\\\"\\\\\"} 8",
        "cloche_running_calls 2",
        "cloche_connections 4",
        "cloche_policy_generation 5",
        "cloche_requeued_total 6",
        "cloche_buffered_bytes 7",
        "cloche_connections_refused_total 8",
        "cloche_connections_evicted_total 9",
        "cloche_buffers_refused_total 10",
        "cloche_http_responses_total{code=\"404\"} 2",
        "cloche_refused_total{problem=\"unauthorized\"} 9",
        "process_cpu_seconds_total 1.000001",
        "process_start_time_seconds 1700000000",
        NULL,
    };
    struct cl_metrics metrics = { 0 };
    const struct cl_metrics_now now = {
        .running = 2,
        .connections = 4,
        .generation = 5,
        .requeued = 6,
        .buffered = 7,
        .turned_away = 8,
        .evicted = 9,
        .over_memory = 10,
        .queued = { 1, 2, 3, 4 },
        .spares = { 8 },
        .cpu_us = 1000001,
        .start_s = 1700000000,
    };

    (void)state;
    assert_int_equal(cl_metrics_policy(&metrics, "a\"\\"), 0);
    metrics.refused[CL_R_UNAUTHORIZED] = 9;
    cl_metrics_count_answer(&metrics, 404);
    cl_metrics_count_answer(&metrics, 404);
    cl_metrics_count_answer(&metrics, 600);
    cl_metrics_count_answer(&metrics, -1);
    assert_has(text_of(&metrics, &now, false), lines);
}

/* Reloads may bring as many names as they like. */
static void policies_beyond_the_table_share_a_label(void **state)
{
    struct cl_metrics metrics = { 0 };
    const struct cl_metrics_now now = { 0 };
    char name[16];

    (void)state;
    for (int i = 0; i < CL_METRICS_POLICIES + 10; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        count(&metrics, name, CL_V_OK, 100);
    }
    count(&metrics, "p3", CL_V_OK, 100);
    const char *text = text_of(&metrics, &now, false);
    assert_non_null(strstr(text, "{policy=\"p3\",verdict=\"ok\"} 2\n"));
    assert_non_null(strstr(text, "{policy=\"p63\",verdict=\"ok\"} 1\n"));
    assert_non_null(strstr(text, "{policy=\"(others)\",verdict=\"ok\"} 10\n"));
    assert_null(strstr(text, "p64"));
}

static void weights_have_four_classes(void **state)
{
    static const uint64_t weights[] = { 0, 1, 9, 10, 99, 100, 999, 1000, 10000 };
    static const unsigned wanted[] = { 0, 0, 0, 1, 1, 2, 2, 3, 3 };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(weights); i++)
        assert_int_equal(cl_metrics_class(weights[i]), wanted[i]);
}

static void openmetrics_names_families_and_ends(void **state)
{
    const struct cl_metrics metrics = { 0 };
    const struct cl_metrics_now now = { 0 };
    const char *text;

    (void)state;
    text = text_of(&metrics, &now, true);
    assert_non_null(strstr(text, "# TYPE cloche_requeued counter\ncloche_requeued_total 0\n"));
    assert_non_null(strstr(text, "# TYPE cloche_connections gauge\n"));
    assert_string_equal(text + strlen(text) - 7, "\n# EOF\n");
    text = text_of(&metrics, &now, false);
    assert_non_null(strstr(text, "# TYPE cloche_requeued_total counter\n"));
    assert_null(strstr(text, "# EOF"));
}

static void a_buffer_too_small_is_an_error(void **state)
{
    const struct cl_metrics metrics = { 0 };
    const struct cl_metrics_now now = { 0 };
    const size_t whole = strlen(text_of(&metrics, &now, true));

    (void)state;
    for (size_t limit = 0; limit < whole; limit += 97) {
        struct cl_buf CL_AUTO(cl_buf_fini) small = CL_BUF_INIT(limit);

        assert_fails(cl_metrics_format(&metrics, &now, true, &small, &err), &err, CL_E_LIMIT);
    }
    cl_buf_fini(&out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_and_their_times_are_counted),
        cmocka_unit_test(jails_are_counted_by_what_cloched_says),
        cmocka_unit_test(what_is_there_now_is_told),
        cmocka_unit_test(policies_beyond_the_table_share_a_label),
        cmocka_unit_test(weights_have_four_classes),
        cmocka_unit_test(openmetrics_names_families_and_ends),
        cmocka_unit_test(a_buffer_too_small_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
