/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registered functions: what a session knows by name. They live in the store, and an answer that
 * acknowledges one comes after it is on the disk. A batch without a session keeps its own in
 * memory for as long as it runs.
 */
#ifndef CL_API_PYTHONV1_NAMES_H
#define CL_API_PYTHONV1_NAMES_H

#include "api/pythonv1/plan.h"

struct cl_storeq;

enum {
    CL_V1_NAMES_MAX = 500,       /* registrations of one session */
    CL_V1_NAMES_BYTES = 8 << 20, /* of all of them */
    CL_V1_KIND_MAX = 8,          /* "lambda", "module", "source" */
    CL_V1_CONTENT_MAX = 1 << 20, /* of one */
};

/* Of a batch; zeroed is empty. */
struct cl_v1_scope {
    struct cl_v1_registration *first;
    uint32_t count;
    size_t bytes;
};
void cl_v1_scope_fini(struct cl_v1_scope *scope);

enum cl_v1_names_do { CL_V1_NAMES_READ = 0, CL_V1_NAMES_PUT, CL_V1_NAMES_DROP };

struct cl_v1_names_ask {
    enum cl_v1_names_do what;
    const char *tenant;
    const char *session;       /* "": `scope` instead */
    struct cl_v1_scope *scope; /* NULL: nothing is known, and nothing kept */
    const char *name;          /* "": READ lists only */
    const char *kind;          /* PUT */
    struct cl_json content;    /* PUT: JSON, copied */
};

/* What came of it. Views during the callback. */
struct cl_v1_names {
    bool is_there;             /* READ: the name is registered; DROP: it was */
    char kind[CL_V1_KIND_MAX]; /* READ */
    struct cl_json content;    /* READ */
    struct cl_json list;       /* READ: JSON strings with commas between them; may be empty */
    uint32_t count;
    const struct cl_err *err; /* NULL: it was done */
};

typedef void cl_v1_names_done(void *self, uint64_t id, const struct cl_v1_names *names);

/* `done` is called once, with `self` and `id`: at once where there is no store to ask, else from
 * the loop. -1: the store's queue is full, and nothing is called. */
int cl_v1_names_run(struct cl_storeq *queue, const struct cl_v1_names_ask *ask,
                    cl_v1_names_done *done, void *self, uint64_t id, struct cl_err *err);

/* A session has ended, and what was kept of it goes. */
void cl_v1_names_forget(struct cl_storeq *queue, const char *tenant, const char *session);
/* At the start, when there is no session yet: what the process before left. */
void cl_v1_names_clear(struct cl_storeq *queue);

#endif
