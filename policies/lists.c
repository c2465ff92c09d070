/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists and mappings of a policy: each item checked, then laid over what the parent has.
 * Runs in: cloche-policyc.
 * Trusts: the loader for shape and UTF-8; nothing of the items.
 */
#include "policies/lists.h"

#include <stdio.h>
#include <string.h>

#include "policies/risk.h"
#include "policies/text.h"
#include "policies/value.h"
#include "sandbox/base/own.h"

enum { JOINED_SIZE = 4096, REASON_LEAST = 8 };

/* ----------------------------------------------------------------------------------- items */

static int refuse_word(struct cl_apply *apply, const struct cl_key *key,
                       const struct cl_node *item)
{
    struct cl_text_nearest nearest = CL_TEXT_NEAREST_INIT(item->text);
    const char *words = key->words;
    char word[CL_NAME_MAX], best[CL_NAME_MAX] = "";

    for (; *words; words += strspn(words, " ")) {
        size_t length = strcspn(words, " ");
        snprintf(word, sizeof(word), "%.*s", (int)length, words);
        cl_text_nearest_try(&nearest, word);
        if (nearest.word == word)
            memcpy(best, word, sizeof(best));
        nearest.word = NULL;
        words += length;
    }
    return cl_report_add(apply->report, item->place, "%s: unknown '%.60s'; %s%s%sallowed: %s",
                         key->path, item->text, *best ? "did you mean '" : "", best,
                         *best ? "'? " : "", key->words);
}

static int refuse_syscall(struct cl_apply *apply, const struct cl_key *key,
                          const struct cl_node *item)
{
    char nearest[CL_NAME_MAX];

    cl_risk_nearest(item->text, nearest, sizeof(nearest));
    return cl_report_add(apply->report, item->place,
                         "%s: no system call is called '%.60s'%s%s%s", key->path, item->text,
                         *nearest ? "; did you mean '" : "", nearest, *nearest ? "'?" : "");
}

static int check_item(struct cl_apply *apply, const struct cl_key *key,
                      const struct cl_node *item)
{
    char found[80];

    if (item->kind != CL_NODE_SCALAR)
        return cl_report_add(apply->report, item->place, "%s: found %s, expected a name",
                             key->path, cl_node_found(item, found, sizeof(found)));
    if (key->item == CL_ITEM_MODULE && !cl_text_is_module(item->text))
        return cl_report_add(apply->report, item->place, "%s: '%.60s' is no dotted module name",
                             key->path, item->text);
    if (key->item == CL_ITEM_IDENTIFIER && !cl_text_is_identifier(item->text))
        return cl_report_add(apply->report, item->place, "%s: '%.60s' is no Python name",
                             key->path, item->text);
    if (key->item == CL_ITEM_TIER && cl_value_word_index(key->words, item->text) < 0)
        return refuse_word(apply, key, item);
    if (key->item == CL_ITEM_SYSCALL && cl_risk_number(item->text) < 0)
        return refuse_syscall(apply, key, item);
    return 0;
}

/* An item that stands twice in one written list is a slip of the pen. */
static int check_items(struct cl_apply *apply, const struct cl_key *key,
                       const struct cl_node *list)
{
    struct cl_items seen = { NULL, 0 };
    int done = 0;

    for (const struct cl_node *item = list->first; item; item = item->next) {
        if (check_item(apply, key, item) < 0) {
            done = -1;
        } else if (cl_items_find(&seen, item->text)) {
            done = cl_report_add(apply->report, item->place,
                                 "%s: '%s' stands twice in this list", key->path, item->text);
        } else {
            cl_items_add(&seen, item->text, item->place);
        }
    }
    cl_items_fini(&seen);
    return done;
}

