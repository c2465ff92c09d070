/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds parents, refuses cycles, and lays children over parents.
 * Runs in: cloche-policyc.
 * Trusts: nothing of the files.
 */
#include "policies/set.h"

#include <stdlib.h>
#include <string.h>

#include "policies/apply.h"
#include "policies/cross.h"
#include "policies/embedded.h"
#include "policies/load.h"
#include "policies/text.h"
#include "sandbox/base/err.h"

enum { ANCESTORS_MAX = 16 };

struct cl_set *cl_set_new(void)
{
    struct cl_set *set = calloc(1, sizeof(*set));

    CL_CHECK(set);
    return set;
}

void cl_set_free(struct cl_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++) {
        cl_spec_free(set->entries[i].spec);
        cl_doc_free(set->entries[i].doc);
    }
    free(set);
}

struct cl_set_entry *cl_set_find(struct cl_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->entries[i].doc->name, name) == 0)
            return &set->entries[i];
    }
    return NULL;
}

/* The document is kept even when it is refused: problems point into it. */
static struct cl_set_entry *put(struct cl_set *set, struct cl_doc *doc, bool is_asked)
{
    struct cl_set_entry *entry = &set->entries[set->count++];

    entry->doc = doc;
    entry->is_asked = is_asked;
    entry->state = doc->root ? CL_SET_NEW : CL_SET_REFUSED;
    return entry;
}

int cl_set_add(struct cl_set *set, const char *name, const char *path, const char *text,
               size_t length, struct cl_report *report)
{
    static const struct cl_place nowhere = { NULL, 0, 0, 0 };

    if (!cl_text_is_policy_name(name))
        return cl_report_add(report, nowhere,
                             "%s: '%.64s' is no name of a policy, expected [a-z0-9][a-z0-9_-]* "
                             "of up to 63 bytes",
                             path, name);
    if (cl_set_find(set, name))
        return cl_report_add(report, nowhere, "%s: a second policy '%s'", path, name);
    if (set->count == CL_SET_MAX)
        return cl_report_add(report, nowhere, "%s: more than %d policies", path, CL_SET_MAX);

    struct cl_doc *doc = cl_load_parse(name, path, text, length, report);
    return put(set, doc, true)->state == CL_SET_REFUSED ? -1 : 0;
}

static struct cl_set_entry *embed(struct cl_set *set, const char *name, bool is_asked,
                                  struct cl_report *report)
{
    const struct cl_embedded *embedded = cl_embedded_find(name);
    char path[CL_NAME_MAX + 32];

    if (!embedded || set->count == CL_SET_MAX)
        return NULL;
    snprintf(path, sizeof(path), "(embedded)/%s.yaml", name);
    struct cl_doc *doc = cl_load_parse(name, path, embedded->text,
                                       (size_t)(embedded->end - embedded->text), report);
    doc->is_embedded = true;
    return put(set, doc, is_asked);
}

int cl_set_add_embedded(struct cl_set *set, const char *name, struct cl_report *report)
{
    static const struct cl_place nowhere = { NULL, 0, 0, 0 };
    struct cl_set_entry *entry = cl_set_find(set, name);

    if (entry && (!entry->doc->is_embedded || entry->is_asked))
        return cl_report_add(report, nowhere, "a second policy '%.64s'", name);
    if (!entry)
        entry = embed(set, name, true, report);
    if (!entry)
        return cl_report_add(report, nowhere, "no policy '%.64s' is embedded", name);
    entry->is_asked = true;
    return 0;
}

/* Known policies, for a message. */
static void list_names(const struct cl_set *set, char *text, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < set->count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
                                 set->entries[i].doc->name);
    for (const struct cl_embedded *row = cl_embedded; row->name && used < size; row++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", row->name);
}

static struct cl_set_entry *find_parent(struct cl_set *set, const struct cl_item *parent,
                                        struct cl_report *report)
{
    struct cl_set_entry *entry = cl_set_find(set, parent->text);
    char known[400] = "";

    if (!entry)
        entry = embed(set, parent->text, false, report);
    if (!entry) {
        list_names(set, known, sizeof(known));
        cl_report_add(report, parent->place, "extends: there is no policy '%s'; known: %s",
                      parent->text, known);
    }
    return entry;
}

static struct cl_spec *inherit(struct cl_set *set, const struct cl_doc *doc,
                               struct cl_report *report)
{
    const struct cl_node *node = cl_node_find(doc->root, "extends");

    /* A value of the wrong shape is refused by apply.c, with the right words. */
    if (!node || node->kind != CL_NODE_SCALAR || !cl_text_is_policy_name(node->text))
        return cl_spec_new(doc);

    const struct cl_item parent = { node->text, node->place };
    struct cl_set_entry *entry = find_parent(set, &parent, report);
    if (!entry)
        return NULL;
    if (entry->state == CL_SET_BUSY) {
        cl_report_add(report, node->place, "extends: '%s' extends itself in the end",
                      node->text);
        return NULL;
    }
    const struct cl_spec *spec = cl_set_resolve(set, entry, report);
    if (!spec) {
        cl_report_add(report, node->place, "extends: '%s' was refused itself", node->text);
        return NULL;
    }
    return cl_spec_inherit(spec, doc);
}

static unsigned busy(const struct cl_set *set)
{
    unsigned count = 0;

    for (size_t i = 0; i < set->count; i++)
        count += set->entries[i].state == CL_SET_BUSY;
    return count;
}

const struct cl_spec *cl_set_resolve(struct cl_set *set, struct cl_set_entry *entry,
                                     struct cl_report *report)
{
    const struct cl_place whole = { entry->doc, 0, 0, 0 };

    if (entry->state != CL_SET_NEW)
        return entry->spec;
    if (busy(set) == ANCESTORS_MAX) {
        cl_report_add(report, whole, "extends: more than %d ancestors", ANCESTORS_MAX);
        return NULL;
    }

    entry->state = CL_SET_BUSY;
    struct cl_spec *spec = inherit(set, entry->doc, report);
    if (spec && cl_apply_run(spec, report) == 0 && cl_cross_check(spec, report) == 0 &&
        !entry->doc->is_refused) {
        entry->spec = spec;
        entry->state = CL_SET_DONE;
        return spec;
    }
    cl_spec_free(spec);
    entry->state = CL_SET_REFUSED;
    return NULL;
}
