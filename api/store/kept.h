/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of api/store.h, which includes it: sessions and workflows. */
#ifndef CL_API_STORE_KEPT_H
#define CL_API_STORE_KEPT_H

#include "api/store.h"

/* ------------------------------------------------------------------------------ sessions */

struct cl_store_session {
    const char *id;
    const char *tenant;
    const char *key;
    const char *policy;
    bool is_default; /* the one of (tenant, key) that needs no naming; one at most */
    int64_t created_us, used_us;
};

typedef int cl_store_on_session(void *self, const struct cl_store_session *session,
                                struct cl_err *err);

/* Returns whether it was inserted: 0 when (tenant, key) has a default one already. */
int cl_store_session_put(struct cl_store *store, const struct cl_store_session *session,
                         struct cl_err *err);
int cl_store_session_touch(struct cl_store *store, const char *tenant, const char *id,
                           int64_t used_us, struct cl_err *err);
/* With its registrations. Returns whether it was there. */
int cl_store_session_delete(struct cl_store *store, const char *tenant, const char *id,
                            struct cl_err *err);
/* Returns whether it is there. */
int cl_store_session_get(struct cl_store *store, const char *tenant, const char *id,
                         cl_store_on_session *each, void *self, struct cl_err *err);
/* By id, behind `after`. `key` NULL: of every key. */
int cl_store_session_list(struct cl_store *store, const char *tenant, const char *key,
                          const char *after, unsigned limit, cl_store_on_session *each,
                          void *self, struct cl_err *err);
int cl_store_session_all(struct cl_store *store, cl_store_on_session *each, void *self,
                         struct cl_err *err);

/* A function that was registered in a session. */
struct cl_store_registration {
    const char *tenant;
    const char *session;
    const char *name;
    const char *kind;       /* "lambda", "module", "source" */
    struct cl_blob content; /* what makes it, the caller decides how */
    uint64_t position;      /* in order of registration; set by the store */
};

typedef int cl_store_on_registration(void *self, const struct cl_store_registration *reg,
                                     struct cl_err *err);

/* Replaces one of that name, which keeps its position. Returns whether it is new. CL_E_INPUT:
 * no such session. */
int cl_store_registration_put(struct cl_store *store, const struct cl_store_registration *reg,
                              struct cl_err *err);
/* Returns whether it was there. */
int cl_store_registration_delete(struct cl_store *store, const char *tenant,
                                 const char *session, const char *name, struct cl_err *err);
/* In order of position. */
int cl_store_registrations(struct cl_store *store, const char *tenant, const char *session,
                           cl_store_on_registration *each, void *self, struct cl_err *err);
/* Of all sessions, by session and position. */
int cl_store_registration_all(struct cl_store *store, cl_store_on_registration *each,
                              void *self, struct cl_err *err);

/* ----------------------------------------------------------------------------- workflows */

struct cl_store_workflow {
    const char *tenant;
    const char *id; /* of its document: any text, unique in its tenant */
    const char *key;
    const char *name;
    const char *status;      /* of python-v1: running, completed, ... */
    const char *session;     /* of its run, "": none yet */
    const char *policy;      /* that its tasks run under; "" or NULL: the tenant's default */
    const char *trace;       /* of api/trace.h; "" or NULL: none */
    struct cl_blob document; /* normalised JSON */
    struct cl_blob error;    /* JSON */
    uint64_t serial;         /* rises with each one, over all tenants; set by the store */
    uint32_t task_count;
    bool is_task;        /* made by POST /v1/tasks: a workflow of one */
    bool is_done;        /* status is a last one */
    bool is_cancelled;   /* asked for */
    int64_t deadline_us; /* 0: none */
    int64_t created_us, started_us, ended_us;
};

typedef int cl_store_on_workflow(void *self, const struct cl_store_workflow *workflow,
                                 struct cl_err *err);

struct cl_store_task {
    const char *tenant;
    const char *workflow;
    const char *id; /* of the document */
    const char *status;
    const char *error_code;
    struct cl_blob result; /* envelope, JSON */
    struct cl_blob error;  /* JSON */
    uint32_t position;     /* in the document */
    uint32_t attempts;
    int32_t code;
    int64_t due_us; /* of a retry */
    int64_t started_us, ended_us;
};

typedef int cl_store_on_task(void *self, const struct cl_store_task *task, struct cl_err *err);

/* Inserts it with its tasks, or nothing. Returns whether it was inserted: 0 when that id is
 * taken. */
int cl_store_workflow_insert(struct cl_store *store, const struct cl_store_workflow *workflow,
                             const struct cl_store_task *tasks, size_t count,
                             struct cl_err *err);
/* Sets status, error, session, started_us, ended_us, deadline_us and is_done, unless it was
 * done before. Returns whether it did. */
int cl_store_workflow_update(struct cl_store *store, const struct cl_store_workflow *workflow,
                             struct cl_err *err);
/* Returns whether it was not done yet. */
int cl_store_workflow_cancel(struct cl_store *store, const char *tenant, const char *id,
                             struct cl_err *err);
/* Whole. Returns whether it is there. */
int cl_store_workflow_get(struct cl_store *store, const char *tenant, const char *id,
                          cl_store_on_workflow *each, void *self, struct cl_err *err);

struct cl_store_workflow_filter {
    const char *tenant;
    const char *status; /* "" or NULL: any */
    uint64_t before;    /* serial of the last one of the page before; 0: from the newest */
    bool only_active;   /* not done */
    bool with_tasks;    /* those of POST /v1/tasks, too */
    unsigned limit;
};

/* The newest first, without document. */
int cl_store_workflow_list(struct cl_store *store,
                           const struct cl_store_workflow_filter *filter,
                           cl_store_on_workflow *each, void *self, struct cl_err *err);
/* Of all tenants, what is not done, in order of serial; whole. */
int cl_store_workflow_left_all(struct cl_store *store, cl_store_on_workflow *each, void *self,
                               struct cl_err *err);
/* Sets all but position. CL_E_INPUT: no such task. */
int cl_store_task_update(struct cl_store *store, const struct cl_store_task *task,
                         struct cl_err *err);
/* Of one workflow in order of position, whole. */
int cl_store_tasks(struct cl_store *store, const char *tenant, const char *workflow,
                   cl_store_on_task *each, void *self, struct cl_err *err);
/* A seq that is there already stays as it is. CL_E_INPUT: there is no such workflow. */
int cl_store_workflow_event_put(struct cl_store *store, const char *tenant, const char *id,
                                const struct cl_store_event *event, struct cl_err *err);
/* Those behind `after` in order. Returns whether there is such a workflow. */
int cl_store_workflow_events(struct cl_store *store, const char *tenant, const char *id,
                             uint64_t after, unsigned limit, cl_store_on_event *each,
                             void *self, struct cl_err *err);

#endif
