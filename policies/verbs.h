/* SPDX-License-Identifier: Apache-2.0 */
/* What an admin asks of cloche-policyc. Each verb gets its arguments and returns an exit status. */
#ifndef CL_POLICIES_VERBS_H
#define CL_POLICIES_VERBS_H

#include "policies/report.h"
#include "policies/set.h"

enum { CL_VERB_OK = 0, CL_VERB_FAILED = 1, CL_VERB_REFUSED = 2, CL_VERB_USAGE = 64 };

int cl_verb_check(int count, char **args);
int cl_verb_compile(int count, char **args);
int cl_verb_diff(int count, char **args); /* FAILED: they differ */
int cl_verb_explain(int count, char **args);
int cl_verb_list(int count, char **args);
int cl_verb_reference(int count, char **args);
int cl_verb_tokens(int count, char **args);

/* Adds what an argument means, a path or (without ".yaml" or '/') an embedded policy, and returns
 * its entry. NULL when it can't be read or was refused; says why on stderr or in the report. */
struct cl_set_entry *cl_verb_input(struct cl_set *set, const char *arg,
                                   struct cl_report *report);

#endif
