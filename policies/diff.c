/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares two effective policies by what they grant, key by key: a text that was only written
 * differently is no difference.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: nothing of the files.
 */
#include "policies/diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/diffcalls.h"
#include "policies/risk.h"
#include "policies/table.h"
#include "policies/tiers.h"
#include "policies/value.h"
#include "sandbox/base/err.h"
#include "sandbox/base/own.h"

enum { TEXT_SIZE = 8192 };

struct comparison {
    const struct cl_spec *a, *b;
    struct cl_changes *changes;
};

enum way {
    SILENT = 1, /* words for people: no grant */
    UP_OPENS,   /* more, or one more item, opens */
    DOWN_OPENS,
    NO_WAY, /* another behaviour, no grant */
};

/* Every key has a row (the unit test counts); `risk` is said of what opens. */
static const struct weight {
    const char *path;
    enum way way;
    const char *risk;
    const char *what; /* how the row is called, if not by its key */
} weights[] = {
    { "version", SILENT, NULL, NULL },
    { "extends", SILENT, NULL, NULL },
    { "description", SILENT, NULL, NULL },
    { "python.modules", UP_OPENS, NULL, NULL },
    { "python.names", DOWN_OPENS, NULL, NULL },
    { "python.preload", NO_WAY, NULL, NULL },
    { "python.transitive", DOWN_OPENS, "what allowed modules import need not be listed", NULL },
    { "python.eval", UP_OPENS, NULL, NULL },
    { "python.register", UP_OPENS, NULL, NULL },
    { "python.builtins.remove", DOWN_OPENS, NULL, "built-in names" },
    { "limits.wall", UP_OPENS, NULL, NULL },
    { "limits.cpu", UP_OPENS, NULL, NULL },
    { "limits.memory", UP_OPENS, NULL, NULL },
    { "limits.processes", UP_OPENS, "tasks beside each other make a clock of their own", NULL },
    { "limits.output", UP_OPENS, NULL, NULL },
    { "limits.result", UP_OPENS, NULL, NULL },
    { "limits.request", UP_OPENS, NULL, NULL },
    { "limits.files", UP_OPENS, NULL, NULL },
    { "limits.inodes", UP_OPENS, NULL, NULL },
    { "limits.calls_per_worker", UP_OPENS, NULL, NULL },
    { "cpu.weight", UP_OPENS, NULL, NULL },
    { "cpu.max", UP_OPENS, NULL, NULL },
    { "network", UP_OPENS, NULL, NULL },
    { "files.read_only", UP_OPENS, "the call can read all of it, and return it to its caller",
      NULL },
    { "syscalls.tiers", UP_OPENS, NULL, NULL },
    { "syscalls.allow", SILENT, NULL, NULL }, /* both show as system calls */
    { "syscalls.deny", SILENT, NULL, NULL },
    { "syscalls.on_violation", UP_OPENS,
      "code may try one call after the other; the first one does not end it", NULL },
    { "sessions.allow", UP_OPENS, "what one call leaves behind, the next of its session finds",
      NULL },
    { "sessions.default", UP_OPENS, NULL, NULL },
    { "sessions.idle", UP_OPENS, NULL, NULL },
    { "sessions.max", UP_OPENS, NULL, NULL },
    { "sessions.threads", UP_OPENS, NULL, NULL },
    { "isolation", UP_OPENS, "tenants share an address layout and a hash seed", NULL },
    { "pool.min", NO_WAY, NULL, NULL },
    { "pool.max", NO_WAY, NULL, NULL },
    { "pool.recycle_calls", NO_WAY, NULL, NULL },
    { "pool.recycle_after", NO_WAY, NULL, NULL },
    { "reason", SILENT, NULL, NULL },
};

static const struct weight *weight_of(const char *path)
{
    for (size_t i = 0; i < CL_COUNT(weights); i++) {
        if (strcmp(weights[i].path, path) == 0)
            return &weights[i];
    }
    return NULL;
}

bool cl_diff_knows(const char *path)
{
    return weight_of(path) != NULL;
}

static enum cl_side side_of(enum way way, bool is_more)
{
    if (way == NO_WAY)
        return CL_SIDE_OTHER;
    return is_more == (way == UP_OPENS) ? CL_SIDE_OPENS : CL_SIDE_CLOSES;
}

/* Risks are told of what opens only. */
static void put(const struct comparison *pair, enum cl_side side, const char *what,
                const char *text, const char *risk)
{
    cl_changes_add(pair->changes, side, what, text, side == CL_SIDE_OPENS ? risk : NULL);
}

