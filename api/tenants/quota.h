/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one tenant gets, all its tokens together: how often it may call, how much processor time
 * its calls may use, how many may run and wait. Pure: time comes in, nothing goes out; a check is
 * a few compares and no memory.
 *
 * The rate is a bucket that holds `burst` calls and fills at the rate; what one request makes beyond that is owed.
 * Processor time is a debt
 * that falls at the rate and is charged when a call ends, so calls that began under it may take
 * it over its limit, once, by what they have left. Concurrency and memory make calls wait, the
 * others refuse them with the seconds after which a call passes if nobody else comes.
 */
#ifndef CL_API_QUOTA_H
#define CL_API_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/refusal.h"
#include "policies/tenant.h"

struct cl_quota {
    struct cl_tenant_quota limits; /* all 0: none */
    uint64_t rate_left;            /* calls x microseconds of the window */
    uint64_t rate_owed;            /* the same; nothing is left while any is owed */
    uint64_t rate_us;              /* when it was counted */
    uint64_t cpu_used_us;
    uint64_t cpu_us;       /* when it was counted */
    uint64_t memory_bytes; /* limits of running calls */
    uint32_t queued;
    uint32_t running;
};

/* New limits from a reload: what is used stays used, a new bucket is full. */
void cl_quota_set(struct cl_quota *quota, const struct cl_tenant_quota *limits,
                  uint64_t now_us);

/* Whether there is a rate or a budget of processor time at all. */
static inline bool cl_quota_is_timed(const struct cl_quota *quota)
{
    return quota->limits.rate.amount + quota->limits.cpu.amount > 0;
}

/* One call more: counted against the rate. -1 with the refusal filled (429, Retry-After). */
int cl_quota_admit(struct cl_quota *quota, uint64_t now_us, struct cl_refusal *refusal);
/* So many more are in the one that was admitted, as a batch has them. What is not left of the rate is owed, and nothing
 * is admitted before that is paid. */
void cl_quota_owe(struct cl_quota *quota, uint32_t calls, uint64_t now_us);
/* Whether processor time is left, for a call that was admitted some time ago. -1 likewise. */
int cl_quota_check_cpu(struct cl_quota *quota, uint64_t now_us, struct cl_refusal *refusal);

/* Whether a call of this memory limit may begin beside those that run. */
bool cl_quota_may_run(const struct cl_quota *quota, uint64_t memory_bytes);
/* Whether one that nobody waits for may, behind those that wait and `ahead` that are on their way; `memory_bytes` are
 * the limits of these and its own. */
bool cl_quota_may_follow(const struct cl_quota *quota, uint32_t ahead, uint64_t memory_bytes);
/* Whether it never may: its limit is above the tenant's sum. -1 with the refusal filled (403). */
int cl_quota_check_size(const struct cl_quota *quota, uint64_t memory_bytes,
                        struct cl_refusal *refusal);
/* Whether one more may wait. The caller says how long a place takes to become free. */
int cl_quota_may_wait(const struct cl_quota *quota, uint32_t retry_after_s,
                      struct cl_refusal *refusal);

void cl_quota_begin(struct cl_quota *quota, uint64_t memory_bytes);
void cl_quota_end(struct cl_quota *quota, uint64_t memory_bytes);
void cl_quota_charge(struct cl_quota *quota, uint64_t cpu_us, uint64_t now_us);

/* The fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers) of an answer;
 * false when there is no rate to tell of. */
enum { CL_QUOTA_FIELD = 128 };
bool cl_quota_fields(struct cl_quota *quota, uint64_t now_us, char policy[CL_QUOTA_FIELD],
                     char state[CL_QUOTA_FIELD]);

#endif
