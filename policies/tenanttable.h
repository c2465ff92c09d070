/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of tenants.yaml. A star in a path stands for the name of a tenant or an entry of a
 * list; `at` of a row below `quota` is the place of its number in struct cl_tenant_file.
 */
#ifndef CL_POLICIES_TENANTTABLE_H
#define CL_POLICIES_TENANTTABLE_H

#include "policies/keys.h"

extern const struct cl_keys cl_tenanttable;

#define CL_TENANTTABLE_TENANT "tenants.*"

/* The key of an entry that says what a caller shows. */
#define CL_TENANTTABLE_HASH  "hash"
#define CL_TENANTTABLE_PRINT "fingerprint"

/* The types that a policy has not. 0, or -1 for a text that is none. */
int cl_tenanttable_rate(const struct cl_key *key, const char *text, uint64_t *amount,
                        uint64_t *window_s);
/* Of a token ("b2:...") or a certificate ("sha256:..."), by the type of the row. */
int cl_tenanttable_hash(enum cl_key_type type, const char *text, uint8_t hash[32]);
/* "a rate such as ...": what a value of this row looks like. */
void cl_tenanttable_expects(const struct cl_key *key, char *text, size_t size);

#endif
