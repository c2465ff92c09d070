/* SPDX-License-Identifier: Apache-2.0 */
/* How a batch starts its calls: like cl_pythonv1_start, with registrations of its own. */
#ifndef CL_API_PYTHONV1_SCOPED_H
#define CL_API_PYTHONV1_SCOPED_H

#include "api/pythonv1/names.h"

struct cl_v1_want {
    const char *method;
    struct cl_json params;
};

/* `scope` (may be NULL) has to live until on_done, or until cl_pythonv1_forget. */
uint64_t cl_v1_start_scoped(struct cl_app *app, const struct cl_v1_caller *caller,
                            struct cl_v1_scope *scope, const struct cl_v1_want *want,
                            const struct cl_v1_calls *calls, void *self);

/* A call that has not ended yet, or NULL. */
struct cl_v1_call *cl_v1_call_find(struct cl_app *app, uint64_t id);

#endif
