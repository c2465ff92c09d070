/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the command line of one verb by its option table, and prints that table as help. */
#ifndef CL_CLI_OPTIONS_H
#define CL_CLI_OPTIONS_H

#include <stdio.h>

#include "api/cli/verb.h"

/* `argv[0]` is the verb. Returns 1 when only help was asked for, 0 when args are filled. */
int cl_options_parse(const struct cl_verb *verb, int argc, char **argv, struct cl_args *args,
                     struct cl_err *err);

void cl_options_print(const struct cl_verb *verb, FILE *to);

#endif
