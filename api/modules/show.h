/* SPDX-License-Identifier: Apache-2.0 */
/* Modules and functions as JSON. Pure. */
#ifndef CL_API_MODULES_SHOW_H
#define CL_API_MODULES_SHOW_H

#include "api/modules/modules.h"
#include "api/store.h"
#include "sandbox/base/buf.h"

/* The whole of it. */
int cl_modules_show(struct cl_buf *out, const struct cl_module *module, struct cl_err *err);
int cl_modules_show_stored(struct cl_buf *out, const struct cl_store_module *stored,
                           struct cl_err *err);

/* An element of the list of a module's versions. */
int cl_modules_show_version(struct cl_buf *out, const struct cl_store_module *stored,
                            bool is_first, struct cl_err *err);

/* As an element of a list: a module with the names of its functions; each function alone. */
int cl_modules_show_short(struct cl_buf *out, const struct cl_module *module, bool is_first,
                          struct cl_err *err);
int cl_modules_show_functions(struct cl_buf *out, const struct cl_module *module, bool is_first,
                              struct cl_err *err);

#endif
