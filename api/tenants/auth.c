/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens and the rate of wrong ones.
 * Runs in: cloche-api.
 * Trusts: nothing of the request; the peer's address is the kernel's.
 */
#include "api/tenants/auth.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "sandbox/base/clock.h"

enum {
    WRONG_BURST = 100,
    WRONG_PER_S = 10,
    MILLI = 1000,
};

void cl_auth_init(struct cl_auth *auth)
{
    _Static_assert(sizeof(auth->key) == crypto_shorthash_KEYBYTES, "key of the address hash");
    memset(auth, 0, sizeof(*auth));
    crypto_shorthash_keygen(auth->key);
}

const char *cl_auth_token(const char *field, size_t *length)
{
    static const char scheme[] = "Bearer ";
    const size_t skip = sizeof(scheme) - 1;

    if (!field || strncasecmp(field, scheme, skip) != 0)
        return NULL;
    *length = strcspn(field + skip, " \t,");
    if (*length == 0 || *length > CL_TOKEN_MAX || field[skip + *length] != '\0')
        return NULL;
    return field + skip;
}

static struct cl_auth_address *address_of(struct cl_auth *auth, const char *peer,
                                          uint64_t now_us)
{
    struct cl_auth_address *row;
    uint64_t hash;

    crypto_shorthash((uint8_t *)&hash, (const uint8_t *)peer, strlen(peer), auth->key);
    hash |= 1;
    row = &auth->addresses[(hash >> 8) % CL_AUTH_ADDRESSES];
    if (row->hash != hash)
        *row = (struct cl_auth_address){ hash, now_us, WRONG_BURST * MILLI };
    return row;
}

bool cl_auth_count_wrong(struct cl_auth *auth, const char *peer, uint64_t now_us)
{
    struct cl_auth_address *row = address_of(auth, peer, now_us);
    const uint64_t gained = (now_us - row->at_us) / MILLI * WRONG_PER_S;
    const uint64_t left = row->left + gained;

    row->left = left < WRONG_BURST * MILLI ? (uint32_t)left : WRONG_BURST * MILLI;
    row->at_us += gained / WRONG_PER_S * MILLI;
    if (row->left < MILLI)
        return false;
    row->left -= MILLI;
    return true;
}

int cl_auth_refuse_scope(uint32_t scope, struct cl_refusal *refusal)
{
    char name[CL_TENANT_NAME_MAX];

    cl_keyring_put_scopes(scope, name, sizeof(name));
    return cl_refusal_set(refusal, CL_R_SCOPE_MISSING, "the token needs the scope %s for this",
                          name);
}

static struct cl_key *key_of(const struct cl_tenancy *tenancy,
                             const struct cl_auth_shown *shown)
{
    size_t length = 0;
    const char *token = cl_auth_token(shown->field, &length);

    if (token)
        return cl_tenancy_by_token(tenancy, token, length);
    return shown->certificate && !shown->field
               ? cl_tenancy_by_certificate(tenancy, shown->certificate)
               : NULL;
}

struct cl_key *cl_auth_check(struct cl_auth *auth, const struct cl_tenancy *tenancy,
                             const struct cl_auth_shown *shown, struct cl_refusal *refusal)
{
    struct cl_key *key = key_of(tenancy, shown);

    if (key)
        return key;
    if (!cl_auth_count_wrong(auth, shown->peer, cl_clock_us())) {
        refusal->retry_after_s = 1;
        cl_refusal_set(refusal, CL_R_TOO_MANY_FAILURES,
                       "too many wrong tokens from this address");
        return NULL;
    }
    cl_refusal_set(refusal, CL_R_UNAUTHORIZED, "send Authorization: Bearer <token>");
    return NULL;
}
