/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters in the text format of Prometheus.
 * Runs in: cloche-api.
 * Trusts: our own numbers and names; no text of a caller becomes a label.
 */
#include "api/metrics.h"

#include <inttypes.h>

#include "sandbox/base/own.h"

static const struct {
    uint64_t us;
    const char *le; /* in seconds */
} buckets[CL_METRICS_BUCKETS] = {
    { 250, "0.00025" }, { 500, "0.0005" },   { 1000, "0.001" },  { 2000, "0.002" },
    { 4000, "0.004" },  { 8000, "0.008" },   { 16000, "0.016" }, { 32000, "0.032" },
    { 64000, "0.064" }, { 125000, "0.125" }, { 250000, "0.25" }, { 500000, "0.5" },
    { 1000000, "1" },   { 2500000, "2.5" },  { 5000000, "5" },   { 30000000, "30" },
};

void cl_metrics_count_call(struct cl_metrics *metrics, enum cl_verdict_kind kind,
                           uint64_t total_us)
{
    size_t i = 0;

    while (i < CL_METRICS_BUCKETS && total_us > buckets[i].us)
        i++;
    metrics->latency[i]++;
    metrics->latency_us += total_us;
    metrics->calls[kind]++;
}

static int put_calls(const struct cl_metrics *metrics, struct cl_buf *out, struct cl_err *err)
{
    if (cl_buf_put_text(out,
                        "# HELP cloche_calls_total Calls that ran, by verdict.\n"
                        "# TYPE cloche_calls_total counter\n",
                        err) < 0)
        return -1;
    for (enum cl_verdict_kind kind = CL_V_OK; kind < CL_V_COUNT_; kind++) {
        if (cl_buf_format(out, err, "cloche_calls_total{verdict=\"%s\"} %" PRIu64 "\n",
                          cl_verdict_name(kind), metrics->calls[kind]) < 0)
            return -1;
    }
    return 0;
}

static int put_refused(const struct cl_metrics *metrics, struct cl_buf *out, struct cl_err *err)
{
    if (cl_buf_put_text(
            out,
            "# HELP cloche_refused_total Requests answered with a problem, by kind.\n"
            "# TYPE cloche_refused_total counter\n",
            err) < 0)
        return -1;
    for (enum cl_refusal_kind kind = CL_R_NONE + 1; kind < CL_R_COUNT_; kind++) {
        if (cl_buf_format(out, err, "cloche_refused_total{problem=\"%s\"} %" PRIu64 "\n",
                          cl_refusal_row(kind)->slug, metrics->refused[kind]) < 0)
            return -1;
    }
    return 0;
}

static int put_latency(const struct cl_metrics *metrics, struct cl_buf *out, struct cl_err *err)
{
    uint64_t sum = 0;

    if (cl_buf_put_text(out,
                        "# HELP cloche_call_seconds From the whole request to its outcome.\n"
                        "# TYPE cloche_call_seconds histogram\n",
                        err) < 0)
        return -1;
    for (size_t i = 0; i < CL_METRICS_BUCKETS; i++) {
        sum += metrics->latency[i];
        if (cl_buf_format(out, err, "cloche_call_seconds_bucket{le=\"%s\"} %" PRIu64 "\n",
                          buckets[i].le, sum) < 0)
            return -1;
    }
    sum += metrics->latency[CL_METRICS_BUCKETS];
    return cl_buf_format(
        out, err,
        "cloche_call_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\ncloche_call_seconds_sum %" PRIu64
        ".%06" PRIu64 "\ncloche_call_seconds_count %" PRIu64 "\n",
        sum, metrics->latency_us / 1000000, metrics->latency_us % 1000000, sum);
}

static int put_gauges(const struct cl_metrics_now *now, struct cl_buf *out, struct cl_err *err)
{
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } rows[] = {
        { "cloche_queued_calls", "gauge", "Calls that wait for a jail.", now->queued },
        { "cloche_running_calls", "gauge", "Calls in a jail.", now->running },
        { "cloche_spare_jails", "gauge", "Jails that wait for a call.", now->idle },
        { "cloche_connections", "gauge", "Open client connections.", now->connections },
        { "cloche_policy_generation", "gauge", "Generation of policies in force.",
          now->generation },
        { "cloche_requeued_total", "counter", "Calls given to another jail before they ran.",
          now->requeued },
        { "cloche_buffered_bytes", "gauge",
          "Bodies and answers in memory, over 64 KiB of each connection.", now->buffered },
        { "cloche_connections_refused_total", "counter",
          "Connections turned away because there were too many.", now->turned_away },
        { "cloche_connections_evicted_total", "counter",
          "Idle connections closed for a new one.", now->evicted },
        { "cloche_buffers_refused_total", "counter",
          "Requests and answers that found no room in memory.", now->over_memory },
        { "cloche_store_waiting", "gauge", "Works that wait for the store.",
          now->store_waiting },
        { "cloche_store_writable", "gauge", "Whether the store takes what is written.",
          now->store_writable },
    };

    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (cl_buf_format(out, err, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n",
                          rows[i].name, rows[i].help, rows[i].name, rows[i].type, rows[i].name,
                          rows[i].value) < 0)
            return -1;
    }
    return 0;
}

int cl_metrics_format(const struct cl_metrics *metrics, const struct cl_metrics_now *now,
                      struct cl_buf *out, struct cl_err *err)
{
    if (put_calls(metrics, out, err) < 0 || put_refused(metrics, out, err) < 0 ||
        put_latency(metrics, out, err) < 0)
        return -1;
    return put_gauges(now, out, err);
}
