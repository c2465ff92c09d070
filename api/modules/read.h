/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One source, read in a jail of its tenant: what it defines, what it imports, its bytecode. Nothing of
 * it runs.
 */
#ifndef CL_API_MODULES_READ_H
#define CL_API_MODULES_READ_H

#include "api/json/scan.h"
#include "api/refusal.h"

struct cl_app;
struct cl_pool;

/* Views are valid during the callback only. */
struct cl_modread {
    const struct cl_refusal *refusal; /* it could not be read now; all that follows is empty */
    const char *fault;                /* it can never be a module: why; NULL: it is one */
    int32_t line, column;             /* of the fault, 0 when unknown */
    struct cl_json functions, imports;
    struct cl_json code; /* base64 in quotes, or null */
};

typedef void cl_modread_done(void *self, const struct cl_modread *read);

struct cl_modread_ask {
    const char *name;
    struct cl_json source;
    const char *key, *peer; /* who puts it, as cl_prepare_caller takes it */
};

/* `done` is called once, never from inside here. */
void cl_modread_start(struct cl_app *app, struct cl_pool *pool,
                      const struct cl_modread_ask *ask, cl_modread_done *done, void *self);

#endif
