/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids to pointers: callbacks and peers hold ids, never pointers, so whatever vanished is found
 * as NULL. Ids are never 0. Values are borrowed.
 */
#ifndef CL_API_IDTABLE_H
#define CL_API_IDTABLE_H

#include <stddef.h>
#include <stdint.h>

struct cl_idtable_slot {
    uint64_t id; /* 0: free */
    void *value;
};

struct cl_idtable {
    struct cl_idtable_slot *slots; /* owned, capacity a power of two */
    size_t capacity;
    size_t count;
};

void cl_idtable_put(struct cl_idtable *table, uint64_t id, void *value); /* id must be new */
void *cl_idtable_get(const struct cl_idtable *table, uint64_t id);
void *cl_idtable_take(struct cl_idtable *table, uint64_t id); /* removes; NULL if absent */
void cl_idtable_fini(struct cl_idtable *table);

#endif
