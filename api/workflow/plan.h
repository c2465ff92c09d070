/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A workflow document that was checked: defaults filled in, names resolved, references known to
 * lead somewhere. All that is wrong is found at once (section 9 of the protocol). Pure: what it
 * needs from outside (random numbers, the files of a batch) comes through `env`.
 */
#ifndef CL_WORKFLOW_PLAN_H
#define CL_WORKFLOW_PLAN_H

#include <stdint.h>

#include "api/workflow/node.h"
#include "api/workflow/problems.h"
#include "api/workflow/references.h"

enum {
    CL_PLAN_TASKS_MAX = 10000,
    CL_PLAN_REFERENCES_MAX = 20000,
    CL_PLAN_NAME_MAX = 200, /* characters of an id or a name */
    CL_PLAN_ATTEMPTS_DEFAULT = 3,
    CL_PLAN_PARALLEL_DEFAULT = 10,
};

enum { CL_PLAN_INVALID = -28001, CL_PLAN_CIRCULAR = -28006 };

enum cl_plan_priority { CL_PLAN_URGENT = 0, CL_PLAN_HIGH, CL_PLAN_NORMAL, CL_PLAN_LOW };
enum { CL_PLAN_PRIORITIES = 4 };

enum cl_plan_failure { CL_PLAN_GO_ON = 0, CL_PLAN_FAIL_FAST, CL_PLAN_RETRY_FAILED };

enum cl_plan_backoff { CL_PLAN_FIXED = 0, CL_PLAN_LINEAR, CL_PLAN_EXPONENTIAL };

struct cl_plan_retry {
    bool is_set;
    uint32_t attempts; /* in all; 1: none after the first */
    enum cl_plan_backoff backoff;
    uint32_t base_ms, most_ms;
    bool has_jitter;
    const char *const *on; /* names of exceptions; NULL: retryable codes only */
    size_t on_count;
};

struct cl_plan_task {
    const char *id, *name, *method;
    size_t params_at, params_length; /* in the document */
    const uint32_t *needs;           /* tasks that must have completed */
    size_t need_count;
    const uint32_t *next; /* tasks that wait for this one */
    size_t next_count;
    enum cl_plan_priority priority;
    uint32_t timeout_s; /* 0: none of its own */
    bool is_isolated;
    struct cl_plan_retry retry;
};

struct cl_plan {
    const char *id, *name;
    struct cl_plan_task *tasks;
    size_t count;
    uint32_t parallel, timeout_s; /* timeout 0: none */
    enum cl_plan_failure on_failure;
    bool waits; /* wait_for_completion */
    struct cl_names names;
    struct cl_buf document; /* normalised; planned again, it gives the same plan */
    struct cl_problems problems;
    struct cl_problems warnings;
    struct cl_wtree texts; /* owns everything above that is not named with _fini */
};

struct cl_plan_env {
    uint32_t (*random)(void *self);
    /* Tells every file of a folder of the tenant's file set, by name; -1: there is no such
     * folder. */
    int (*list)(void *self, const char *folder, void (*each)(void *user, const char *name),
                void *user);
    void *self;
};

/* Always to be ended with _fini. -1: refused, `problems` say why; `tree` is only read. */
int cl_plan_init(struct cl_plan *plan, const struct cl_wnode *root,
                 const struct cl_plan_env *env);
void cl_plan_fini(struct cl_plan *plan);

/* Parameters of a task: a view into the document. */
struct cl_json cl_plan_params(const struct cl_plan *plan, size_t task);

const char *cl_plan_priority_name(enum cl_plan_priority priority);
bool cl_plan_is_method(const char *method);

/* {"error": {...}}, as section 9 has it. */
int cl_plan_format_error(const struct cl_problems *problems, struct cl_buf *out,
                         struct cl_err *err);

#endif
