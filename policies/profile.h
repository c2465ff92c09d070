/* SPDX-License-Identifier: Apache-2.0 */
/* A seccomp profile as read: what it says of each system call on this machine, in a jail. */
#ifndef CL_POLICIES_PROFILE_H
#define CL_POLICIES_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "policies/node.h"
#include "policies/openness.h"
#include "policies/report.h"

struct cl_profile_call {
    const char *name; /* borrowed from the document */
    struct cl_place place;
    enum cl_openness open;
    bool is_denied; /* by a rule, not by default */
};

struct cl_profile {
    const struct cl_doc *doc;      /* borrowed */
    struct cl_profile_call *calls; /* owned, each name once, in the order of the file */
    size_t count;
    bool opens_by_default;
    bool fails_by_default; /* with an errno, instead of ending the process */
    FILE *notes;           /* borrowed */
};

/* -1: no profile, reported. What means nothing in a jail is noted and left out. */
int cl_profile_parse(struct cl_profile *profile, struct cl_report *report);
void cl_profile_fini(struct cl_profile *profile);

/* NULL: the profile does not name it. */
const struct cl_profile_call *cl_profile_find(const struct cl_profile *profile,
                                              const char *name);

/* "file:line:column: note: text". */
void cl_profile_note(const struct cl_profile *profile, struct cl_place place,
                     const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
