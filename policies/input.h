/* SPDX-License-Identifier: Apache-2.0 */
/* Brings policy files into a set, from descriptors and from paths. */
#ifndef CL_POLICIES_INPUT_H
#define CL_POLICIES_INPUT_H

#include "policies/report.h"
#include "policies/set.h"
#include "policies/settings.h"
#include "policies/tenants.h"
#include "sandbox/base/err.h"

/* Reads a regular file to its end and adds it; the fd is borrowed. -1 with `err` when it can't be
 * read. What is wrong with its text is in the report, not in `err`. */
int cl_input_fd(struct cl_set *set, const char *name, const char *path, int fd,
                struct cl_report *report, struct cl_err *err);

/* The same for a path that ends in <name>.yaml. Marks nothing as asked that was not added. */
int cl_input_path(struct cl_set *set, const char *path, struct cl_report *report,
                  struct cl_err *err);

/* A file of any name that is no policy, to be freed with cl_doc_free. NULL when it can't be read;
 * what is wrong with its text is in the report. */
struct cl_doc *cl_input_doc(const char *path, struct cl_report *report, struct cl_err *err);

/* tenants.yaml from an open file; NULL when it can't be read. */
struct cl_tenants *cl_input_tenants(const char *path, int fd, struct cl_report *report,
                                    struct cl_err *err);

/* cloche.yaml, likewise. */
struct cl_settings *cl_input_settings(const char *path, int fd, struct cl_report *report,
                                      struct cl_err *err);

/* The text of any of them, owned by the caller, with a NUL behind it. */
char *cl_input_text(const char *path, size_t *length, struct cl_err *err);

#endif
