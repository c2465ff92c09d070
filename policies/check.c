/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb `check`: policies, tenants with the policies beside them, settings, profiles of
 * containers.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: nothing of the files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policies/input.h"
#include "policies/oci.h"
#include "policies/settings.h"
#include "policies/tenants.h"
#include "policies/verbs.h"
#include "sandbox/base/own.h"

enum { BESIDE_SIZE = 4096 };

struct check {
    struct cl_set *set;
    struct cl_tenants **tenants; /* owned, one for each file of tenants */
    size_t count;
    struct cl_settings **settings; /* likewise */
    size_t settings_count;
    struct cl_report report;
};

static int import_profile(const char *path)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_err err = CL_ERR_INIT;
    struct cl_doc *doc = cl_input_doc(path, &report, &err);
    int status = CL_VERB_REFUSED;

    if (!doc)
        fprintf(stderr, "%s\n", err.text);
    else if (cl_oci_import(doc, stdout, stderr, &report) == 0)
        status = CL_VERB_OK;
    cl_report_sort(&report);
    cl_report_print(&report, stderr);
    cl_report_fini(&report);
    cl_doc_free(doc);
    return status;
}

/* A policy that a tenants file names is looked for in the directory `policies` beside it. */
static void add_beside(struct check *check, const struct cl_tenants *tenants,
                       const struct cl_node *policy)
{
    const char *path = tenants->doc->path;
    const char *slash = strrchr(path, '/');
    char beside[BESIDE_SIZE];
    int length = snprintf(beside, sizeof(beside), "%.*spolicies/%s.yaml",
                          slash ? (int)(slash - path + 1) : 0, path, policy->text);

    if ((size_t)length < sizeof(beside) && !cl_set_find(check->set, policy->text) &&
        access(beside, F_OK) == 0)
        cl_verb_input(check->set, beside, &check->report);
}

static void check_tenants(struct check *check, struct cl_tenants *tenants)
{
    for (size_t i = 0; i < tenants->count; i++) {
        const struct cl_tenants_entry *entry = &tenants->entries[i];
        for (uint32_t j = 0; j < entry->file.policy_count; j++)
            add_beside(check, tenants, entry->policies[j]);
    }
    cl_tenants_check(tenants, check->set, &check->report);
}

static void add_file(struct check *check, const char *arg)
{
    struct cl_err err = CL_ERR_INIT;
    const bool is_name = !strchr(arg, '/') && !strchr(arg, '.');
    size_t length = 0;
    cl_free_auto char *text = is_name ? NULL : cl_input_text(arg, &length, &err);

    /* What can't be read is said where policies are. */
    if (text && cl_settings_is(arg))
        check->settings[check->settings_count++] =
            cl_settings_read(arg, text, length, &check->report);
    else if (!text || !cl_tenants_is(arg, text))
        cl_verb_input(check->set, arg, &check->report);
    else
        check->tenants[check->count++] = cl_tenants_read(arg, text, length, &check->report);
}

static int conclude(struct check *check)
{
    cl_report_sort(&check->report);
    cl_report_print(&check->report, stderr);
    int status = check->report.errors ? CL_VERB_REFUSED : CL_VERB_OK;
    cl_report_fini(&check->report);
    for (size_t i = 0; i < check->count; i++)
        cl_tenants_free(check->tenants[i]);
    free(check->tenants);
    for (size_t i = 0; i < check->settings_count; i++)
        cl_settings_free(check->settings[i]);
    free(check->settings);
    cl_set_free(check->set);
    return status;
}

int cl_verb_check(int count, char **args)
{
    struct check check = { .report = CL_REPORT_INIT };

    if (count > 0 && strcmp(args[0], "--oci") == 0)
        return count == 2 ? import_profile(args[1]) : CL_VERB_USAGE;
    if (count <= 0)
        return CL_VERB_USAGE;
    check.set = cl_set_new();
    check.tenants = calloc((size_t)count, sizeof(*check.tenants));
    check.settings = calloc((size_t)count, sizeof(*check.settings));
    CL_CHECK(check.tenants && check.settings);
    for (int i = 0; i < count; i++)
        add_file(&check, args[i]);
    for (size_t i = 0; i < check.count; i++)
        check_tenants(&check, check.tenants[i]);
    for (size_t i = 0; i < check.set->count; i++)
        cl_set_resolve(check.set, &check.set->entries[i], &check.report);
    return conclude(&check);
}
