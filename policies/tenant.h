/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiled tenant: one flat file of a fixed size in a sealed memfd, written by cloche-policyc,
 * checked by cl_tenantview_open before anyone reads it. No pointers, host byte order; what is not
 * used is zero, so that two of them are equal when their bytes are.
 */
#ifndef CL_TENANT_H
#define CL_TENANT_H

#include <stdint.h>

enum {
    CL_TENANT_MAGIC = 0x544c4302, /* changes with every change of this file */
    CL_TENANT_VERSION = 1,
    CL_TENANT_NAME_MAX = 64, /* a tenant's, policy's or token's name with its NUL */
    CL_TENANT_POLICIES_MAX = 32,
    CL_TENANT_POOLS_MAX = 4096, /* policies of all tenants of one file together */
    CL_TENANT_TOKENS_MAX = 64,
    CL_TENANT_CERTIFICATES_MAX = 64,
    CL_TENANT_HASH = 32, /* BLAKE2b-256 of the token, unkeyed: a token is 256 random bits */
    CL_TENANT_DIR_MAX = 1024,
    CL_TENANT_FILE_MAX = 1023, /* tenants of one file; `local` is one more */
};

/* Has its token in the state directory and every policy; never in tenants.yaml. */
#define CL_TENANT_LOCAL_NAME "local"

enum cl_scope {
    CL_SCOPE_CALL = 1 << 0,
    CL_SCOPE_MODULES = 1 << 1,
    CL_SCOPE_WORKFLOWS = 1 << 2,
    CL_SCOPE_POLICIES_READ = 1 << 3,
    CL_SCOPE_ADMIN = 1 << 4,
    CL_SCOPES_ALL = (1 << 5) - 1,
    CL_SCOPES_DEFAULT = CL_SCOPES_ALL & ~CL_SCOPE_ADMIN, /* of a token that names none */
};

/* The words of `scopes:`, in the order of enum cl_scope. */
#define CL_SCOPE_WORDS "call modules workflows policies:read admin"

struct cl_tenant_token {
    char id[CL_TENANT_NAME_MAX];
    uint8_t hash[CL_TENANT_HASH];
    uint32_t scopes; /* enum cl_scope */
    uint32_t reserved;
};

/* So much in a window; amount 0: no limit of its own. */
struct cl_tenant_rate {
    uint64_t amount;
    uint64_t window_s;
};

/* 0 is no limit of the tenant's own; the policies' and the machine's hold either way. */
struct cl_tenant_quota {
    uint64_t concurrency;       /* calls that run at once */
    uint64_t queue;             /* calls that wait */
    struct cl_tenant_rate rate; /* calls */
    uint64_t burst;             /* calls at once before the rate holds; not 0 if there is one */
    uint64_t weight;            /* share among tenants that wait; 1..10000, 100 is ordinary */
    struct cl_tenant_rate cpu;  /* milliseconds of processor time */
    uint64_t memory_bytes;      /* sum of the limits of running calls */
    uint64_t stored_bytes;      /* modules, calls, workflows and results kept */
};

struct cl_tenant_file {
    uint32_t magic;
    uint32_t version;
    uint32_t size; /* of the whole file */
    uint32_t reserved;
    char name[CL_TENANT_NAME_MAX];
    struct cl_tenant_quota quota;
    uint32_t policy_count; /* at least one; the first is the default */
    uint32_t token_count;
    char policies[CL_TENANT_POLICIES_MAX][CL_TENANT_NAME_MAX];
    struct cl_tenant_token tokens[CL_TENANT_TOKENS_MAX];
    char functions_dir[CL_TENANT_DIR_MAX]; /* absolute; "": there is none */
    /* Certificates of callers, by their SHA-256; no id is a token's of this tenant, too. */
    uint32_t certificate_count;
    uint32_t reserved_2;
    struct cl_tenant_token certificates[CL_TENANT_CERTIFICATES_MAX];
};

#endif
