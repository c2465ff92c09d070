/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller's files: written into the private /tmp before the call, artifacts read after it.
 */
#ifndef CL_RUNTIME_WORKDIR_H
#define CL_RUNTIME_WORKDIR_H

#include <stdbool.h>

#include "runtime/call.h"
#include "sandbox/base/err.h"

/* Writes all files below `root` ("/tmp"). CL_E_INPUT for a path that is not plain and relative,
 * CL_E_LIMIT when the room is used up, CL_E_SYS for the rest. */
int cl_workdir_put(const char *root, const struct cl_call *call, struct cl_err *err);

/* Sends every regular file that matches one of the call's globs, in order of their paths. `**`
 * crosses folders, `*` does not. Symbolic links are not followed. */
int cl_workdir_send(const char *root, const struct cl_call *call, struct cl_err *err);

/* Whether a path is relative, without empty, `.` or `..` parts. */
bool cl_workdir_is_plain(struct cl_bytes path);

#endif
