/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numpy's old global generator (numpy.random.rand and the like), which every clone would share.
 * Its own `seed` takes a millisecond and 0.6 MiB of pages in a fresh clone, longer than most calls;
 * new generators ask the kernel and need nothing.
 */
#ifndef CL_RUNTIME_MERSENNE_H
#define CL_RUNTIME_MERSENNE_H

#include <stdbool.h>

/* In the zygote, once all modules are loaded: finds the generator's state, if it is one that we
 * know. Never fails: what it does not know it leaves to numpy's own function. */
void cl_mersenne_prepare(void);

/* In a clone, before its call: a state of its own, from the kernel if `is_open` (the filter lets
 * getrandom through), else from the clock. -1 with an exception set. */
int cl_mersenne_reseed(bool is_open);

#endif
