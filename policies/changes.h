/* SPDX-License-Identifier: Apache-2.0 */
/* What one policy grants and another does not, collected to be printed in three parts. */
#ifndef CL_POLICIES_CHANGES_H
#define CL_POLICIES_CHANGES_H

#include <stddef.h>
#include <stdio.h>

enum cl_side { CL_SIDE_OPENS, CL_SIDE_CLOSES, CL_SIDE_OTHER, CL_SIDES };

struct cl_change {
    enum cl_side side;
    char *what; /* owned, as are the others: the key or system call */
    char *text;
    char *risk; /* NULL: none to speak of */
};

struct cl_changes {
    struct cl_change *rows; /* owned */
    size_t count;
};

void cl_changes_add(struct cl_changes *changes, enum cl_side side, const char *what,
                    const char *text, const char *risk);
void cl_changes_fini(struct cl_changes *changes);

/* In colour on a terminal: what opens in red, what closes in green. */
void cl_changes_print(const struct cl_changes *changes, FILE *out);

#endif
