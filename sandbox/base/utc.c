/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates of the proleptic Gregorian calendar, without a time zone: gmtime_r may read /etc/localtime.
 * Runs in: every process.
 * Trusts: the host's clock.
 */
#include "sandbox/base/utc.h"

#include <stdio.h>
#include <time.h>

#include "sandbox/base/own.h"

enum { DIGITS_MOST = 6 };

static const int64_t second_us = 1000000, day_seconds = 86400;
static const int64_t last_us = 253402300799999999; /* of the year 9999 */

int64_t cl_utc_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * second_us + now.tv_nsec / 1000;
}

/* Howard Hinnant's civil-from-days: eras of 400 years that begin in March. */
static int put_date(int64_t days_since_1970, char text[CL_UTC_SIZE])
{
    const int64_t days = days_since_1970 + 719468;
    const int64_t era = days / 146097, day = days % 146097;
    const int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    const int64_t of_year = day - (365 * year + year / 4 - year / 100);
    const int64_t month = (5 * of_year + 2) / 153; /* from March */

    return snprintf(text, CL_UTC_SIZE, "%04u-%02u-%02u",
                    (unsigned)(year + era * 400 + (month >= 10)) % 10000u,
                    (unsigned)(month < 10 ? month + 3 : month - 9) % 100u,
                    (unsigned)(of_year - (153 * month + 2) / 5 + 1) % 100u);
}

const char *cl_utc_text(int64_t unix_us, unsigned digits, char text[CL_UTC_SIZE])
{
    const int64_t us = unix_us < 0 ? 0 : unix_us > last_us ? last_us : unix_us;
    const int64_t second = us / second_us % day_seconds;
    const int date = put_date(us / second_us / day_seconds, text);

    CL_CHECK(digits <= DIGITS_MOST);
    const int dot = date +
                    snprintf(text + date, CL_UTC_SIZE - (size_t)date, "T%02u:%02u:%02u.%06u",
                             (unsigned)(second / 3600) % 24u, (unsigned)(second / 60 % 60),
                             (unsigned)(second % 60), (unsigned)(us % second_us)) -
                    DIGITS_MOST - 1;
    text[digits ? dot + 1 + (int)digits : dot] = '\0';
    return text;
}
