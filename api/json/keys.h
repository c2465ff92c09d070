/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of the objects that are open at this point of a scan. Linear in the number of keys,
 * whatever they are: hashed with a random key, so that nobody can choose them to collide. Keys
 * of an object leave when it closes, so memory is that of the keys on one path, not of the
 * text.
 */
#ifndef CL_API_JSONKEYS_H
#define CL_API_JSONKEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/err.h"

enum { CL_JSONKEYS_INLINE = 32 }; /* keys that need no heap */

struct cl_jsonkey {
    const char *raw; /* between the quotes, a view into the text */
    uint64_t hash;
    uint32_t length;
    uint32_t slot; /* where in the table */
    bool has_escapes;
};

struct cl_jsonslot {
    uint32_t index; /* of an entry + 1, 0: free */
    uint32_t tag;   /* upper half of its hash: saves most looks at the entry */
};

struct cl_jsonkeys {
    struct cl_jsonkey *entries;
    struct cl_jsonslot *table; /* open addressing */
    size_t count;
    size_t capacity; /* of entries; the table is twice as large */
    struct cl_jsonkey inline_entries[CL_JSONKEYS_INLINE];
    struct cl_jsonslot inline_table[2 * CL_JSONKEYS_INLINE];
};

/* In place: the struct may not move. */
void cl_jsonkeys_init(struct cl_jsonkeys *keys);
void cl_jsonkeys_fini(struct cl_jsonkeys *keys);

/* Adds a key to the object whose first key had index `mark` (keys->count when it was opened).
 * Returns 0, 1 when the object has this key already, or -1. */
int cl_jsonkeys_put(struct cl_jsonkeys *keys, size_t mark, struct cl_jsonkey key,
                    struct cl_err *err);
/* Forgets the keys from `mark` on: their object is closed. */
void cl_jsonkeys_drop(struct cl_jsonkeys *keys, size_t mark);

#endif
