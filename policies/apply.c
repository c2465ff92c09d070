/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks a file's mappings along the schema; keys that are none, and values of the wrong type or
 * out of range, are reported with what is allowed.
 * Runs in: cloche-policyc.
 * Trusts: the loader for shape and UTF-8; nothing of the values.
 */
#include "policies/apply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "policies/binds.h"
#include "policies/keys.h"
#include "policies/lists.h"
#include "policies/table.h"
#include "policies/text.h"
#include "policies/value.h"
#include "sandbox/base/own.h"

enum { PATH_SIZE = 160, WORDS_SIZE = 480, DESCRIPTION_MAX = 400 };

static int walk(struct cl_apply *apply, const char *section, const struct cl_node *map);

static int wrong_type(struct cl_apply *apply, const struct cl_key *key,
                      const struct cl_node *node, const char *expected)
{
    char found[80];

    return cl_report_add(apply->report, node->place, "%s: found %s, expected %s%s%s", key->path,
                         cl_node_found(node, found, sizeof(found)), expected,
                         key->later ? "; " : "", key->later ? key->later : "");
}

/* Words that mean something to people who come from other formats. */
static bool is_bare(const struct cl_key *key)
{
    return key->type == CL_KEY_COUNT || key->type == CL_KEY_BOOL || key->type == CL_KEY_CORES;
}

static int take_number(struct cl_apply *apply, const struct cl_key *key,
                       const struct cl_node *node)
{
    char expected[WORDS_SIZE], found[32];
    uint64_t value = 0;

    cl_value_expects(key, expected, sizeof(expected));
    if (node->kind != CL_NODE_SCALAR || (is_bare(key) && !node->is_plain) ||
        cl_value_parse(key, node->text, &value) < 0)
        return wrong_type(apply, key, node, expected);
    if (key->most != 0 && (value < key->least || value > key->most)) {
        cl_value_format(key, value, found, sizeof(found));
        return cl_report_add(apply->report, node->place, "%s: %s is out of range, expected %s",
                             key->path, found, expected);
    }
    *cl_spec_number(apply->spec, key) = value;
    return 0;
}

static int take_text(struct cl_apply *apply, const struct cl_key *key,
                     const struct cl_node *node)
{
    struct cl_items *items = cl_spec_items(apply->spec, key);

    if (node->kind != CL_NODE_SCALAR || node->text[0] == '\0' ||
        strpbrk(node->text, "\r\n\t") || strlen(node->text) > DESCRIPTION_MAX)
        return wrong_type(apply, key, node, "one line of text, up to 400 bytes");
    cl_items_fini(items);
    cl_items_add(items, node->text, node->place);
    return 0;
}

static int take_parent(struct cl_apply *apply, const struct cl_key *key,
                       const struct cl_node *node)
{
    struct cl_items *items = cl_spec_items(apply->spec, key);

    if (node->kind != CL_NODE_SCALAR || !cl_text_is_policy_name(node->text))
        return wrong_type(apply, key, node, "the name of one policy");
    cl_items_fini(items);
    cl_items_add(items, node->text, node->place);
    return 0;
}

static int take_section(struct cl_apply *apply, const struct cl_key *key,
                        const struct cl_node *node)
{
    if (node->kind != CL_NODE_MAP)
        return wrong_type(apply, key, node, "a mapping");
    return walk(apply, key->path, node);
}

static int (*const takers[])(struct cl_apply *, const struct cl_key *,
                             const struct cl_node *) = {
    [CL_KEY_SECTION] = take_section,     [CL_KEY_COUNT] = take_number,
    [CL_KEY_BYTES] = take_number,        [CL_KEY_TIME] = take_number,
    [CL_KEY_CORES] = take_number,        [CL_KEY_BOOL] = take_number,
    [CL_KEY_WORD] = take_number,         [CL_KEY_TEXT] = take_text,
    [CL_KEY_PARENT] = take_parent,       [CL_KEY_LIST] = cl_lists_take,
    [CL_KEY_PRELOAD] = cl_lists_preload, [CL_KEY_NAMES] = cl_lists_names,
    [CL_KEY_BINDS] = cl_binds_take,      [CL_KEY_REASONS] = cl_lists_reasons,
};

static int unknown_key(struct cl_apply *apply, const char *section, const struct cl_node *key)
{
    const struct cl_keys keys = { cl_table, cl_table_count };

    return cl_keys_unknown(&keys, section, section, key, apply->report);
}

static int take_value(struct cl_apply *apply, const char *section, const struct cl_node *value)
{
    char path[PATH_SIZE];
    int length =
        snprintf(path, sizeof(path), "%s%s%s", section, *section ? "." : "", value->key->text);

    /* A dotted key at the top ("limits.wall: 5s") is none: there is one way to write a policy. */
    const struct cl_key *key = cl_table_find(path);
    if (!key || (size_t)length >= sizeof(path) || strchr(value->key->text, '.'))
        return unknown_key(apply, section, value->key);
    if (takers[key->type](apply, key, value) < 0)
        return -1;
    apply->spec->origin[cl_table_index(key)] = value->key->place;
    return 0;
}

static int walk(struct cl_apply *apply, const char *section, const struct cl_node *map)
{
    int done = 0;

    for (const struct cl_node *value = map->first; value; value = value->next) {
        if (take_value(apply, section, value) < 0)
            done = -1;
    }
    return done;
}

int cl_apply_run(struct cl_spec *spec, struct cl_report *report)
{
    struct cl_apply apply = { spec, report };
    const struct cl_node *root = spec->doc->root;
    int done = walk(&apply, "", root);

    if (!cl_node_find(root, "version"))
        return cl_report_add(report, (struct cl_place){ spec->doc, 0, 0, 0 },
                             "the key 'version' is missing; expected 'version: 1'");
    return done;
}
