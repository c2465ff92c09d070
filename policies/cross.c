/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules that span several keys: what contradicts itself, grants nothing by mistake, or opens
 * something risky without saying why.
 * Runs in: cloche-policyc.
 * Trusts: apply.c for each value by itself.
 */
#include "policies/cross.h"

#include <stdio.h>
#include <string.h>

#include "policies/lists.h"
#include "policies/policy.h"
#include "policies/risk.h"
#include "policies/rules.h"
#include "policies/table.h"
#include "policies/value.h"
#include "sandbox/base/own.h"

/* The place of a key in this file, or the file as a whole when an ancestor or default set it. */
static struct cl_place place_of(const struct cl_spec *spec, const char *path)
{
    struct cl_place place = spec->origin[cl_table_index(cl_table_find(path))];

    if (place.doc != spec->doc)
        place = (struct cl_place){ spec->doc, 0, 0, 0 };
    return place;
}

/* An item that an ancestor named is not this file's fault. */
static bool is_own(const struct cl_spec *spec, const struct cl_item *item)
{
    return item->place.doc == spec->doc;
}

struct order {
    const char *low, *high;
    size_t low_at, high_at; /* offsets of the uint64_t */
};

#define ORDER(low_, low_field, high_, high_field)                                              \
    {                                                                                          \
        low_, high_, offsetof(struct cl_spec, low_field), offsetof(struct cl_spec, high_field) \
    }

static const struct order orders[] = {
    ORDER("pool.min", pool_min, "pool.max", pool_max),
    ORDER("sessions.idle", session_idle_ms, "sessions.max", session_max_ms),
};

static void check_orders(const struct cl_spec *spec, struct cl_report *report)
{
    for (size_t i = 0; i < CL_COUNT(orders); i++) {
        uint64_t low, high;
        memcpy(&low, (const char *)spec + orders[i].low_at, sizeof(low));
        memcpy(&high, (const char *)spec + orders[i].high_at, sizeof(high));
        if (low > high)
            cl_report_add(report, place_of(spec, orders[i].low), "%s is greater than %s",
                          orders[i].low, orders[i].high);
    }
}

/* A tier that another key makes useless opens system calls for nothing; the other way round the
 * key promises what the filter refuses. */
static void check_tiers(const struct cl_spec *spec, struct cl_report *report)
{
    uint32_t tiers = cl_spec_tiers(spec);
    struct cl_place place = place_of(spec, "syscalls.tiers");

    if (!(tiers & CL_TIER_COMPUTE))
        cl_report_add(report, place, "syscalls.tiers: no worker runs without 'compute'");
    if ((tiers & CL_TIER_TMP_FILES) && spec->files_bytes == 0)
        cl_report_add(report, place, "syscalls.tiers: 'tmp_files' needs limits.files above 0");
    if (!(tiers & CL_TIER_TMP_FILES) && spec->files_bytes > 0)
        cl_report_add(report, place_of(spec, "limits.files"),
                      "limits.files: a /tmp needs the tier 'tmp_files' in syscalls.tiers");
    if ((tiers & CL_TIER_THREADS) && spec->processes == 1)
        cl_report_add(report, place,
                      "syscalls.tiers: 'threads' needs limits.processes above 1");
    if (!(tiers & CL_TIER_THREADS) && spec->processes > 1)
        cl_report_warn(report, place_of(spec, "limits.processes"),
                       "limits.processes: more than 1 has no use without the tier 'threads'");
    if (spec->session_default && !spec->session_allow)
        cl_report_add(report, place_of(spec, "sessions.default"),
                      "sessions.default: 'token' needs sessions.allow: true");
}

static void check_granted(const struct cl_spec *spec, const struct cl_items *items,
                          const char *path, struct cl_report *report)
{
    char module[2 * CL_NAME_MAX];

    for (size_t i = 0; i < items->count; i++) {
        const struct cl_item *item = &items->items[i];
        snprintf(module, sizeof(module), "%.*s", (int)strcspn(item->text, "="), item->text);
        if (is_own(spec, item) && !cl_items_find(&spec->modules, module))
            cl_report_add(report, item->place, "%s: '%s' is not in python.modules", path,
                          module);
    }
}

