/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A moment from which on something is wanted, as the user says it: the time of a line of the audit
 * log, "2026-01-31T12:00:00.000Z", or the beginning of one, "2026-01". Pure.
 */
#ifndef CL_CLI_SINCE_H
#define CL_CLI_SINCE_H

#include <stddef.h>

#include "sandbox/base/err.h"

/* How many bytes of it are to be compared with those of a line's time: all but a Z at its end.
 * CL_E_INPUT when no time begins so. */
int cl_since_parse(const char *text, struct cl_err *err);

#endif
