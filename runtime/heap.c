/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills the holes of the zygote's heap, so that its clones allocate side by side in new pages.
 * Runs in: zygote.
 * Trusts: the layout of pymalloc's pools in Python 3.11; if it is another one, this fills too
 * much or too little, and nothing else happens.
 */
#include "runtime/heap.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "runtime/pyref.h"

enum {
    POOL_BYTES = 16 << 10,
    SMALL_MAX = 512, /* larger ones come from malloc */
    SMALL_STEP = 16,
    BLOCKS_MAX = 8192, /* of one size */
    LARGE_MAX = 64 << 10,
};

/* A pool begins with the count of its blocks in use. */
static bool is_first_of_pool(const void *block)
{
    const uint32_t *pool = (const uint32_t *)((uintptr_t)block & ~(uintptr_t)(POOL_BYTES - 1));

    return *pool == 1;
}

/* Partly used pools of a size are taken before a new one is opened. */
static void fill_pools(size_t size)
{
    for (int i = 0; i < BLOCKS_MAX; i++) {
        const void *block = PyObject_Malloc(size);

        if (!block || is_first_of_pool(block))
            return;
    }
}

/* Free chunks are taken before the top is cut, so an address beyond the top's start ends it. */
static void fill_chunks(size_t size, uintptr_t top)
{
    for (int i = 0; i < BLOCKS_MAX; i++) {
        void *block = malloc(size);

        if (!block)
            return;
        if ((uintptr_t)block >= top) {
            free(block); /* back into the top */
            return;
        }
    }
}

static uintptr_t find_top(void)
{
    void *probe = malloc(LARGE_MAX);
    uintptr_t top = (uintptr_t)probe;

    free(probe);
    return top;
}

void cl_heap_fill_holes(void)
{
    uintptr_t top;

    if (mallinfo2().arena == 0)
        return; /* another allocator than glibc's, such as a sanitizer's: holes of unknown shape */
    for (size_t size = SMALL_STEP; size <= SMALL_MAX; size += SMALL_STEP)
        fill_pools(size);
    malloc_trim(0);
    top = find_top();
    for (size_t size = LARGE_MAX / 2; size > SMALL_MAX / 16; size -= size / 16)
        fill_chunks(size, top);
}
