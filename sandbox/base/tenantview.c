/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks every field of a compiled tenant before anyone reads it.
 * Runs in: cloched and cloche-api.
 * Trusts: the kernel's seals; no byte of the tenant, which a confined cloche-policyc wrote.
 */
#include "sandbox/base/tenantview.h"

#include <stdbool.h>
#include <string.h>

#include "sandbox/base/own.h"
#include "sandbox/base/sealed.h"

enum { WEIGHT_MAX = 10000, WINDOW_MAX_S = 3600 };

/* [a-z0-9][a-z0-9_-]*, terminated, nothing behind: it names log lines and state. */
static bool is_name(const char name[CL_TENANT_NAME_MAX])
{
    static const char allowed[] = "_-abcdefghijklmnopqrstuvwxyz0123456789";
    const size_t length = strnlen(name, CL_TENANT_NAME_MAX);

    if (length == 0 || length == CL_TENANT_NAME_MAX || strspn(name, allowed) != length ||
        name[0] == '_' || name[0] == '-')
        return false;
    for (size_t i = length; i < CL_TENANT_NAME_MAX; i++) {
        if (name[i] != '\0')
            return false;
    }
    return true;
}

static bool is_zero(const void *bytes, size_t length)
{
    const char *at = bytes;

    return length == 0 || (at[0] == 0 && memcmp(at, at + 1, length - 1) == 0);
}

static int check_policies(const struct cl_tenant_file *tenant, struct cl_err *err)
{
    const uint32_t count = tenant->policy_count;

    if (count == 0 || count > CL_TENANT_POLICIES_MAX)
        return cl_fail(err, CL_E_INPUT, "%u policies of a tenant", count);
    for (uint32_t i = 0; i < count; i++) {
        if (!is_name(tenant->policies[i]))
            return cl_fail(err, CL_E_INPUT, "policy %u has no good name", i);
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(tenant->policies[i], tenant->policies[j]) == 0)
                return cl_fail(err, CL_E_INPUT, "policy %u is there twice", i);
        }
    }
    if (!is_zero(tenant->policies[count],
                 (CL_TENANT_POLICIES_MAX - count) * sizeof(tenant->policies[0])))
        return cl_fail(err, CL_E_INPUT, "more policies than the tenant says");
    return 0;
}

static int check_tokens(const struct cl_tenant_token *tokens, uint32_t count, uint32_t most,
                        struct cl_err *err)
{
    if (count > most)
        return cl_fail(err, CL_E_INPUT, "%u tokens of a tenant", count);
    for (uint32_t i = 0; i < count; i++) {
        const struct cl_tenant_token *token = &tokens[i];

        if (!is_name(token->id))
            return cl_fail(err, CL_E_INPUT, "token %u has no good name", i);
        if (token->scopes == 0 || (token->scopes & ~(uint32_t)CL_SCOPES_ALL) ||
            token->reserved != 0)
            return cl_fail(err, CL_E_INPUT, "token %u has scopes 0x%x", i, token->scopes);
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(token->id, tokens[j].id) == 0 ||
                memcmp(token->hash, tokens[j].hash, sizeof(token->hash)) == 0)
                return cl_fail(err, CL_E_INPUT, "token %u is there twice", i);
        }
    }
    if (!is_zero(&tokens[count], (most - count) * sizeof(tokens[0])))
        return cl_fail(err, CL_E_INPUT, "more tokens than the tenant says");
    return 0;
}

/* Both are keys of the tenant, by their ids. */
static int check_keys(const struct cl_tenant_file *tenant, struct cl_err *err)
{
    if (check_tokens(tenant->tokens, tenant->token_count, CL_TENANT_TOKENS_MAX, err) < 0 ||
        check_tokens(tenant->certificates, tenant->certificate_count,
                     CL_TENANT_CERTIFICATES_MAX, err) < 0)
        return -1;
    for (uint32_t i = 0; i < tenant->token_count; i++) {
        for (uint32_t j = 0; j < tenant->certificate_count; j++) {
            if (strcmp(tenant->tokens[i].id, tenant->certificates[j].id) == 0)
                return cl_fail(err, CL_E_INPUT, "certificate %u has a token's name", j);
        }
    }
    return tenant->reserved_2 == 0 ? 0 : cl_fail(err, CL_E_INPUT, "a tenant with more to it");
}

