/* SPDX-License-Identifier: Apache-2.0 */
/* One call of python/v1 on its way: what the files that carry it along share. */
#ifndef CL_API_PYTHONV1_CALL_H
#define CL_API_PYTHONV1_CALL_H

#include "api/errand.h"
#include "api/modules/modules.h"
#include "api/pythonv1/answer.h"
#include "api/pythonv1/names.h"
#include "api/pythonv1/pythonv1.h"
#include "api/tenants/tenant.h"
#include "sandbox/base/list.h"

/* What the name of a function stands for. */
enum cl_v1_home {
    CL_V1_HOME_NONE = 0,
    CL_V1_HOME_BUILTIN,
    CL_V1_HOME_FILE,
    CL_V1_HOME_LAMBDA,
    CL_V1_HOME_MODULE,
    CL_V1_HOME_SOURCE,
};

struct cl_v1_call {
    struct cl_list node;    /* of all */
    struct cl_list waiting; /* to be answered in the next turn of the loop */
    uint64_t id;
    struct cl_app *app;
    const struct cl_v1_calls *calls; /* NULL: nobody listens any more */
    void *self;

    struct cl_tenant *tenant;
    char policy[CL_NAME_MAX];
    char key[CL_NAME_MAX];
    char session[CL_V1_SESSION_MAX];
    char task_id[CL_V1_TASK_MAX + 1];
    uint32_t timeout_s;
    bool isolated;
    char *trace;               /* owned; NULL: none */
    char peer[CL_PEER_MAX];    /* "": not known */
    struct cl_v1_scope *scope; /* borrowed from a batch, or NULL */

    struct cl_buf params; /* the plan's views point here */
    struct cl_v1_plan plan;
    enum cl_v1_home home;
    struct cl_buf content;           /* of a registration: a JSON array of texts */
    char module[CL_V1_NAME_MAX + 1]; /* of a function of a file, or of a file that runs */
    const char *member;              /* in plan.name, behind the module's */

    struct cl_v1_outcome outcome;
    struct cl_refusal refusal; /* of the service, kind NONE: none */
    uint64_t errand, fetch;    /* what it waits for; 0: nothing */
    bool is_cancelled;
    bool is_over; /* answered, or about to be */
    uint64_t started_us, sent_us;
};

/* call.c: its end, told in the next turn of the loop. The outcome is what it is; or a
 * fault; or a refusal of the service. */
void cl_v1_call_end(struct cl_v1_call *call);
void cl_v1_call_fail(struct cl_v1_call *call, const struct cl_v1_fault *fault);
void cl_v1_call_refuse(struct cl_v1_call *call, const struct cl_refusal *refusal);
/* A result that is ready: the text is checked JSON of ours. */
void cl_v1_call_result(struct cl_v1_call *call, const struct cl_buf *json);

/* steps.c: what each method does, from its plan on. */
void cl_v1_call_begin(struct cl_v1_call *call);
/* The errand of it has ended. */
void cl_v1_call_came_back(struct cl_v1_call *call, const struct cl_errand_end *end);

/* list.c: the answer to `list`. */
void cl_v1_list_named(struct cl_v1_call *call, const struct cl_v1_names *names);

/* send.c: into a jail. The pool it would run in; NULL with the refusal. */
struct cl_pool *cl_v1_call_pool(struct cl_v1_call *call, struct cl_refusal *refusal);
void cl_v1_call_send(struct cl_v1_call *call);

/* files.c: the tenant's files. Whether `plan.name` is a function of one: then home,
 * module and member are set. Else the fault says why, and what comes near. */
bool cl_v1_files_find(struct cl_v1_call *call, struct cl_v1_fault *fault);
/* Whether there is the file that a plan names; else the fault says so. */
bool cl_v1_files_has(struct cl_v1_call *call, struct cl_v1_fault *fault);
/* Whether a file serves a function of this name. */
bool cl_v1_files_serve(const struct cl_v1_call *call, const char *name);
/* Appends the names of all functions, as JSON strings behind commas; counts them. */
int cl_v1_files_list(const struct cl_v1_call *call, struct cl_buf *list, uint32_t *count,
                     struct cl_err *err);

#endif
