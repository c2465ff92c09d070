/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the zygote's Python objects live: arenas side by side in huge pages. A clone then copies
 * one page table entry for 2 MiB instead of 512, and as few are taken down when it ends: about a
 * tenth of all that one worker costs.
 */
#ifndef CL_RUNTIME_ARENA_H
#define CL_RUNTIME_ARENA_H

#include "sandbox/base/err.h"

/* Before the interpreter starts. Where huge pages are switched off it only costs nothing. */
int cl_arena_open(struct cl_err *err);

/* After preloading, before the first clone: arenas made from here on, as workers do, are ordinary
 * pages. Zeroing 2 MiB, and charging them to the worker, would be dear for a small call. */
void cl_arena_close(void);

#endif
