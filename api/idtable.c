/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table of ids with linear probing and backward-shift deletion.
 * Runs in: cloche-api.
 * Trusts: ids are counters of ours or of cloched, so they spread by themselves.
 */
#include "api/idtable.h"

#include <stdlib.h>

#include "sandbox/base/err.h"

static size_t home_of(const struct cl_idtable *table, uint64_t id)
{
    return (size_t)((id * 0x9e3779b97f4a7c15u) >> 32) & (table->capacity - 1);
}

static size_t find(const struct cl_idtable *table, uint64_t id)
{
    size_t at = home_of(table, id);

    while (table->slots[at].id && table->slots[at].id != id)
        at = (at + 1) & (table->capacity - 1);
    return at;
}

static void grow(struct cl_idtable *table)
{
    const struct cl_idtable old = *table;

    table->capacity = old.capacity ? old.capacity * 2 : 64;
    table->slots = calloc(table->capacity, sizeof(*table->slots));
    CL_CHECK(table->slots);
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].id)
            table->slots[find(table, old.slots[i].id)] = old.slots[i];
    }
    free(old.slots);
}

void cl_idtable_put(struct cl_idtable *table, uint64_t id, void *value)
{
    CL_CHECK(id != 0);
    if ((table->count + 1) * 2 > table->capacity)
        grow(table);

    struct cl_idtable_slot *slot = &table->slots[find(table, id)];
    CL_CHECK(slot->id == 0);
    *slot = (struct cl_idtable_slot){ id, value };
    table->count++;
}

void *cl_idtable_get(const struct cl_idtable *table, uint64_t id)
{
    if (id == 0 || table->capacity == 0)
        return NULL;
    return table->slots[find(table, id)].value;
}

/* Closes the gap at `hole`, so that probing never stops short of a later entry. */
static void close_gap(struct cl_idtable *table, size_t hole)
{
    const size_t mask = table->capacity - 1;
    size_t at = hole;

    for (;;) {
        at = (at + 1) & mask;
        if (!table->slots[at].id)
            break;
        const size_t home = home_of(table, table->slots[at].id);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    table->slots[hole] = (struct cl_idtable_slot){ 0, NULL };
}

void *cl_idtable_take(struct cl_idtable *table, uint64_t id)
{
    void *value = cl_idtable_get(table, id);

    if (!value)
        return NULL;
    close_gap(table, find(table, id));
    table->count--;
    return value;
}

void cl_idtable_fini(struct cl_idtable *table)
{
    free(table->slots);
    *table = (struct cl_idtable){ NULL, 0, 0 };
}
