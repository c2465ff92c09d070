/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch document: one task for every file of a folder, made from a template.
 * Runs in: cloche-api, cloche.
 * Trusts: the file set's names to be names; nothing of the document.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/workflow/plan_impl.h"
#include "sandbox/base/own.h"

static const struct cl_plan_row batch_rows[] = {
    { "directory", CL_PK_FOLDER },
    { "pattern", CL_PK_PATTERN },
};

struct files {
    struct cl_planning *planning;
    const char *pattern;
    const char **names;
    size_t count;
};

static void take_file(void *user, const char *name)
{
    struct files *files = user;

    if (files->count >= CL_PLAN_TASKS_MAX || fnmatch(files->pattern, name, FNM_PERIOD) != 0)
        return;
    files->names[files->count++] =
        cl_wtree_copy(&files->planning->plan->texts, name, strlen(name));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* process-<name, dots as dashes>-<i> */
static const char *task_id(struct cl_planning *planning, const char *name, size_t index)
{
    char text[CL_PLAN_NAME_MAX + 64];

    snprintf(text, sizeof(text), "process-%.*s-%zu", CL_PLAN_NAME_MAX, name, index);
    for (char *at = text; *at; at++)
        *at = *at == '.' ? '-' : *at;
    return cl_wtree_copy(&planning->plan->texts, text, strlen(text));
}

static const char *file_path(struct cl_planning *planning, const char *folder, const char *name)
{
    size_t length = strlen(folder);
    char text[2 * CL_PLAN_NAME_MAX + 1024];

    while (length > 0 && folder[length - 1] == '/')
        length--;
    if (length == 0 || (length == 1 && *folder == '.'))
        return name;
    snprintf(text, sizeof(text), "%.*s/%s", (int)length, folder, name);
    return cl_wtree_copy(&planning->plan->texts, text, strlen(text));
}

static void make_drafts(struct cl_planning *planning, const struct files *files,
                        const char *folder, const struct cl_wnode *template)
{
    struct cl_plan *plan = planning->plan;
    struct cl_plan_slots slots;

    planning->label = "template";
    cl_planning_slots(planning, template, cl_plan_task_rows, cl_plan_task_row_count, &slots);
    planning->label = NULL;
    if (slots.at[CL_PK_NEEDS])
        cl_planning_say(planning, slots.at[CL_PK_NEEDS],
                        "tasks of a batch do not wait for each other");
    slots.at[CL_PK_ID] = slots.at[CL_PK_NAME] = slots.at[CL_PK_NEEDS] = NULL;
    cl_planning_room(planning, files->count);
    for (size_t i = 0; i < files->count; i++) {
        plan->tasks[i].id = task_id(planning, files->names[i], i);
        planning->drafts[i] =
            (struct cl_plan_draft){ slots, file_path(planning, folder, files->names[i]) };
    }
    plan->count = files->count;
}

static void find_files(struct cl_planning *planning, struct files *files, const char *folder)
{
    const struct cl_plan_env *env = planning->env;

    files->names =
        cl_wtree_room(&planning->plan->texts, CL_PLAN_TASKS_MAX * sizeof(*files->names));
    if (!env->list || env->list(env->self, folder, take_file, files) < 0) {
        cl_problems_add(&planning->plan->problems,
                        "Batch directory '%s' is no folder of the file set", folder);
        return;
    }
    if (files->count == 0)
        cl_problems_add(&planning->plan->problems,
                        "No file of batch directory '%s' matches '%s'", folder, files->pattern);
    qsort(files->names, files->count, sizeof(*files->names), by_name);
}

void cl_planning_batch(struct cl_planning *planning)
{
    const struct cl_wnode *batch = planning->slots.at[CL_PK_BATCH];
    const struct cl_wnode *template = planning->slots.at[CL_PK_TEMPLATE];
    struct cl_plan_slots slots = { 0 };
    struct files files = { .planning = planning, .pattern = "*" };
    const char *folder = NULL;

    cl_planning_kind(planning, batch, "batch", CL_W_MAP);
    if (batch && batch->kind == CL_W_MAP)
        cl_planning_slots(planning, batch, batch_rows, CL_COUNT(batch_rows), &slots);
    cl_planning_text(planning, slots.at[CL_PK_PATTERN], "pattern", CL_PLAN_NAME_MAX,
                     &files.pattern);
    cl_planning_text(planning, slots.at[CL_PK_FOLDER], "directory", CL_PLAN_NAME_MAX, &folder);
    if (!slots.at[CL_PK_FOLDER])
        cl_problems_add(&planning->plan->problems,
                        "Batch workflow requires 'batch.directory' to be specified");
    if (!template || template->kind != CL_W_MAP)
        cl_problems_add(&planning->plan->problems,
                        "Batch workflow requires 'template' to be an object");
    if (folder)
        find_files(planning, &files, folder);
    if (template && template->kind == CL_W_MAP)
        make_drafts(planning, &files, folder ? folder : "", template);
}
