/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks tenants.yaml along its schema into one flat file for each tenant.
 * Runs in: cloche-policyc.
 * Trusts: the loader for shape and UTF-8; nothing of the values.
 */
#include "policies/tenants.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/load.h"
#include "policies/tenanttable.h"
#include "policies/text.h"
#include "policies/value.h"
#include "sandbox/base/err.h"
#include "sandbox/base/own.h"

enum { PATH_SIZE = 200, WORDS_SIZE = 480, WEIGHT = 100 };

struct take {
    struct cl_report *report;
    struct cl_tenants *tenants;
    struct cl_tenants_entry *entry; /* NULL above them */
    struct cl_tenant_token *token;  /* NULL above them */
    struct cl_tenant_token *list;   /* that it is of */
    const struct cl_node **hashes;  /* of that list */
    size_t errors;                  /* in the report when this began */
};

static int walk(struct take *take, const char *section, const struct cl_node *map);

/* The path of a row as the file has it: its stars are this tenant and this token. */
static void show(const struct take *take, const char *path, char *text, size_t size)
{
    size_t used = 0;
    unsigned stars = 0;

    for (; *path && used + 1 < size; path++) {
        if (*path != '*')
            used += (size_t)snprintf(text + used, size - used, "%c", *path);
        else if (stars++ == 0)
            used += (size_t)snprintf(text + used, size - used, "%s", take->entry->file.name);
        else
            used += (size_t)snprintf(text + used, size - used, "%td", take->token - take->list);
    }
}

static int wrong(struct take *take, const struct cl_key *key, const struct cl_node *node)
{
    char found[80], expected[WORDS_SIZE], path[PATH_SIZE] = "";

    show(take, key->path, path, sizeof(path));
    cl_tenanttable_expects(key, expected, sizeof(expected));
    return cl_report_add(take->report, node->place, "%s: found %s, expected %s", path,
                         cl_node_found(node, found, sizeof(found)), expected);
}

static int out_of_range(struct take *take, const struct cl_key *key, const struct cl_node *node)
{
    char path[PATH_SIZE] = "", from[32], to[32];
    struct cl_key plain = *key;

    show(take, key->path, path, sizeof(path));
    if (key->type == CL_KEY_RATE || key->type == CL_KEY_TIME_RATE)
        plain.type = key->type == CL_KEY_RATE ? CL_KEY_COUNT : CL_KEY_TIME;
    cl_value_format(&plain, key->least, from, sizeof(from));
    cl_value_format(&plain, key->most, to, sizeof(to));
    return cl_report_add(take->report, node->place, "%s: %s is out of range, expected %s to %s",
                         path, node->text, from, to);
}

static uint64_t *number_at(struct take *take, const struct cl_key *key)
{
    return (uint64_t *)(void *)((char *)&take->entry->file + key->at);
}

static int take_number(struct take *take, const struct cl_key *key, const struct cl_node *node)
{
    uint64_t value = 0;

    if (node->kind != CL_NODE_SCALAR || (key->type == CL_KEY_COUNT && !node->is_plain) ||
        cl_value_parse(key, node->text, &value) < 0)
        return wrong(take, key, node);
    if (value < key->least || value > key->most)
        return out_of_range(take, key, node);
    if (key->at)
        *number_at(take, key) = value;
    return 0;
}

static int take_rate(struct take *take, const struct cl_key *key, const struct cl_node *node)
{
    struct cl_tenant_rate rate = { 0, 0 };

    if (node->kind != CL_NODE_SCALAR ||
        cl_tenanttable_rate(key, node->text, &rate.amount, &rate.window_s) < 0)
        return wrong(take, key, node);
    if (rate.amount < key->least || rate.amount > key->most)
        return out_of_range(take, key, node);
    memcpy(number_at(take, key), &rate, sizeof(rate));
    return 0;
}

static int twice(struct take *take, const char *path, const struct cl_node *node)
{
    char shown[PATH_SIZE] = "";

    show(take, path, shown, sizeof(shown));
    return cl_report_add(take->report, node->place, "%s: '%s' is there twice", shown,
                         node->text);
}

static int take_policies(struct take *take, const struct cl_key *key,
                         const struct cl_node *node)
{
    struct cl_tenant_file *file = &take->entry->file;
    int done = 0;

    if (node->kind != CL_NODE_LIST || node->sign || node->count == 0 ||
        node->count > CL_TENANT_POLICIES_MAX)
        return wrong(take, key, node);
    for (const struct cl_node *item = node->first; item; item = item->next) {
        bool is_there = false;
        if (item->kind != CL_NODE_SCALAR || !cl_text_is_policy_name(item->text)) {
            done = wrong(take, key, item);
            continue;
        }
        for (uint32_t i = 0; i < file->policy_count; i++)
            is_there = is_there || strcmp(file->policies[i], item->text) == 0;
        if (is_there) {
            done = twice(take, key->path, item);
            continue;
        }
        take->entry->policies[file->policy_count] = item;
        snprintf(file->policies[file->policy_count++], CL_TENANT_NAME_MAX, "%s", item->text);
    }
    return done;
}

