/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds duplicate keys while a JSON text is scanned.
 * Runs in: cloche-api.
 * Trusts: that the keys passed the scan of strings; not that they were not chosen to hurt.
 */
#include "api/json/keys.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api/json/text.h"

/* ----------------------------------------------------------------------------- SipHash-1-3 */

struct sip {
    uint64_t v[4];
    uint64_t word;  /* bytes not yet mixed in */
    uint64_t total; /* bytes so far */
};

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(struct sip *sip, uint64_t word)
{
    sip->v[3] ^= word;
    sip_round(sip->v);
    sip->v[0] ^= word;
}

static void sip_byte(struct sip *sip, char byte)
{
    sip->word |= (uint64_t)(unsigned char)byte << (sip->total % 8 * 8);
    if (++sip->total % 8 == 0) {
        sip_word(sip, sip->word);
        sip->word = 0;
    }
}

static uint64_t sip_finish(struct sip *sip)
{
    sip_word(sip, sip->word | sip->total << 56);
    sip->v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(sip->v);
    return sip->v[0] ^ sip->v[1] ^ sip->v[2] ^ sip->v[3];
}

/* Made once per process. */
static uint64_t secret[2];

static void make_secret(void)
{
    if (secret[0] == 0 && secret[1] == 0)
        CL_CHECK(getrandom(secret, sizeof(secret), 0) == (ssize_t)sizeof(secret));
}

static void hash_whole_words(struct sip *sip, const struct cl_jsonkey *key)
{
    size_t words = key->length / 8;

    for (size_t i = 0; i < words; i++) {
        uint64_t word;
        memcpy(&word, key->raw + i * 8, sizeof(word));
        sip_word(sip, word);
    }
    sip->total = words * 8;
    for (size_t i = words * 8; i < key->length; i++)
        sip_byte(sip, key->raw[i]);
}

/* The hash of the unescaped key and of the object it is in. */
static uint64_t hash_of(const struct cl_jsonkey *key, size_t mark)
{
    struct sip sip = { .v = { secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du,
                              secret[0] ^ 0x6c7967656e657261u,
                              secret[1] ^ 0x7465646279746573u } };
    const char *at = key->raw;
    const char *end = key->raw + key->length;

    sip.v[1] ^= mark;
    if (!key->has_escapes) {
        hash_whole_words(&sip, key);
        return sip_finish(&sip);
    }
    while (at < end) {
        char out[4] = { *at };
        size_t length = 1;
        if (*at == '\\')
            length = cl_jsontext_unescape(&at, out);
        else
            at++;
        for (size_t i = 0; i < length; i++)
            sip_byte(&sip, out[i]);
    }
    return sip_finish(&sip);
}

/* -------------------------------------------------------------------------------- equality */

/* One key, unescaped byte by byte. */
struct walk {
    const char *at, *end;
    char out[4];
    size_t ready, next;
};

static int next_byte(struct walk *walk)
{
    if (walk->next < walk->ready)
        return (unsigned char)walk->out[walk->next++];
    if (walk->at == walk->end)
        return -1;
    if (*walk->at != '\\')
        return (unsigned char)*walk->at++;
    walk->ready = cl_jsontext_unescape(&walk->at, walk->out);
    walk->next = 1;
    return (unsigned char)walk->out[0];
}

static bool is_equal(const struct cl_jsonkey *a, const struct cl_jsonkey *b)
{
    struct walk one = { .at = a->raw, .end = a->raw + a->length };
    struct walk two = { .at = b->raw, .end = b->raw + b->length };

    if (!a->has_escapes && !b->has_escapes)
        return a->length == b->length && memcmp(a->raw, b->raw, a->length) == 0;
    for (;;) {
        int byte = next_byte(&one);
        if (byte != next_byte(&two))
            return false;
        if (byte < 0)
            return true;
    }
}

/* ----------------------------------------------------------------------------------- table */

void cl_jsonkeys_init(struct cl_jsonkeys *keys)
{
    make_secret();
    keys->entries = keys->inline_entries;
    keys->table = keys->inline_table;
    keys->count = 0;
    keys->capacity = CL_JSONKEYS_INLINE;
    memset(keys->inline_table, 0, sizeof(keys->inline_table));
}

void cl_jsonkeys_fini(struct cl_jsonkeys *keys)
{
    if (keys->entries != keys->inline_entries) {
        free(keys->entries);
        free(keys->table);
    }
    keys->entries = NULL;
    keys->table = NULL;
    keys->count = keys->capacity = 0;
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/* The first free slot from the one that the hash names. */
static uint32_t free_slot(const struct cl_jsonkeys *keys, uint64_t hash)
{
    uint32_t mask = (uint32_t)(2 * keys->capacity - 1);
    uint32_t slot = (uint32_t)hash & mask;

    while (keys->table[slot].index)
        slot = (slot + 1) & mask;
    return slot;
}

static void fill_slot(struct cl_jsonkeys *keys, uint32_t slot, size_t entry)
{
    keys->entries[entry].slot = slot;
    keys->table[slot] =
        (struct cl_jsonslot){ (uint32_t)entry + 1, tag_of(keys->entries[entry].hash) };
}

/* Twice the room. Entries go back in their order, so that dropping the last ones in reverse
 * still restores the table that was. */
static int grow(struct cl_jsonkeys *keys, struct cl_err *err)
{
    size_t capacity = keys->capacity * 2;
    struct cl_jsonkey *entries = malloc(capacity * sizeof(*entries));
    struct cl_jsonslot *table = calloc(2 * capacity, sizeof(*table));

    if (!entries || !table) {
        free(entries);
        free(table);
        return cl_fail(err, CL_E_SYS, "allocate room for %zu keys", capacity);
    }
    memcpy(entries, keys->entries, keys->count * sizeof(*entries));
    if (keys->entries != keys->inline_entries) {
        free(keys->entries);
        free(keys->table);
    }
    keys->entries = entries;
    keys->table = table;
    keys->capacity = capacity;
    for (size_t i = 0; i < keys->count; i++)
        fill_slot(keys, free_slot(keys, entries[i].hash), i);
    return 0;
}

static bool is_in_slot(const struct cl_jsonkeys *keys, uint32_t slot, size_t mark,
                       const struct cl_jsonkey *key)
{
    size_t entry = keys->table[slot].index - 1;

    return keys->table[slot].tag == tag_of(key->hash) && entry >= mark &&
           keys->entries[entry].hash == key->hash && is_equal(&keys->entries[entry], key);
}

int cl_jsonkeys_put(struct cl_jsonkeys *keys, size_t mark, struct cl_jsonkey key,
                    struct cl_err *err)
{
    if (keys->count == keys->capacity && grow(keys, err) < 0)
        return -1;
    key.hash = hash_of(&key, mark);

    uint32_t mask = (uint32_t)(2 * keys->capacity - 1);
    uint32_t slot = (uint32_t)key.hash & mask;
    for (; keys->table[slot].index; slot = (slot + 1) & mask) {
        if (is_in_slot(keys, slot, mark, &key))
            return 1;
    }
    keys->entries[keys->count] = key;
    fill_slot(keys, slot, keys->count++);
    return 0;
}

void cl_jsonkeys_drop(struct cl_jsonkeys *keys, size_t mark)
{
    while (keys->count > mark)
        keys->table[keys->entries[--keys->count].slot].index = 0;
}
