/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API may ask, and when. Everything else is a violation, and ends the API.
 */
#ifndef CL_MONITOR_H
#define CL_MONITOR_H

#include "sandbox/base/wire.h"

struct cl_daemon;

/* One checked message of the API. -1: the violation in words. */
int cl_monitor_on_message(struct cl_daemon *daemon, const union cl_msg_any *msg,
                          struct cl_err *err);

#endif
