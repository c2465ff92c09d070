/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks every field and every span of a compiled policy before anyone reads it.
 * Runs in: cloched, cloche-api and cloche-zygote.
 * Trusts: the kernel's seals; no byte of the policy, which a confined cloche-policyc wrote.
 */
#include "sandbox/base/policyview.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <string.h>

#include "sandbox/base/bpfcheck.h"
#include "sandbox/base/own.h"
#include "sandbox/base/sealed.h"
#include "sandbox/base/wire.h"

enum {
    FLAGS = CL_POLICY_EVAL | CL_POLICY_TRANSITIVE_LISTED | CL_POLICY_PRELOAD_ALL |
            CL_POLICY_ON_VIOLATION_ERRNO | CL_POLICY_SHARED_ZYGOTE | CL_POLICY_SESSIONS |
            CL_POLICY_SESSIONS_TOKEN | CL_POLICY_LEARN | CL_POLICY_NO_REGISTER,
    TIERS = CL_TIER_COMPUTE | CL_TIER_TIME | CL_TIER_THREADS | CL_TIER_ASYNCIO |
            CL_TIER_LATE_IMPORTS | CL_TIER_TMP_FILES,
    TEXTS_MAX = 4096,    /* strings of one list */
    SYSCALLS_MAX = 1024, /* numbers of one list */
};

#define DAY_MS ((uint64_t)24 * 60 * 60 * 1000)
#define MIB    ((uint64_t)1 << 20)
#define GIB    ((uint64_t)1 << 30)

/* --------------------------------------------------------------------------------- numbers */

struct number_rule {
    const char *name;
    size_t offset;
    size_t size; /* 4 or 8 bytes */
    uint64_t least;
    uint64_t most;
};

#define NUMBER(field)                                                                          \
#field, offsetof(struct cl_policy, field), sizeof(((struct cl_policy *)0)->field)

static const struct number_rule number_rules[] = {
    { NUMBER(wall_ms), 1, DAY_MS },
    { NUMBER(cpu_ms), 1, DAY_MS },
    { NUMBER(memory_bytes), 4 * MIB, 1024 * GIB },
    { NUMBER(output_bytes), 0, 16 * GIB },
    { NUMBER(result_bytes), 1, CL_FRAME_OUT_MAX },
    { NUMBER(request_bytes), 1, GIB },
    { NUMBER(files_bytes), 0, 64 * GIB },
    { NUMBER(inodes), 0, 1 << 24 },
    { NUMBER(processes), 1, 32768 },
    { NUMBER(cpu_weight), 1, 10000 },
    { NUMBER(cpu_max_milli), 0, 1024 * 1000 },
    { NUMBER(pool_min), 0, CL_POLICY_SLOTS_MAX },
    { NUMBER(pool_max), 1, CL_POLICY_SLOTS_MAX },
    { NUMBER(recycle_calls), 0, UINT32_MAX },
    { NUMBER(recycle_after_ms), 0, 365 * DAY_MS },
    { NUMBER(session_idle_ms), 0, 365 * DAY_MS },
    { NUMBER(session_max_ms), 0, 365 * DAY_MS },
    { NUMBER(session_threads), 0, 32768 },
    { NUMBER(reserved), 0, 0 },
};

