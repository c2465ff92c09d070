/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that is counted, as Prometheus reads it: one row for each name.
 * Runs in: cloche-api.
 * Trusts: our own numbers and names; no text of a caller becomes a label.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/metrics.h"
#include "sandbox/base/own.h"
#include "sandbox/base/version.h"

static const char *const classes[CL_METRICS_CLASSES] = { "1-9", "10-99", "100-999",
                                                         "1000-10000" };
static const char *const causes[] = {
    [CL_END_FINISHED] = "finished",   [CL_END_EXITED] = "exited",
    [CL_END_SIGNALLED] = "signalled", [CL_END_LIMIT] = "limit",
    [CL_END_KILLED] = "killed",       [CL_END_LOST] = "lost",
    [CL_END_EXPIRED] = "expired",
};

struct page {
    const struct cl_metrics *metrics;
    const struct cl_metrics_now *now;
    bool is_open; /* OpenMetrics */
    struct cl_buf *out;
    struct cl_err *err;
};

enum type { GAUGE, COUNTER, HISTOGRAM };
static const char *const types[] = { "gauge", "counter", "histogram" };

struct family {
    const char *name;
    enum type type;
    const char *help;
    /* Its samples; NULL: one without labels, a number of cl_metrics_now at `place`. */
    int (*put)(const struct page *page, const struct family *family);
    size_t place;
};

/* With up to two labels, whose values are escaped; NULL: there is none. */
struct sample {
    const char *label, *is;
    const char *also, *is_also;
    uint64_t value;
};

static int put_label(const struct page *page, const char *before, const char *name,
                     const char *value)
{
    if (cl_buf_format(page->out, page->err, "%s%s=\"", before, name) < 0)
        return -1;
    for (; *value; value++) {
        const char *escape = *value == '\n'   ? "\\n"
                             : *value == '"'  ? "\\\""
                             : *value == '\\' ? "\\\\"
                                              : NULL;
        if (escape ? cl_buf_put_text(page->out, escape, page->err) < 0
                   : cl_buf_put(page->out, value, 1, page->err) < 0)
            return -1;
    }
    return cl_buf_put_text(page->out, "\"", page->err);
}

static int put_sample(const struct page *page, const struct family *family,
                      const struct sample *sample)
{
    if (cl_buf_put_text(page->out, family->name, page->err) < 0 ||
        (sample->label && put_label(page, "{", sample->label, sample->is) < 0) ||
        (sample->also && put_label(page, ",", sample->also, sample->is_also) < 0))
        return -1;
    return cl_buf_format(page->out, page->err, "%s %" PRIu64 "\n", sample->label ? "}" : "",
                         sample->value);
}

static uint64_t number_at(const void *base, size_t place)
{
    uint64_t value;

    memcpy(&value, (const char *)base + place, sizeof(value));
    return value;
}

static int put_number(const struct page *page, const struct family *family)
{
    const struct sample sample = { .value = number_at(page->now, family->place) };

    return put_sample(page, family, &sample);
}

/* Of struct cl_metrics. */
static int put_counter(const struct page *page, const struct family *family)
{
    const struct sample sample = { .value = number_at(page->metrics, family->place) };

    return put_sample(page, family, &sample);
}

static int put_micros(const struct page *page, const char *name, uint64_t us)
{
    return cl_buf_format(page->out, page->err, "%s %" PRIu64 ".%06" PRIu64 "\n", name,
                         us / 1000000, us % 1000000);
}

static int put_call_seconds(const struct page *page, const struct family *family)
{
    return put_micros(page, family->name, page->metrics->cpu_us);
}

static int put_own_seconds(const struct page *page, const struct family *family)
{
    return put_micros(page, family->name, page->now->cpu_us);
}

static const char *policy_name(const struct cl_metrics *metrics, size_t place)
{
    return place < CL_METRICS_POLICIES ? metrics->policies[place].name : "(others)";
}

/* What places of the table have something to tell. */
static bool has_policy(const struct cl_metrics *metrics, size_t place)
{
    return place < metrics->policy_count ||
           (place == CL_METRICS_POLICIES && metrics->policy_count == CL_METRICS_POLICIES);
}

static int put_calls(const struct page *page, const struct family *family)
{
    for (size_t i = 0; i <= CL_METRICS_POLICIES; i++) {
        for (enum cl_verdict_kind kind = CL_V_OK;
             has_policy(page->metrics, i) && kind < CL_V_COUNT_; kind++) {
            const struct sample sample = { "policy", policy_name(page->metrics, i), "verdict",
                                           cl_verdict_name(kind),
                                           page->metrics->policies[i].calls[kind] };
            if (put_sample(page, family, &sample) < 0)
                return -1;
        }
    }
    return 0;
}

