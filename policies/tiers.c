/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each tier is for, in a line.
 * Runs in: cloche-policyc.
 * Trusts: nothing; data only.
 */
#include "policies/tiers.h"

#include "policies/policy.h"
#include "sandbox/base/own.h"

static const struct {
    uint32_t tier;
    const char *why;
} tiers[] = {
    { CL_TIER_COMPUTE, "memory, locks, the job socket and the end: pure code" },
    { CL_TIER_TIME, "clocks, sleeping, entropy" },
    { CL_TIER_THREADS, "threads (`limits.processes` counts them)" },
    { CL_TIER_ASYNCIO, "asyncio's event loop; no network" },
    { CL_TIER_LATE_IMPORTS, "imports from files while a call runs, native ones included" },
    { CL_TIER_TMP_FILES, "files in the private /tmp (`limits.files` bytes)" },
};

const char *cl_tiers_why(uint32_t tier)
{
    for (size_t i = 0; i < CL_COUNT(tiers); i++) {
        if (tiers[i].tier == tier)
            return tiers[i].why;
    }
    return "";
}