static int add_items(struct cl_apply *apply, const struct cl_key *key,
                     const struct cl_node *list)
{
    struct cl_items *items = cl_spec_items(apply->spec, key);

    if (check_items(apply, key, list) < 0)
        return -1;
    for (const struct cl_node *item = list->first; item; item = item->next) {
        if (items->count == CL_LISTS_MAX)
            return cl_report_add(apply->report, item->place, "%s: more than %d entries",
                                 key->path, CL_LISTS_MAX);
        if (!cl_items_find(items, item->text))
            cl_items_add(items, item->text, item->place);
    }
    return 0;
}

/* To remove what is not there is refused: a misspelt name would stay granted. */
static int remove_items(struct cl_apply *apply, const struct cl_key *key,
                        const struct cl_node *list)
{
    struct cl_items *items = cl_spec_items(apply->spec, key);
    int done = check_items(apply, key, list);

    for (const struct cl_node *item = list->first; done == 0 && item; item = item->next) {
        const struct cl_item *old = cl_items_find(items, item->text);
        if (!old)
            return cl_report_add(apply->report, item->place,
                                 "%s: cannot remove '%s', it is not in the list", key->path,
                                 item->text);
        cl_items_drop(items, old);
    }
    return done;
}

static int change_items(struct cl_apply *apply, const struct cl_key *key,
                        const struct cl_node *map)
{
    int done = 0;

    for (const struct cl_node *list = map->first; list && done == 0; list = list->next) {
        bool is_add = strcmp(list->key->text, "add") == 0;
        if (!is_add && strcmp(list->key->text, "remove") != 0)
            return cl_report_add(apply->report, list->key->place,
                                 "%s: unknown key '%.60s'; allowed: add, remove", key->path,
                                 list->key->text);
        if (list->kind != CL_NODE_LIST || list->sign)
            return cl_report_add(apply->report, list->place, "%s.%s: expected a list [..]",
                                 key->path, list->key->text);
        done = is_add ? add_items(apply, key, list) : remove_items(apply, key, list);
    }
    return done;
}

int cl_lists_take(struct cl_apply *apply, const struct cl_key *key, const struct cl_node *node)
{
    char found[80];

    if (node->kind == CL_NODE_MAP)
        return change_items(apply, key, node);
    if (node->kind != CL_NODE_LIST)
        return cl_report_add(apply->report, node->place,
                             "%s: found %s, expected a list [..], +[..], -[..] or {add: [..], "
                             "remove: [..]}",
                             key->path, cl_node_found(node, found, sizeof(found)));
    if (node->sign == '-')
        return remove_items(apply, key, node);
    if (node->sign == 0)
        cl_items_fini(cl_spec_items(apply->spec, key));
    return add_items(apply, key, node);
}

int cl_lists_preload(struct cl_apply *apply, const struct cl_key *key,
                     const struct cl_node *node)
{
    uint64_t *mode = &apply->spec->preload_mode;
    bool is_change = node->kind == CL_NODE_MAP || node->sign;

    if (node->kind == CL_NODE_SCALAR) {
        int word = cl_value_word_index(key->words, node->text);
        if (word < 0)
            return refuse_word(apply, key, node);
        cl_items_fini(&apply->spec->preload);
        *mode = word == 0 ? CL_PRELOAD_NONE : CL_PRELOAD_ALL;
        return 0;
    }
    if (is_change && *mode == CL_PRELOAD_ALL)
        return cl_report_add(apply->report, node->place,
                             "%s: the parent says 'all', there is no list to change",
                             key->path);
    *mode = CL_PRELOAD_LIST;
    return cl_lists_take(apply, key, node);
}

/* ------------------------------------------------------------------------------------ maps */

static int expect(struct cl_apply *apply, const struct cl_key *key, const struct cl_node *node,
                  const char *expected)
{
    char found[80];

    return cl_report_add(apply->report, node->place, "%s: found %s, expected %s", key->path,
                         cl_node_found(node, found, sizeof(found)), expected);
}

static void put_keyed(struct cl_items *items, const char *name, const char *text,
                      struct cl_place place)
{
    const struct cl_item *old = cl_items_keyed(items, name);

