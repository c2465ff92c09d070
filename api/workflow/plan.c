/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a tree to a plan: the workflow's own keys, its tasks, then the graph.
 * Runs in: cloche-api, cloche.
 * Trusts: nothing of the document but that its reader capped it.
 */
#include "api/workflow/plan.h"

#include <stdlib.h>
#include <string.h>

#include "api/workflow/document.h"
#include "api/workflow/plan_impl.h"
#include "sandbox/base/own.h"

enum { DOCUMENT_MAX = 64 << 20 };

static const struct cl_plan_row workflow_rows[] = {
    { "id", CL_PK_ID },
    { "name", CL_PK_NAME },
    { "description", CL_PK_DESCRIPTION },
    { "tasks", CL_PK_TASKS },
    { "max_parallel_tasks", CL_PK_PARALLEL },
    { "timeout", CL_PK_TIMEOUT },
    { "priority", CL_PK_PRIORITY },
    { "metadata", CL_PK_METADATA },
    { "tags", CL_PK_TAGS },
    { "version", CL_PK_VERSION },
    { "providers", CL_PK_PROVIDERS },
    { "on_failure", CL_PK_ON_FAILURE },
    { "wait_for_completion", CL_PK_WAIT },
    { "type", CL_PK_TYPE },
    { "batch", CL_PK_BATCH },
    { "template", CL_PK_TEMPLATE },
    { "warnings", CL_PK_WARNINGS },
};

const char *const cl_plan_failure_words[] = { "continue_on_error", "fail_fast", "retry_failed",
                                              NULL };

/* It is a part of paths. */
static void check_id(struct cl_planning *planning)
{
    for (const char *at = planning->plan->id; at && *at; at++) {
        if (*at == '/' || *at < 0x20 || *at > 0x7e) {
            cl_planning_say(planning, planning->slots.at[CL_PK_ID],
                            "'id' may have ASCII characters only, and no '/'");
            return;
        }
    }
}

static void read_workflow(struct cl_planning *planning)
{
    const struct cl_plan_slots *slots = &planning->slots;
    struct cl_plan *plan = planning->plan;
    const char *ignored = NULL;
    unsigned on_failure = CL_PLAN_GO_ON;

    cl_planning_text(planning, slots->at[CL_PK_ID], "id", CL_PLAN_NAME_MAX, &plan->id);
    check_id(planning);
    if (!plan->id)
        plan->id = cl_planning_make_id(planning, "workflow");
    plan->name = plan->id;
    cl_planning_text(planning, slots->at[CL_PK_NAME], "name", CL_PLAN_NAME_MAX, &plan->name);
    if (slots->at[CL_PK_DESCRIPTION] && !cl_wnode_is_text(slots->at[CL_PK_DESCRIPTION], ""))
        cl_planning_text(planning, slots->at[CL_PK_DESCRIPTION], "description", 1000, &ignored);
    cl_planning_whole(planning, slots->at[CL_PK_PARALLEL], "max_parallel_tasks", 100,
                      &plan->parallel);
    cl_planning_whole(planning, slots->at[CL_PK_TIMEOUT], "timeout", 86400, &plan->timeout_s);
    cl_planning_choice(planning, slots->at[CL_PK_ON_FAILURE], "on_failure",
                       cl_plan_failure_words, &on_failure);
    plan->on_failure = (enum cl_plan_failure)on_failure;
    cl_planning_bool(planning, slots->at[CL_PK_WAIT], "wait_for_completion", &plan->waits);
    cl_planning_kind(planning, slots->at[CL_PK_METADATA], "metadata", CL_W_MAP);
}

/* ----------------------------------------------------------------------------------- tasks */

void cl_planning_room(struct cl_planning *planning, size_t count)
{
    struct cl_plan *plan = planning->plan;
    enum cl_plan_priority priority = CL_PLAN_NORMAL;

    plan->tasks = cl_wtree_room(&plan->texts, (count + 1) * sizeof(*plan->tasks));
    planning->drafts = cl_wtree_room(&plan->texts, (count + 1) * sizeof(*planning->drafts));
    memset(plan->tasks, 0, (count + 1) * sizeof(*plan->tasks));
    memset(planning->drafts, 0, (count + 1) * sizeof(*planning->drafts));
    cl_planning_priority(planning, planning->slots.at[CL_PK_PRIORITY], &priority);
    for (size_t i = 0; i < count; i++)
        plan->tasks[i].priority = priority;
}

