/* SPDX-License-Identifier: Apache-2.0 */
/* One system call in a process of its own, under the filters of a policy. */
#ifndef CL_TESTS_PROBE_H
#define CL_TESTS_PROBE_H

#include "tests/support/unit.h"

#include "policies/filter.h"

/* How a probe may end, besides with an errno: DONE is none. */
enum { PROBE_DONE = 0, PROBE_TRAPPED = 1000, PROBE_KILLED, PROBE_SEGFAULT };
enum { PROBE_SETUP = 201 }; /* exit status: the child did not get as far as the probe */

#define PROBE_DIRT (1ull << 32) /* the kernel reads ints without it */
#define PROBE_HERE ((uint64_t)(uintptr_t)probe_page)

extern char probe_page[4096];
/* The filters of a policy, as a worker comes to have them. */
void probe_make(const struct cl_spec *spec);

struct probe {
    const char *name;
    uint64_t args[6];
    int wanted; /* an errno, or how it ends */
};

/* For the child: loads the filter with a SIGSYS handler that leaves; calls the kernel without
 * the C library; leaves. */
void probe_load(void);
long probe_raw(uint64_t number, const uint64_t args[6]);
_Noreturn void probe_leave(int status);

/* For the parent: how the child ended; a probe by number; a table of probes. */
int probe_end(pid_t child);
int probe_number(uint64_t number, const uint64_t args[6]);
void probe_rows(const struct probe *rows, size_t count);

#endif