static const struct cl_items *items_of(const struct cl_spec *spec, const struct cl_key *key)
{
    return (const struct cl_items *)(const void *)((const char *)spec + key->at);
}

/* --------------------------------------------------------------------------------- values */

static void compare_number(const struct comparison *pair, const struct cl_key *key,
                           const struct weight *weight)
{
    char from[64], to[64], text[160];
    uint64_t old = 0, new = 0;

    memcpy(&old, (const char *)pair->a + key->at, sizeof(old));
    memcpy(&new, (const char *)pair->b + key->at, sizeof(new));
    if (old == new)
        return;
    cl_value_format(key, old, from, sizeof(from));
    cl_value_format(key, new, to, sizeof(to));
    snprintf(text, sizeof(text), "%s -> %s", from, to);
    put(pair, side_of(weight->way, new > old), key->path, text, weight->risk);
}

static const char *risk_of_item(const struct cl_key *key, const struct weight *weight,
                                const char *item)
{
    const struct cl_risk *risk = key->item == CL_ITEM_MODULE ? cl_risk_module(item) : NULL;

    return risk ? risk->why : weight->risk;
}

/* Items of one list that are not in the other: in one row, but for those that need a word. */
static void compare_items(const struct comparison *pair, const struct cl_key *key,
                          const struct weight *weight, bool is_more)
{
    const struct cl_items *has = items_of(is_more ? pair->b : pair->a, key);
    const struct cl_items *lacks = items_of(is_more ? pair->a : pair->b, key);
    const char *what = weight->what ? weight->what : key->path;
    enum cl_side side = side_of(weight->way, is_more);
    cl_free_auto char *joined = calloc(1, 1);
    const char *sign = side != CL_SIDE_OTHER ? "" : is_more ? "+" : "-";

    for (size_t i = 0; i < has->count; i++) {
        const char *item = has->items[i].text;
        if (cl_items_find(lacks, item))
            continue;
        const char *risk = side == CL_SIDE_OPENS ? risk_of_item(key, weight, item) : NULL;
        char *longer = NULL;
        if (risk) {
            put(pair, side, what, item, risk);
            continue;
        }
        CL_CHECK(joined &&
                 asprintf(&longer, "%s%s%s%s", joined, *joined ? " " : "", sign, item) >= 0);
        free(joined);
        joined = longer;
    }
    if (*joined)
        put(pair, side, what, joined, NULL);
}

static void compare_lists(const struct comparison *pair, const struct cl_key *key,
                          const struct weight *weight)
{
    compare_items(pair, key, weight, true);
    compare_items(pair, key, weight, false);
}

static void compare_preload(const struct comparison *pair, const struct cl_key *key,
                            const struct weight *weight)
{
    static const char *const modes[] = {
        [CL_PRELOAD_LIST] = "a list", [CL_PRELOAD_NONE] = "none", [CL_PRELOAD_ALL] = "all"
    };
    char text[64];

    if (pair->a->preload_mode != pair->b->preload_mode) {
        snprintf(text, sizeof(text), "%s -> %s", modes[pair->a->preload_mode],
                 modes[pair->b->preload_mode]);
        put(pair, CL_SIDE_OTHER, key->path, text, NULL);
    }
    compare_lists(pair, key, weight);
}

/* -------------------------------------------------------------------------- names of modules */

static bool has_word(const char *words, const char *word, size_t length)
{
    while (*words) {
        size_t width = strcspn(words, ",");
        if (width == length && strncmp(words, word, length) == 0)
            return true;
        words += width + (words[width] == ',');
    }
    return false;
}

/* The names of the one that the other does not have. */
static void put_names(const struct comparison *pair, enum cl_side side, const char *what,
                      const char *has, const char *lacks)
{
    char text[TEXT_SIZE] = "";
    size_t used = 0;

    while (*has) {
        size_t length = strcspn(has, ",");
        if (!has_word(lacks, has, length) && used + length + 2 < sizeof(text))
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%.*s",
                                     used ? " " : "", (int)length, has);
        has += length + (has[length] == ',');
    }
    if (used > 0)
        put(pair, side, what, text, NULL);
}

