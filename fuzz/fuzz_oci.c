/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seccomp profile as anybody might write it: what is made of it must be a policy, and open no
 * more than the profile.
 * Runs in: tests only.
 * Trusts: nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "policies/diff.h"
#include "policies/load.h"
#include "policies/oci.h"
#include "policies/profile.h"
#include "policies/set.h"
#include "sandbox/base/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static bool is_needed(const char *name)
{
    for (size_t i = 0; i < cl_rules_count; i++) {
        if (cl_rules[i].is_needed && strcmp(cl_rules[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Where the profile opens what it does not name, "more" has no meaning. */
static void check_width(const struct cl_profile *profile, const struct cl_spec *spec,
                        const char *name)
{
    const struct cl_profile_call *call = cl_profile_find(profile, name);
    enum cl_openness most = call && !call->is_denied ? call->open : CL_OPEN_NOT;

    if (!call && profile->opens_by_default)
        return;
    CL_CHECK(cl_openness_of(spec, name) <= most);
}

static void check_widths(const struct cl_doc *doc, const struct cl_spec *spec, FILE *notes)
{
    CL_AUTO(cl_profile_fini) struct cl_profile profile = { .doc = doc, .notes = notes };
    struct cl_report report = CL_REPORT_INIT;

    CL_CHECK(cl_profile_parse(&profile, &report) == 0);
    for (size_t i = 0; i < cl_rules_count; i++) {
        if (!is_needed(cl_rules[i].name))
            check_width(&profile, spec, cl_rules[i].name);
    }
    for (size_t i = 0; i < spec->allow.count; i++)
        check_width(&profile, spec, spec->allow.items[i].text);
    cl_report_fini(&report);
}

/* The limits that the tiers ask for are those that the first lines of the block name. */
static void check_policy(const struct cl_doc *doc, const char *block, FILE *notes)
{
    cl_free_auto char *text = NULL;
    struct cl_report report = CL_REPORT_INIT;
    struct cl_changes changes = { NULL, 0 };
    struct cl_set *set = cl_set_new();

    CL_CHECK(asprintf(&text, "version: 1\nlimits: {processes: %d, files: %s}\n%s",
                      strstr(block, "# the tier threads") ? 2 : 1,
                      strstr(block, "# the tier tmp_files") ? "1Mi" : "0", block) >= 0);
    cl_set_add(set, "p", "p.yaml", text, strlen(text), &report);
    const struct cl_spec *spec = cl_set_resolve(set, cl_set_find(set, "p"), &report);
    CL_CHECK(spec && report.errors == 0);
    check_widths(doc, spec, notes);
    cl_diff_run(spec, spec, &changes);
    CL_CHECK(changes.count == 0);
    cl_set_free(set);
    cl_report_fini(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_doc *doc = cl_load_parse("", "p.json", (const char *)bytes, length, &report);
    cl_fclose_auto FILE *notes = fopen("/dev/null", "we");
    cl_free_auto char *block = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&block, &size);

    CL_CHECK(notes && out);
    int done = cl_oci_import(doc, out, notes, &report);
    CL_CHECK(fclose(out) == 0);
    CL_CHECK((done == 0) == (report.errors == 0) && (done == 0) == (size > 0));
    cl_report_print(&report, notes);
    if (done == 0)
        check_policy(doc, block, notes);
    cl_report_fini(&report);
    cl_doc_free(doc);
    return 0;
}
