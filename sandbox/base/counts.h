/* SPDX-License-Identifier: Apache-2.0 */
/* What cloched counts of its zygotes since its start, for /metrics; sent with COUNTS. */
#ifndef CL_BASE_COUNTS_H
#define CL_BASE_COUNTS_H

#include <stdint.h>

enum cl_count {
    CL_COUNT_STARTED = 0, /* zygotes that were started */
    CL_COUNT_ENDED,       /* of those: they and all their workers are gone */
    CL_COUNT_DIED,        /* of those: unasked */
    CL_COUNT_RECYCLED,    /* replaced, having made their share of workers or being old */
    CL_COUNT_EVICTED,     /* ended to make room for another policy's */
    CL_COUNT_COUNT_
};

struct cl_counts {
    uint64_t of[CL_COUNT_COUNT_];
};

#endif