static uint64_t number_at(const struct cl_policy *policy, const struct number_rule *rule)
{
    const char *at = (const char *)policy + rule->offset;
    uint64_t wide;
    uint32_t narrow;

    if (rule->size == sizeof(wide)) {
        memcpy(&wide, at, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, at, sizeof(narrow));
    return narrow;
}

static int check_numbers(const struct cl_policy *policy, struct cl_err *err)
{
    for (size_t i = 0; i < CL_COUNT(number_rules); i++) {
        const struct number_rule *rule = &number_rules[i];
        uint64_t value = number_at(policy, rule);

        if (value < rule->least || value > rule->most)
            return cl_fail(err, CL_E_INPUT, "%s is %llu, not %llu to %llu", rule->name,
                           (unsigned long long)value, (unsigned long long)rule->least,
                           (unsigned long long)rule->most);
    }
    if (policy->pool_min > policy->pool_max)
        return cl_fail(err, CL_E_INPUT, "pool_min %u is over pool_max %u", policy->pool_min,
                       policy->pool_max);
    if (policy->flags & ~(uint32_t)FLAGS)
        return cl_fail(err, CL_E_INPUT, "unknown flags 0x%x", policy->flags);
    if (policy->tiers & ~(uint32_t)TIERS)
        return cl_fail(err, CL_E_INPUT, "unknown tiers 0x%x", policy->tiers);

    return 0;
}

/* [a-z0-9][a-z0-9_-]*, terminated; it names cgroups and log lines. */
static int check_name(const struct cl_policy *policy, struct cl_err *err)
{
    const char *end = memchr(policy->name, '\0', sizeof(policy->name));

    if (!end)
        return cl_fail(err, CL_E_INPUT, "the name has no end");
    for (const char *at = policy->name; at < end; at++) {
        bool is_word = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9');
        bool is_joint = at > policy->name && (*at == '_' || *at == '-');
        if (!is_word && !is_joint)
            return cl_fail(err, CL_E_INPUT, "the name has a wrong byte at %zu",
                           (size_t)(at - policy->name));
    }
    if (end == policy->name)
        return cl_fail(err, CL_E_INPUT, "the name is empty");

    return 0;
}

/* ----------------------------------------------------------------------------------- spans */

static bool is_line(const char *text)
{
    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    }
    return *text != '\0';
}

static bool is_pair(const char *text)
{
    return is_line(text) && *text != '=' && strchr(text, '=');
}

/* Absolute, and what it says: no "." or ".." part. */
static bool is_path(const char *text)
{
    if (*text != '/' || !is_line(text))
        return false;
    for (const char *at = text; at; at = strchr(at, '/')) {
        at++;
        size_t part = strcspn(at, "/");
        if (part > 0 && part <= 2 && strspn(at, ".") == part)
            return false;
    }
    return true;
}

static bool is_prose(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (((unsigned char)*at < 0x20 && *at != '\n' && *at != '\t') || *at == 0x7f)
            return false;
    }
    return true;
}

struct span_rule {
    const char *name;
    size_t offset;
    uint32_t record; /* bytes of one record; 0 for texts */
    uint32_t least;
    uint32_t most;
    bool (*is_good)(const char *text);
};

#define SPAN(field) #field, offsetof(struct cl_policy, field)

static const struct span_rule span_rules[] = {
    { SPAN(modules), 0, 0, TEXTS_MAX, is_line },
    { SPAN(preload), 0, 0, TEXTS_MAX, is_line },
    { SPAN(names), 0, 0, TEXTS_MAX, is_pair },
    { SPAN(builtins_removed), 0, 0, TEXTS_MAX, is_line },
    { SPAN(binds), 0, 0, TEXTS_MAX, is_path },
    { SPAN(filter), sizeof(struct sock_filter), 1, CL_POLICY_FILTER_MAX, NULL },
    { SPAN(filter_zygote), sizeof(struct sock_filter), 0, CL_POLICY_FILTER_MAX, NULL },
    { SPAN(syscalls), sizeof(uint32_t), 0, SYSCALLS_MAX, NULL },
    { SPAN(description), 0, 0, 1, is_prose },
};

/* `length` bytes hold exactly `count` strings, and each is a good one. */
static int check_texts(const char *at, const struct cl_policy_span *span,
                       const struct span_rule *rule, struct cl_err *err)
{
    const char *end = at + span->length;
    uint32_t count = 0;

    if (span->length > 0 && end[-1] != '\0')
        return cl_fail(err, CL_E_INPUT, "%s has no end", rule->name);
    for (; at < end; at += strlen(at) + 1) {
        if (!rule->is_good(at))
            return cl_fail(err, CL_E_INPUT, "%s has a wrong text at %u", rule->name, count);
        count++;
    }
    if (count != span->count)
        return cl_fail(err, CL_E_INPUT, "%s holds %u texts, not %u", rule->name, count,
                       span->count);

    return 0;
}

