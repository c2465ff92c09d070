/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives pymalloc its arenas from one aligned region of huge pages, until the zygote is ready.
 * Runs in: cloche-zygote; in workers only to hand out ordinary pages.
 * Trusts: pymalloc to free only what it was given.
 */
#include "runtime/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "runtime/pyref.h"

enum { HUGE_BYTES = 2 << 20, REGION_BYTES = 256 << 20 };

/* Address space only: what is not used is given back by close. */
static char *region;
static char *next;
static char *end;

static char *map(size_t length)
{
    void *at = mmap(NULL, length, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at == MAP_FAILED ? NULL : at;
}

static char *align_up(char *at)
{
    return at + (-(uintptr_t)at & (HUGE_BYTES - 1));
}

static void *take_arena(void *unused, size_t length)
{
    (void)unused;
    if (length > (size_t)(end - next))
        return map(length);
    char *at = next;

    next += length;
    return at;
}

static void put_arena(void *unused, void *arena, size_t length)
{
    (void)unused;
    /* Inside the region only the memory goes: a hole would split the mapping, and each part is
     * one more for every clone to copy. */
    if ((char *)arena >= region && (char *)arena < end)
        madvise(arena, length, MADV_DONTNEED);
    else
        munmap(arena, length);
}

int cl_arena_open(struct cl_err *err)
{
    PyObjectArenaAllocator allocator = { NULL, take_arena, put_arena };
    char *mapped = map(REGION_BYTES + HUGE_BYTES);

    if (!mapped)
        return cl_fail(err, CL_E_SYS, "reserve the heap");
    region = next = align_up(mapped);
    end = region + REGION_BYTES;
    if (region > mapped)
        munmap(mapped, (size_t)(region - mapped));
    munmap(end, (size_t)(mapped + HUGE_BYTES - region));
    madvise(region, REGION_BYTES, MADV_HUGEPAGE); /* EINVAL where the kernel has none */
    PyObject_SetArenaAllocator(&allocator);
    return 0;
}

void cl_arena_close(void)
{
    char *kept = align_up(next);

    if (kept < end)
        munmap(kept, (size_t)(end - kept));
    next = end = kept;
}
