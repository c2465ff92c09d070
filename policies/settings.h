/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloche.yaml read along its schema: where the service listens, with which certificate, and what the
 * machine gives it. A file with a problem anywhere gives problems only.
 */
#ifndef CL_POLICIES_SETTINGS_H
#define CL_POLICIES_SETTINGS_H

#include <stdbool.h>

#include "policies/keys.h"
#include "policies/setting.h"

struct cl_settings {
    struct cl_doc *doc; /* owned */
    struct cl_settings_file file;
    bool is_refused;
};

extern const struct cl_keys cl_settings_table;

/* Never NULL; every problem is reported. Free it with cl_settings_free, after the report. */
struct cl_settings *cl_settings_read(const char *path, const char *text, size_t length,
                                     struct cl_report *report);
void cl_settings_free(struct cl_settings *settings);

bool cl_settings_is(const char *path);

/* What a value of this row looks like. */
void cl_settings_expects(const struct cl_key *key, char *text, size_t size);

#endif
