/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the kernel would take a classic BPF program as a seccomp filter. Pure; fuzzed. */
#ifndef CL_BASE_BPFCHECK_H
#define CL_BASE_BPFCHECK_H

#include <linux/filter.h>
#include <stddef.h>

#include "sandbox/base/err.h"

/* Only opcodes and loads that seccomp knows, every jump forward and inside, the last one a
 * return, and no return that hands the decision to a tracer or a listener. `program` need not
 * be aligned. CL_E_INPUT with the number of the instruction. */
int cl_bpfcheck_run(const void *program, size_t count, struct cl_err *err);

#endif
