/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the tree of a seccomp profile: its rules by action, their conditions, their names.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: the loader for shape and UTF-8; nothing of the profile.
 */
#include "policies/profile.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "policies/risk.h"
#include "sandbox/base/err.h"
#include "sandbox/base/own.h"

enum effect { OPENS = 1, FAILS, ENDS, WATCHES };

static const struct action {
    const char *name;
    enum effect effect;
} actions[] = {
    { "SCMP_ACT_ALLOW", OPENS },      { "SCMP_ACT_ERRNO", FAILS },
    { "SCMP_ACT_KILL", ENDS },        { "SCMP_ACT_KILL_PROCESS", ENDS },
    { "SCMP_ACT_KILL_THREAD", ENDS }, { "SCMP_ACT_TRAP", ENDS },
    { "SCMP_ACT_TRACE", WATCHES },    { "SCMP_ACT_LOG", WATCHES },
    { "SCMP_ACT_NOTIFY", WATCHES },
};

/* Keys beside those that are read, at the top and of a rule. */
static const struct {
    const char *name, *why; /* NULL: nothing is lost */
} tops[] = {
    { "defaultAction", NULL },
    { "architectures", NULL },
    { "archMap", NULL },
    { "syscalls", NULL },
    { "comment", NULL },
    { "defaultErrnoRet", "a refused call fails with EPERM, or with what its tier says" },
    { "flags", "the filter's flags are fixed" },
    { "listenerPath", "no listener may decide for a call" },
    { "listenerMetadata", "no listener may decide for a call" },
}, rule_keys[] = {
    { "names", NULL },
    { "name", NULL },
    { "action", NULL },
    { "args", NULL },
    { "includes", NULL },
    { "excludes", NULL },
    { "comment", NULL },
    { "errnoRet", "a refused call fails with EPERM, or with what its tier says" },
    { "errno", "a refused call fails with EPERM, or with what its tier says" },
};

void cl_profile_note(const struct cl_profile *profile, struct cl_place place,
                     const char *format, ...)
{
    va_list args;

    fprintf(profile->notes, "%s:%u:%u: note: ", profile->doc->path, place.line, place.column);
    va_start(args, format);
    vfprintf(profile->notes, format, args);
    va_end(args);
    fputc('\n', profile->notes);
}

static int refuse(struct cl_report *report, const struct cl_node *node, const char *what,
                  const char *expected)
{
    char found[80];

    return cl_report_add(report, node->place, "%s: found %s, expected %s", what,
                         cl_node_found(node, found, sizeof(found)), expected);
}

static const struct action *action_of(const struct cl_node *node)
{
    for (size_t i = 0; node->kind == CL_NODE_SCALAR && i < CL_COUNT(actions); i++) {
        if (strcmp(actions[i].name, node->text) == 0)
            return &actions[i];
    }
    return NULL;
}

/* ----------------------------------------------------------------------------------- calls */

const struct cl_profile_call *cl_profile_find(const struct cl_profile *profile,
                                              const char *name)
{
    for (size_t i = 0; i < profile->count; i++) {
        if (strcmp(profile->calls[i].name, name) == 0)
            return &profile->calls[i];
    }
    return NULL;
}

static struct cl_profile_call *call_of(struct cl_profile *profile, const struct cl_node *name)
{
    struct cl_profile_call *call =
        (struct cl_profile_call *)(void *)(uintptr_t)cl_profile_find(profile, name->text);

    if (call)
        return call;
    /* Doubles: at 0, 1, 2, 4, ... there is no room left. */
    if ((profile->count & (profile->count - 1)) == 0) {
        size_t room = profile->count ? 2 * profile->count : 1;
        profile->calls = reallocarray(profile->calls, room, sizeof(*profile->calls));
        CL_CHECK(profile->calls);
    }
    call = &profile->calls[profile->count++];
    *call = (struct cl_profile_call){ name->text, name->place, CL_OPEN_NOT, false };
    return call;
}

