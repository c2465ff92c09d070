/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the API in its own time. */
#ifndef CL_API_DRAIN_H
#define CL_API_DRAIN_H

#include "api/visit.h"

/* Ends the loop when nothing is left to do, or after `grace_ms`. A second one changes nothing. */
void cl_drain_start(struct cl_app *app, uint64_t grace_ms);

#endif
