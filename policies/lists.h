/* SPDX-License-Identifier: Apache-2.0 */
/* The values of a policy that are lists and mappings of names. For apply.c's table. */
#ifndef CL_POLICIES_LISTS_H
#define CL_POLICIES_LISTS_H

#include "policies/node.h"
#include "policies/report.h"
#include "policies/spec.h"
#include "policies/table.h"

enum { CL_LISTS_MAX = 2048 }; /* items of one list after merging */

struct cl_apply {
    struct cl_spec *spec;     /* borrowed, being changed */
    struct cl_report *report; /* borrowed */
};

/* [..] replaces; +[..], -[..] and {add: [..], remove: [..]} change what the parent has. */
int cl_lists_take(struct cl_apply *apply, const struct cl_key *key, const struct cl_node *node);
int cl_lists_preload(struct cl_apply *apply, const struct cl_key *key,
                     const struct cl_node *node);
int cl_lists_names(struct cl_apply *apply, const struct cl_key *key,
                   const struct cl_node *node);
int cl_lists_reasons(struct cl_apply *apply, const struct cl_key *key,
                     const struct cl_node *node);

/* The row of the list that a reason is about, and the item it names; NULL when there is none. */
const struct cl_key *cl_lists_of(const char *path, const char **item);

#endif
