/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves libpython's read-only blocks to anonymous huge pages.
 * Runs in: zygote, before its tree is closed and before any worker exists.
 * Trusts: the loader's own list of what is mapped where.
 */
#include "runtime/hugetext.h"

#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE = 2 << 20 };

struct range {
    uintptr_t start;
    uintptr_t end;
};

/* The first run of segments without PF_W, which the loader maps back to back. */
static struct range constant_part(const struct dl_phdr_info *object)
{
    struct range range = { 0, 0 };

    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        const uintptr_t start = object->dlpi_addr + part->p_vaddr;

        if (part->p_type != PT_LOAD)
            continue;
        if (part->p_flags & PF_W)
            break;
        range.start = range.end ? range.start : start;
        range.end = start + part->p_memsz;
    }
    return range;
}

static int find_python(struct dl_phdr_info *object, size_t size, void *found)
{
    (void)size;
    if (!strstr(object->dlpi_name, "/libpython3"))
        return 0;
    *(struct range *)found = constant_part(object);
    return 1;
}

/* A copy of `length` bytes in a 2 MiB aligned place, executable; NULL with err. */
static void *copy_of(const void *from, size_t length, struct cl_err *err)
{
    uint8_t *room = mmap(NULL, length + HUGE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *copy;

    if (room == MAP_FAILED) {
        cl_fail(err, CL_E_SYS, "room for the interpreter's code");
        return NULL;
    }
    copy = (uint8_t *)(((uintptr_t)room + HUGE - 1) & ~((uintptr_t)HUGE - 1));
    madvise(copy, length, MADV_HUGEPAGE); /* a wish: without it the pages are small */
    memcpy(copy, from, length);
    if (mprotect(copy, length, PROT_READ | PROT_EXEC) < 0) {
        cl_fail(err, CL_E_SYS, "make the copy executable");
        return NULL;
    }
    return copy;
}

int cl_hugetext_remap(struct cl_err *err)
{
    struct range range = { 0, 0 };

    dl_iterate_phdr(find_python, &range);
    const uintptr_t start = (range.start + HUGE - 1) & ~((uintptr_t)HUGE - 1);
    const uintptr_t end = range.end & ~((uintptr_t)HUGE - 1);
    if (end <= start)
        return 0; /* linked in, or loaded where no block is whole */

    void *copy = copy_of((const void *)start, end - start, err);
    if (!copy)
        return -1;
    /* In one step, and by code that lies elsewhere: the interpreter never sees a hole. */
    if (mremap(copy, end - start, end - start, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start) ==
        MAP_FAILED)
        return cl_fail(err, CL_E_SYS, "put the copy in place");
    return 0;
}