static int check_span(const void *bytes, const struct cl_policy *policy,
                      const struct span_rule *rule, struct cl_err *err)
{
    struct cl_policy_span span;

    memcpy(&span, (const char *)policy + rule->offset, sizeof(span));
    if (span.reserved != 0 || span.offset % 8 != 0)
        return cl_fail(err, CL_E_INPUT, "%s is not laid out well", rule->name);
    if (span.offset > policy->size || span.length > policy->size - span.offset)
        return cl_fail(err, CL_E_INPUT, "%s is outside of the file", rule->name);
    if (span.length > 0 && span.offset < sizeof(*policy))
        return cl_fail(err, CL_E_INPUT, "%s is inside of the head", rule->name);
    if (span.count < rule->least || span.count > rule->most)
        return cl_fail(err, CL_E_INPUT, "%s has %u entries, not %u to %u", rule->name,
                       span.count, rule->least, rule->most);
    if (rule->record == 0)
        return check_texts((const char *)bytes + span.offset, &span, rule, err);
    if (span.length != (uint64_t)span.count * rule->record)
        return cl_fail(err, CL_E_INPUT, "%s: %u records in %u bytes", rule->name, span.count,
                       span.length);

    return 0;
}

static int check_filter(const void *bytes, const struct cl_policy_span *span,
                        struct cl_err *err)
{
    return cl_bpfcheck_run((const char *)bytes + span->offset, span->count, err);
}

int cl_policyview_check(const void *bytes, size_t length, struct cl_err *err)
{
    struct cl_policy policy;

    if (length < sizeof(policy) || length > CL_POLICY_BYTES_MAX)
        return cl_fail(err, CL_E_INPUT, "a policy of %zu bytes", length);
    /* A copy: the bytes of a test or a fuzzer need not be aligned. */
    memcpy(&policy, bytes, sizeof(policy));
    if (policy.magic != CL_POLICY_MAGIC || policy.version != CL_POLICY_VERSION)
        return cl_fail(err, CL_E_INPUT, "not a policy of this build");
    if (policy.size != length)
        return cl_fail(err, CL_E_INPUT, "the policy says %u bytes and has %zu", policy.size,
                       length);
    if (check_name(&policy, err) < 0 || check_numbers(&policy, err) < 0)
        return -1;
    for (size_t i = 0; i < CL_COUNT(span_rules); i++) {
        if (check_span(bytes, &policy, &span_rules[i], err) < 0)
            return -1;
    }
    if (policy.binds.count % 2 != 0)
        return cl_fail(err, CL_E_INPUT, "a bind has no target");

    if (policy.filter_zygote.count > 0 && check_filter(bytes, &policy.filter_zygote, err) < 0)
        return -1;
    return check_filter(bytes, &policy.filter, err);
}

/* ------------------------------------------------------------------------------------ view */

const struct cl_policy *cl_policyview_open(int fd, struct cl_err *err)
{
    size_t size = 0;
    const void *bytes =
        cl_sealed_map(fd, "policy", sizeof(struct cl_policy), CL_POLICY_BYTES_MAX, &size, err);

    if (bytes && cl_policyview_check(bytes, size, err) < 0) {
        cl_sealed_unmap(bytes, size);
        return NULL;
    }
    return bytes;
}

void cl_policyview_close(const struct cl_policy *policy)
{
    if (policy)
        cl_sealed_unmap(policy, policy->size);
}

const char *cl_policyview_text(const struct cl_policy *policy,
                               const struct cl_policy_span *span, const char *previous)
{
    const char *start = (const char *)policy + span->offset;
    const char *next = previous ? previous + strlen(previous) + 1 : start;

    return next < start + span->length ? next : NULL;
}

const void *cl_policyview_records(const struct cl_policy *policy,
                                  const struct cl_policy_span *span)
{
    return (const char *)policy + span->offset;
}

bool cl_policyview_bind(const struct cl_policy *policy, const char **source,
                        const char **target)
{
    *source = cl_policyview_text(policy, &policy->binds, *target);
    if (*source) /* there is a target for each: their number was checked */
        *target = cl_policyview_text(policy, &policy->binds, *source);
    return *source != NULL;
}
