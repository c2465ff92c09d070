/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of the host's Python that the tier `late_imports` shows inside; ends with NULL. */
#ifndef CL_ENTER_TREES_H
#define CL_ENTER_TREES_H

/* Bound whole, read-only, executable (extension modules are mapped from there). */
extern const char *const cl_trees_python[];
/* A directory of the jail's own, with single libraries bound into it. */
extern const char *const cl_trees_libraries[];

#endif
