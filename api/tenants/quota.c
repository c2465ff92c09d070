/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets and counters of a tenant.
 * Runs in: cloche-api.
 * Trusts: the limits, which tenantview.c has bounded so that no product here overflows.
 */
#include "api/tenants/quota.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US     ((uint64_t)1000000)
#define RATE_OWED_MAX (UINT64_MAX / 1024) /* no sum with it overflows */

/* ------------------------------------------------------------------------------------- rate */

static uint64_t window_us(const struct cl_tenant_rate *rate)
{
    return rate->window_s * SECOND_US;
}

static uint64_t rate_room(const struct cl_tenant_quota *limits)
{
    return limits->burst * window_us(&limits->rate);
}

static uint64_t since(uint64_t at_us, uint64_t now_us)
{
    return now_us > at_us ? now_us - at_us : 0;
}

/* Until the bucket is full. */
static uint64_t rate_missing(const struct cl_quota *quota)
{
    return rate_room(&quota->limits) - quota->rate_left + quota->rate_owed;
}

static void refill(struct cl_quota *quota, uint64_t now_us)
{
    const uint64_t missing = rate_missing(quota);
    const uint64_t gone_us = since(quota->rate_us, now_us);
    uint64_t gained = missing;

    quota->rate_us = now_us;
    if (gone_us < missing / quota->limits.rate.amount + 1)
        gained = gone_us * quota->limits.rate.amount;
    if (gained > missing)
        gained = missing;
    const uint64_t paid = gained < quota->rate_owed ? gained : quota->rate_owed;
    quota->rate_owed -= paid;
    quota->rate_left += gained - paid;
}

void cl_quota_owe(struct cl_quota *quota, uint32_t calls, uint64_t now_us)
{
    if (quota->limits.rate.amount == 0)
        return;
    refill(quota, now_us);
    const uint64_t cost = calls * window_us(&quota->limits.rate);
    const uint64_t paid = cost < quota->rate_left ? cost : quota->rate_left;
    quota->rate_left -= paid;
    quota->rate_owed += cost - paid;
    if (quota->rate_owed > RATE_OWED_MAX)
        quota->rate_owed = RATE_OWED_MAX;
}

static uint32_t seconds_of(uint64_t us)
{
    const uint64_t seconds = (us + SECOND_US - 1) / SECOND_US;

    return seconds < 1 ? 1 : seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
}

/* -------------------------------------------------------------------------------------- cpu */

static uint64_t cpu_budget_us(const struct cl_quota *quota)
{
    return quota->limits.cpu.amount * 1000;
}

/* The debt falls by `amount` milliseconds in a window. */
static void forgive(struct cl_quota *quota, uint64_t now_us)
{
    const struct cl_tenant_rate *cpu = &quota->limits.cpu;
    uint64_t gone_us = since(quota->cpu_us, now_us);

    while (gone_us > 0 && quota->cpu_used_us > 0) {
        const uint64_t step_us = gone_us < window_us(cpu) ? gone_us : window_us(cpu);
        const uint64_t less_us = step_us * cpu->amount / (cpu->window_s * 1000);

        if (less_us == 0)
            return; /* too short to tell: it counts with the next one */
        quota->cpu_used_us -= less_us < quota->cpu_used_us ? less_us : quota->cpu_used_us;
        gone_us -= step_us;
        quota->cpu_us += step_us;
    }
    quota->cpu_us = now_us;
}

static uint32_t cpu_wait_s(const struct cl_quota *quota)
{
    const struct cl_tenant_rate *cpu = &quota->limits.cpu;
    const uint64_t over_us = quota->cpu_used_us - cpu_budget_us(quota) + 1;

    return seconds_of(over_us / cpu->amount * (cpu->window_s * 1000) +
                      over_us % cpu->amount * (cpu->window_s * 1000) / cpu->amount + 1);
}

void cl_quota_charge(struct cl_quota *quota, uint64_t cpu_us, uint64_t now_us)
{
    if (quota->limits.cpu.amount == 0)
        return;
    forgive(quota, now_us);
    if (quota->cpu_used_us == 0)
        quota->cpu_us = now_us;
    quota->cpu_used_us += cpu_us;
}

/* ----------------------------------------------------------------------------------- limits */

void cl_quota_set(struct cl_quota *quota, const struct cl_tenant_quota *limits, uint64_t now_us)
{
    const struct cl_tenant_rate *rate = &limits->rate;
    const bool is_same_rate = memcmp(rate, &quota->limits.rate, sizeof(*rate)) == 0 &&
                              limits->burst == quota->limits.burst;

    if (quota->limits.cpu.amount > 0)
        forgive(quota, now_us);
    quota->limits = *limits;
    quota->cpu_us = now_us;
    if (limits->cpu.amount == 0)
        quota->cpu_used_us = 0;
    if (is_same_rate)
        return;
    quota->rate_left = rate_room(limits);
    quota->rate_owed = 0;
    quota->rate_us = now_us;
}

