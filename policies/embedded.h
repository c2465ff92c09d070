/* SPDX-License-Identifier: Apache-2.0 */
/* The policies that are shipped inside the program. */
#ifndef CL_POLICIES_EMBEDDED_H
#define CL_POLICIES_EMBEDDED_H

struct cl_embedded {
    const char *name; /* NULL ends the table */
    const char *text;
    const char *end;
};

extern const struct cl_embedded cl_embedded[];

const struct cl_embedded *cl_embedded_find(const char *name);

#endif
