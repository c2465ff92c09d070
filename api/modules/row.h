/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept in memory of modules: tables of rows, sorted by name, and a cache of the contents that
 * were used last. Only modules*.c and functions.c look in here.
 */
#ifndef CL_API_MODULES_ROW_H
#define CL_API_MODULES_ROW_H

#include "api/modules/modules.h"
#include "sandbox/base/list.h"

/* Source and bytecode of one version. */
struct cl_modheld {
    struct cl_list node; /* of the cache, the one used last at the end */
    char tenant[CL_NAME_MAX];
    char name[CL_MODULE_NAME_MAX + 1];
    char version[CL_MODULE_VERSION + 1];
    struct cl_modrow *row; /* whose present version it is; NULL: an old one's */
    char *bytes;           /* owned: source, then code, then functions, then imports */
    size_t source, code, functions, imports; /* their lengths */
    bool is_pinned; /* served from a directory: nowhere else to be had */
};

struct cl_modrow {
    char name[CL_MODULE_NAME_MAX + 1]; /* first: tables sort by it */
    char version[CL_MODULE_VERSION + 1];
    char policy[CL_NAME_MAX];
    char *description; /* owned, like all pointers here */
    char *reason;      /* NULL: it can be called */
    char *functions;   /* JSON array */
    size_t functions_length;
    char *imports; /* names without their dotted rest, each with its NUL */
    size_t imports_length;
    size_t source_bytes, code_bytes;
    int64_t created_us, updated_us;
    struct cl_modheld *held; /* in the cache, or NULL */
    uint64_t mark;           /* of the walk that has been here */
    bool retry, is_served;
};

/* Rows, or tenants, by name. */
struct cl_modtable {
    void **items; /* each starts with its name */
    size_t count, capacity;
};

/* Index of the name, or of the first one behind it. */
size_t cl_modtable_place(const struct cl_modtable *table, const char *name);
void *cl_modtable_find(const struct cl_modtable *table, const char *name);
/* The name must not be there. */
void cl_modtable_insert(struct cl_modtable *table, void *item);
void *cl_modtable_take(struct cl_modtable *table, const char *name);

struct cl_modtenant {
    char name[CL_NAME_MAX];    /* first */
    struct cl_modtable put;    /* struct cl_modrow, of the store */
    struct cl_modtable served; /* of its functions_dir; these hide those */
    struct cl_modtable broken; /* what did not compile in the last push, and has no row */
    uint64_t served_turn;      /* of the set that was complete last */
};

struct cl_modules {
    struct cl_app *app;
    struct cl_modtable tenants;
    struct cl_list cache; /* struct cl_modheld */
    size_t cache_bytes;
    uint64_t walk;
    struct cl_list fetches; /* fetch.c */
    uint64_t fetch_id;
    struct cl_list arriving; /* dir.c: sets that are not complete */
};

/* Whether a name may be a module's. */
bool cl_module_is_name(const char *name);

/* Names of modules of `imports` (a JSON array of dotted names), for a row. Owned. */
char *cl_modrow_imports(struct cl_json imports, size_t *length);
void cl_modrow_free(struct cl_modules *modules, struct cl_modrow *row);
void cl_modrow_view(const struct cl_modrow *row, struct cl_module *module);

/* NULL: it has none, and `make` is false. */
struct cl_modtenant *cl_modules_tenant(struct cl_modules *modules, const char *name, bool make);
/* What the tenant calls by this name, broken or not. */
struct cl_modrow *cl_modules_row(struct cl_modules *modules, const char *tenant,
                                 const char *name);
/* The row takes the place of one of its name; what was broken is no more. */
void cl_modules_put_row(struct cl_modules *modules, const char *tenant, struct cl_modrow *row);

struct cl_modparts {
    struct cl_json source, code, functions, imports; /* any bytes */
};

/* Keeps a content; old ones go when there is no room. `row` may be NULL. */
struct cl_modheld *cl_modheld_put(struct cl_modules *modules, const char *tenant,
                                  const char *name, const char *version,
                                  const struct cl_modparts *parts);
struct cl_modheld *cl_modheld_find(struct cl_modules *modules, const char *tenant,
                                   const char *name, const char *version);
void cl_modheld_attach(struct cl_modheld *held, struct cl_modrow *row);
void cl_modheld_use(struct cl_modules *modules, struct cl_modheld *held);
/* It is kept as long as its row. */
void cl_modheld_pin(struct cl_modules *modules, struct cl_modheld *held);
void cl_modheld_free(struct cl_modules *modules, struct cl_modheld *held);

/* ------------------------------------------------------------------------ what goes together */

struct cl_modpart {
    const struct cl_modrow *row;
    const char *version;     /* the row's, or another one of the module that is called */
    struct cl_modheld *held; /* NULL: has to be fetched */
};

/* A module, and what of the tenant's it imports. */
struct cl_modclosure {
    struct cl_modpart *parts; /* owned */
    size_t count;
    size_t missing; /* parts that have to be fetched */
    size_t bytes;
};

int cl_modclosure_make(struct cl_modules *modules, const struct cl_modules_want *want,
                       struct cl_modclosure *closure, struct cl_refusal *refusal);
void cl_modclosure_fini(struct cl_modclosure *closure);

/* The member of a JSON object, or nothing. */
struct cl_json cl_modules_member(struct cl_json object, const char *key);

#endif
