/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes what a program asks for, for `cloche policy learn`. A learning worker is told of refused
 * system calls by its filter (as any other), writes them down and goes on with the error that they
 * were answered with: nothing that is refused happens.
 */
#ifndef CL_RUNTIME_LEARN_H
#define CL_RUNTIME_LEARN_H

#include <stdbool.h>

#include "policies/policy.h"

void cl_learn_prepare(const struct cl_policy *policy);
/* Whether this policy was made for learning. */
bool cl_learn_is_on(void);
/* The caller's code runs from now on: before, there is nothing of it to note. */
void cl_learn_start(void);
/* A trapped call. `error`: what the policy politely says to it; 0: it would have ended the
 * worker. Async-signal-safe. Returns what to answer. */
int cl_learn_syscall(long number, int error);
/* "import", "refused" or "event", and its name. */
void cl_learn_text(const char *kind, const char *name);

#endif
