/* SPDX-License-Identifier: Apache-2.0 */
/* One call: park, receive, run, end. */
#ifndef CL_RUNTIME_WORKER_H
#define CL_RUNTIME_WORKER_H

#include "sandbox/enter/enter.h"

/* A worker's whole life, in a complete jail, with Python's fork hooks already run. */
_Noreturn void cl_worker_run(const struct cl_jail_seen *seen);

#endif
