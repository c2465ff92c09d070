/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make up plan.h share. */
#ifndef CL_WORKFLOW_PLAN_IMPL_H
#define CL_WORKFLOW_PLAN_IMPL_H

#include "api/workflow/plan.h"

enum cl_plan_key {
    CL_PK_ID = 0,
    CL_PK_NAME,
    CL_PK_DESCRIPTION,
    CL_PK_METADATA,
    CL_PK_TAGS,
    CL_PK_PRIORITY,
    CL_PK_TIMEOUT,
    /* of a workflow */
    CL_PK_TASKS,
    CL_PK_PARALLEL,
    CL_PK_VERSION,
    CL_PK_PROVIDERS,
    CL_PK_ON_FAILURE,
    CL_PK_WAIT,
    CL_PK_TYPE,
    CL_PK_BATCH,
    CL_PK_TEMPLATE,
    CL_PK_WARNINGS,
    /* of a task */
    CL_PK_PROTOCOL,
    CL_PK_METHOD,
    CL_PK_PARAMS,
    CL_PK_NEEDS,
    CL_PK_ISOLATED,
    CL_PK_RETRY,
    /* of a retry */
    CL_PK_ATTEMPTS,
    CL_PK_BACKOFF,
    CL_PK_BASE,
    CL_PK_MOST,
    CL_PK_JITTER,
    CL_PK_ON,
    /* of a batch */
    CL_PK_FOLDER,
    CL_PK_PATTERN,
    CL_PK_COUNT_
};

struct cl_plan_row {
    const char *name;
    enum cl_plan_key key;
};

/* Values by key; NULL: absent, or null. */
struct cl_plan_slots {
    const struct cl_wnode *at[CL_PK_COUNT_];
};

/* A task on its way into the plan. */
struct cl_plan_draft {
    struct cl_plan_slots slots;
    const char *file; /* of a batch: what is bound as context.file_path */
};

struct cl_planning {
    struct cl_plan *plan;
    const struct cl_plan_env *env;
    struct cl_plan_slots slots; /* of the workflow */
    struct cl_plan_draft *drafts;
    size_t references; /* seen so far */
    const char *label; /* of the task in hand; NULL: the workflow */
};

/* planread.c: values with their ranges. A sentence about a node, with the task in front of it
 * and its place behind. Always -1. */
int cl_planning_say(struct cl_planning *planning, const struct cl_wnode *node,
                    const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Sorts the values of a map into slots; what has no row is said to be unknown. */
int cl_planning_slots(struct cl_planning *planning, const struct cl_wnode *map,
                      const struct cl_plan_row *rows, size_t count,
                      struct cl_plan_slots *slots);
/* Each leaves *out alone when the node is NULL or wrong. */
void cl_planning_text(struct cl_planning *planning, const struct cl_wnode *node,
                      const char *what, size_t most, const char **out);
void cl_planning_whole(struct cl_planning *planning, const struct cl_wnode *node,
                       const char *what, uint32_t most, uint32_t *out);
void cl_planning_ms(struct cl_planning *planning, const struct cl_wnode *node, const char *what,
                    const uint32_t range[2], uint32_t *out);
void cl_planning_bool(struct cl_planning *planning, const struct cl_wnode *node,
                      const char *what, bool *out);
void cl_planning_choice(struct cl_planning *planning, const struct cl_wnode *node,
                        const char *what, const char *const *words, unsigned *out);
void cl_planning_priority(struct cl_planning *planning, const struct cl_wnode *node,
                          enum cl_plan_priority *out);
void cl_planning_kind(struct cl_planning *planning, const struct cl_wnode *node,
                      const char *what, enum cl_wnode_kind kind);
/* A word with eight hexadecimal digits. */
const char *cl_planning_make_id(struct cl_planning *planning, const char *prefix);

/* plan.c: room for so many tasks and drafts. */
void cl_planning_room(struct cl_planning *planning, size_t count);
/* plantask.c */
void cl_planning_task(struct cl_planning *planning, size_t index);
/* planbatch.c: drafts out of `batch` and `template`. */
void cl_planning_batch(struct cl_planning *planning);
/* plangraph.c: dependencies, cycles, references. */
void cl_planning_graph(struct cl_planning *planning);
/* planform.c: the normalised document. */
int cl_planning_format(struct cl_planning *planning, struct cl_err *err);

extern const struct cl_plan_row cl_plan_task_rows[];
extern const size_t cl_plan_task_row_count;
extern const char *const cl_plan_failure_words[], *const cl_plan_backoff_words[];

#endif