static void take_call(struct cl_profile *profile, const struct cl_node *name,
                      enum effect effect, bool has_args)
{
    enum cl_openness open = has_args ? CL_OPEN_SOME : CL_OPEN_ANY;

    if (cl_risk_number(name->text) < 0) {
        cl_profile_note(profile, name->place, "'%.60s' is no system call of x86_64",
                        name->text);
        return;
    }
    struct cl_profile_call *call = call_of(profile, name);
    if (effect == OPENS && open > call->open)
        call->open = open;
    else if (effect != OPENS && has_args)
        cl_profile_note(profile, name->place,
                        "'%s': refused with some arguments only, here with all", name->text);
    if (effect != OPENS)
        call->is_denied = true;
}

/* ----------------------------------------------------------------------------------- rules */

static bool has_scalar(const struct cl_node *list, const char *const *words, size_t count)
{
    const struct cl_node *item = list && list->kind == CL_NODE_LIST ? list->first : NULL;

    for (; item; item = item->next) {
        for (size_t i = 0; item->kind == CL_NODE_SCALAR && i < count; i++) {
            if (strcmp(item->text, words[i]) == 0)
                return true;
        }
    }
    return false;
}

/* Whether the rule holds on x86_64 for a process without a capability. The kernel's age is not
 * asked: cloched refuses one that is older than any profile means. */
static bool holds(const struct cl_profile *profile, const struct cl_node *rule)
{
    static const char *const here[] = { "amd64", "x86_64", "SCMP_ARCH_X86_64" };
    const struct cl_node *includes = cl_node_find(rule, "includes");
    const struct cl_node *excludes = cl_node_find(rule, "excludes");
    const struct cl_node *caps = NULL, *arches = NULL;

    if (includes && includes->kind == CL_NODE_MAP) {
        caps = cl_node_find(includes, "caps");
        arches = cl_node_find(includes, "arches");
    }
    if (caps && caps->kind == CL_NODE_LIST && caps->count > 0) {
        cl_profile_note(profile, caps->place,
                        "a rule for processes with %s: a jail has no capability",
                        caps->first->kind == CL_NODE_SCALAR ? caps->first->text : "one");
        return false;
    }
    if (arches && arches->kind == CL_NODE_LIST && arches->count > 0 &&
        !has_scalar(arches, here, CL_COUNT(here))) {
        cl_profile_note(profile, arches->place, "a rule for other architectures than x86_64");
        return false;
    }
    arches =
        excludes && excludes->kind == CL_NODE_MAP ? cl_node_find(excludes, "arches") : NULL;
    if (!has_scalar(arches, here, CL_COUNT(here)))
        return true;
    cl_profile_note(profile, arches->place, "a rule for other architectures than x86_64");
    return false;
}

static int take_names(struct cl_profile *profile, const struct cl_node *rule,
                      enum effect effect, struct cl_report *report)
{
    const struct cl_node *names = cl_node_find(rule, "names");
    const struct cl_node *args = cl_node_find(rule, "args");
    bool has_args = args && args->kind == CL_NODE_LIST && args->count > 0;

    if (!names)
        names = cl_node_find(rule, "name");
    if (!names)
        return cl_report_add(report, rule->place, "a rule without 'names'");
    if (names->kind == CL_NODE_SCALAR) {
        take_call(profile, names, effect, has_args);
        return 0;
    }
    if (names->kind != CL_NODE_LIST)
        return refuse(report, names, "names", "a list of system calls");
    for (const struct cl_node *name = names->first; name; name = name->next) {
        if (name->kind != CL_NODE_SCALAR)
            return refuse(report, name, "names", "the name of a system call");
        take_call(profile, name, effect, has_args);
    }
    return 0;
}

static bool is_null(const struct cl_node *node)
{
    return node->kind == CL_NODE_SCALAR && node->is_plain && strcmp(node->text, "null") == 0;
}

