/* SPDX-License-Identifier: Apache-2.0 */
/* Shows how a call ended: its result on stdout, anything but "ok" explained on stderr. */
#ifndef CL_CLI_OUTCOME_H
#define CL_CLI_OUTCOME_H

#include "api/cli/json.h"

/* CL_E_INPUT, with those that there are, when no call ends so. */
int cl_outcome_check(const char *verdict, struct cl_err *err);

/* The exit code that belongs to the envelope's verdict. */
int cl_outcome_exit(struct cl_json envelope);

/* Shows the program's output when the envelope has it, then the result (unless
 * `result_was_shown`) or why there is none. Returns the exit code. */
int cl_outcome_show(struct cl_json envelope, bool result_was_shown);

/* One value for people: a text as it is, null as nothing, the rest as indented JSON. */
int cl_outcome_value(struct cl_json value);

#endif
