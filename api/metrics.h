/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /metrics tells: counters of this process since its start, and what is read when asked for.
 * Counting is an addition; all text is made on the way out. No label is a caller's text: policies
 * are those of the configuration, tenants are told by the class of their weight only.
 */
#ifndef CL_API_METRICS_H
#define CL_API_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "api/calls/verdict.h"
#include "api/refusal.h"
#include "sandbox/base/buf.h"
#include "sandbox/base/counts.h"
#include "sandbox/base/wire.h"

enum {
    CL_METRICS_BUCKETS = 16,
    CL_METRICS_POLICIES = 64,  /* with a label of their own; reloads may have had more */
    CL_METRICS_STATUSES = 600, /* of HTTP, by their number */
    CL_METRICS_CLASSES = 4,    /* of weights: 1-9, 10-99, 100-999, 1000-10000 */
};

/* What takes time. */
enum cl_metrics_span {
    CL_SPAN_CALL = 0, /* of a call: from the whole request to its outcome */
    CL_SPAN_QUEUE,    /* until it had a jail */
    CL_SPAN_RUN,      /* in its jail, by cloched's clock */
    CL_SPAN_SPARE,    /* of a jail: from its order until it was ready, by cloched's clock */
    CL_SPAN_COUNT_
};

struct cl_metrics_bucket {
    uint64_t us;
    const char *le; /* the same in seconds */
};

extern const struct cl_metrics_bucket cl_metrics_buckets[CL_METRICS_BUCKETS];

struct cl_metrics_times {
    uint64_t counts[CL_METRICS_BUCKETS + 1]; /* not cumulative; the last one is +Inf */
    uint64_t sum_us;
};

struct cl_metrics_policy {
    char name[CL_NAME_MAX];
    uint64_t calls[CL_V_COUNT_];
};

struct cl_metrics {
    struct cl_metrics_policy policies[CL_METRICS_POLICIES + 1]; /* the last: all others */
    size_t policy_count;
    uint64_t refused[CL_R_COUNT_];
    uint64_t answered[CL_METRICS_STATUSES];
    struct cl_metrics_times times[CL_SPAN_COUNT_];
    uint64_t cpu_us; /* of ended calls */
    uint64_t limited[CL_LIMIT_COUNT_];
    uint64_t ended[CL_END_EXPIRED + 1];
    uint64_t oom_kills, pids_refused;
    struct cl_counts zygotes;
};

/* Values that are read when asked for. */
struct cl_metrics_now {
    uint64_t running, connections, generation;
    uint64_t store_waiting, store_writable; /* of storeq.h */
    uint64_t audit_writable, audit_lines,
        audit_lost; /* of audit/ledger.h; 0 when none is kept */
    uint64_t stored_waiting, stored_running, sessions, workflows;
    uint64_t requeued;
    uint64_t buffered, turned_away, evicted, over_memory; /* of http1/server.h */
    uint64_t queued[CL_METRICS_CLASSES];
    uint64_t spares[CL_METRICS_POLICIES + 1]; /* by place in cl_metrics.policies */
    uint64_t cpu_us, start_s;                 /* of this process */
    uint64_t descriptors_max;
};

/* Place of a policy; the last one when there are too many. */
size_t cl_metrics_policy(struct cl_metrics *metrics, const char *name);
unsigned cl_metrics_class(uint64_t weight);

struct cl_metrics_call {
    const char *policy;
    enum cl_verdict_kind verdict;
    enum cl_limit limit; /* of the verdict LIMIT */
    uint64_t total_us, queue_us, wall_us, cpu_us;
    bool has_run; /* else it ended while it waited */
};

void cl_metrics_count_call(struct cl_metrics *metrics, const struct cl_metrics_call *call);
void cl_metrics_count_answer(struct cl_metrics *metrics, int status);
void cl_metrics_count_spare(struct cl_metrics *metrics, const struct cl_msg_offer *offer);
void cl_metrics_count_end(struct cl_metrics *metrics, const struct cl_msg_end *end);

/* As Prometheus' text format 0.0.4, or OpenMetrics 1.0. */
int cl_metrics_format(const struct cl_metrics *metrics, const struct cl_metrics_now *now,
                      bool is_open, struct cl_buf *out, struct cl_err *err);

#endif
