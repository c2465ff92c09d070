/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes out of the interpreter what a jail refuses anyway, so that libraries which try it find
 * that it is not there, and what a clone need not do.
 */
#ifndef CL_RUNTIME_TAME_H
#define CL_RUNTIME_TAME_H

#include "policies/policy.h"

/* In the zygote, before anything is preloaded. -1 with an exception set. */
int cl_tame_prepare(const struct cl_policy *policy);

#endif