static int take_scopes(struct take *take, const struct cl_key *key, const struct cl_node *node)
{
    uint32_t scopes = 0;

    if (node->kind != CL_NODE_LIST || node->sign || node->count == 0)
        return wrong(take, key, node);
    for (const struct cl_node *item = node->first; item; item = item->next) {
        int index =
            item->kind == CL_NODE_SCALAR ? cl_value_word_index(key->words, item->text) : -1;
        if (index < 0)
            return wrong(take, key, item);
        if (scopes & 1u << index)
            return twice(take, key->path, item);
        scopes |= 1u << index;
    }
    take->token->scopes = scopes;
    return 0;
}

static bool has_id(const struct cl_tenant_token *list, uint32_t count, const char *id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(list[i].id, id) == 0)
            return true;
    }
    return false;
}

static int take_name(struct take *take, const struct cl_key *key, const struct cl_node *node)
{
    const struct cl_tenant_file *file = &take->entry->file;

    if (node->kind != CL_NODE_SCALAR || !cl_text_is_policy_name(node->text))
        return wrong(take, key, node);
    if (has_id(file->tokens, file->token_count, node->text) ||
        has_id(file->certificates, file->certificate_count, node->text))
        return twice(take, key->path, node);
    snprintf(take->token->id, sizeof(take->token->id), "%s", node->text);
    return 0;
}

static int take_hash(struct take *take, const struct cl_key *key, const struct cl_node *node)
{
    if (node->kind != CL_NODE_SCALAR ||
        cl_tenanttable_hash(key->type, node->text, take->token->hash) < 0)
        return wrong(take, key, node);
    take->hashes[take->token - take->list] = node;
    return 0;
}

static int missing(struct take *take, const struct cl_node *map, const char *word)
{
    if (cl_node_find(map, word))
        return 0;
    return cl_report_add(take->report, map->place, "the key '%s' is missing", word);
}

/* Tokens, or certificates: each has a name, what proves it, and scopes. */
static int take_keys(struct take *take, const struct cl_key *key, const struct cl_node *node)
{
    struct cl_tenant_file *file = &take->entry->file;
    const bool is_token = strcmp(cl_table_word(key), "tokens") == 0;
    uint32_t *count = is_token ? &file->token_count : &file->certificate_count;
    char entry[PATH_SIZE];

    _Static_assert(CL_TENANT_TOKENS_MAX == CL_TENANT_CERTIFICATES_MAX, "one cap for both");
    snprintf(entry, sizeof(entry), "%s.*", key->path);
    take->list = is_token ? file->tokens : file->certificates;
    take->hashes = is_token ? take->entry->tokens : take->entry->certificates;
    if (node->kind != CL_NODE_LIST || node->sign || node->count > CL_TENANT_TOKENS_MAX)
        return wrong(take, key, node);
    for (const struct cl_node *item = node->first; item; item = item->next) {
        if (item->kind != CL_NODE_MAP) {
            wrong(take, key, item);
            continue;
        }
        take->token = &take->list[(*count)++];
        take->token->scopes = CL_SCOPES_DEFAULT;
        walk(take, entry, item);
        missing(take, item, "id");
        missing(take, item, is_token ? CL_TENANTTABLE_HASH : CL_TENANTTABLE_PRINT);
    }
    take->token = NULL;
    return 0;
}

/* Absolute, no "." or ".." part, no empty one, one line. */
static int take_dir(struct take *take, const struct cl_key *key, const struct cl_node *node)
{
    const char *at = node->kind == CL_NODE_SCALAR ? node->text : "";

    if (at[0] != '/' || at[1] == '\0' || strlen(at) >= CL_TENANT_DIR_MAX ||
        strpbrk(at, "\r\n\t"))
        return wrong(take, key, node);
    for (; at; at = strchr(at, '/')) {
        size_t part = strcspn(++at, "/");
        if (part == 0 || (part <= 2 && strspn(at, ".") == part))
            return wrong(take, key, node);
    }
    snprintf(take->entry->file.functions_dir, CL_TENANT_DIR_MAX, "%s", node->text);
    return 0;
}

static int take_section(struct take *take, const struct cl_key *key, const struct cl_node *node)
{
    return node->kind == CL_NODE_MAP ? walk(take, key->path, node) : wrong(take, key, node);
}