int cl_quota_check_cpu(struct cl_quota *quota, uint64_t now_us, struct cl_refusal *refusal)
{
    const struct cl_tenant_rate *cpu = &quota->limits.cpu;

    if (cpu->amount == 0)
        return 0;
    forgive(quota, now_us);
    if (quota->cpu_used_us < cpu_budget_us(quota))
        return 0;
    refusal->retry_after_s = cpu_wait_s(quota);
    return cl_refusal_set(refusal, CL_R_QUOTA_CPU,
                          "the tenant's calls have used their %" PRIu64
                          " ms of processor time in %" PRIu64 " s",
                          cpu->amount, cpu->window_s);
}

int cl_quota_admit(struct cl_quota *quota, uint64_t now_us, struct cl_refusal *refusal)
{
    const struct cl_tenant_quota *limits = &quota->limits;

    if (cl_quota_check_cpu(quota, now_us, refusal) < 0)
        return -1;
    if (limits->rate.amount == 0)
        return 0;
    refill(quota, now_us);
    if (quota->rate_left < window_us(&limits->rate)) {
        const uint64_t missing = window_us(&limits->rate) - quota->rate_left + quota->rate_owed;
        refusal->retry_after_s =
            seconds_of((missing + limits->rate.amount - 1) / limits->rate.amount);
        return cl_refusal_set(refusal, CL_R_QUOTA_RATE,
                              "the tenant may make %" PRIu64 " calls in %" PRIu64 " s",
                              limits->rate.amount, limits->rate.window_s);
    }
    quota->rate_left -= window_us(&limits->rate);
    return 0;
}

bool cl_quota_may_run(const struct cl_quota *quota, uint64_t memory_bytes)
{
    const struct cl_tenant_quota *limits = &quota->limits;

    if (limits->concurrency > 0 && quota->running >= limits->concurrency)
        return false;
    return limits->memory_bytes == 0 ||
           (quota->memory_bytes <= limits->memory_bytes &&
            memory_bytes <= limits->memory_bytes - quota->memory_bytes);
}

bool cl_quota_may_follow(const struct cl_quota *quota, uint32_t ahead, uint64_t memory_bytes)
{
    const uint64_t taken = (uint64_t)quota->running + quota->queued + ahead;

    return (quota->limits.concurrency == 0 || taken < quota->limits.concurrency) &&
           cl_quota_may_run(quota, memory_bytes);
}

int cl_quota_check_size(const struct cl_quota *quota, uint64_t memory_bytes,
                        struct cl_refusal *refusal)
{
    const uint64_t most = quota->limits.memory_bytes;

    if (most == 0 || memory_bytes <= most)
        return 0;
    refusal->limit = most;
    return cl_refusal_set(refusal, CL_R_QUOTA_MEMORY,
                          "the call may use %" PRIu64 " bytes of memory, all of the tenant's "
                          "together %" PRIu64 ": ask for less with limits.memory",
                          memory_bytes, most);
}

int cl_quota_may_wait(const struct cl_quota *quota, uint32_t retry_after_s,
                      struct cl_refusal *refusal)
{
    if (quota->limits.queue == 0 || quota->queued < quota->limits.queue)
        return 0;
    refusal->retry_after_s = retry_after_s;
    return cl_refusal_set(refusal, CL_R_QUOTA_QUEUE,
                          "%" PRIu32 " calls of the tenant wait, %" PRIu32 " run",
                          quota->queued, quota->running);
}

void cl_quota_begin(struct cl_quota *quota, uint64_t memory_bytes)
{
    quota->running++;
    quota->memory_bytes += memory_bytes;
}

void cl_quota_end(struct cl_quota *quota, uint64_t memory_bytes)
{
    quota->running--;
    quota->memory_bytes -= memory_bytes;
}

/* ------------------------------------------------------------------------------------ shown */

bool cl_quota_fields(struct cl_quota *quota, uint64_t now_us, char policy[CL_QUOTA_FIELD],
                     char state[CL_QUOTA_FIELD])
{
    const struct cl_tenant_rate *rate = &quota->limits.rate;
    uint64_t full_us;

    if (rate->amount == 0)
        return false;
    refill(quota, now_us);
    /* When everything that was used is there again. */
    full_us = rate_missing(quota) / rate->amount;
    snprintf(policy, CL_QUOTA_FIELD, "\"rate\";q=%" PRIu64 ";w=%" PRIu64, rate->amount,
             rate->window_s);
    snprintf(state, CL_QUOTA_FIELD, "\"rate\";r=%" PRIu64 ";t=%" PRIu64,
             quota->rate_left / window_us(rate), (full_us + SECOND_US - 1) / SECOND_US);
    return true;
}
