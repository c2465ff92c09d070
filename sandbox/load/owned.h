/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only root can see: whose a file or directory is. In a zygote's user namespace all
 * strangers look alike, and policyc and the API open nothing.
 */
#ifndef CL_OWNED_H
#define CL_OWNED_H

#include <sys/stat.h>

#include "sandbox/base/err.h"

/* DENIED or SYS, naming the part, unless the path leads to a directory of root's that nobody else
 * may write to, on a way of such directories without a link. May wait for a disk. */
int cl_owned_check(const char *path, struct cl_err *err);
/* Opens a directory, or a regular file below `dir`, that is root's and writable by nobody else; the
 * descriptor, or -1. `folder` names the directory in errors. */
int cl_owned_dir(int above, const char *name, struct cl_err *err);
int cl_owned_file(int dir, const char *folder, const char *name, struct stat *found,
                  struct cl_err *err);

#endif
