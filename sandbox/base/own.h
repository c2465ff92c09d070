/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership by attribute. A variable marked `_auto` is released when its scope ends; it is always
 * initialised on its own line (-1 or NULL). To leave the scope with the value, take it:
 * `return cl_take_fd(&fd);` empties the source.
 */
#ifndef CL_BASE_OWN_H
#define CL_BASE_OWN_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sandbox/base/err.h"

/* Zeroed, and of a fixed size: when there is no room for it, nothing can go on. */
static inline void *cl_own_new(size_t size)
{
    void *made = calloc(1, size);

    CL_CHECK(made);
    return made;
}

static inline void cl_own_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static inline void cl_own_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cl_own_fclose(FILE **file)
{
    if (*file)
        fclose(*file);
}

static inline void cl_own_closedir(DIR **folder)
{
    if (*folder)
        closedir(*folder);
}

#define cl_close_auto    __attribute__((cleanup(cl_own_close)))
#define cl_free_auto     __attribute__((cleanup(cl_own_free)))
#define cl_fclose_auto   __attribute__((cleanup(cl_own_fclose)))
#define cl_closedir_auto __attribute__((cleanup(cl_own_closedir)))
#define CL_AUTO(fini)    __attribute__((cleanup(fini)))

static inline int cl_take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#define cl_take_ptr(p)                                                                         \
    (__extension__({                                                                           \
        __typeof__(*(p)) cl_taken_ = *(p);                                                     \
        *(p) = NULL;                                                                           \
        cl_taken_;                                                                             \
    }))

#define CL_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
