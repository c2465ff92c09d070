/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite on one directory: every file it opens, looks for or removes is a plain name in that
 * directory, reached by its descriptor. No path is resolved, so neither the directory's place
 * nor who may walk to it matters.
 */
#ifndef CL_API_STORE_VFS_H
#define CL_API_STORE_VFS_H

#include "sandbox/base/err.h"

#define CL_STORE_VFS "cloche"

/* Registers the VFS, once, and points it at a directory (borrowed). */
int cl_store_vfs_set(int dir, struct cl_err *err);

#endif