    if (old)
        cl_items_drop(items, old);
    if (text)
        cl_items_add(items, text, place);
}

/* One module's names: "module=name,name". */
static int take_names(struct cl_apply *apply, const struct cl_key *key,
                      const struct cl_node *list)
{
    static const struct cl_key names = { .path = "python.names", .item = CL_ITEM_IDENTIFIER };
    struct cl_items *items = cl_spec_items(apply->spec, key);
    const char *module = list->key->text;
    char joined[JOINED_SIZE];

    if (!cl_text_is_module(module))
        return cl_report_add(apply->report, list->key->place,
                             "%s: '%.60s' is no dotted module name", key->path, module);
    if (list->kind == CL_NODE_SCALAR && list->is_plain && strcmp(list->text, "all") == 0) {
        put_keyed(items, module, NULL, list->place);
        return 0;
    }
    if (list->kind != CL_NODE_LIST || list->sign)
        return expect(apply, key, list, "a list of names [..], or all");
    if (check_items(apply, &names, list) < 0)
        return -1;

    int used = snprintf(joined, sizeof(joined), "%s=", module);
    for (const struct cl_node *name = list->first; name; name = name->next) {
        used += snprintf(joined + used, sizeof(joined) - (size_t)used, "%s%s",
                         name == list->first ? "" : ",", name->text);
        if ((size_t)used >= sizeof(joined))
            return cl_report_add(apply->report, name->place, "%s: more than %d bytes of names",
                                 key->path, JOINED_SIZE);
    }
    put_keyed(items, module, joined, list->key->place);
    return 0;
}

int cl_lists_names(struct cl_apply *apply, const struct cl_key *key, const struct cl_node *node)
{
    int done = 0;

    if (node->kind != CL_NODE_MAP)
        return expect(apply, key, node, "a mapping of modules to lists of names");
    for (const struct cl_node *list = node->first; list; list = list->next) {
        if (take_names(apply, key, list) < 0)
            done = -1;
    }
    return done;
}

/* The list whose item a reason is about: the longest row that is a prefix of "a.b.item". */
const struct cl_key *cl_lists_of(const char *path, const char **item)
{
    for (size_t i = 0; i < cl_table_count; i++) {
        const struct cl_key *key = &cl_table[i];
        size_t length = strlen(key->path);
        bool is_list = key->type == CL_KEY_LIST || key->type == CL_KEY_PRELOAD;
        if (is_list && strncmp(path, key->path, length) == 0 && path[length] == '.') {
            *item = path + length + 1;
            return key;
        }
    }
    return NULL;
}

static int take_reason(struct cl_apply *apply, const struct cl_key *key,
                       const struct cl_node *node)
{
    char joined[JOINED_SIZE];
    const char *item = NULL;

    if (!cl_lists_of(node->key->text, &item))
        return cl_report_add(apply->report, node->key->place,
                             "%s: '%.100s' names no list item; expected for instance "
                             "syscalls.allow.memfd_create",
                             key->path, node->key->text);
    if (node->kind != CL_NODE_SCALAR || strlen(node->text) < REASON_LEAST ||
        strpbrk(node->text, "\r\n\t"))
        return expect(apply, key, node, "one line that says why, 8 bytes or more");
    if ((size_t)snprintf(joined, sizeof(joined), "%s=%s", node->key->text, node->text) >=
        sizeof(joined))
        return expect(apply, key, node, "a shorter text");
    put_keyed(cl_spec_items(apply->spec, key), node->key->text, joined, node->key->place);
    return 0;
}

int cl_lists_reasons(struct cl_apply *apply, const struct cl_key *key,
                     const struct cl_node *node)
{
    int done = 0;

    if (node->kind != CL_NODE_MAP)
        return expect(apply, key, node, "a mapping of grants to texts");
    for (const struct cl_node *reason = node->first; reason; reason = reason->next) {
        if (take_reason(apply, key, reason) < 0)
            done = -1;
    }
    return done;
}