/* A burst belongs to a rate, and a rate has one. */
static int settle_quota(struct take *take, const struct cl_node *map)
{
    struct cl_tenant_quota *quota = &take->entry->file.quota;
    const struct cl_node *section = cl_node_find(map, "quota");
    const struct cl_node *burst =
        section && section->kind == CL_NODE_MAP ? cl_node_find(section, "burst") : NULL;

    if (quota->weight == 0)
        quota->weight = WEIGHT;
    if (quota->rate.amount > 0 && quota->burst == 0)
        quota->burst = quota->rate.amount;
    if (burst && !cl_node_find(section, "rate"))
        return cl_report_add(take->report, burst->place,
                             "tenants.%s.quota.burst: a burst needs a rate beside it",
                             take->entry->file.name);
    return 0;
}

static int take_tenant(struct take *take, const struct cl_node *node)
{
    struct cl_tenants_entry *entry = &take->tenants->entries[take->tenants->count];
    const char *name = node->key->text;

    if (!cl_text_is_policy_name(name))
        return cl_report_add(take->report, node->key->place,
                             "'%.64s' is no name of a tenant, expected [a-z0-9][a-z0-9_-]* of "
                             "up to 63 bytes",
                             name);
    if (strcmp(name, CL_TENANT_LOCAL_NAME) == 0)
        return cl_report_add(take->report, node->key->place,
                             "the tenant 'local' is always there and stands in no file");
    take->tenants->count++;
    entry->place = node->key->place;
    entry->file.magic = CL_TENANT_MAGIC;
    entry->file.version = CL_TENANT_VERSION;
    entry->file.size = sizeof(entry->file);
    snprintf(entry->file.name, sizeof(entry->file.name), "%s", name);
    take->entry = entry;
    if (take_section(take, cl_keys_find(&cl_tenanttable, CL_TENANTTABLE_TENANT), node) < 0 ||
        missing(take, node, "policies") < 0)
        return -1;
    return settle_quota(take, node);
}

static int take_named(struct take *take, const struct cl_key *key, const struct cl_node *node)
{
    if (node->kind != CL_NODE_MAP)
        return wrong(take, key, node);
    if (node->count > CL_TENANT_FILE_MAX)
        return cl_report_add(take->report, node->place, "%zu tenants, at most %d are allowed",
                             node->count, CL_TENANT_FILE_MAX);
    take->tenants->entries = calloc(node->count + 1, sizeof(*take->tenants->entries));
    CL_CHECK(take->tenants->entries);
    for (const struct cl_node *value = node->first; value; value = value->next) {
        if (cl_node_find(node, value->key->text) == value)
            take_tenant(take, value);
    }
    return 0;
}

static int (*const takers[])(struct take *, const struct cl_key *, const struct cl_node *) = {
    [CL_KEY_SECTION] = take_section, [CL_KEY_COUNT] = take_number,
    [CL_KEY_BYTES] = take_number,    [CL_KEY_LIST] = take_scopes,
    [CL_KEY_NAMED] = take_named,     [CL_KEY_POLICIES] = take_policies,
    [CL_KEY_ENTRIES] = take_keys,    [CL_KEY_NAME] = take_name,
    [CL_KEY_PRINT] = take_hash,      [CL_KEY_HASH] = take_hash,
    [CL_KEY_RATE] = take_rate,       [CL_KEY_TIME_RATE] = take_rate,
    [CL_KEY_DIR] = take_dir,
};

static int walk(struct take *take, const char *section, const struct cl_node *map)
{
    char path[PATH_SIZE], where[PATH_SIZE] = "";

    for (const struct cl_node *value = map->first; value; value = value->next) {
        const char *word = value->key->text;
        if (cl_node_find(map, word) != value)
            continue; /* a second one: the loader has reported it, and there is room for one */
        int length = snprintf(path, sizeof(path), "%s%s%s", section, *section ? "." : "", word);
        const struct cl_key *key = cl_keys_find(&cl_tenanttable, path);

        if (key && (size_t)length < sizeof(path) && !strpbrk(word, ".*")) {
            takers[key->type](take, key, value);
            continue;
        }
        show(take, section, where, sizeof(where));
        cl_keys_unknown(&cl_tenanttable, section, where, value->key, take->report);
    }
    return take->report->errors > take->errors ? -1 : 0;
}

struct cl_tenants *cl_tenants_read(const char *path, const char *text, size_t length,
                                   struct cl_report *report)
{
    struct cl_tenants *tenants = calloc(1, sizeof(*tenants));
    struct take take = { .report = report, .tenants = tenants, .errors = report->errors };

    CL_CHECK(tenants);
    tenants->doc = cl_load_tenants(path, text, length, report);
    if (tenants->doc->root) {
        walk(&take, "", tenants->doc->root);
        if (!cl_node_find(tenants->doc->root, "version"))
            cl_report_add(report, (struct cl_place){ tenants->doc, 0, 0, 0 },
                          "the key 'version' is missing; expected 'version: 1'");
    }
    tenants->is_refused = report->errors > take.errors;
    return tenants;
}

void cl_tenants_free(struct cl_tenants *tenants)
{
    if (!tenants)
        return;
    cl_doc_free(tenants->doc);
    free(tenants->entries);
    free(tenants);
}
