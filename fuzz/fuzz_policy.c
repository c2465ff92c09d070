/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy file as anybody might write it: loaded, checked, shown, and packed when it passes.
 * Runs in: tests only.
 * Trusts: nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "policies/pack.h"
#include "policies/policy.h"
#include "policies/set.h"
#include "sandbox/base/own.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_set *set = cl_set_new();

    cl_set_add(set, "p", "p.yaml", (const char *)bytes, length, &report);
    const struct cl_spec *spec = cl_set_resolve(set, cl_set_find(set, "p"), &report);
    CL_CHECK((spec != NULL) == (report.errors == 0));
    cl_report_sort(&report);
    print(&report);
    if (spec)
        pack(spec);
    cl_set_free(set);
    cl_report_fini(&report);
    return 0;
}
