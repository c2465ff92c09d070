/* SPDX-License-Identifier: Apache-2.0 */
/* What each tier is for. */
#ifndef CL_POLICIES_TIERS_H
#define CL_POLICIES_TIERS_H

#include <stdint.h>

/* `tier` is one bit of enum cl_policy_tier. */
const char *cl_tiers_why(uint32_t tier);

#endif
