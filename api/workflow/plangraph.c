/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for whom: duplicate ids, dependencies, cycles, and whether every reference leads to a
 * task that will have completed. Linear in tasks and dependencies, but for the ancestors, which
 * cost a bit for every pair and are only looked at when a reference skips a generation.
 * Runs in: cloche-api, cloche.
 * Trusts: nothing of the document.
 */
#include <stdlib.h>
#include <string.h>

#include "api/workflow/plan_impl.h"
#include "sandbox/base/own.h"

struct graph {
    struct cl_planning *planning;
    struct cl_plan *plan;
    uint32_t *order; /* tasks, dependencies first; shorter than all when there is a cycle */
    size_t ordered;
    uint32_t *left;      /* dependencies not yet in order, per task */
    uint64_t *ancestors; /* bits, a row a task; NULL until one is asked for */
    size_t words;        /* of a row */
};

static void *room(struct graph *graph, size_t count, size_t size)
{
    void *made = cl_wtree_room(&graph->plan->texts, (count + 1) * size);

    memset(made, 0, (count + 1) * size);
    return made;
}

/* ------------------------------------------------------------------------------------- ids */

static void index_names(struct graph *graph)
{
    struct cl_plan *plan = graph->plan;

    cl_names_init(&plan->names, plan->count);
    for (size_t i = 0; i < plan->count; i++)
        cl_names_add(&plan->names, plan->tasks[i].id, plan->tasks[i].name);
    cl_names_sort(&plan->names);
    for (size_t i = 1; i < plan->count; i++) {
        const bool is_again = strcmp(plan->names.ids[i].text, plan->names.ids[i - 1].text) == 0;
        const bool is_third =
            i > 1 && strcmp(plan->names.ids[i].text, plan->names.ids[i - 2].text) == 0;
        if (is_again && !is_third)
            cl_problems_add(&plan->problems, "Duplicate task ID: %s", plan->names.ids[i].text);
    }
}

/* ---------------------------------------------------------------------------- dependencies */

static void take_need(struct graph *graph, size_t task, const struct cl_wnode *node,
                      uint32_t *needs, size_t *count)
{
    struct cl_plan *plan = graph->plan;
    const char *id = plan->tasks[task].id;

    if (node->kind != CL_W_STRING && node->kind != CL_W_NUMBER) {
        cl_problems_add(&plan->problems, "Task %s: a dependency must be a text, not %s", id,
                        cl_wnode_kind_name(node));
        return;
    }
    const int found = cl_names_find(&plan->names, node->text, node->length);
    if (found == CL_NAMES_SEVERAL)
        cl_problems_add(&plan->problems, "Task %s: dependency '%s' names several tasks", id,
                        node->text);
    else if (found < 0)
        cl_problems_add(&plan->problems, "Task %s: unknown dependency '%s'", id, node->text);
    else if ((size_t)found == task)
        cl_problems_add(&plan->problems, "Task %s: cannot depend on itself", id);
    else
        needs[(*count)++] = (uint32_t)found;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static size_t unique(uint32_t *numbers, size_t count)
{
    size_t kept = 0;

    qsort(numbers, count, sizeof(*numbers), by_number);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || numbers[kept - 1] != numbers[i])
            numbers[kept++] = numbers[i];
    }
    return kept;
}

static void read_needs(struct graph *graph, size_t task)
{
    const struct cl_wnode *list = graph->planning->drafts[task].slots.at[CL_PK_NEEDS];
    uint32_t *needs;
    size_t count = 0;

    if (!list)
        return;
    if (list->kind != CL_W_LIST && list->kind != CL_W_STRING) {
        cl_problems_add(&graph->plan->problems, "Task %s: 'dependencies' must be a list",
                        graph->plan->tasks[task].id);
        return;
    }
    needs = room(graph, list->kind == CL_W_LIST ? list->count : 1, sizeof(*needs));
    if (list->kind == CL_W_STRING)
        take_need(graph, task, list, needs, &count);
    for (const struct cl_wnode *at = list->first; at; at = at->next)
        take_need(graph, task, at, needs, &count);
    graph->plan->tasks[task].needs = needs;
    graph->plan->tasks[task].need_count = unique(needs, count);
}

