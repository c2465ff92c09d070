/* SPDX-License-Identifier: Apache-2.0 */
/* Turns a system call that the filter trapped into the verdict `denied`. */
#ifndef CL_RUNTIME_SIGSYS_H
#define CL_RUNTIME_SIGSYS_H

#include "sandbox/base/err.h"

/* Installs the handler; clones inherit it, so it is in place before any filter is. */
int cl_sigsys_install(struct cl_err *err);

/* The kernel's name of a native system call, NULL when this build knows none. */
const char *cl_sigsys_name(long number);

#endif