/* A window where there is an amount, nothing where there is none. */
static bool is_rate(const struct cl_tenant_rate *rate)
{
    if (rate->amount == 0)
        return rate->window_s == 0;
    return rate->amount <= UINT32_MAX && rate->window_s >= 1 && rate->window_s <= WINDOW_MAX_S;
}

static int check_quota(const struct cl_tenant_quota *quota, struct cl_err *err)
{
    if (!is_rate(&quota->rate) || !is_rate(&quota->cpu))
        return cl_fail(err, CL_E_INPUT, "a rate is none");
    if ((quota->rate.amount == 0) != (quota->burst == 0))
        return cl_fail(err, CL_E_INPUT, "a burst without a rate, or a rate without one");
    if (quota->weight == 0 || quota->weight > WEIGHT_MAX)
        return cl_fail(err, CL_E_INPUT, "the weight is not 1 to %d", WEIGHT_MAX);
    if (quota->concurrency > UINT32_MAX || quota->queue > UINT32_MAX ||
        quota->burst > UINT32_MAX)
        return cl_fail(err, CL_E_INPUT, "a number of calls is too large");
    return 0;
}

/* Empty, or absolute and what it says: no "." or ".." part, no control byte. */
static int check_dir(const char dir[CL_TENANT_DIR_MAX], struct cl_err *err)
{
    const size_t length = strnlen(dir, CL_TENANT_DIR_MAX);

    if (length == CL_TENANT_DIR_MAX || !is_zero(dir + length, CL_TENANT_DIR_MAX - length))
        return cl_fail(err, CL_E_INPUT, "functions_dir has no end");
    if (length > 0 && dir[0] != '/')
        return cl_fail(err, CL_E_INPUT, "functions_dir is not absolute");
    for (const char *at = dir; *at; at++) {
        size_t part = *at == '/' ? strcspn(at + 1, "/") : 0;
        if ((unsigned char)*at < 0x20 || *at == 0x7f ||
            (part > 0 && part <= 2 && strspn(at + 1, ".") == part))
            return cl_fail(err, CL_E_INPUT, "functions_dir is no plain path");
    }
    return 0;
}

int cl_tenantview_check(const void *bytes, size_t length, struct cl_err *err)
{
    const struct cl_tenant_file *tenant = bytes;

    if (length != sizeof(*tenant))
        return cl_fail(err, CL_E_INPUT, "a tenant of %zu bytes", length);
    CL_CHECK((uintptr_t)bytes % _Alignof(struct cl_tenant_file) == 0);
    if (tenant->magic != CL_TENANT_MAGIC || tenant->version != CL_TENANT_VERSION ||
        tenant->size != length || tenant->reserved != 0)
        return cl_fail(err, CL_E_INPUT, "not a tenant of this build");
    if (!is_name(tenant->name) || strcmp(tenant->name, CL_TENANT_LOCAL_NAME) == 0)
        return cl_fail(err, CL_E_INPUT, "the tenant has no good name");
    if (check_policies(tenant, err) < 0 || check_keys(tenant, err) < 0 ||
        check_quota(&tenant->quota, err) < 0)
        return -1;
    return check_dir(tenant->functions_dir, err);
}

const struct cl_tenant_file *cl_tenantview_open(int fd, struct cl_err *err)
{
    const size_t size = sizeof(struct cl_tenant_file);
    size_t length = 0;
    const void *bytes = cl_sealed_map(fd, "tenant", size, size, &length, err);

    if (bytes && cl_tenantview_check(bytes, length, err) < 0) {
        cl_sealed_unmap(bytes, length);
        return NULL;
    }
    return bytes;
}

void cl_tenantview_close(const struct cl_tenant_file *tenant)
{
    cl_sealed_unmap(tenant, sizeof(*tenant));
}
