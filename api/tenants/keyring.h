/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All live tokens of all tenants, and the way from what a caller shows to one of them.
 *
 * A token is 256 random bits, kept as its BLAKE2b digest. What a caller shows is hashed the same
 * way; the digest's SipHash under a key that only this process knows is looked up in a sorted
 * table, always in as many steps as the size of the table says, and the one candidate is compared
 * over its whole length in constant time. Where the search goes depends on the outcome of a keyed
 * function that the caller can neither compute nor aim at, so its timing says nothing of a hash;
 * a wrong token takes the way of a right one. Cost: one BLAKE2b, one SipHash and log2(n) loads,
 * for ten tokens as for fifty thousand.
 */
#ifndef CL_API_KEYRING_H
#define CL_API_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/tenants/token.h"
#include "policies/tenant.h"

struct cl_tenant;

/* What the audit log was told of a token. */
struct cl_key_told {
    bool is_live;
    uint32_t since, scopes;
};

/* One token of a tenant. Lives as long as its tenant is known, for whoever it let in; a token
 * that comes back under its id is the same key. */
struct cl_key {
    char id[CL_TENANT_NAME_MAX];
    uint32_t scopes; /* enum cl_scope */
    uint32_t since;  /* generation in which its hash was put in force */
    struct cl_tenant *tenant;
    struct cl_token_digest digest;
    bool is_live;
    bool is_certificate; /* the digest is its SHA-256; no text opens it */
    struct cl_key_told told;
    struct cl_key *next; /* of the tenant */
};

struct cl_keyring_row {
    uint64_t tag;
    struct cl_key *key; /* borrowed */
};

struct cl_keyring {
    uint8_t *secret;             /* owned: locked, between guard pages, in no dump */
    struct cl_keyring_row *rows; /* owned, by tag */
    size_t count;
    size_t room;
};

void cl_keyring_init(struct cl_keyring *ring);
void cl_keyring_fini(struct cl_keyring *ring);

/* A new set of keys: empty, filled, and put in order before it is asked. */
void cl_keyring_clear(struct cl_keyring *ring);
void cl_keyring_add(struct cl_keyring *ring, struct cl_key *key);
void cl_keyring_sort(struct cl_keyring *ring);

/* NULL: no live token. */
struct cl_key *cl_keyring_find(const struct cl_keyring *ring, const char *token, size_t length);
/* The same by the SHA-256 of a certificate that was proved to be the caller's. */
struct cl_key *cl_keyring_find_certificate(const struct cl_keyring *ring,
                                           const uint8_t digest[CL_TENANT_HASH]);

/* "call, modules" of a set of scopes. */
void cl_keyring_put_scopes(uint32_t scopes, char *text, size_t size);

#endif