static int put_spares(const struct page *page, const struct family *family)
{
    for (size_t i = 0; i <= CL_METRICS_POLICIES; i++) {
        const struct sample sample = { "policy", policy_name(page->metrics, i), NULL, NULL,
                                       page->now->spares[i] };
        if (has_policy(page->metrics, i) && put_sample(page, family, &sample) < 0)
            return -1;
    }
    return 0;
}

static int put_refused(const struct page *page, const struct family *family)
{
    for (enum cl_refusal_kind kind = CL_R_NONE + 1; kind < CL_R_COUNT_; kind++) {
        const struct sample sample = { "problem", cl_refusal_row(kind)->slug, NULL, NULL,
                                       page->metrics->refused[kind] };
        if (put_sample(page, family, &sample) < 0)
            return -1;
    }
    return 0;
}

static int put_answers(const struct page *page, const struct family *family)
{
    for (unsigned status = 0; status < CL_METRICS_STATUSES; status++) {
        char code[16];
        const struct sample sample = { "code", code, NULL, NULL,
                                       page->metrics->answered[status] };

        snprintf(code, sizeof(code), "%u", status);
        if (sample.value > 0 && put_sample(page, family, &sample) < 0)
            return -1;
    }
    return 0;
}

/* One sample for each name of a list, NULL among them left out. */
static int put_named(const struct page *page, const struct family *family, const char *label,
                     const char *const *names, const uint64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct sample sample = { label, names[i], NULL, NULL, values[i] };

        if (names[i] && put_sample(page, family, &sample) < 0)
            return -1;
    }
    return 0;
}

static int put_ends(const struct page *page, const struct family *family)
{
    return put_named(page, family, "cause", causes, page->metrics->ended, CL_COUNT(causes));
}

static int put_limits(const struct page *page, const struct family *family)
{
    const char *names[CL_LIMIT_COUNT_] = { NULL };

    for (enum cl_limit limit = CL_LIMIT_NONE + 1; limit < CL_LIMIT_COUNT_; limit++)
        names[limit] = cl_limit_name(limit);
    return put_named(page, family, "limit", names, page->metrics->limited, CL_COUNT(names));
}

static int put_queued(const struct page *page, const struct family *family)
{
    return put_named(page, family, "weight", classes, page->now->queued, CL_COUNT(classes));
}

static int put_zygotes(const struct page *page, const struct family *family)
{
    const uint64_t *of = page->metrics->zygotes.of;
    const struct sample sample = { .value = of[CL_COUNT_STARTED] - of[CL_COUNT_ENDED] };

    return put_sample(page, family, &sample);
}

static int put_build(const struct page *page, const struct family *family)
{
    return put_sample(page, family, &(struct sample){ "version", CL_VERSION, NULL, NULL, 1 });
}

/* `place` is the span. */
static int put_times(const struct page *page, const struct family *family)
{
    const struct cl_metrics_times *times = &page->metrics->times[family->place];
    uint64_t sum = 0;

    for (size_t i = 0; i <= CL_METRICS_BUCKETS; i++) {
        sum += times->counts[i];
        if (cl_buf_format(page->out, page->err, "%s_bucket{le=\"%s\"} %" PRIu64 "\n",
                          family->name,
                          i < CL_METRICS_BUCKETS ? cl_metrics_buckets[i].le : "+Inf", sum) < 0)
            return -1;
    }
    if (cl_buf_format(page->out, page->err, "%s_count %" PRIu64 "\n", family->name, sum) < 0 ||
        cl_buf_format(page->out, page->err, "%s_sum", family->name) < 0)
        return -1;
    return put_micros(page, "", times->sum_us);
}

#define NOW(member)     put_number, offsetof(struct cl_metrics_now, member)
#define COUNTED(member) put_counter, offsetof(struct cl_metrics, member)
#define ZYGOTES(count)  put_counter, offsetof(struct cl_metrics, zygotes.of[count])

