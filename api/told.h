/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of the monitor protocol's messages to the API. */
#ifndef CL_API_TOLD_H
#define CL_API_TOLD_H

#include "api/dispatch/jailclient.h"
#include "api/visit.h"

extern const struct cl_jailclient_calls cl_told_calls; /* self: struct cl_app */

/* The end of this process: without cloched nothing can be served. */
_Noreturn void cl_told_lose(const struct cl_app *app, const struct cl_err *why);

#endif
