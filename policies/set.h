/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policies that are compiled together: given files and embedded ones. A name means one
 * policy; a given file hides an embedded policy of the same name.
 */
#ifndef CL_POLICIES_SET_H
#define CL_POLICIES_SET_H

#include <stddef.h>

#include "policies/node.h"
#include "policies/report.h"
#include "policies/spec.h"

enum { CL_SET_MAX = 256 };

enum cl_set_state { CL_SET_NEW = 0, CL_SET_BUSY, CL_SET_DONE, CL_SET_REFUSED };

struct cl_set_entry {
    struct cl_doc *doc;   /* owned */
    struct cl_spec *spec; /* owned; NULL until resolved, or refused */
    enum cl_set_state state;
    bool is_asked; /* to be compiled, not only to be extended */
};

struct cl_set {
    struct cl_set_entry entries[CL_SET_MAX];
    size_t count;
};

struct cl_set *cl_set_new(void);
void cl_set_free(struct cl_set *set);

/* Parses a text and adds it; -1 (reported) for a bad name, a name that is there already, a text
 * that is refused, or a full set. */
int cl_set_add(struct cl_set *set, const char *name, const char *path, const char *text,
               size_t length, struct cl_report *report);
/* Asks for an embedded policy; -1 when there is none of this name. */
int cl_set_add_embedded(struct cl_set *set, const char *name, struct cl_report *report);

struct cl_set_entry *cl_set_find(struct cl_set *set, const char *name);

/* The finished, checked policy: owned by the set. NULL when it was refused (reported once). */
const struct cl_spec *cl_set_resolve(struct cl_set *set, struct cl_set_entry *entry,
                                     struct cl_report *report);

#endif
