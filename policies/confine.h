/* SPDX-License-Identifier: Apache-2.0 */
/* Gives away what a compiler of policies does not need, before it reads one. */
#ifndef CL_POLICIES_CONFINE_H
#define CL_POLICIES_CONFINE_H

#include "sandbox/base/err.h"

/* For `serve`: keeps 0, 1, 2 and the control socket; no new file, no network, no privilege by
 * exec, little memory, time and descriptors. */
int cl_confine_run(struct cl_err *err);

#endif
