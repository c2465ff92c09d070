/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints how many thousand times a second this processor's time stamp counter ticks. An emulated
 * processor has the same counter, and its kernel measures it against an emulated timer: by luck, so
 * that processor time was counted up to eighteen times. The guest is told instead.
 * Runs in: `make vmtest`, on the host.
 * Trusts: the host's clock.
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

enum { WHILE_NS = 300 * 1000 * 1000 };

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(void)
{
    const double from_ns = now_ns();
    const unsigned long long from = __rdtsc();
    const struct timespec while_ns = { .tv_nsec = WHILE_NS };

    while (nanosleep(&while_ns, NULL) < 0)
        ;
    printf("%.0f\n", (double)(__rdtsc() - from) / (now_ns() - from_ns) * 1e6);
    return 0;
}
