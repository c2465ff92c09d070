/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics tells: counters of this process since its start. */
#ifndef CL_API_METRICS_H
#define CL_API_METRICS_H

#include <stdint.h>

#include "api/calls/verdict.h"
#include "api/refusal.h"
#include "sandbox/base/buf.h"

enum { CL_METRICS_BUCKETS = 16 };

struct cl_metrics {
    uint64_t calls[CL_V_COUNT_];
    uint64_t refused[CL_R_COUNT_];
    uint64_t latency[CL_METRICS_BUCKETS + 1]; /* not cumulative; the last one is +Inf */
    uint64_t latency_us;
};

/* Values that are read when asked for. */
struct cl_metrics_now {
    uint32_t queued, running, idle, connections, generation;
    uint32_t store_waiting, store_writable; /* of storeq.h */
    uint64_t requeued;
    uint64_t buffered, turned_away, evicted, over_memory; /* of http1/server.h */
};

void cl_metrics_count_call(struct cl_metrics *metrics, enum cl_verdict_kind kind,
                           uint64_t total_us);
int cl_metrics_format(const struct cl_metrics *metrics, const struct cl_metrics_now *now,
                      struct cl_buf *out, struct cl_err *err);

#endif
