/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes one tenant's tokens in the text of a tenants.yaml and leaves every other line as it is,
 * comments and all. Pure: text in, text out. The outcome has been read again and says what it
 * should, or there is none.
 */
#ifndef CL_POLICIES_TOKENEDIT_H
#define CL_POLICIES_TOKENEDIT_H

#include "policies/tenants.h"
#include "sandbox/base/buf.h"
#include "sandbox/base/err.h"

enum cl_tokenedit { CL_TOKEN_ADD = 1, CL_TOKEN_REVOKE, CL_TOKEN_ROTATE };

struct cl_tokenedit_ask {
    enum cl_tokenedit what;
    const char *tenant;
    struct cl_tenant_token token; /* the id; a hash to add or rotate; scopes to add */
};

/* `tenants` was read without a problem. Appends the new text to `out`; CL_E_INPUT when there is
 * no such tenant or token, or one too many, or the file is laid out in a way that this can't
 * change. */
int cl_tokenedit_run(const struct cl_tenants *tenants, const struct cl_tokenedit_ask *ask,
                     struct cl_buf *out, struct cl_err *err);

/* "{id: ci, hash: "b2:...", scopes: [call]}" */
enum { CL_TOKENEDIT_ENTRY = 400 };
void cl_tokenedit_entry(const struct cl_tenant_token *token, char text[CL_TOKENEDIT_ENTRY]);

#endif
