/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of a workflow document, and its way back into JSON.
 * Runs in: cloche-api, cloche.
 * Trusts: its readers for caps on number, size and depth; the texts not at all.
 */
#include "api/workflow/node.h"

#include <stdlib.h>
#include <string.h>

#include "api/json/scan.h"

enum { CHUNK_BYTES = 64 << 10 };

struct cl_wchunk {
    struct cl_wchunk *next;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

void cl_wtree_fini(struct cl_wtree *tree)
{
    while (tree->chunks) {
        struct cl_wchunk *next = tree->chunks->next;

        free(tree->chunks);
        tree->chunks = next;
    }
    *tree = (struct cl_wtree)CL_WTREE_INIT;
}

void *cl_wtree_room(struct cl_wtree *tree, size_t length)
{
    const size_t step = _Alignof(max_align_t);
    const size_t need = (length + step - 1) / step * step;
    struct cl_wchunk *chunk = tree->chunks;

    if (!chunk || chunk->size - chunk->used < need) {
        const size_t size = need > CHUNK_BYTES ? need : CHUNK_BYTES;

        chunk = malloc(sizeof(*chunk) + size);
        CL_CHECK(chunk);
        *chunk = (struct cl_wchunk){ .next = tree->chunks, .size = size };
        tree->chunks = chunk;
    }
    chunk->used += need;
    return chunk->bytes + chunk->used - need;
}

const char *cl_wtree_copy(struct cl_wtree *tree, const char *text, size_t length)
{
    char *made = cl_wtree_room(tree, length + 1);

    if (length > 0)
        memcpy(made, text, length);
    made[length] = '\0';
    return made;
}

struct cl_wnode *cl_wnode_new(struct cl_wtree *tree, enum cl_wnode_kind kind,
                              struct cl_wplace place)
{
    struct cl_wnode *node = cl_wtree_room(tree, sizeof(*node));

    *node = (struct cl_wnode){ .kind = kind, .place = place };
    tree->nodes++;
    return node;
}

void cl_wnode_append(struct cl_wnode *parent, struct cl_wnode *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

const struct cl_wnode *cl_wnode_find(const struct cl_wnode *map, const char *key)
{
    const size_t length = strlen(key);

    if (!map || map->kind != CL_W_MAP)
        return NULL;
    for (const struct cl_wnode *at = map->first; at; at = at->next) {
        if (at->key_length == length && memcmp(at->key, key, length) == 0)
            return at;
    }
    return NULL;
}

bool cl_wnode_is_text(const struct cl_wnode *node, const char *text)
{
    return node && node->kind == CL_W_STRING && node->length == strlen(text) &&
           memcmp(node->text, text, node->length) == 0;
}

const char *cl_wnode_kind_name(const struct cl_wnode *node)
{
    static const char *const names[] = { "null",     "false",  "true",     "a number",
                                         "a string", "a list", "an object" };

    return node ? names[node->kind] : "nothing";
}

static int put_scalar(const struct cl_wnode *node, struct cl_buf *out, struct cl_err *err)
{
    if (node->kind == CL_W_STRING)
        return cl_json_put_string(out, node->text, node->length, err);
    if (node->kind == CL_W_NUMBER)
        return cl_buf_put(out, node->text, node->length, err);
    return cl_buf_put_text(out, cl_wnode_kind_name(node), err);
}

/* As deep as a document may be, which its readers cap. */
int cl_wnode_format(const struct cl_wnode *node, struct cl_buf *out, struct cl_err *err)
{
    const bool is_map = node->kind == CL_W_MAP;

    if (node->kind < CL_W_LIST)
        return put_scalar(node, out, err);
    if (cl_buf_put(out, is_map ? "{" : "[", 1, err) < 0)
        return -1;
    for (const struct cl_wnode *at = node->first; at; at = at->next) {
        if (at != node->first && cl_buf_put(out, ",", 1, err) < 0)
            return -1;
        if (is_map && (cl_json_put_string(out, at->key, at->key_length, err) < 0 ||
                       cl_buf_put(out, ":", 1, err) < 0))
            return -1;
        if (cl_wnode_format(at, out, err) < 0)
            return -1;
    }
    return cl_buf_put(out, is_map ? "}" : "]", 1, err);
}
