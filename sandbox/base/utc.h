/* SPDX-License-Identifier: Apache-2.0 */
/* Dates: microseconds since 1970, and their text. Durations and deadlines are of clock.h. */
#ifndef CL_BASE_UTC_H
#define CL_BASE_UTC_H

#include <stdint.h>

enum { CL_UTC_SIZE = 32 };

/* Now; it jumps when somebody sets the clock. */
int64_t cl_utc_us(void);
/* "2026-01-31T12:00:00", and if `digits` is not 0 a dot and so many of its fraction, 6 at most. What
 * is before 1970 or after 9999 is told as the nearest moment that is not. Has no lock, heap or file: of use
 * in every process, after a fork too. Returns `text`. */
const char *cl_utc_text(int64_t unix_us, unsigned digits, char text[CL_UTC_SIZE]);

#endif
