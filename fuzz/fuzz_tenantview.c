/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiled tenant as a taken-over cloche-policyc would write it. What passes the checks is
 * read to its last byte, as its readers do.
 * Runs in: tests only.
 * Trusts: nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/own.h"
#include "sandbox/base/tenantview.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct cl_err err = CL_ERR_INIT;
    /* Readers get a mapping, so an aligned one. */
    cl_free_auto struct cl_tenant_file *tenant = malloc(length ? length : 1);

    CL_CHECK(tenant);
    if (length > 0)
        memcpy(tenant, bytes, length);
    if (cl_tenantview_check(tenant, length, &err) < 0) {
        CL_CHECK(err.kind == CL_E_INPUT && err.text[0] != '\0');
        return 0;
    }
    CL_CHECK(strlen(tenant->name) < CL_TENANT_NAME_MAX);
    CL_CHECK(strlen(tenant->functions_dir) < CL_TENANT_DIR_MAX);
    CL_CHECK(tenant->policy_count <= CL_TENANT_POLICIES_MAX);
    for (uint32_t i = 0; i < tenant->policy_count; i++)
        CL_CHECK(strlen(tenant->policies[i]) < CL_TENANT_NAME_MAX);
    CL_CHECK(tenant->token_count <= CL_TENANT_TOKENS_MAX);
    for (uint32_t i = 0; i < tenant->token_count; i++)
        CL_CHECK(strlen(tenant->tokens[i].id) < CL_TENANT_NAME_MAX);
    return 0;
}
