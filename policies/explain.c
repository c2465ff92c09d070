/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows an effective policy: every value, where it comes from, which system calls it opens, and
 * what that leaves to an attacker.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: nothing of the files.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policies/filter.h"
#include "policies/residue.h"
#include "policies/risk.h"
#include "policies/table.h"
#include "policies/tiers.h"
#include "policies/value.h"
#include "policies/verbs.h"
#include "sandbox/base/own.h"

enum { VALUE_COLUMN = 26, ORIGIN_COLUMN = 72 };

/* Ends a line; the origins stand below each other where the values leave room. */
static void print_origin(const struct cl_spec *spec, const struct cl_place *place, int used)
{
    int gap = used < ORIGIN_COLUMN ? ORIGIN_COLUMN - used : 2;

    if (!place->doc)
        printf("%*s# built-in default\n", gap, "");
    else if (place->doc == spec->doc)
        printf("%*s# %s:%u\n", gap, "", place->doc->path, place->line);
    else
        printf("%*s# %s:%u (policy %s)\n", gap, "", place->doc->path, place->line,
               place->doc->name);
}

/* A file that only took items away has none of its own in the list. */
static void print_remover(const struct cl_spec *spec, const struct cl_items *items,
                          const struct cl_place *origin)
{
    for (size_t i = 0; i < items->count; i++) {
        if (items->items[i].place.doc == origin->doc)
            return;
    }
    if (origin->doc)
        print_origin(spec, origin, printf("%*s(less what is removed)", VALUE_COLUMN, ""));
}

/* Items by the file that named them: a list may be made of several. */
static void print_items(const struct cl_spec *spec, const struct cl_items *items)
{
    int used = VALUE_COLUMN;

    for (size_t i = 0; i < items->count; i++) {
        const struct cl_item *item = &items->items[i];
        const struct cl_item *before = i > 0 ? item - 1 : NULL;
        int length = (int)strlen(item->text) + 1;
        bool is_other = before && before->place.doc != item->place.doc;
        if (is_other)
            print_origin(spec, &before->place, used);
        else if (before && used + length > ORIGIN_COLUMN - 2)
            printf("\n");
        if (is_other || (before && used + length > ORIGIN_COLUMN - 2)) {
            printf("%*s", VALUE_COLUMN, "");
            used = VALUE_COLUMN;
        }
        used += printf("%s%s", used == VALUE_COLUMN ? "" : " ", item->text);
    }
    print_origin(spec, &items->items[items->count - 1].place, used);
}

static void print_key(const struct cl_spec *spec, const struct cl_key *key)
{
    const struct cl_place *origin = &spec->origin[cl_table_index(key)];
    const char *at = (const char *)spec + key->at;
    const struct cl_items *items = (const struct cl_items *)(const void *)at;
    char text[64] = "(none)";
    uint64_t value = 0;

    int used = printf("%-*s", VALUE_COLUMN, key->path);
    if (cl_spec_is_items(key) && items->count > 0) {
        print_items(spec, items);
        print_remover(spec, items, origin);
        return;
    }
    if (key->type == CL_KEY_PRELOAD) {
        snprintf(text, sizeof(text), spec->preload_mode == CL_PRELOAD_ALL ? "all" : "none");
    } else if (!cl_spec_is_items(key)) {
        memcpy(&value, at, sizeof(value));
        cl_value_format(key, value, text, sizeof(text));
    }
    used += printf("%s", text);
    print_origin(spec, origin, used);
}

static void print_tiers(const struct cl_spec *spec)
{
    uint32_t tiers = cl_spec_tiers(spec);

    printf("\ntiers\n");
    for (uint32_t tier = 1; tier <= CL_TIER_TMP_FILES; tier <<= 1) {
        if (tiers & tier)
            printf("  %s\n", cl_tiers_why(tier));
    }
}

static void print_rules(const struct cl_spec *spec, enum cl_answer answer)
{
    for (const struct cl_rule *rule = cl_filter_next(spec, NULL); rule;
         rule = cl_filter_next(spec, rule)) {
        const char *sys = rule->answer == CL_ANSWER_ERRNO ? strerrorname_np(rule->error) : "";
        if (rule->answer == answer)
            printf("  %-19s%-12s%s%s\n", rule->name, sys,
                   rule->tests[0].op != CL_TEST_END ? "only: " : "", rule->why);
    }
}

static void print_allowed(const struct cl_spec *spec)
{
    char key[4 * CL_NAME_MAX];

    for (size_t i = 0; i < spec->allow.count; i++) {
        const char *name = spec->allow.items[i].text;
        const struct cl_risk *risk = cl_risk_syscall(name);
        snprintf(key, sizeof(key), "syscalls.allow.%s", name);
        const struct cl_item *reason = cl_items_keyed(&spec->reasons, key);
        printf("  %-19s%-12sany argument; %s%s%s\n", name, "", risk->why,
               reason ? "; reason: " : "", reason ? strchr(reason->text, '=') + 1 : "");
    }
}

static void print_syscalls(const struct cl_spec *spec, const struct cl_filter *filter)
{
    print_tiers(spec);
    printf("\nopen system calls: %zu (%zu instructions)\n", filter->open_count, filter->count);
    print_rules(spec, CL_ANSWER_ALLOW);
    print_allowed(spec);
    printf("\nrefused politely\n");
    print_rules(spec, CL_ANSWER_ERRNO);
    printf("\nend the process\n");
    print_rules(spec, CL_ANSWER_KILL);
    printf("  %-19s%-12s%s\n", "(all others)", "",
           spec->on_violation ? "fail with EPERM" : "end the call, which is denied");
}

static int print_spec(const struct cl_spec *spec, bool with_syscalls)
{
    cl_free_auto struct cl_filter *filter = malloc(sizeof(*filter));
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(filter);
    if (cl_filter_make(spec, CL_FILTER_WHOLE, filter, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return CL_VERB_FAILED;
    }
    printf("# policy %s\n", spec->name);
    for (size_t i = 0; i < cl_table_count; i++) {
        if (cl_table[i].type != CL_KEY_SECTION)
            print_key(spec, &cl_table[i]);
    }
    if (with_syscalls)
        print_syscalls(spec, filter);
    cl_residue_print(spec, filter->open_count, stdout);
    return CL_VERB_OK;
}

/* The first input is explained, the others are there to be extended. */
int cl_verb_explain(int count, char **args)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_set_entry *entry = NULL;
    const struct cl_spec *spec = NULL;
    bool with_syscalls = count > 0 && strcmp(args[count - 1], "--syscalls") == 0;

    count -= with_syscalls;
    if (count == 0)
        return CL_VERB_USAGE;
    struct cl_set *set = cl_set_new();
    for (int i = 0; i < count; i++) {
        struct cl_set_entry *added = cl_verb_input(set, args[i], &report);
        entry = i == 0 ? added : entry;
    }
    if (entry)
        spec = cl_set_resolve(set, entry, &report);

    cl_report_sort(&report);
    cl_report_print(&report, stderr);
    int status = spec ? print_spec(spec, with_syscalls) : CL_VERB_REFUSED;
    cl_report_fini(&report);
    cl_set_free(set);
    return status;
}