static void turn_around(struct graph *graph)
{
    struct cl_plan *plan = graph->plan;
    size_t edges = 0;

    for (size_t i = 0; i < plan->count; i++) {
        edges += plan->tasks[i].need_count;
        for (size_t k = 0; k < plan->tasks[i].need_count; k++)
            plan->tasks[plan->tasks[i].needs[k]].next_count++;
    }
    uint32_t *next = room(graph, edges, sizeof(*next));
    for (size_t i = 0; i < plan->count; i++) {
        plan->tasks[i].next = next;
        next += plan->tasks[i].next_count;
        plan->tasks[i].next_count = 0;
    }
    for (size_t i = 0; i < plan->count; i++) {
        for (size_t k = 0; k < plan->tasks[i].need_count; k++) {
            struct cl_plan_task *before = &plan->tasks[plan->tasks[i].needs[k]];
            ((uint32_t *)before->next)[before->next_count++] = (uint32_t)i;
        }
    }
}

/* ---------------------------------------------------------------------------------- cycles */

static void put_in_order(struct graph *graph)
{
    struct cl_plan *plan = graph->plan;

    graph->order = room(graph, plan->count, sizeof(*graph->order));
    graph->left = room(graph, plan->count, sizeof(*graph->left));
    for (size_t i = 0; i < plan->count; i++) {
        graph->left[i] = (uint32_t)plan->tasks[i].need_count;
        if (graph->left[i] == 0)
            graph->order[graph->ordered++] = (uint32_t)i;
    }
    for (size_t done = 0; done < graph->ordered; done++) {
        const struct cl_plan_task *task = &plan->tasks[graph->order[done]];
        for (size_t k = 0; k < task->next_count; k++) {
            if (--graph->left[task->next[k]] == 0)
                graph->order[graph->ordered++] = task->next[k];
        }
    }
}

/* A dependency that is not in order either: every task that is not has one. */
static uint32_t back(const struct graph *graph, uint32_t task)
{
    const struct cl_plan_task *at = &graph->plan->tasks[task];

    size_t k = 0;

    while (k < at->need_count && graph->left[at->needs[k]] == 0)
        k++;
    CL_CHECK(k < at->need_count);
    return at->needs[k];
}

/* Tells the cycle that `task` is in, from its first task in the document on. */
static void say_cycle(struct graph *graph, uint32_t task)
{
    struct cl_plan *plan = graph->plan;
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_PROBLEM_BYTES / 2);
    struct cl_err err = CL_ERR_INIT;
    uint32_t first = task;

    for (uint32_t at = back(graph, task); at != task; at = back(graph, at))
        first = at < first ? at : first;
    uint32_t at = first;
    do {
        if (cl_buf_format(&text, &err, "%s -> ", plan->tasks[at].id) < 0)
            break;
        at = back(graph, at);
    } while (at != first);
    plan->problems.cycles++;
    cl_problems_add(&plan->problems, "Circular dependencies detected: %.*s%s", (int)text.length,
                    (const char *)text.bytes, at == first ? plan->tasks[first].id : "...");
}

static void find_cycles(struct graph *graph)
{
    uint32_t *walk = room(graph, graph->plan->count, sizeof(*walk)); /* 0: not seen */

    for (uint32_t i = 0; i < graph->plan->count; i++) {
        uint32_t at = i;

        if (graph->left[i] == 0)
            continue;
        for (; walk[at] == 0; at = back(graph, at))
            walk[at] = i + 1;
        if (walk[at] == i + 1)
            say_cycle(graph, at);
    }
}

/* ------------------------------------------------------------------------------ references */

static void make_ancestors(struct graph *graph)
{
    struct cl_plan *plan = graph->plan;

    graph->words = (plan->count + 63) / 64;
    graph->ancestors = calloc(plan->count * graph->words + 1, sizeof(uint64_t));
    CL_CHECK(graph->ancestors);
    for (size_t i = 0; i < graph->ordered; i++) {
        const uint32_t task = graph->order[i];
        uint64_t *mine = graph->ancestors + task * graph->words;
        for (size_t k = 0; k < plan->tasks[task].need_count; k++) {
            const uint32_t need = plan->tasks[task].needs[k];
            const uint64_t *theirs = graph->ancestors + need * graph->words;
            for (size_t w = 0; w < graph->words; w++)
                mine[w] |= theirs[w];
            mine[need / 64] |= (uint64_t)1 << need % 64;
        }
    }
}