static const struct cl_item *reason_of(const struct cl_spec *spec, const char *path,
                                       const char *name)
{
    char key[4 * CL_NAME_MAX];

    snprintf(key, sizeof(key), "%s.%s", path, name);
    return cl_items_keyed(&spec->reasons, key);
}

static void check_allowed(const struct cl_spec *spec, const struct cl_item *item,
                          struct cl_report *report)
{
    const struct cl_risk *risk = cl_risk_syscall(item->text);

    if (cl_items_find(&spec->deny, item->text))
        cl_report_add(report, item->place, "syscalls.allow: '%s' is under syscalls.deny, too",
                      item->text);
    if (risk->class == CL_RISK_NEVER)
        cl_report_add(report, item->place, "syscalls.allow: '%s' is never granted: %s",
                      item->text, risk->why);
    if (risk->class == CL_RISK_REASON && !reason_of(spec, "syscalls.allow", item->text))
        cl_report_add(report, item->place,
                      "syscalls.allow: '%s' is risky: %s; say why it is needed with reason: "
                      "{syscalls.allow.%s: \"...\"}",
                      item->text, risk->why, item->text);
}

static bool is_needed(const char *name)
{
    for (size_t i = 0; i < cl_rules_count; i++) {
        if (cl_rules[i].is_needed && strcmp(cl_rules[i].name, name) == 0)
            return true;
    }
    return false;
}

static void check_syscalls(const struct cl_spec *spec, struct cl_report *report)
{
    for (size_t i = 0; i < spec->allow.count; i++)
        check_allowed(spec, &spec->allow.items[i], report);
    for (size_t i = 0; i < spec->deny.count; i++) {
        const struct cl_item *item = &spec->deny.items[i];
        if (is_needed(item->text))
            cl_report_add(report, item->place, "syscalls.deny: no worker runs without '%s'",
                          item->text);
    }
}

static void warn_modules(const struct cl_spec *spec, struct cl_report *report)
{
    for (size_t i = 0; i < spec->modules.count; i++) {
        const struct cl_item *item = &spec->modules.items[i];
        const struct cl_risk *risk = cl_risk_module(item->text);
        if (risk && is_own(spec, item) && !reason_of(spec, "python.modules", item->text))
            cl_report_warn(report, item->place,
                           "python.modules: '%s' %s; a reason: {python.modules.%s: \"...\"} "
                           "says that this is meant",
                           item->text, risk->why, item->text);
    }
}

/* Not refused, since what is granted is less than what was asked for; but nobody shall rely on it. */
static void warn_idle(const struct cl_spec *spec, struct cl_report *report)
{
    for (size_t i = 0; i < cl_table_count; i++) {
        const struct cl_key *key = &cl_table[i];
        uint64_t usual = 0, value = 0;
        if (!key->idle || spec->origin[i].doc != spec->doc)
            continue;
        memcpy(&value, (const char *)spec + key->at, sizeof(value));
        if (cl_value_parse(key, key->fallback, &usual) == 0 && value != usual)
            cl_report_warn(report, spec->origin[i], "%s: %s", key->path, key->idle);
    }
}

/* A reason for what is not granted is a misspelt or a forgotten one. */
static void check_reasons(const struct cl_spec *spec, struct cl_report *report)
{
    for (size_t i = 0; i < spec->reasons.count; i++) {
        const struct cl_item *reason = &spec->reasons.items[i];
        char path[4 * CL_NAME_MAX];
        const char *name = NULL;

        snprintf(path, sizeof(path), "%.*s", (int)strcspn(reason->text, "="), reason->text);
        const struct cl_key *key = cl_lists_of(path, &name);
        if (!is_own(spec, reason) || !key)
            continue;
        const struct cl_items *items =
            (const struct cl_items *)(const void *)((const char *)spec + key->at);
        if (!cl_items_find(items, name))
            cl_report_add(report, reason->place, "reason: '%s' is not in %s", name, key->path);
    }
}

int cl_cross_check(const struct cl_spec *spec, struct cl_report *report)
{
    size_t before = report->errors;

    check_orders(spec, report);
    check_tiers(spec, report);
    check_granted(spec, &spec->preload, "python.preload", report);
    check_granted(spec, &spec->names, "python.names", report);
    check_syscalls(spec, report);
    check_reasons(spec, report);
    warn_modules(spec, report);
    warn_idle(spec, report);
    return report->errors == before ? 0 : -1;
}
