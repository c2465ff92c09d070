/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the normalised document: every default said, every name an id, in one order of keys.
 * Runs in: cloche-api, cloche.
 * Trusts: that the plan has no problems.
 */
#include <inttypes.h>
#include <string.h>

#include "api/json/scan.h"
#include "api/workflow/plan_impl.h"
#include "sandbox/base/own.h"

struct form {
    struct cl_planning *planning;
    struct cl_buf *out;
    struct cl_err *err;
    int done; /* -1 once something did not fit */
};

static void put(struct form *form, const char *text)
{
    if (form->done == 0)
        form->done = cl_buf_put_text(form->out, text, form->err);
}

static void put_number(struct form *form, const char *key, uint32_t number)
{
    if (form->done == 0)
        form->done = cl_buf_format(form->out, form->err, "%s%" PRIu32, key, number);
}

static void put_text(struct form *form, const char *key, const char *text)
{
    put(form, key);
    if (form->done == 0)
        form->done = cl_json_put_string(form->out, text, strlen(text), form->err);
}

static void put_node(struct form *form, const char *key, const struct cl_wnode *node)
{
    if (!node || form->done < 0)
        return;
    put(form, key);
    form->done = cl_wnode_format(node, form->out, form->err);
}

static void put_member(struct form *form, const struct cl_wnode *node)
{
    if (form->done == 0)
        form->done = cl_json_put_string(form->out, node->key, node->key_length, form->err);
    put_node(form, ":", node);
    put(form, ",");
}

/* Milliseconds as seconds, without a fraction that says nothing. */
static void put_ms(struct form *form, const char *key, uint32_t ms)
{
    if (form->done < 0)
        return;
    if (ms % 1000 == 0)
        form->done = cl_buf_format(form->out, form->err, "%s%u", key, ms / 1000);
    else
        form->done =
            cl_buf_format(form->out, form->err, "%s%u.%03u", key, ms / 1000, ms % 1000);
}

/* ---------------------------------------------------------------------------------- params */

/* The template's params with the file's path bound, each task's context its own. */
static void put_batch_params(struct form *form, const struct cl_plan_draft *draft)
{
    const struct cl_wnode *params = draft->slots.at[CL_PK_PARAMS];
    const struct cl_wnode *context = cl_wnode_find(params, "context");

    put(form, "{");
    for (const struct cl_wnode *at = params ? params->first : NULL; at; at = at->next) {
        if (at == context)
            continue;
        put_member(form, at);
    }
    put(form, "\"context\":{");
    for (const struct cl_wnode *at = context ? context->first : NULL; at; at = at->next) {
        if (strcmp(at->key, "file_path") == 0)
            continue;
        put_member(form, at);
    }
    put_text(form, "\"file_path\":", draft->file);
    put(form, "}}");
}

static void put_params(struct form *form, size_t index)
{
    const struct cl_plan_draft *draft = &form->planning->drafts[index];
    struct cl_plan_task *task = &form->planning->plan->tasks[index];

    put(form, ",\"params\":");
    task->params_at = form->out->length;
    if (draft->file)
        put_batch_params(form, draft);
    else if (draft->slots.at[CL_PK_PARAMS])
        put_node(form, "", draft->slots.at[CL_PK_PARAMS]);
    else
        put(form, "{}");
    task->params_length = form->out->length - task->params_at;
}

/* ------------------------------------------------------------------------------------ task */

static void put_retry(struct form *form, const struct cl_plan_retry *retry)
{
    if (!retry->is_set)
        return;
    put_number(form, ",\"retry\":{\"max_attempts\":", retry->attempts);
    put_text(form, ",\"backoff\":", cl_plan_backoff_words[retry->backoff]);
    put_ms(form, ",\"base_delay\":", retry->base_ms);
    put_ms(form, ",\"max_delay\":", retry->most_ms);
    put(form, retry->has_jitter ? ",\"jitter\":true" : ",\"jitter\":false");
    if (retry->on) {
        put(form, ",\"on\":[");
        for (size_t i = 0; i < retry->on_count; i++)
            put_text(form, i ? "," : "", retry->on[i]);
        put(form, "]");
    }
    put(form, "}");
}

static void put_task(struct form *form, size_t index)
{
    const struct cl_plan *plan = form->planning->plan;
    const struct cl_plan_task *task = &plan->tasks[index];
    const struct cl_plan_slots *slots = &form->planning->drafts[index].slots;

    put_text(form, index ? ",{\"id\":" : "{\"id\":", task->id);
    put_text(form, ",\"name\":", task->name);
    put_node(form, ",\"description\":", slots->at[CL_PK_DESCRIPTION]);
    put_text(form, ",\"protocol\":\"python/v1\",\"method\":", task->method);
    put_params(form, index);
    put(form, ",\"dependencies\":[");
    for (size_t i = 0; i < task->need_count; i++)
        put_text(form, i ? "," : "", plan->tasks[task->needs[i]].id);
    put_text(form, "],\"priority\":", cl_plan_priority_name(task->priority));
    if (task->timeout_s)
        put_number(form, ",\"timeout\":", task->timeout_s);
    if (task->is_isolated)
        put(form, ",\"isolated\":true");
    put_retry(form, &task->retry);
    put_node(form, ",\"metadata\":", slots->at[CL_PK_METADATA]);
    put_node(form, ",\"tags\":", slots->at[CL_PK_TAGS]);
    put(form, "}");
}

int cl_planning_format(struct cl_planning *planning, struct cl_err *err)
{
    struct cl_plan *plan = planning->plan;
    const struct cl_plan_slots *slots = &planning->slots;
    struct form form = { planning, &plan->document, err, 0 };

    put_text(&form, "{\"id\":", plan->id);
    put_text(&form, ",\"name\":", plan->name);
    put_node(&form, ",\"description\":", slots->at[CL_PK_DESCRIPTION]);
    put_node(&form, ",\"version\":", slots->at[CL_PK_VERSION]);
    put_node(&form, ",\"tags\":", slots->at[CL_PK_TAGS]);
    put_node(&form, ",\"metadata\":", slots->at[CL_PK_METADATA]);
    put_node(&form, ",\"providers\":", slots->at[CL_PK_PROVIDERS]);
    put_number(&form, ",\"max_parallel_tasks\":", plan->parallel);
    if (plan->timeout_s)
        put_number(&form, ",\"timeout\":", plan->timeout_s);
    put_text(&form, ",\"on_failure\":", cl_plan_failure_words[plan->on_failure]);
    put(&form, plan->waits ? ",\"wait_for_completion\":true" : "");
    put(&form, ",\"tasks\":[");
    for (size_t i = 0; i < plan->count; i++)
        put_task(&form, i);
    put(&form, "]}");
    return form.done;
}
