/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses the rows of the rule table that count under a policy and has libseccomp make BPF of
 * them.
 * Runs in: cloche-policyc; the worker loads the result as it is.
 * Trusts: libseccomp, as far as test_filter.c and test_filter_probe.c reach.
 */
#include "policies/filter.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policies/risk.h"
#include "sandbox/base/own.h"

/* rt_sigaction keeps its rows under `deny`, too: its KILL row guards the report. */
static bool is_overruled(const struct cl_spec *spec, const struct cl_rule *rule)
{
    if (cl_items_find(&spec->allow, rule->name))
        return true;
    return rule->answer != CL_ANSWER_KILL && cl_items_find(&spec->deny, rule->name);
}

static bool is_on(const struct cl_rule *rule, uint32_t tiers)
{
    return (rule->tiers & tiers) && !(rule->unless & tiers);
}

/* A polite refusal stands back when a tier has rows of its own for the call. */
static bool is_covered(const char *name, uint32_t tiers)
{
    for (size_t i = 0; i < cl_rules_count; i++) {
        if (is_on(&cl_rules[i], tiers) && strcmp(cl_rules[i].name, name) == 0)
            return true;
    }
    return false;
}

const struct cl_rule *cl_filter_next(const struct cl_spec *spec, const struct cl_rule *previous)
{
    uint32_t tiers = cl_spec_tiers(spec) | (spec->binds.count > 0 ? CL_RULE_BINDS : 0);
    size_t start = previous ? (size_t)(previous - cl_rules) + 1 : 0;

    for (size_t i = start; i < cl_rules_count; i++) {
        const struct cl_rule *rule = &cl_rules[i];
        bool counts =
            rule->tiers == CL_RULE_SOFT ? !is_covered(rule->name, tiers) : is_on(rule, tiers);
        if (counts && !is_overruled(spec, rule))
            return rule;
    }
    return NULL;
}

static int put_open(struct cl_filter *filter, int number, struct cl_err *err)
{
    for (size_t i = 0; i < filter->open_count; i++) {
        if (filter->open[i] == (uint32_t)number)
            return 0;
    }
    if (filter->open_count == CL_FILTER_SYSCALLS_MAX)
        return cl_fail(err, CL_E_LIMIT, "more than %d open system calls",
                       CL_FILTER_SYSCALLS_MAX);
    filter->open[filter->open_count++] = (uint32_t)number;
    return 0;
}

static struct scmp_arg_cmp compare(const struct cl_test *test)
{
    switch (test->op) {
    case CL_TEST_BITS:
        return SCMP_CMP64(test->arg, SCMP_CMP_MASKED_EQ, test->mask, test->value);
    case CL_TEST_IS:
        return SCMP_CMP64(test->arg, SCMP_CMP_EQ, test->value, 0);
    default:
        return SCMP_CMP64(test->arg, SCMP_CMP_NE, test->value, 0);
    }
}

static uint32_t action_of(const struct cl_rule *rule)
{
    if (rule->answer == CL_ANSWER_ALLOW)
        return SCMP_ACT_ALLOW;
    if (rule->answer == CL_ANSWER_KILL)
        return SCMP_ACT_KILL_PROCESS;
    return SCMP_ACT_ERRNO((uint32_t)rule->error);
}

static int add(scmp_filter_ctx context, uint32_t action, const char *name,
               const struct cl_test *tests, struct cl_err *err)
{
    struct scmp_arg_cmp compares[CL_RULE_TESTS_MAX];
    unsigned count = 0;
    int number = cl_risk_number(name);

    CL_CHECK(number >= 0);
    while (tests && count < CL_RULE_TESTS_MAX && tests[count].op != CL_TEST_END) {
        compares[count] = compare(&tests[count]);
        count++;
    }
    int result = seccomp_rule_add_exact_array(context, action, number, count, compares);
    if (result < 0) {
        errno = -result;
        return cl_fail(err, CL_E_SYS, "rule of system call %s", name);
    }
    return number;
}

static bool is_entry(const char *name)
{
    for (size_t i = 0; i < cl_rules_entry_count; i++) {
        if (strcmp(cl_rules_entry[i], name) == 0)
            return true;
    }
    return false;
}

static bool is_mine(enum cl_filter_part part, const char *name)
{
    return part == CL_FILTER_WHOLE || is_entry(name) == (part == CL_FILTER_WORKER);
}

bool cl_filter_splits(const struct cl_spec *spec)
{
    for (const struct cl_rule *rule = cl_filter_next(spec, NULL); rule;
         rule = cl_filter_next(spec, rule)) {
        if (rule->tests[0].op != CL_TEST_END && is_entry(rule->name))
            return false;
    }
    return true;
}

static bool is_ruled(const struct cl_spec *spec, const char *name)
{
    for (const struct cl_rule *rule = cl_filter_next(spec, NULL); rule;
         rule = cl_filter_next(spec, rule)) {
        if (strcmp(rule->name, name) == 0)
            return true;
    }
    return cl_items_find(&spec->allow, name);
}

