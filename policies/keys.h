/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a schema, looked up: of a policy's (table.h) and of the tenants' (tenanttable.h). */
#ifndef CL_POLICIES_KEYS_H
#define CL_POLICIES_KEYS_H

#include <stddef.h>

#include "policies/node.h"
#include "policies/report.h"
#include "policies/table.h"

struct cl_keys {
    const struct cl_key *rows;
    size_t count;
};

/* The row of a whole path, or NULL. */
const struct cl_key *cl_keys_find(const struct cl_keys *keys, const char *path);

/* The rows directly below a section ("" is the top): start with NULL. */
const struct cl_key *cl_keys_next(const struct cl_keys *keys, const char *section,
                                  const struct cl_key *previous);

/* Reports a key that has no row in `section`, which the file calls `where`: with the nearest key
 * and all that are allowed. Always -1. */
int cl_keys_unknown(const struct cl_keys *keys, const char *section, const char *where,
                    const struct cl_node *key, struct cl_report *report);

#endif
