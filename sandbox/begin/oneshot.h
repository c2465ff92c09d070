/* SPDX-License-Identifier: Apache-2.0 */
/* A program beside this one that answers one question, as nobody. */
#ifndef CL_BEGIN_ONESHOT_H
#define CL_BEGIN_ONESHOT_H

#include <sys/types.h>

#include "sandbox/base/err.h"

enum { CL_ONESHOT_WAIT_S = 30 };

/* Starts args[0] with a socket as descriptor 3; returns the other end, on which receiving waits no
 * longer than CL_ONESHOT_WAIT_S. */
int cl_oneshot_start(const char *const *args, pid_t *pid, struct cl_err *err);
/* Waits for one that has closed its end, or ends one that has not: its exit status, or -1. */
int cl_oneshot_end(pid_t pid);

#endif
