/* SPDX-License-Identifier: Apache-2.0 */
/* Where the parts of Cloche are: beside this program, or where packages put them. */
#ifndef CL_CLI_INSTALL_H
#define CL_CLI_INSTALL_H

#include <limits.h>

/* Path of `program`; -1 when it is in no known place. */
int cl_install_find(const char *program, char path[PATH_MAX]);

#endif
