/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sorted table of keyed tags of token digests.
 * Runs in: cloche-api.
 * Trusts: nothing that a caller shows; its time says nothing of what is in the table.
 */
#include "api/tenants/keyring.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/err.h"

void cl_keyring_init(struct cl_keyring *ring)
{
    memset(ring, 0, sizeof(*ring));
    ring->secret = sodium_malloc(crypto_shorthash_KEYBYTES);
    CL_CHECK(ring->secret);
    crypto_shorthash_keygen(ring->secret);
}

void cl_keyring_fini(struct cl_keyring *ring)
{
    free(ring->rows);
    sodium_free(ring->secret);
    memset(ring, 0, sizeof(*ring));
}

void cl_keyring_clear(struct cl_keyring *ring)
{
    ring->count = 0;
}

void cl_keyring_add(struct cl_keyring *ring, struct cl_key *key)
{
    if (ring->count == ring->room) {
        ring->room = ring->room ? ring->room * 2 : 64;
        ring->rows = reallocarray(ring->rows, ring->room, sizeof(*ring->rows));
        CL_CHECK(ring->rows);
    }
    ring->rows[ring->count++] = (struct cl_keyring_row){ 0, key };
}

static uint64_t tag_of(const struct cl_keyring *ring, const struct cl_token_digest *digest)
{
    uint64_t tag;

    crypto_shorthash((uint8_t *)&tag, digest->bytes, sizeof(digest->bytes), ring->secret);
    return tag;
}

static int by_tag(const void *a, const void *b)
{
    const struct cl_keyring_row *one = a, *other = b;

    return one->tag < other->tag ? -1 : one->tag > other->tag;
}

static bool has_twins(const struct cl_keyring *ring)
{
    for (size_t i = 1; i < ring->count; i++) {
        if (ring->rows[i - 1].tag == ring->rows[i].tag &&
            !cl_token_is_equal(&ring->rows[i - 1].key->digest, &ring->rows[i].key->digest))
            return true;
    }
    return false;
}

/* A secret under which two tokens have one tag (once in 2^32 tables of the largest size) is
 * thrown away, so that there is one candidate. */
void cl_keyring_sort(struct cl_keyring *ring)
{
    do {
        crypto_shorthash_keygen(ring->secret);
        for (size_t i = 0; i < ring->count; i++)
            ring->rows[i].tag = tag_of(ring, &ring->rows[i].key->digest);
        if (ring->count > 0)
            qsort(ring->rows, ring->count, sizeof(*ring->rows), by_tag);
    } while (has_twins(ring));
}

/* The last row whose tag is not above it, or the first: the loop runs as often for every tag. */
static const struct cl_keyring_row *candidate(const struct cl_keyring *ring, uint64_t tag)
{
    const struct cl_keyring_row *low = ring->rows;

    for (size_t left = ring->count; left > 1;) {
        const size_t half = left / 2;
        low += (size_t)(low[half].tag <= tag) * half;
        left -= half;
    }
    return low;
}

static struct cl_key *find(const struct cl_keyring *ring, const struct cl_token_digest *digest,
                           bool is_certificate)
{
    const uint64_t tag = tag_of(ring, digest);

    if (ring->count == 0)
        return NULL;
    struct cl_key *key = candidate(ring, tag)->key;
    return cl_token_is_equal(digest, &key->digest) && key->is_certificate == is_certificate
               ? key
               : NULL;
}

struct cl_key *cl_keyring_find(const struct cl_keyring *ring, const char *token, size_t length)
{
    const struct cl_token_digest digest = cl_token_digest(token, length);

    return find(ring, &digest, false);
}

struct cl_key *cl_keyring_find_certificate(const struct cl_keyring *ring,
                                           const uint8_t digest[CL_TENANT_HASH])
{
    struct cl_token_digest shown;

    _Static_assert(sizeof(shown.bytes) == CL_TENANT_HASH, "one length for both");
    memcpy(shown.bytes, digest, sizeof(shown.bytes));
    return find(ring, &shown, true);
}

void cl_keyring_put_scopes(uint32_t scopes, char *text, size_t size)
{
    const char *word = CL_SCOPE_WORDS;
    size_t used = 0;

    text[0] = '\0';
    for (uint32_t scope = 1; *word && used < size; scope <<= 1) {
        const int length = (int)strcspn(word, " ");
        if (scopes & scope)
            used += (size_t)snprintf(text + used, size - used, "%s%.*s", used ? ", " : "",
                                     length, word);
        word += length + (int)strspn(word + length, " ");
    }
}
