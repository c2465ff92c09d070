/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files on their way to be modules: each is read in a jail, the good ones are kept in one transaction
 * and in force together, the others are named with their line and left out.
 */
#ifndef CL_API_MODULES_BATCH_H
#define CL_API_MODULES_BATCH_H

#include "api/modules/row.h"

enum cl_modfile_state {
    CL_MODFILE_WAITING = 0,
    CL_MODFILE_SAME,    /* nothing to be done */
    CL_MODFILE_CHANGED, /* the content is known, what belongs to the module is not */
    CL_MODFILE_GOOD,    /* read: a new version, or a new module */
    CL_MODFILE_BROKEN,
};

struct cl_modfile {
    char name[CL_MODULE_NAME_MAX + 1];
    char version[CL_MODULE_VERSION + 1]; /* of the source; filled by add */
    char policy[CL_NAME_MAX];
    char *description; /* owned, like all here; NULL: as it is, or none */
    bool retry;
    bool keeps; /* policy, description and retry stay as they are */
    struct cl_buf source, functions, imports, code;
    enum cl_modfile_state state;
    bool is_new;
    char *reason; /* of BROKEN */
    int32_t line, column;
};

struct cl_modbatch;

typedef void cl_modbatch_done(void *self, struct cl_modbatch *batch);

struct cl_modbatch {
    struct cl_modules *modules;
    const struct cl_tenant *of; /* lives for ever */
    char tenant[CL_NAME_MAX];
    char key[CL_NAME_MAX];
    char peer[CL_PEER_MAX];   /* of who puts them, for the audit log; "": nobody does */
    struct cl_modfile *files; /* owned */
    size_t count, capacity;
    bool prunes;    /* what is not among the files goes */
    bool is_push;   /* of many: what is broken is remembered */
    bool is_served; /* of a functions_dir: in memory only, and always the whole set */
    struct cl_refusal refusal; /* kind NONE: it went well */
    uint64_t turn;             /* of a served set: one that came later makes it void */
    /* own */
    cl_modbatch_done *done;
    void *self;
    size_t next, running;
    size_t told; /* bytes that the tenant's modules take in memory, with those of this batch */
    char (*pruned)[CL_MODULE_NAME_MAX + 1]; /* owned */
    size_t pruned_count;
    int64_t now_us;
};

struct cl_modbatch *cl_modbatch_new(struct cl_modules *modules, const struct cl_tenant *tenant,
                                    const char *key);
/* The source is copied; the name has been checked. The file is valid until the next one. */
struct cl_modfile *cl_modbatch_add(struct cl_modbatch *batch, const char *name,
                                   struct cl_json source);
void cl_modfile_break(struct cl_modfile *file, const char *reason);
/* `done` is called once, never from inside here, and frees the batch. */
void cl_modbatch_run(struct cl_modbatch *batch, cl_modbatch_done *done, void *self);
void cl_modbatch_free(struct cl_modbatch *batch);

/* keep.c: puts what is good into the store and in force, then calls `done`. */
void cl_modbatch_keep(struct cl_modbatch *batch);

#endif
