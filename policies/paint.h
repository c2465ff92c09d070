/* SPDX-License-Identifier: Apache-2.0 */
/* Colours for people: only on a terminal, and not where NO_COLOR (https://no-color.org) says so. */
#ifndef CL_POLICIES_PAINT_H
#define CL_POLICIES_PAINT_H

#include <stdio.h>

/* What to print before a text of each kind, and `off` after it; all "" without colours. */
struct cl_paint {
    const char *place, *error, *warning, *caret, *opened, *closed, *off;
};

/* Never NULL. */
const struct cl_paint *cl_paint_of(FILE *out);

#endif
