/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of texts that remember which file named them. Few thousand at most: all scans linear. */
#ifndef CL_POLICIES_ITEMS_H
#define CL_POLICIES_ITEMS_H

#include <stddef.h>

#include "policies/report.h"

struct cl_item {
    char *text;            /* owned */
    struct cl_place place; /* of the file that named it */
};

struct cl_items {
    struct cl_item *items; /* owned */
    size_t count;
};

void cl_items_fini(struct cl_items *items);
void cl_items_add(struct cl_items *items, const char *text, struct cl_place place);
/* Takes one of its own items out; pointers to the others are void afterwards. */
void cl_items_drop(struct cl_items *items, const struct cl_item *item);
void cl_items_copy(struct cl_items *items, const struct cl_items *from);

/* The item, or NULL. `cl_items_keyed` compares with what stands before the first '='. */
const struct cl_item *cl_items_find(const struct cl_items *items, const char *text);
const struct cl_item *cl_items_keyed(const struct cl_items *items, const char *key);

#endif
