/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modules of all tenants: Python files that are kept and called by name. In memory is what
 * routing and listing need (names, versions, functions, imports); sources and bytecode are in the
 * store and, the ones used last, in a cache of bounded size. Everything runs on the event loop;
 * what waits for the store or for a jail says so and calls back.
 */
#ifndef CL_API_MODULES_H
#define CL_API_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/calls/request.h"
#include "api/json/scan.h"
#include "api/refusal.h"

struct cl_app;
struct cl_modules;
struct cl_store;
struct cl_tenant;

enum {
    CL_MODULE_NAME_MAX = 64,          /* bytes of a name */
    CL_MODULE_VERSION = 12,           /* hex digits */
    CL_MODULE_SOURCE_MAX = 1 << 20,   /* bytes of one file */
    CL_MODULES_CACHE = 32 << 20,      /* bytes of sources and bytecode in memory */
    CL_MODULES_CALL_BYTES = 16 << 20, /* of all modules that go with one call */
    CL_MODULES_CALL_COUNT = 1024,
};

/* A module as it is now. Valid until the event loop runs again. */
struct cl_module {
    const char *name;
    const char *version;
    const char *policy; /* "": the tenant's default */
    const char *description;
    const char *reason;       /* why it can't be called: it did not compile; else NULL */
    struct cl_json functions; /* array of {name, signature, schema, doc, is_async, line, ...} */
    bool retry;
    bool is_served; /* from the tenant's functions_dir, read-only through the API */
    size_t source_bytes;
    int64_t created_us, updated_us;
};

struct cl_modules *cl_modules_new(struct cl_app *app);
void cl_modules_free(struct cl_modules *modules);
/* All of the store, before its queue takes it. */
int cl_modules_load(struct cl_modules *modules, struct cl_store *store, struct cl_err *err);

/* Whether the tenant has it. What a functions_dir serves hides what was put. */
bool cl_modules_find(struct cl_modules *modules, const struct cl_tenant *tenant,
                     const char *name, struct cl_module *module);
/* The first one whose name comes behind `after` ("": the very first); in the order of bytes. */
bool cl_modules_next(struct cl_modules *modules, const struct cl_tenant *tenant,
                     const char *after, struct cl_module *module);
/* The entry of a module's functions that is called `name`; false: it exports none. */
bool cl_modules_function(const struct cl_module *module, const char *name,
                         struct cl_json *function);

/* ------------------------------------------------------------------- what goes with a call */

struct cl_modules_want {
    const struct cl_tenant *tenant;
    const char *name;    /* the module and what it imports; NULL: all that the tenant has */
    const char *version; /* of that module; "": the present one */
};

enum { CL_MODULES_LATER = 1 };

/* Appends MODULE frames to a request that was parsed and not yet sealed. Returns 0;
 * CL_MODULES_LATER when not all of it is in memory: nothing was appended, fetch and come again;
 * -1 refused. */
int cl_modules_put_frames(struct cl_modules *modules, const struct cl_modules_want *want,
                          struct cl_request *request, struct cl_refusal *refusal);

/* refusal NULL: put_frames works when it is called from inside here. */
typedef void cl_modules_ready(void *self, const struct cl_refusal *refusal);

/* Reads it from the store; `ready` is called once, never from inside here. Returns an id for
 * forget, never 0. The want is copied. */
uint64_t cl_modules_fetch(struct cl_modules *modules, const struct cl_modules_want *want,
                          cl_modules_ready *ready, void *self);
void cl_modules_forget(struct cl_modules *modules, uint64_t id);

/* ----------------------------------------------------------------- directories of functions */

struct cl_msg_function;
struct cl_msg_functions;

/* A file of a tenant's functions_dir (fd is borrowed), and the end of a set of them, which then takes
 * the place of the one before. */
void cl_modules_on_function(struct cl_modules *modules, const struct cl_msg_function *msg,
                            int fd);
void cl_modules_on_functions(struct cl_modules *modules, const struct cl_msg_functions *msg);

/* ----------------------------------------------------------------------- calls of functions */

/* For a parsed request that names a function (request->function is not empty): the function
 * has to be there; the module's policy is taken where the request names none; its frames are
 * put. Seal it with CL_CALL_FUNCTION. Returns as put_frames does; `want` (views into the request)
 * is then what to fetch. A refusal of an unknown function names similar ones. */
int cl_modules_resolve(struct cl_modules *modules, const struct cl_tenant *tenant,
                       struct cl_request *request, struct cl_modules_want *want,
                       struct cl_refusal *refusal);

#endif
