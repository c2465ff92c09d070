/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of a policy file: making, finding, showing.
 * Runs in: cloche-policyc.
 * Trusts: nothing in the texts.
 */
#include "policies/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/err.h"

struct cl_node *cl_node_new(struct cl_doc *doc, enum cl_node_kind kind, struct cl_place place)
{
    struct cl_node *node = calloc(1, sizeof(*node));

    CL_CHECK(node);
    node->kind = kind;
    node->place = place;
    node->all = doc->all;
    doc->all = node;
    return node;
}

void cl_node_append(struct cl_node *parent, struct cl_node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

void cl_doc_free(struct cl_doc *doc)
{
    if (!doc)
        return;
    for (struct cl_node *node = doc->all; node;) {
        struct cl_node *next = node->all;
        free(node->text);
        free(node);
        node = next;
    }
    free(doc->path);
    free(doc->text);
    free(doc);
}

const struct cl_node *cl_node_find(const struct cl_node *map, const char *key)
{
    for (const struct cl_node *value = map->first; value; value = value->next) {
        if (strcmp(value->key->text, key) == 0)
            return value;
    }
    return NULL;
}

const char *cl_node_found(const struct cl_node *node, char *text, size_t size)
{
    if (node->kind == CL_NODE_LIST)
        return "a list";
    if (node->kind == CL_NODE_MAP)
        return "a mapping";
    if (node->text[0] == '\0')
        return node->is_plain ? "nothing" : "an empty text";
    snprintf(text, size, node->is_plain ? "%.60s" : "the text '%.60s'", node->text);
    return text;
}

const char *cl_doc_line(const struct cl_doc *doc, unsigned line, size_t *length)
{
    const char *at = doc->text;

    for (unsigned i = 1; i < line; i++) {
        at = strchr(at, '\n');
        if (!at)
            return NULL;
        at++;
    }
    *length = strcspn(at, "\r\n");
    return at;
}
