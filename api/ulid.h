/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of calls: ULIDs, 48 bits of milliseconds and 80 random bits in Crockford's base 32. */
#ifndef CL_API_ULID_H
#define CL_API_ULID_H

#include <stdint.h>

enum { CL_ULID_SIZE = 27 }; /* with the NUL */

/* Pure half. */
void cl_ulid_format(char text[CL_ULID_SIZE], uint64_t unix_ms, const uint8_t random[10]);
void cl_ulid_make(char text[CL_ULID_SIZE]);

#endif
