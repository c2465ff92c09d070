/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes ids that sort by time and cannot be guessed.
 * Runs in: cloche-api.
 * Trusts: the clock for order only; uniqueness comes from 80 random bits.
 */
#include "api/ulid.h"

#include <sodium.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/utc.h"

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* `count` digits of `value`, most significant first. */
static void put(char *text, uint64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        text[i] = digits[value & 31];
        value >>= 5;
    }
}

void cl_ulid_format(char text[CL_ULID_SIZE], uint64_t unix_ms, const uint8_t random[10])
{
    uint64_t high = 0;
    uint64_t low = 0;

    for (int i = 0; i < 5; i++) {
        high = high << 8 | random[i];
        low = low << 8 | random[5 + i];
    }
    put(text, unix_ms & 0xffffffffffff, 10);
    put(text + 10, high, 8);
    put(text + 18, low, 8);
    text[26] = '\0';
}

/* A clock that is set back takes no id back: until it has caught up, time goes on by the other. */
static uint64_t unix_ms(void)
{
    static uint64_t last_ms, last_us;
    const uint64_t now_ms = (uint64_t)cl_utc_us() / 1000;
    const uint64_t now_us = cl_clock_us(), on_ms = last_ms + (now_us - last_us) / 1000;
    if (now_ms >= on_ms || last_ms == 0) {
        last_ms = now_ms;
        last_us = now_us;
        return now_ms;
    }
    return on_ms;
}

void cl_ulid_make(char text[CL_ULID_SIZE])
{
    uint8_t random[10];

    randombytes_buf(random, sizeof(random));
    cl_ulid_format(text, unix_ms(), random);
}
