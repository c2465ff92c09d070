/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time in microseconds: for deadlines and durations, never for dates. */
#ifndef CL_BASE_CLOCK_H
#define CL_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t cl_clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

#endif
