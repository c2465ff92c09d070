/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of a workflow document: known keys, kinds and ranges, each wrong one with its place.
 * Runs in: cloche-api, cloche.
 * Trusts: nothing of the document.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/refusal.h"
#include "api/workflow/plan_impl.h"
#include "sandbox/base/own.h"

enum { WORDS_MAX = 32 };

static int say_at(struct cl_planning *planning, struct cl_wplace place, const char *text)
{
    return cl_problems_add(&planning->plan->problems, "%s%s%s%s (line %u column %u)",
                           planning->label ? "Task " : "",
                           planning->label ? planning->label : "", planning->label ? ": " : "",
                           text, place.line, place.column);
}

int cl_planning_say(struct cl_planning *planning, const struct cl_wnode *node,
                    const char *format, ...)
{
    char text[CL_PROBLEM_BYTES / 2];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return say_at(planning, node->place, text);
}

/* ------------------------------------------------------------------------------------ keys */

static int say_unknown(struct cl_planning *planning, const struct cl_wnode *node,
                       const struct cl_plan_row *rows, size_t count)
{
    const char *words[WORDS_MAX + 1] = { NULL };
    char text[CL_PROBLEM_BYTES / 2];

    for (size_t i = 0; i < count && i < WORDS_MAX; i++)
        words[i] = rows[i].name;
    const char *near = node->key_length < 64 ? cl_refusal_nearest(words, node->key) : NULL;
    snprintf(text, sizeof(text), "unknown key '%.100s'%s%s%s", node->key,
             near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    return say_at(planning, node->key_place, text);
}

static const struct cl_plan_row *row_of(const struct cl_wnode *node,
                                        const struct cl_plan_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(rows[i].name) == node->key_length &&
            memcmp(rows[i].name, node->key, node->key_length) == 0)
            return &rows[i];
    }
    return NULL;
}

int cl_planning_slots(struct cl_planning *planning, const struct cl_wnode *map,
                      const struct cl_plan_row *rows, size_t count, struct cl_plan_slots *slots)
{
    int done = 0;

    *slots = (struct cl_plan_slots){ 0 };
    for (const struct cl_wnode *at = map->first; at; at = at->next) {
        const struct cl_plan_row *row = row_of(at, rows, count);
        if (!row) {
            done = say_unknown(planning, at, rows, count);
            continue;
        }
        if (slots->at[row->key])
            done = cl_planning_say(planning, at, "'%s' and '%s' say the same",
                                   slots->at[row->key]->key, at->key);
        else if (at->kind != CL_W_NULL)
            slots->at[row->key] = at;
    }
    return done;
}

/* ---------------------------------------------------------------------------------- values */

static size_t characters(const char *text, size_t length)
{
    size_t count = 0;

    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

void cl_planning_text(struct cl_planning *planning, const struct cl_wnode *node,
                      const char *what, size_t most, const char **out)
{
    if (!node)
        return;
    /* `id: 7` is a name all the same. */
    if (node->kind != CL_W_STRING && node->kind != CL_W_NUMBER) {
        cl_planning_say(planning, node, "'%s' must be a text, not %s", what,
                        cl_wnode_kind_name(node));
        return;
    }
    const size_t count = characters(node->text, node->length);
    if (count < 1 || count > most || memchr(node->text, '\0', node->length)) {
        cl_planning_say(planning, node, "'%s' must have 1 to %zu characters", what, most);
        return;
    }
    *out = cl_wtree_copy(&planning->plan->texts, node->text, node->length);
}

static bool read_number(const struct cl_wnode *node, double *value)
{
    char *end = NULL;

    if (node->kind != CL_W_NUMBER || node->length > 32)
        return false;
    *value = strtod(node->text, &end);
    return *end == '\0';
}

void cl_planning_whole(struct cl_planning *planning, const struct cl_wnode *node,
                       const char *what, uint32_t most, uint32_t *out)
{
    double value = 0;

    if (!node)
        return;
    if (!read_number(node, &value) || value < 1 || value > most ||
        value != (double)(uint32_t)value) {
        cl_planning_say(planning, node, "'%s' must be a whole number from 1 to %u", what, most);
        return;
    }
    *out = (uint32_t)value;
}

void cl_planning_ms(struct cl_planning *planning, const struct cl_wnode *node, const char *what,
                    const uint32_t range[2], uint32_t *out)
{
    double value = 0;

    if (!node)
        return;
    if (!read_number(node, &value) || value * 1000 < range[0] || value * 1000 > range[1]) {
        cl_planning_say(planning, node, "'%s' must be from %g to %g seconds", what,
                        range[0] / 1000.0, range[1] / 1000.0);
        return;
    }
    *out = (uint32_t)(value * 1000 + 0.5);
}

void cl_planning_bool(struct cl_planning *planning, const struct cl_wnode *node,
                      const char *what, bool *out)
{
    if (!node)
        return;
    if (node->kind != CL_W_TRUE && node->kind != CL_W_FALSE)
        cl_planning_say(planning, node, "'%s' must be true or false", what);
    else
        *out = node->kind == CL_W_TRUE;
}

void cl_planning_choice(struct cl_planning *planning, const struct cl_wnode *node,
                        const char *what, const char *const *words, unsigned *out)
{
    char list[256] = "";

    if (!node)
        return;
    for (unsigned i = 0; words[i]; i++) {
        if (cl_wnode_is_text(node, words[i])) {
            *out = i;
            return;
        }
        const size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "", words[i]);
    }
    cl_planning_say(planning, node, "'%s' must be one of %s", what, list);
}

static const char *const priority_words[] = { "urgent", "high", "normal", "low" };

const char *cl_plan_priority_name(enum cl_plan_priority priority)
{
    return priority_words[priority];
}

void cl_planning_priority(struct cl_planning *planning, const struct cl_wnode *node,
                          enum cl_plan_priority *out)
{
    double value = 0;

    if (!node)
        return;
    for (unsigned i = 0; i < CL_COUNT(priority_words); i++) {
        if (cl_wnode_is_text(node, priority_words[i])) {
            *out = (enum cl_plan_priority)i;
            return;
        }
    }
    *out = CL_PLAN_NORMAL;
    if (read_number(node, &value) && (value == 1 || value == 2 || value == 3)) {
        *out = (enum cl_plan_priority)value;
        return;
    }
    const bool has_text = node->kind == CL_W_STRING || node->kind == CL_W_NUMBER;
    cl_problems_add(
        &planning->plan->warnings, "%s%s%sunknown priority '%.40s', taken as normal",
        planning->label ? "Task " : "", planning->label ? planning->label : "",
        planning->label ? ": " : "", has_text ? node->text : cl_wnode_kind_name(node));
}

void cl_planning_kind(struct cl_planning *planning, const struct cl_wnode *node,
                      const char *what, enum cl_wnode_kind kind)
{
    if (node && node->kind != kind)
        cl_planning_say(planning, node, "'%s' must be %s", what,
                        kind == CL_W_MAP ? "an object" : "a list");
}

const char *cl_planning_make_id(struct cl_planning *planning, const char *prefix)
{
    char text[64];

    snprintf(text, sizeof(text), "%s-%08x", prefix, planning->env->random(planning->env->self));
    return cl_wtree_copy(&planning->plan->texts, text, strlen(text));
}