static const struct family families[] = {
    { "cloche_calls_total", COUNTER, "Calls that ended, by policy and verdict.", put_calls, 0 },
    { "cloche_call_seconds", HISTOGRAM, "From the whole request to the outcome of its call.",
      put_times, CL_SPAN_CALL },
    { "cloche_call_queue_seconds", HISTOGRAM,
      "From the whole request until the call had a jail.", put_times, CL_SPAN_QUEUE },
    { "cloche_call_run_seconds", HISTOGRAM, "Of calls in their jails.", put_times,
      CL_SPAN_RUN },
    { "cloche_call_cpu_seconds_total", COUNTER, "Processor time of calls that ended.",
      put_call_seconds, 0 },
    { "cloche_limits_reached_total", COUNTER, "Calls that a limit ended, by which.", put_limits,
      0 },
    { "cloche_queued_calls", GAUGE,
      "Calls that wait for a jail, by the weight of their tenant.", put_queued, 0 },
    { "cloche_running_calls", GAUGE, "Calls in a jail.", NOW(running) },
    { "cloche_requeued_total", COUNTER, "Calls given to another jail before they ran.",
      NOW(requeued) },
    { "cloche_spare_seconds", HISTOGRAM, "From the order of a jail until it was ready.",
      put_times, CL_SPAN_SPARE },
    { "cloche_spare_jails", GAUGE, "Jails that wait for a call, by policy.", put_spares, 0 },
    { "cloche_jails_ended_total", COUNTER, "Jails that ended, by cause.", put_ends, 0 },
    { "cloche_cgroup_oom_kills_total", COUNTER,
      "Processes that the kernel ended at a jail's memory.max.", COUNTED(oom_kills) },
    { "cloche_cgroup_pids_refused_total", COUNTER,
      "Processes and threads that the kernel refused at a jail's pids.max.",
      COUNTED(pids_refused) },
    { "cloche_zygotes", GAUGE, "Warm interpreters that jails are made of.", put_zygotes, 0 },
    { "cloche_zygotes_started_total", COUNTER, "Zygotes started.", ZYGOTES(CL_COUNT_STARTED) },
    { "cloche_zygotes_died_total", COUNTER, "Zygotes that died unasked.",
      ZYGOTES(CL_COUNT_DIED) },
    { "cloche_zygotes_recycled_total", COUNTER, "Zygotes replaced by a fresh one.",
      ZYGOTES(CL_COUNT_RECYCLED) },
    { "cloche_zygotes_evicted_total", COUNTER,
      "Zygotes ended to make room for another policy's.", ZYGOTES(CL_COUNT_EVICTED) },
    { "cloche_http_responses_total", COUNTER, "Answers, by status.", put_answers, 0 },
    { "cloche_refused_total", COUNTER, "Requests answered with a problem, by kind.",
      put_refused, 0 },
    { "cloche_connections", GAUGE, "Open client connections.", NOW(connections) },
    { "cloche_connections_refused_total", COUNTER,
      "Connections turned away because there were too many.", NOW(turned_away) },
    { "cloche_connections_evicted_total", COUNTER, "Idle connections closed for a new one.",
      NOW(evicted) },
    { "cloche_buffered_bytes", GAUGE,
      "Bodies and answers in memory, over 64 KiB of each connection.", NOW(buffered) },
    { "cloche_buffers_refused_total", COUNTER,
      "Requests and answers that found no room in memory.", NOW(over_memory) },
    { "cloche_stored_waiting_calls", GAUGE, "Stored calls that wait.", NOW(stored_waiting) },
    { "cloche_stored_running_calls", GAUGE, "Stored calls that run.", NOW(stored_running) },
    { "cloche_sessions", GAUGE, "Open sessions.", NOW(sessions) },
    { "cloche_workflows", GAUGE, "Workflows that are not over.", NOW(workflows) },
    { "cloche_store_waiting", GAUGE, "Works that wait for the store.", NOW(store_waiting) },
    { "cloche_store_writable", GAUGE, "Whether the store takes what is written.",
      NOW(store_writable) },
    { "cloche_audit_writable", GAUGE, "Whether the audit log takes lines.",
      NOW(audit_writable) },
    { "cloche_audit_line", GAUGE, "Number of the audit log's last line.", NOW(audit_lines) },
    { "cloche_audit_lost_total", COUNTER, "Lines that found no room in the audit log.",
      NOW(audit_lost) },
    { "cloche_policy_generation", GAUGE, "Generation of policies in force.", NOW(generation) },
    { "cloche_build_info", GAUGE, "1; the version is a label.", put_build, 0 },
    { "process_cpu_seconds_total", COUNTER, "Processor time of cloche-api.", put_own_seconds,
      0 },
    { "process_start_time_seconds", GAUGE, "When cloche-api started; its counters with it.",
      NOW(start_s) },
    { "process_max_fds", GAUGE, "Descriptors that cloche-api may have.", NOW(descriptors_max) },
};

/* OpenMetrics names the family of a counter without the end of its samples' name. */
static int put_meta(const struct page *page, const struct family *family)
{
    const size_t end = strlen("_total"), length = strlen(family->name);
    const int shown = (int)(page->is_open && family->type == COUNTER ? length - end : length);

    return cl_buf_format(page->out, page->err, "# HELP %.*s %s\n# TYPE %.*s %s\n", shown,
                         family->name, family->help, shown, family->name, types[family->type]);
}

int cl_metrics_format(const struct cl_metrics *metrics, const struct cl_metrics_now *now,
                      bool is_open, struct cl_buf *out, struct cl_err *err)
{
    const struct page page = { metrics, now, is_open, out, err };

    for (size_t i = 0; i < CL_COUNT(families); i++) {
        if (put_meta(&page, &families[i]) < 0 || families[i].put(&page, &families[i]) < 0)
            return -1;
    }
    return is_open ? cl_buf_put_text(out, "# EOF\n", err) : 0;
}
