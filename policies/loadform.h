/* SPDX-License-Identifier: Apache-2.0 */
/* What load.c calls each kind of file, and how large it may be; for load.c alone. */
#ifndef CL_POLICIES_LOADFORM_H
#define CL_POLICIES_LOADFORM_H

#include "policies/load.h"

struct form {
    const char *noun;
    const char *root;
    const char *language;
    size_t bytes_max;
    size_t keys_max;
};

static const struct form policy_form = { "a policy", "a policy is a mapping of keys to values",
                                         "YAML", CL_LOAD_BYTES_MAX, CL_LOAD_KEYS_MAX };
static const struct form json_form = { "a profile", "expected an object {..}", "JSON",
                                       CL_LOAD_BYTES_MAX, CL_LOAD_KEYS_MAX };
static const struct form tenants_form = { "a tenants file",
                                          "a tenants file is a mapping of keys to values",
                                          "YAML", CL_LOAD_TENANTS_BYTES_MAX,
                                          CL_LOAD_TENANTS_KEYS_MAX };
static const struct form settings_form = { "cloche.yaml", "cloche.yaml is a mapping of keys",
                                           "YAML", CL_LOAD_BYTES_MAX, CL_LOAD_KEYS_MAX };

#endif
