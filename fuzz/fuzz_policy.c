/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of a policy, of tenants or of settings as anybody might write it: loaded, checked, shown,
 * and packed when it passes.
 * Runs in: tests only.
 * Trusts: nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/pack.h"
#include "policies/policy.h"
#include "policies/set.h"
#include "policies/settings.h"
#include "policies/tenants.h"
#include "sandbox/base/own.h"
#include "sandbox/base/tenantview.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* Every message with its caret: the places must lie within the text. */
static void print(const struct cl_report *report)
{
    cl_fclose_auto FILE *out = fopen("/dev/null", "we");

    CL_CHECK(out);
    cl_report_print(report, out);
}

/* What passed every check must fit the readers, too: cl_pack_make asks them. */
static void pack(const struct cl_spec *spec)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(CL_POLICY_BYTES_MAX);
    struct cl_err err = CL_ERR_INIT;

    if (cl_pack_make(spec, &buf, &err) < 0)
        CL_CHECK(err.kind == CL_E_LIMIT);
}

static void run_tenants(const char *text, size_t length)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_err err = CL_ERR_INIT;
    struct cl_set *set = cl_set_new();
    struct cl_tenants *tenants = cl_tenants_read("tenants.yaml", text, length, &report);

    CL_CHECK((cl_tenants_check(tenants, set, &report) == 0) == (report.errors == 0));
    for (size_t i = 0; report.errors == 0 && i < tenants->count; i++)
        CL_CHECK(cl_tenantview_check(&tenants->entries[i].file, sizeof(struct cl_tenant_file),
                                     &err) == 0);
    cl_report_sort(&report);
    print(&report);
    cl_set_free(set);
    cl_tenants_free(tenants);
    cl_report_fini(&report);
}

static void run_settings(const char *text, size_t length)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_settings *settings = cl_settings_read("cloche.yaml", text, length, &report);

    CL_CHECK(settings->is_refused == (report.errors > 0));
    CL_CHECK(settings->file.count <= CL_SETTINGS_MAX);
    cl_report_sort(&report);
    print(&report);
    cl_settings_free(settings);
    cl_report_fini(&report);
}

static void run_policy(const char *text, size_t length)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_set *set = cl_set_new();

    cl_set_add(set, "p", "p.yaml", text, length, &report);
    const struct cl_spec *spec = cl_set_resolve(set, cl_set_find(set, "p"), &report);
    CL_CHECK((spec != NULL) == (report.errors == 0));
    cl_report_sort(&report);
    print(&report);
    if (spec)
        pack(spec);
    cl_set_free(set);
    cl_report_fini(&report);
}

/* Which of them is told by what stands in it; only settings begin with where to listen. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    cl_free_auto char *text = malloc(length + 1);

    CL_CHECK(text);
    if (length > 0)
        memcpy(text, bytes, length);
    text[length] = '\0';
    if (cl_tenants_is("p.yaml", text))
        run_tenants(text, length);
    else if (strncmp(text, "listen", 6) == 0)
        run_settings(text, length);
    else
        run_policy(text, length);
    return 0;
}
