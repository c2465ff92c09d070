/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files and directories by dirfd + relative name. Nothing follows a symlink in its last
 * component, everything is O_CLOEXEC.
 */
#ifndef CL_BASE_FILE_H
#define CL_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "sandbox/base/err.h"

/* Read a whole small file into `text` (always terminated). Returns its length; a file that does
 * not fit in size - 1 bytes is CL_E_LIMIT. */
ssize_t cl_file_get(int dir, const char *name, char *text, size_t size, struct cl_err *err);
int cl_file_get_u64(int dir, const char *name, uint64_t *value, struct cl_err *err);
/* One write(2) of the whole text to an existing file. */
int cl_file_put(int dir, const char *name, const char *text, struct cl_err *err);
int cl_file_put_u64(int dir, const char *name, uint64_t value, struct cl_err *err);
/* Open a directory; with `make_mode` not 0 it is made first when missing. Returns the fd. */
int cl_file_dir(int dir, const char *name, mode_t make_mode, struct cl_err *err);
/* The number after `key` and a space in a flat keyed text ("usage_usec 42\n..."). -1 if the key
 * is not there. */
int cl_file_keyed_u64(const char *text, const char *key, uint64_t *value);
/* DENIED unless an opened file is this user's and writable by nobody else (`is_sticky`: or, a
 * directory, sticky). Fills `found`. */
int cl_file_check_owner(int fd, const char *name, bool is_sticky, struct stat *found,
                        struct cl_err *err);
/* Write all bytes to an fd, retrying short writes and EINTR. */
int cl_file_write_all(int fd, const void *bytes, size_t length, struct cl_err *err);

#endif
