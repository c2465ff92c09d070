/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules that span tenants and policies, and how a tenants file is told from a policy.
 * Runs in: cloche-policyc.
 * Trusts: tenants.c for each value by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/embedded.h"
#include "policies/tenants.h"
#include "policies/text.h"
#include "sandbox/base/err.h"
#include "sandbox/base/own.h"

static void check_policy(const struct cl_node *name, struct cl_set *set,
                         struct cl_report *report)
{
    struct cl_text_nearest nearest = CL_TEXT_NEAREST_INIT(name->text);

    if (cl_set_find(set, name->text) || cl_embedded_find(name->text))
        return;
    for (size_t i = 0; i < set->count; i++)
        cl_text_nearest_try(&nearest, set->entries[i].doc->name);
    for (const struct cl_embedded *row = cl_embedded; row->name; row++)
        cl_text_nearest_try(&nearest, row->name);
    cl_report_add(report, name->place, "there is no policy '%s'%s%s%s", name->text,
                  nearest.word ? "; did you mean '" : "", nearest.word ? nearest.word : "",
                  nearest.word ? "'?" : "");
}

struct seen {
    const uint8_t *hash;
    const struct cl_node *node;
};

static int by_hash(const void *a, const void *b)
{
    const struct seen *one = a, *other = b;
    int order = memcmp(one->hash, other->hash, CL_TENANT_HASH);

    if (order != 0)
        return order;
    /* The later of two is the wrong one. */
    const struct cl_place *first = &one->node->place, *second = &other->node->place;
    if (first->line != second->line)
        return first->line < second->line ? -1 : 1;
    return first->column < second->column ? -1 : 1;
}

/* Two that show the same token could not be told apart. */
static void check_hashes(const struct cl_tenants *tenants, struct cl_report *report)
{
    size_t count = 0;

    for (size_t i = 0; i < tenants->count; i++)
        count +=
            tenants->entries[i].file.token_count + tenants->entries[i].file.certificate_count;
    cl_free_auto struct seen *all = calloc(count + 1, sizeof(*all));
    CL_CHECK(all);
    count = 0;
    for (size_t i = 0; i < tenants->count; i++) {
        const struct cl_tenants_entry *entry = &tenants->entries[i];
        for (uint32_t j = 0; j < entry->file.token_count; j++) {
            if (entry->tokens[j])
                all[count++] = (struct seen){ entry->file.tokens[j].hash, entry->tokens[j] };
        }
        for (uint32_t j = 0; j < entry->file.certificate_count; j++) {
            if (entry->certificates[j])
                all[count++] =
                    (struct seen){ entry->file.certificates[j].hash, entry->certificates[j] };
        }
    }
    qsort(all, count, sizeof(*all), by_hash);
    for (size_t i = 1; i < count; i++) {
        const bool is_token = strncmp(all[i].node->text, "b2:", 3) == 0;
        if (memcmp(all[i - 1].hash, all[i].hash, CL_TENANT_HASH) == 0)
            cl_report_add(report, all[i].node->place,
                          "another %s, on line %u: a %s names one key",
                          is_token ? "token has this hash" : "certificate has this fingerprint",
                          all[i - 1].node->place.line, is_token ? "token" : "certificate");
    }
}

int cl_tenants_check(struct cl_tenants *tenants, struct cl_set *set, struct cl_report *report)
{
    const size_t errors = report->errors;
    size_t pools = 0;

    for (size_t i = 0; i < tenants->count; i++) {
        const struct cl_tenants_entry *entry = &tenants->entries[i];
        for (uint32_t j = 0; j < entry->file.policy_count; j++)
            check_policy(entry->policies[j], set, report);
        if (pools <= CL_TENANT_POOLS_MAX &&
            (pools += entry->file.policy_count) > CL_TENANT_POOLS_MAX)
            cl_report_add(report, entry->place,
                          "up to tenant '%s' there are %zu policies of tenants, at most %d are "
                          "possible in all",
                          entry->file.name, pools, CL_TENANT_POOLS_MAX);
        if (entry->file.token_count + entry->file.certificate_count == 0)
            cl_report_warn(report, entry->place, "tenant '%s' has no token: nobody can call",
                           entry->file.name);
    }
    check_hashes(tenants, report);
    tenants->is_refused = tenants->is_refused || report->errors > errors;
    return tenants->is_refused ? -1 : 0;
}

bool cl_tenants_is(const char *path, const char *text)
{
    const char *slash = strrchr(path, '/');

    if (strcmp(slash ? slash + 1 : path, "tenants.yaml") == 0)
        return true;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "tenants", 7) == 0 && line[7 + strspn(line + 7, " ")] == ':')
            return true;
    }
    return false;
}