static void note_keys(const struct cl_profile *profile, const struct cl_node *map, bool is_top)
{
    size_t count = is_top ? CL_COUNT(tops) : CL_COUNT(rule_keys);

    for (const struct cl_node *value = map->first; value; value = value->next) {
        const char *word = value->key->text, *why = "no key that is known here";
        for (size_t i = 0; i < count; i++) {
            if (strcmp(is_top ? tops[i].name : rule_keys[i].name, word) == 0)
                why = is_top ? tops[i].why : rule_keys[i].why;
        }
        if (why && !is_null(value))
            cl_profile_note(profile, value->key->place, "'%.60s': %s", word, why);
    }
}

static int take_rule(struct cl_profile *profile, const struct cl_node *rule,
                     struct cl_report *report)
{
    if (rule->kind != CL_NODE_MAP)
        return refuse(report, rule, "syscalls", "a mapping with 'names' and 'action'");

    const struct cl_node *node = cl_node_find(rule, "action");
    const struct action *action = node ? action_of(node) : NULL;
    if (!action)
        return refuse(report, node ? node : rule, "action", "an action such as SCMP_ACT_ALLOW");
    note_keys(profile, rule, false);
    if (!holds(profile, rule))
        return 0;
    if (action->effect == WATCHES)
        cl_profile_note(profile, node->place,
                        "%s lets the call through and tells of it; here it is refused",
                        action->name);
    return take_names(profile, rule, action->effect, report);
}

static void note_architectures(const struct cl_profile *profile, const struct cl_node *root)
{
    const struct cl_node *list = cl_node_find(root, "architectures");
    const struct cl_node *map = cl_node_find(root, "archMap");

    if (map && !is_null(map))
        cl_profile_note(profile, map->key->place,
                        "'archMap': filters are for x86_64 alone; calls of other "
                        "architectures end the process");
    if (!list || list->kind != CL_NODE_LIST)
        return;
    for (const struct cl_node *item = list->first; item; item = item->next) {
        if (item->kind != CL_NODE_SCALAR || strcmp(item->text, "SCMP_ARCH_X86_64") == 0)
            continue;
        cl_profile_note(profile, item->place, "%.60s: its calls end the process", item->text);
    }
}

static int take_default(struct cl_profile *profile, const struct cl_node *root,
                        struct cl_report *report)
{
    const struct cl_node *node = cl_node_find(root, "defaultAction");
    const struct action *action = node ? action_of(node) : NULL;

    if (!node)
        return cl_report_add(report, (struct cl_place){ profile->doc, 0, 0, 0 },
                             "no seccomp profile: the key 'defaultAction' is missing");
    if (!action)
        return refuse(report, node, "defaultAction", "an action such as SCMP_ACT_ERRNO");
    profile->opens_by_default = action->effect == OPENS || action->effect == WATCHES;
    profile->fails_by_default = action->effect == FAILS;
    if (profile->opens_by_default)
        cl_profile_note(profile, node->place,
                        "%s opens what is not named; here what is not named is refused",
                        action->name);
    return 0;
}

int cl_profile_parse(struct cl_profile *profile, struct cl_report *report)
{
    const struct cl_node *root = profile->doc->root;
    int done = take_default(profile, root, report);
    const struct cl_node *rules = cl_node_find(root, "syscalls");

    note_keys(profile, root, true);
    note_architectures(profile, root);
    if (rules && is_null(rules))
        rules = NULL;
    if (rules && rules->kind != CL_NODE_LIST)
        return refuse(report, rules, "syscalls", "a list of rules");
    for (const struct cl_node *rule = rules ? rules->first : NULL; rule; rule = rule->next) {
        if (take_rule(profile, rule, report) < 0)
            done = -1;
    }
    return done;
}

void cl_profile_fini(struct cl_profile *profile)
{
    free(profile->calls);
    profile->calls = NULL;
    profile->count = 0;
}
