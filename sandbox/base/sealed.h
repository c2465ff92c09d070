/* SPDX-License-Identifier: Apache-2.0 */
/* Files in memory that nobody can change any more. */
#ifndef CL_BASE_SEALED_H
#define CL_BASE_SEALED_H

#include <stddef.h>

#include "sandbox/base/err.h"

/* Seals a memfd against every change, its end included; nobody may have it mapped for writing. */
int cl_seal(int fd, const char *what, struct cl_err *err);

/* Maps a memfd of `least` to `most` bytes read-only, if it is sealed against every change; `what`
 * names it in errors. The fd is borrowed; NULL with *err filled. */
const void *cl_sealed_map(int fd, const char *what, size_t least, size_t most, size_t *length,
                          struct cl_err *err);
void cl_sealed_unmap(const void *bytes, size_t length);

#endif
