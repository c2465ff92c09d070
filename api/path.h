/* SPDX-License-Identifier: Apache-2.0 */
/* Names of files that cross the border, from callers or from workers. Pure. */
#ifndef CL_API_PATH_H
#define CL_API_PATH_H

#include <stddef.h>

enum { CL_PATH_MAX = 1023 };

/* NULL when the path is relative and made of ordinary components (no "", ".", "..", control
 * byte or backslash, none over 255 bytes); else what is wrong with it. */
const char *cl_path_fault(const char *path, size_t length);

#endif
