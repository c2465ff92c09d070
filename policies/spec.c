/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes and copies effective policies, generically over the rows of the schema.
 * Runs in: cloche-policyc.
 * Trusts: the table.
 */
#include "policies/spec.h"

#include <stdlib.h>
#include <string.h>

#include "policies/policy.h"
#include "policies/table.h"
#include "policies/value.h"
#include "sandbox/base/err.h"

bool cl_spec_is_items(const struct cl_key *key)
{
    return key->type >= CL_KEY_TEXT;
}

uint64_t *cl_spec_number(struct cl_spec *spec, const struct cl_key *key)
{
    CL_CHECK(key->type != CL_KEY_SECTION && !cl_spec_is_items(key));
    return (uint64_t *)(void *)((char *)spec + key->at);
}

struct cl_items *cl_spec_items(struct cl_spec *spec, const struct cl_key *key)
{
    CL_CHECK(cl_spec_is_items(key));
    return (struct cl_items *)(void *)((char *)spec + key->at);
}

static struct cl_spec *make(const struct cl_doc *doc)
{
    struct cl_spec *spec = calloc(1, sizeof(*spec));

    CL_CHECK(spec);
    memcpy(spec->name, doc->name, sizeof(spec->name));
    spec->doc = doc;
    return spec;
}

static void put_words(struct cl_items *items, const char *words)
{
    static const struct cl_place nowhere = { NULL, 0, 0, 0 };
    char word[CL_NAME_MAX];

    for (; *words; words += strspn(words, " ")) {
        size_t length = strcspn(words, " ");
        CL_CHECK(length < sizeof(word));
        memcpy(word, words, length);
        word[length] = '\0';
        cl_items_add(items, word, nowhere);
        words += length;
    }
}

static void put_fallback(struct cl_spec *spec, const struct cl_key *key)
{
    if (key->type == CL_KEY_PRELOAD)
        spec->preload_mode = CL_PRELOAD_NONE;
    else if (cl_spec_is_items(key))
        put_words(cl_spec_items(spec, key), key->fallback);
    else
        CL_CHECK(cl_value_parse(key, key->fallback, cl_spec_number(spec, key)) == 0);
}

struct cl_spec *cl_spec_new(const struct cl_doc *doc)
{
    struct cl_spec *spec = make(doc);

    for (size_t i = 0; i < cl_table_count; i++) {
        if (cl_table[i].fallback)
            put_fallback(spec, &cl_table[i]);
    }
    return spec;
}

/* What a policy says of itself is not a value that its children have. */
static bool is_own(const struct cl_key *key)
{
    return key->type == CL_KEY_PARENT || key->type == CL_KEY_TEXT;
}

struct cl_spec *cl_spec_inherit(const struct cl_spec *parent, const struct cl_doc *doc)
{
    struct cl_spec *spec = make(doc);

    for (size_t i = 0; i < cl_table_count; i++) {
        const struct cl_key *key = &cl_table[i];
        if (key->type == CL_KEY_SECTION || is_own(key))
            continue;
        spec->origin[i] = parent->origin[i];
        if (cl_spec_is_items(key))
            cl_items_copy(cl_spec_items(spec, key),
                          (const struct cl_items *)((const char *)parent + key->at));
        else
            memcpy(cl_spec_number(spec, key), (const char *)parent + key->at, sizeof(uint64_t));
    }
    spec->preload_mode = parent->preload_mode;
    return spec;
}

void cl_spec_free(struct cl_spec *spec)
{
    if (!spec)
        return;
    for (size_t i = 0; i < cl_table_count; i++) {
        if (cl_spec_is_items(&cl_table[i]))
            cl_items_fini(cl_spec_items(spec, &cl_table[i]));
    }
    free(spec);
}

uint32_t cl_spec_tiers(const struct cl_spec *spec)
{
    const char *words = cl_table_find("syscalls.tiers")->words;
    uint32_t tiers = 0;

    /* The words stand in the order of enum cl_policy_tier. */
    for (size_t i = 0; i < spec->tiers.count; i++)
        tiers |= 1u << cl_value_word_index(words, spec->tiers.items[i].text);
    return tiers;
}
