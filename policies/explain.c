/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows an effective policy: every value, where it comes from, and which system calls it opens.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: nothing of the files.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policies/filter.h"
#include "policies/risk.h"
#include "policies/table.h"
#include "policies/value.h"
#include "policies/verbs.h"
#include "sandbox/base/own.h"

enum { VALUE_COLUMN = 26, LINE_MOST = 78 };

static void print_origin(const struct cl_place *place)
{
    if (place->doc)
        printf("    # %s:%u\n", place->doc->path, place->line);
    else
        printf("    # default\n");
}

/* Items by the file that named them: a list may be made of several. */
static void print_items(const struct cl_items *items)
{
    const struct cl_doc *doc = NULL;
    int used = 0;

    for (size_t i = 0; i < items->count; i++) {
        const struct cl_item *item = &items->items[i];
        int length = (int)strlen(item->text) + 2;
        if (i > 0 && item->place.doc != doc) {
            print_origin(&items->items[i - 1].place);
            used = 0;
        }
        if (i > 0 && (used == 0 || used + length > LINE_MOST - VALUE_COLUMN)) {
            printf("%s%*s", used ? "\n" : "", VALUE_COLUMN, "");
            used = 0;
        }
        printf("%s ", item->text);
        used += length;
        doc = item->place.doc;
    }
    if (items->count > 0)
        print_origin(&items->items[items->count - 1].place);
}

static void print_key(const struct cl_spec *spec, const struct cl_key *key)
{
    const struct cl_place *origin = &spec->origin[cl_table_index(key)];
    const char *at = (const char *)spec + key->at;
    const struct cl_items *items = (const struct cl_items *)(const void *)at;
    char text[64] = "(none)";
    uint64_t value = 0;

    printf("%-*s", VALUE_COLUMN, key->path);
    if (key->type == CL_KEY_PRELOAD && spec->preload_mode != CL_PRELOAD_LIST) {
        printf("%s", spec->preload_mode == CL_PRELOAD_ALL ? "all" : "none");
        print_origin(origin);
        return;
    }
    if (cl_spec_is_items(key) && items->count > 0) {
        print_items(items);
        return;
    }
    if (!cl_spec_is_items(key)) {
        memcpy(&value, at, sizeof(value));
        cl_value_format(key, value, text, sizeof(text));
    }
    printf("%s", text);
    print_origin(origin);
}

static void print_tiers(const struct cl_spec *spec)
{
    uint32_t tiers = cl_spec_tiers(spec);

    printf("\ntiers\n");
    for (uint32_t tier = 1; tier <= CL_TIER_TMP_FILES; tier <<= 1) {
        if (tiers & tier)
            printf("  %s\n", cl_rules_tier_why(tier));
    }
}

static void print_rules(const struct cl_spec *spec, enum cl_answer answer)
{
    for (const struct cl_rule *rule = cl_filter_next(spec, NULL); rule;
         rule = cl_filter_next(spec, rule)) {
        const char *sys = rule->answer == CL_ANSWER_ERRNO ? strerrorname_np(rule->error) : "";
        if (rule->answer == answer)
            printf("  %-18s %-11s %s%s\n", rule->name, sys,
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
        printf("  %-18s %-11s any argument; %s%s%s\n", name, "", risk->why,
               reason ? "; reason: " : "", reason ? strchr(reason->text, '=') + 1 : "");
    }
}

static int print_syscalls(const struct cl_spec *spec)
{
    cl_free_auto struct cl_filter *filter = malloc(sizeof(*filter));
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(filter);
    if (cl_filter_make(spec, filter, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return CL_VERB_FAILED;
    }
    print_tiers(spec);
    printf("\nopen system calls: %zu (%zu instructions)\n", filter->open_count, filter->count);
    print_rules(spec, CL_ANSWER_ALLOW);
    print_allowed(spec);
    printf("\nrefused politely\n");
    print_rules(spec, CL_ANSWER_ERRNO);
    printf("\nend the process\n");
    print_rules(spec, CL_ANSWER_KILL);
    printf("  %-18s %-11s %s\n", "(all others)", "",
           spec->on_violation ? "fail with EPERM" : "end the call, which is denied");
    return CL_VERB_OK;
}

static int print_spec(const struct cl_spec *spec, bool with_syscalls)
{
    printf("# policy %s\n", spec->name);
    for (size_t i = 0; i < cl_table_count; i++) {
        if (cl_table[i].type != CL_KEY_SECTION)
            print_key(spec, &cl_table[i]);
    }
    return with_syscalls ? print_syscalls(spec) : CL_VERB_OK;
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

    cl_report_print(&report, stderr);
    int status = spec ? print_spec(spec, with_syscalls) : CL_VERB_REFUSED;
    cl_report_fini(&report);
    cl_set_free(set);
    return status;
}
