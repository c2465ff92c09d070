/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an Authorization field to a tenant's key. Every wrong token gets the same answer; one address
 * may be wrong a hundred times, then ten times a second. A right token is never held up by
 * somebody else's wrong ones from the same address.
 */
#ifndef CL_API_AUTH_H
#define CL_API_AUTH_H

#include "api/refusal.h"
#include "api/tenants/tenant.h"

enum { CL_AUTH_ADDRESSES = 1024 };

struct cl_auth_address {
    uint64_t hash;  /* of the address; 0: free */
    uint64_t at_us; /* when `left` was counted */
    uint32_t left;  /* wrong tokens it may still send, in thousandths */
};

struct cl_auth {
    uint8_t key[16]; /* so that nobody can aim at another address's row */
    struct cl_auth_address addresses[CL_AUTH_ADDRESSES];
};

void cl_auth_init(struct cl_auth *auth);

/* What a request shows. A token counts before the certificate of its connection, and one that is
 * wrong is not made good by it. */
struct cl_auth_shown {
    const char *field;          /* the value of the only Authorization field; NULL: absent */
    const uint8_t *certificate; /* SHA-256 of what the handshake proved; NULL: nothing */
    const char *peer;
};

/* NULL with the refusal filled (401, or 429 with retry_after_s). */
struct cl_key *cl_auth_check(struct cl_auth *auth, const struct cl_tenancy *tenancy,
                             const struct cl_auth_shown *shown, struct cl_refusal *refusal);

/* 403: names the scope that a route wants. Always -1. */
int cl_auth_refuse_scope(uint32_t scope, struct cl_refusal *refusal);

/* Pure half: the token of "Bearer <token>"; NULL when it is not that. */
const char *cl_auth_token(const char *field, size_t *length);

/* Counts one wrong token; false when the address sent too many. Pure but for `auth`. */
bool cl_auth_count_wrong(struct cl_auth *auth, const char *peer, uint64_t now_us);

#endif