/* A module that only one of them restricts: what it shows becomes, or was, everything. */
static void compare_module(const struct comparison *pair, const char *entry, bool is_in_b)
{
    const struct cl_spec *other = is_in_b ? pair->a : pair->b;
    char module[2 * CL_NAME_MAX], what[3 * CL_NAME_MAX];

    snprintf(module, sizeof(module), "%.*s", (int)strcspn(entry, "="), entry);
    snprintf(what, sizeof(what), "names of %s", module);
    const struct cl_item *item = cl_items_keyed(&other->names, module);
    if (item && is_in_b) {
        const char *old = strchr(item->text, '=') + 1, *new = strchr(entry, '=') + 1;
        put_names(pair, CL_SIDE_OPENS, what, new, old);
        put_names(pair, CL_SIDE_CLOSES, what, old, new);
    } else if (!item && cl_items_find(&other->modules, module)) {
        put(pair, is_in_b ? CL_SIDE_CLOSES : CL_SIDE_OPENS, what,
            is_in_b ? "all but those listed" : "all, not only those listed", NULL);
    }
}

static void compare_names(const struct comparison *pair, const struct cl_key *key,
                          const struct weight *weight)
{
    const struct cl_items *old = items_of(pair->a, key), *new = items_of(pair->b, key);

    (void)weight;
    for (size_t i = 0; i < new->count; i++)
        compare_module(pair, new->items[i].text, true);
    for (size_t i = 0; i < old->count; i++)
        compare_module(pair, old->items[i].text, false);
}

/* ----------------------------------------------------------------------------------- tiers */

static void compare_tiers(const struct comparison *pair, const struct cl_key *key,
                          const struct weight *weight)
{
    uint32_t old = cl_spec_tiers(pair->a), new = cl_spec_tiers(pair->b);
    char text[TEXT_SIZE], word[CL_NAME_MAX];

    for (uint64_t i = 0; (1u << i) <= (old | new); i++) {
        uint32_t tier = 1u << i;
        if (!((old ^ new) & tier))
            continue;
        const struct cl_key words = { .type = CL_KEY_WORD, .words = key->words };
        cl_value_format(&words, i, word, sizeof(word));
        snprintf(text, sizeof(text), "%s: %s", word, cl_tiers_why(tier));
        put(pair, side_of(weight->way, new &tier), key->path, text, weight->risk);
    }
}

/* ----------------------------------------------------------------------------------- binds */

/* Items are pairs: a source counts together with the target behind it. */
static bool has_bind(const struct cl_items *items, const struct cl_item *bind)
{
    for (size_t i = 0; i + 1 < items->count; i += 2) {
        if (strcmp(items->items[i].text, bind[0].text) == 0 &&
            strcmp(items->items[i + 1].text, bind[1].text) == 0)
            return true;
    }
    return false;
}

static void compare_binds(const struct comparison *pair, const struct cl_key *key,
                          const struct weight *weight)
{
    const struct cl_items *lists[] = { items_of(pair->a, key), items_of(pair->b, key) };
    char text[TEXT_SIZE];

    for (size_t is_more = 0; is_more < 2; is_more++) {
        const struct cl_items *has = lists[is_more], *lacks = lists[!is_more];
        for (size_t i = 0; i + 1 < has->count; i += 2) {
            if (has_bind(lacks, &has->items[i]))
                continue;
            snprintf(text, sizeof(text), "%s, seen as %s", has->items[i].text,
                     has->items[i + 1].text);
            put(pair, side_of(weight->way, is_more), key->path, text, weight->risk);
        }
    }
}

/* ------------------------------------------------------------------------------------ both */

static void (*const compares[])(const struct comparison *, const struct cl_key *,
                                const struct weight *) = {
    [CL_KEY_COUNT] = compare_number, [CL_KEY_BYTES] = compare_number,
    [CL_KEY_TIME] = compare_number,  [CL_KEY_CORES] = compare_number,
    [CL_KEY_BOOL] = compare_number,  [CL_KEY_WORD] = compare_number,
    [CL_KEY_LIST] = compare_lists,   [CL_KEY_PRELOAD] = compare_preload,
    [CL_KEY_NAMES] = compare_names,  [CL_KEY_BINDS] = compare_binds,
};

void cl_diff_run(const struct cl_spec *a, const struct cl_spec *b, struct cl_changes *changes)
{
    const struct comparison pair = { a, b, changes };

    for (size_t i = 0; i < cl_table_count; i++) {
        const struct cl_key *key = &cl_table[i];
        if (key->type == CL_KEY_SECTION)
            continue;
        const struct weight *weight = weight_of(key->path);
        CL_CHECK(weight);
        if (weight->way == SILENT)
            continue;
        if (key->item == CL_ITEM_TIER)
            compare_tiers(&pair, key, weight);
        else
            compares[key->type](&pair, key, weight);
    }
    cl_diffcalls_run(a, b, changes);
}
