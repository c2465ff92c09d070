/* SPDX-License-Identifier: Apache-2.0 */
/* One conversation with cloched: sources in, compiled policies and problems out. */
#ifndef CL_POLICIES_SERVE_H
#define CL_POLICIES_SERVE_H

#include "sandbox/base/err.h"

/* Speaks docs/protocol.md on the blocking socket until DONE is sent. */
int cl_serve_run(int socket, struct cl_err *err);

#endif