/* Whether `task` starts only after `other` completed. Unknown (true) inside of a cycle. */
static bool comes_after(struct graph *graph, size_t task, uint32_t other)
{
    const struct cl_plan_task *at = &graph->plan->tasks[task];

    if (at->need_count > 0 &&
        bsearch(&other, at->needs, at->need_count, sizeof(other), by_number))
        return true;
    if (graph->ordered < graph->plan->count)
        return task != other;
    if (at->need_count == 0)
        return false;
    if (!graph->ancestors)
        make_ancestors(graph);
    return graph->ancestors[task * graph->words + other / 64] >> other % 64 & 1;
}

static void check_reference(struct graph *graph, size_t task, const struct cl_piece *piece)
{
    struct cl_plan *plan = graph->plan;
    const char *id = plan->tasks[task].id;
    const int shown = piece->length > 200 ? 200 : (int)piece->length;
    size_t used = 0;
    const int other = cl_names_of_path(&plan->names, piece->path, piece->path_length, &used);

    if (other == CL_NAMES_SEVERAL)
        cl_problems_add(&plan->problems, "Task %s: reference %.*s names several tasks", id,
                        shown, piece->text);
    else if (other < 0)
        cl_problems_add(&plan->problems, "Task %s: reference %.*s names no task", id, shown,
                        piece->text);
    else if (!cl_path_is_sound(piece->path + used, piece->path_length - used))
        cl_problems_add(&plan->problems, "Task %s: reference %.*s has no sound path", id, shown,
                        piece->text);
    else if (!comes_after(graph, task, (uint32_t)other))
        cl_problems_add(&plan->problems, "Task %s: reference %.*s needs dependency '%s'", id,
                        shown, piece->text, plan->tasks[other].id);
}

static void check_text(struct graph *graph, size_t task, const struct cl_wnode *node)
{
    struct cl_piece piece;
    size_t at = 0;

    while (cl_piece_next(node->text, node->length, &at, &piece) != CL_PIECE_END) {
        if (piece.kind != CL_PIECE_REFERENCE)
            continue;
        if (++graph->planning->references <= CL_PLAN_REFERENCES_MAX)
            check_reference(graph, task, &piece);
        else if (graph->planning->references == CL_PLAN_REFERENCES_MAX + 1)
            cl_problems_add(&graph->plan->problems, "more than %d references",
                            CL_PLAN_REFERENCES_MAX);
    }
}

/* As deep as a document may be. Programs are not looked at: nothing is put into them. */
static void check_values(struct graph *graph, size_t task, const struct cl_wnode *node,
                         bool is_outer)
{
    for (const struct cl_wnode *at = node->first; at; at = at->next) {
        const bool is_source =
            is_outer && at->key && cl_reference_is_source(at->key, at->key_length);
        if (at->kind >= CL_W_LIST)
            check_values(graph, task, at, false);
        else if (at->kind == CL_W_STRING && is_source && strstr(at->text, "${"))
            cl_problems_add(&graph->plan->warnings,
                            "Task %s: '%s' is a program: no reference in it is replaced",
                            graph->plan->tasks[task].id, at->key);
        else if (at->kind == CL_W_STRING && !is_source)
            check_text(graph, task, at);
    }
}

void cl_planning_graph(struct cl_planning *planning)
{
    struct graph graph = { .planning = planning, .plan = planning->plan };

    if (planning->plan->count == 0)
        return;
    index_names(&graph);
    for (size_t i = 0; i < planning->plan->count; i++)
        read_needs(&graph, i);
    turn_around(&graph);
    put_in_order(&graph);
    if (graph.ordered < planning->plan->count)
        find_cycles(&graph);
    for (size_t i = 0; i < planning->plan->count; i++) {
        const struct cl_wnode *params = planning->drafts[i].slots.at[CL_PK_PARAMS];
        if (params && params->kind == CL_W_MAP)
            check_values(&graph, i, params, true);
    }
    free(graph.ancestors);
}
