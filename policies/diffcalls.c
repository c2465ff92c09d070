/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares two policies system call by system call, whatever tier, allow or deny is the cause.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: the tables.
 */
#include "policies/diffcalls.h"

#include <stdio.h>
#include <string.h>

#include "policies/openness.h"
#include "policies/risk.h"

enum { TEXT_SIZE = 2048, WHAT_SIZE = 96, KEY_SIZE = 160 };

static const char any[] = "with any argument";

/* What the rules let through, once each: several rows may share their words. */
static void list_rules(const struct cl_spec *spec, const struct cl_spec *other,
                       const char *name, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (const struct cl_rule *rule = cl_openness_next(spec, other, name, NULL); rule;
         rule = cl_openness_next(spec, other, name, rule)) {
        if (!strstr(text, rule->why) && used + strlen(rule->why) + 3 < size)
            used +=
                (size_t)snprintf(text + used, size - used, "%s%s", used ? "; " : "", rule->why);
    }
}

/* The reason that was written for a call under syscalls.allow, "" for none. */
static const char *reason_of(const struct cl_spec *spec, const char *name)
{
    char key[KEY_SIZE];

    snprintf(key, sizeof(key), "syscalls.allow.%s", name);
    const struct cl_item *reason = cl_items_keyed(&spec->reasons, key);
    return reason ? strchr(reason->text, '=') + 1 : "";
}

/* Of the policy under which the call is open wider: how, and why. */
static void describe(const struct cl_spec *wide, const struct cl_spec *narrow, const char *name,
                     char *text, size_t size)
{
    char rules[TEXT_SIZE];

    if (cl_items_find(&wide->allow, name)) {
        const char *reason = reason_of(wide, name);
        snprintf(text, size, "%s%s%s", any, *reason ? "; reason: " : "", reason);
        return;
    }
    list_rules(wide, narrow, name, rules, sizeof(rules));
    snprintf(text, size, "%s%s", cl_openness_of(wide, name) == CL_OPEN_SOME ? "only: " : "",
             rules);
}

static void put(struct cl_changes *changes, enum cl_side side, const char *name,
                const char *text, const struct cl_spec *wide)
{
    bool is_asked = cl_items_find(&wide->allow, name);
    const char *risk = is_asked ? cl_risk_syscall(name)->why : "";
    char what[WHAT_SIZE];

    snprintf(what, sizeof(what), "system call %s", name);
    cl_changes_add(changes, side, what, text, side == CL_SIDE_OPENS && *risk ? risk : NULL);
}

/* What of `a` is missing under `b`, or the other way round. */
static void compare(const struct cl_spec *wide, const struct cl_spec *narrow, const char *name,
                    enum cl_side side, struct cl_changes *changes)
{
    enum cl_openness more = cl_openness_of(wide, name), less = cl_openness_of(narrow, name);
    char text[TEXT_SIZE];

    if (more < less || more == CL_OPEN_NOT || (more == CL_OPEN_ANY && less == CL_OPEN_ANY))
        return;
    if (more == less && !cl_openness_next(wide, narrow, name, NULL))
        return;
    describe(wide, narrow, name, text, sizeof(text));
    put(changes, side, name, text, wide);
}

static void compare_both(const struct cl_spec *a, const struct cl_spec *b, const char *name,
                         struct cl_changes *changes)
{
    compare(b, a, name, CL_SIDE_OPENS, changes);
    compare(a, b, name, CL_SIDE_CLOSES, changes);
}

/* Each name once, where the table has it first. */
static bool is_first(const struct cl_rule *rule)
{
    for (const struct cl_rule *before = cl_rules; before < rule; before++) {
        if (strcmp(before->name, rule->name) == 0)
            return false;
    }
    return true;
}

static bool has_rule(const char *name)
{
    for (size_t i = 0; i < cl_rules_count; i++) {
        if (strcmp(cl_rules[i].name, name) == 0)
            return true;
    }
    return false;
}

void cl_diffcalls_run(const struct cl_spec *a, const struct cl_spec *b,
                      struct cl_changes *changes)
{
    for (size_t i = 0; i < cl_rules_count; i++) {
        if (is_first(&cl_rules[i]))
            compare_both(a, b, cl_rules[i].name, changes);
    }
    /* Calls that no rule knows can only be allowed by name. */
    for (size_t i = 0; i < b->allow.count; i++) {
        if (!has_rule(b->allow.items[i].text))
            compare_both(a, b, b->allow.items[i].text, changes);
    }
    for (size_t i = 0; i < a->allow.count; i++) {
        const char *name = a->allow.items[i].text;
        if (!has_rule(name) && !cl_items_find(&b->allow, name))
            compare_both(a, b, name, changes);
    }
}