static uint32_t violation(const struct cl_spec *spec)
{
    return spec->on_violation ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_TRAP;
}

/* What the parts say of the entry's calls beyond the rows: the zygote's leaves them open, the
 * worker's, which lets through what it does not mention, has to mention them all. */
static int put_entry(scmp_filter_ctx context, const struct cl_spec *spec,
                     enum cl_filter_part part, struct cl_err *err)
{
    uint32_t action = part == CL_FILTER_ZYGOTE ? SCMP_ACT_ALLOW : violation(spec);

    for (size_t i = 0; part != CL_FILTER_WHOLE && i < cl_rules_entry_count; i++) {
        const char *name = cl_rules_entry[i];
        bool is_due = part == CL_FILTER_ZYGOTE || !is_ruled(spec, name);
        if (is_due && add(context, action, name, NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int put_rules(scmp_filter_ctx context, const struct cl_spec *spec,
                     enum cl_filter_part part, uint32_t otherwise, struct cl_filter *filter,
                     struct cl_err *err)
{
    for (const struct cl_rule *rule = cl_filter_next(spec, NULL); rule;
         rule = cl_filter_next(spec, rule)) {
        uint32_t action = action_of(rule);
        /* libseccomp refuses a rule that says what happens anyway. */
        if (action == otherwise || !is_mine(part, rule->name))
            continue;
        int number = add(context, action, rule->name, rule->tests, err);
        if (number < 0 || (action == SCMP_ACT_ALLOW && put_open(filter, number, err) < 0))
            return -1;
    }
    for (size_t i = 0; i < spec->allow.count; i++) {
        if (otherwise == SCMP_ACT_ALLOW || !is_mine(part, spec->allow.items[i].text))
            continue;
        int number = add(context, SCMP_ACT_ALLOW, spec->allow.items[i].text, NULL, err);
        if (number < 0 || put_open(filter, number, err) < 0)
            return -1;
    }
    return put_entry(context, spec, part, err);
}

/* libseccomp writes a program to a descriptor only. */
static int export(scmp_filter_ctx context, struct cl_filter *filter, struct cl_err *err)
{
    cl_close_auto int file = memfd_create("filter", MFD_CLOEXEC);

    if (file < 0)
        return cl_fail(err, CL_E_SYS, "make a file for the filter");
    int result = seccomp_export_bpf(context, file);
    if (result < 0) {
        errno = -result;
        return cl_fail(err, CL_E_SYS, "compile the filter");
    }

    off_t size = lseek(file, 0, SEEK_END);
    if (size <= 0 || (size_t)size % sizeof(filter->steps[0]) != 0)
        return cl_fail(err, CL_E_SYS, "measure the filter");
    if ((size_t)size > sizeof(filter->steps))
        return cl_fail(err, CL_E_LIMIT, "a filter of more than %d instructions",
                       CL_POLICY_FILTER_MAX);
    if (pread(file, filter->steps, (size_t)size, 0) != (ssize_t)size)
        return cl_fail(err, CL_E_SYS, "read the filter");
    filter->count = (size_t)size / sizeof(filter->steps[0]);
    return 0;
}

static int set_up(scmp_filter_ctx context, struct cl_err *err)
{
    static const struct {
        enum scmp_filter_attr name;
        uint32_t value;
    } attributes[] = {
        { SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS },
        { SCMP_FLTATR_CTL_NNP, 0 },      /* whoever loads it has set it */
        { SCMP_FLTATR_CTL_OPTIMIZE, 2 }, /* a binary tree instead of a list */
    };

    if (seccomp_arch_exist(context, SCMP_ARCH_X86_64) < 0)
        return cl_fail(err, CL_E_DENIED, "filters are made for x86_64 only");
    for (size_t i = 0; i < CL_COUNT(attributes); i++) {
        int result = seccomp_attr_set(context, attributes[i].name, attributes[i].value);
        if (result < 0) {
            errno = -result;
            return cl_fail(err, CL_E_SYS, "attribute %zu of the filter", i);
        }
    }
    return 0;
}

static void release(scmp_filter_ctx *context)
{
    if (*context)
        seccomp_release(*context);
}

int cl_filter_make(const struct cl_spec *spec, enum cl_filter_part part,
                   struct cl_filter *filter, struct cl_err *err)
{
    uint32_t otherwise = part == CL_FILTER_WORKER ? SCMP_ACT_ALLOW : violation(spec);
    CL_AUTO(release) scmp_filter_ctx context = seccomp_init(otherwise);

    if (!context)
        return cl_fail(err, CL_E_SYS, "start a filter");
    filter->count = 0;
    filter->open_count = 0;
    if (set_up(context, err) < 0 || put_rules(context, spec, part, otherwise, filter, err) < 0)
        return -1;
    return export(context, filter, err);
}
