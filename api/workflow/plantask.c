/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One task of a document becomes one task of a plan.
 * Runs in: cloche-api, cloche.
 * Trusts: nothing of the document.
 */
#include <string.h>

#include "api/workflow/plan_impl.h"
#include "sandbox/base/own.h"

const struct cl_plan_row cl_plan_task_rows[] = {
    { "id", CL_PK_ID },
    { "name", CL_PK_NAME },
    { "description", CL_PK_DESCRIPTION },
    { "metadata", CL_PK_METADATA },
    { "tags", CL_PK_TAGS },
    { "protocol", CL_PK_PROTOCOL },
    { "method", CL_PK_METHOD },
    { "params", CL_PK_PARAMS },
    { "parameters", CL_PK_PARAMS },
    { "dependencies", CL_PK_NEEDS },
    { "depends_on", CL_PK_NEEDS },
    { "priority", CL_PK_PRIORITY },
    { "timeout", CL_PK_TIMEOUT },
    { "isolated", CL_PK_ISOLATED },
    { "retry", CL_PK_RETRY },
    { "retry_config", CL_PK_RETRY },
};
const size_t cl_plan_task_row_count = CL_COUNT(cl_plan_task_rows);

static const struct cl_plan_row retry_rows[] = {
    { "max_attempts", CL_PK_ATTEMPTS }, { "backoff", CL_PK_BACKOFF },
    { "base_delay", CL_PK_BASE },       { "max_delay", CL_PK_MOST },
    { "jitter", CL_PK_JITTER },         { "on", CL_PK_ON },
};

const char *const cl_plan_backoff_words[] = { "fixed", "linear", "exponential", NULL };

bool cl_plan_is_method(const char *method)
{
    static const char *const names[] = {
        "execute",        "register",        "unregister",  "list",        "info",
        "eval",           "python/list",     "python/info", "python/eval", "python/register",
        "python/execute", "python/validate",
    };

    for (size_t i = 0; i < CL_COUNT(names); i++) {
        if (strcmp(method, names[i]) == 0)
            return true;
    }
    return false;
}

/* ----------------------------------------------------------------------------------- retry */

static void read_on(struct cl_planning *planning, const struct cl_wnode *list,
                    struct cl_plan_retry *retry)
{
    if (!list)
        return;
    if (list->kind != CL_W_LIST) {
        cl_planning_say(planning, list, "'on' must be a list of exception names");
        return;
    }

    const char **names =
        cl_wtree_room(&planning->plan->texts, (list->count + 1) * sizeof(*names));
    for (const struct cl_wnode *at = list->first; at; at = at->next) {
        names[retry->on_count] = NULL;
        cl_planning_text(planning, at, "on", CL_PLAN_NAME_MAX, &names[retry->on_count]);
        retry->on_count += names[retry->on_count] != NULL;
    }
    retry->on = names;
}

static void read_retry(struct cl_planning *planning, const struct cl_wnode *node,
                       struct cl_plan_retry *retry)
{
    static const uint32_t base[2] = { 100, 60000 }, most[2] = { 1000, 3600000 };
    struct cl_plan_slots slots;
    unsigned backoff = CL_PLAN_EXPONENTIAL;

    *retry = (struct cl_plan_retry){ .attempts = CL_PLAN_ATTEMPTS_DEFAULT,
                                     .backoff = CL_PLAN_EXPONENTIAL,
                                     .base_ms = 1000,
                                     .most_ms = 300000,
                                     .has_jitter = true };
    if (!node)
        return;
    retry->is_set = true;
    if (node->kind != CL_W_MAP) {
        cl_planning_say(planning, node, "'retry' must be an object");
        return;
    }
    cl_planning_slots(planning, node, retry_rows, CL_COUNT(retry_rows), &slots);
    cl_planning_whole(planning, slots.at[CL_PK_ATTEMPTS], "max_attempts", 10, &retry->attempts);
    cl_planning_choice(planning, slots.at[CL_PK_BACKOFF], "backoff", cl_plan_backoff_words,
                       &backoff);
    retry->backoff = (enum cl_plan_backoff)backoff;
    cl_planning_ms(planning, slots.at[CL_PK_BASE], "base_delay", base, &retry->base_ms);
    cl_planning_ms(planning, slots.at[CL_PK_MOST], "max_delay", most, &retry->most_ms);
    cl_planning_bool(planning, slots.at[CL_PK_JITTER], "jitter", &retry->has_jitter);
    read_on(planning, slots.at[CL_PK_ON], retry);
}

/* ------------------------------------------------------------------------------------ task */

static void read_method(struct cl_planning *planning, const struct cl_plan_slots *slots,
                        struct cl_plan_task *task)
{
    const char *protocol = "python/v1";

    cl_planning_text(planning, slots->at[CL_PK_PROTOCOL], "protocol", CL_PLAN_NAME_MAX,
                     &protocol);
    cl_planning_text(planning, slots->at[CL_PK_METHOD], "method", CL_PLAN_NAME_MAX,
                     &task->method);
    if (!slots->at[CL_PK_METHOD])
        cl_problems_add(&planning->plan->problems, "Task %s: missing 'method'", task->id);
    else if (strcmp(protocol, "python/v1") != 0)
        cl_problems_add(&planning->plan->problems, "Task %s: No providers available for %s::%s",
                        task->id, protocol, task->method ? task->method : "");
    else if (task->method && !cl_plan_is_method(task->method))
        cl_problems_add(&planning->plan->problems, "Task %s: Unknown method: %s", task->id,
                        task->method);
}

/* Kept texts that nobody acts on still have their bounds. */
static void read_kept(struct cl_planning *planning, const struct cl_plan_slots *slots)
{
    const char *ignored = NULL;

    if (slots->at[CL_PK_DESCRIPTION] && !cl_wnode_is_text(slots->at[CL_PK_DESCRIPTION], ""))
        cl_planning_text(planning, slots->at[CL_PK_DESCRIPTION], "description", 1000, &ignored);
    cl_planning_kind(planning, slots->at[CL_PK_METADATA], "metadata", CL_W_MAP);
}

void cl_planning_task(struct cl_planning *planning, size_t index)
{
    const struct cl_plan_slots *slots = &planning->drafts[index].slots;
    struct cl_plan_task *task = &planning->plan->tasks[index];

    if (!task->id)
        task->id = cl_planning_make_id(planning, "task");
    planning->label = task->id;
    task->name = task->id;
    cl_planning_text(planning, slots->at[CL_PK_NAME], "name", CL_PLAN_NAME_MAX, &task->name);
    read_method(planning, slots, task);
    read_kept(planning, slots);
    cl_planning_kind(planning, slots->at[CL_PK_PARAMS], "params", CL_W_MAP);
    cl_planning_priority(planning, slots->at[CL_PK_PRIORITY], &task->priority);
    cl_planning_whole(planning, slots->at[CL_PK_TIMEOUT], "timeout", 3600, &task->timeout_s);
    cl_planning_bool(planning, slots->at[CL_PK_ISOLATED], "isolated", &task->is_isolated);
    read_retry(planning, slots->at[CL_PK_RETRY], &task->retry);
    planning->label = NULL;
}