/* The id first: problems with its other keys name the task by it. */
static void read_draft(struct cl_planning *planning, const struct cl_wnode *node)
{
    struct cl_plan *plan = planning->plan;
    struct cl_plan_draft *draft = &planning->drafts[plan->count];
    const struct cl_wnode *id;

    if (node->kind != CL_W_MAP) {
        cl_planning_say(planning, node, "a task must be an object, not %s",
                        cl_wnode_kind_name(node));
        return;
    }
    id = cl_wnode_find(node, "id");
    if (id && id->kind != CL_W_NULL)
        cl_planning_text(planning, id, "id", CL_PLAN_NAME_MAX, &plan->tasks[plan->count].id);
    planning->label = plan->tasks[plan->count].id ? plan->tasks[plan->count].id : "without id";
    cl_planning_slots(planning, node, cl_plan_task_rows, cl_plan_task_row_count, &draft->slots);
    planning->label = NULL;
    plan->count++;
}

static void read_tasks(struct cl_planning *planning)
{
    const struct cl_wnode *list = planning->slots.at[CL_PK_TASKS];

    if (list && list->kind != CL_W_LIST) {
        cl_planning_say(planning, list, "'tasks' must be a list");
        return;
    }
    if (!list || list->count == 0) {
        cl_problems_add(&planning->plan->problems, "Workflow must contain at least one task");
        return;
    }
    if (list->count > CL_PLAN_TASKS_MAX) {
        cl_planning_say(planning, list, "%zu tasks, at most %d fit", list->count,
                        CL_PLAN_TASKS_MAX);
        return;
    }
    cl_planning_room(planning, list->count);
    for (const struct cl_wnode *at = list->first; at; at = at->next)
        read_draft(planning, at);
}

static bool is_batch(const struct cl_planning *planning)
{
    return planning->slots.at[CL_PK_BATCH] ||
           cl_wnode_is_text(planning->slots.at[CL_PK_TYPE], "batch");
}

static void read_type(struct cl_planning *planning)
{
    const struct cl_wnode *type = planning->slots.at[CL_PK_TYPE];

    if (type && !cl_wnode_is_text(type, "batch") && !cl_wnode_is_text(type, "workflow"))
        cl_planning_say(planning, type, "'type' must be workflow or batch");
    if (!is_batch(planning) && planning->slots.at[CL_PK_TEMPLATE])
        cl_planning_say(planning, planning->slots.at[CL_PK_TEMPLATE],
                        "'template' belongs to a batch");
    if (is_batch(planning) && planning->slots.at[CL_PK_TASKS])
        cl_planning_say(planning, planning->slots.at[CL_PK_TASKS],
                        "a batch has a 'template', not 'tasks'");
}

static void read_all(struct cl_planning *planning, const struct cl_wnode *root)
{
    if (root->kind != CL_W_MAP) {
        cl_planning_say(planning, root, "a workflow must be an object, not %s",
                        cl_wnode_kind_name(root));
        return;
    }
    cl_planning_slots(planning, root, workflow_rows, CL_COUNT(workflow_rows), &planning->slots);
    read_workflow(planning);
    read_type(planning);
    if (is_batch(planning))
        cl_planning_batch(planning);
    else
        read_tasks(planning);
    for (size_t i = 0; i < planning->plan->count; i++)
        cl_planning_task(planning, i);
    cl_planning_graph(planning);
}

int cl_plan_init(struct cl_plan *plan, const struct cl_wnode *root,
                 const struct cl_plan_env *env)
{
    struct cl_planning planning = { .plan = plan, .env = env };
    struct cl_err err = CL_ERR_INIT;

    *plan = (struct cl_plan){ .parallel = CL_PLAN_PARALLEL_DEFAULT,
                              .document = CL_BUF_INIT(DOCUMENT_MAX) };
    cl_problems_init(&plan->problems);
    cl_problems_init(&plan->warnings);
    read_all(&planning, root);
    if (plan->problems.count == 0 && cl_planning_format(&planning, &err) < 0)
        cl_problems_add(&plan->problems, "%s", err.text);
    return plan->problems.count ? -1 : 0;
}

void cl_plan_fini(struct cl_plan *plan)
{
    cl_names_fini(&plan->names);
    cl_problems_fini(&plan->problems);
    cl_problems_fini(&plan->warnings);
    cl_buf_fini(&plan->document);
    cl_wtree_fini(&plan->texts);
    plan->tasks = NULL;
    plan->count = 0;
}

struct cl_json cl_plan_params(const struct cl_plan *plan, size_t task)
{
    return (struct cl_json){ (const char *)plan->document.bytes + plan->tasks[task].params_at,
                             plan->tasks[task].params_length };
}
