/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seals files in memory, and maps them once their seals say that they stay as they are.
 * Runs in: every process.
 * Trusts: the kernel's seals; not what the file holds.
 */
#include "sandbox/base/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, SEAL_TRIES = 20 };

/* EBUSY while anything in the kernel holds one of its pages (migration, a memory monitor); each try
 * waits a sixth of a second for that to end. */
int cl_seal(int fd, const char *what, struct cl_err *err)
{
    for (int tries = 0; tries < SEAL_TRIES; tries++) {
        if (fcntl(fd, F_ADD_SEALS, SEALS) == 0)
            return 0;
        if (errno != EBUSY)
            break;
    }
    return cl_fail(err, CL_E_SYS, "seal a %s", what);
}

const void *cl_sealed_map(int fd, const char *what, size_t least, size_t most, size_t *length,
                          struct cl_err *err)
{
    struct stat seen;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0)
        return cl_fail(err, CL_E_SYS, "read the seals of a %s", what), NULL;
    if ((seals & SEALS) != SEALS)
        return cl_fail(err, CL_E_INPUT, "the %s is not sealed (0x%x)", what, (unsigned)seals),
               NULL;
    if (fstat(fd, &seen) < 0)
        return cl_fail(err, CL_E_SYS, "stat a %s", what), NULL;
    if (seen.st_size < (off_t)least || seen.st_size > (off_t)most)
        return cl_fail(err, CL_E_INPUT, "a %s of %lld bytes", what, (long long)seen.st_size),
               NULL;

    *length = (size_t)seen.st_size;
    void *bytes = mmap(NULL, *length, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return cl_fail(err, CL_E_SYS, "map a %s", what), NULL;
    return bytes;
}

void cl_sealed_unmap(const void *bytes, size_t length)
{
    if (bytes)
        munmap((void *)(uintptr_t)bytes, length);
}
