/* SPDX-License-Identifier: Apache-2.0 */
/* The interpreter as a process that forks: how it starts, and what surrounds a clone. */
#ifndef CL_RUNTIME_INTERP_H
#define CL_RUNTIME_INTERP_H

#include "sandbox/base/err.h"
#include "sandbox/enter/enter.h"

/* Fixes the environment that Python and its libraries read, then starts it. */
int cl_interp_start(struct cl_err *err);

/* PyOS_BeforeFork, once and without PyOS_AfterFork_Parent: the zygote runs no Python any more and
 * stays as Python wants it before a fork. Doing and undoing it would dirty its pages, which each
 * worker shares, with every clone. */
void cl_interp_before_forks(void);

/* PyOS_AfterFork_Child, in each worker. */
void cl_interp_after_fork(void);

/* CL_E_SYS unless this process has exactly one thread: a clone keeps only the caller's, and
 * locks that another held would stay held for ever. Needs the host's /proc. */
int cl_interp_check_threads(struct cl_err *err);

#endif
