/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted as it happens; each is an addition or two.
 * Runs in: cloche-api.
 * Trusts: our own numbers and names.
 */
#include "api/metrics.h"

#include <stdio.h>
#include <string.h>

#include "sandbox/base/own.h"

const struct cl_metrics_bucket cl_metrics_buckets[CL_METRICS_BUCKETS] = {
    { 250, "0.00025" }, { 500, "0.0005" },   { 1000, "0.001" },  { 2000, "0.002" },
    { 4000, "0.004" },  { 8000, "0.008" },   { 16000, "0.016" }, { 32000, "0.032" },
    { 64000, "0.064" }, { 125000, "0.125" }, { 250000, "0.25" }, { 500000, "0.5" },
    { 1000000, "1.0" }, { 2500000, "2.5" },  { 5000000, "5.0" }, { 30000000, "30.0" },
};

size_t cl_metrics_policy(struct cl_metrics *metrics, const char *name)
{
    size_t i = 0;

    while (i < metrics->policy_count && strcmp(metrics->policies[i].name, name) != 0)
        i++;
    if (i < metrics->policy_count || i == CL_METRICS_POLICIES)
        return i;
    snprintf(metrics->policies[i].name, sizeof(metrics->policies[i].name), "%s", name);
    return metrics->policy_count++;
}

unsigned cl_metrics_class(uint64_t weight)
{
    return weight < 10 ? 0 : weight < 100 ? 1 : weight < 1000 ? 2 : 3;
}

static void observe(struct cl_metrics *metrics, enum cl_metrics_span span, uint64_t us)
{
    struct cl_metrics_times *times = &metrics->times[span];
    size_t i = 0;

    while (i < CL_METRICS_BUCKETS && us > cl_metrics_buckets[i].us)
        i++;
    times->counts[i]++;
    times->sum_us += us;
}

void cl_metrics_count_call(struct cl_metrics *metrics, const struct cl_metrics_call *call)
{
    metrics->policies[cl_metrics_policy(metrics, call->policy)].calls[call->verdict]++;
    metrics->cpu_us += call->cpu_us;
    if (call->verdict == CL_V_LIMIT && call->limit < CL_LIMIT_COUNT_)
        metrics->limited[call->limit]++;
    observe(metrics, CL_SPAN_CALL, call->total_us);
    observe(metrics, CL_SPAN_QUEUE, call->has_run ? call->queue_us : call->total_us);
    if (call->has_run)
        observe(metrics, CL_SPAN_RUN, call->wall_us);
}

void cl_metrics_count_answer(struct cl_metrics *metrics, int status)
{
    if (status >= 0 && status < CL_METRICS_STATUSES)
        metrics->answered[status]++;
}

void cl_metrics_count_spare(struct cl_metrics *metrics, const struct cl_msg_offer *offer)
{
    observe(metrics, CL_SPAN_SPARE, offer->made_us);
}

void cl_metrics_count_end(struct cl_metrics *metrics, const struct cl_msg_end *end)
{
    if (end->cause <= CL_END_EXPIRED)
        metrics->ended[end->cause]++;
    metrics->oom_kills += end->oom_kills;
    metrics->pids_refused += end->pids_refused;
}
