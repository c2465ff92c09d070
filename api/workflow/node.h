/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A workflow document as a tree, whatever it was written in: typed values that know their line
 * and column. A tree owns its nodes and their texts; nothing is freed before the tree is.
 */
#ifndef CL_WORKFLOW_NODE_H
#define CL_WORKFLOW_NODE_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/base/buf.h"

enum cl_wnode_kind {
    CL_W_NULL = 0,
    CL_W_FALSE,
    CL_W_TRUE,
    CL_W_NUMBER, /* its text is a JSON number, digit for digit as it came */
    CL_W_STRING, /* its text is UTF-8, and may hold NUL bytes */
    CL_W_LIST,
    CL_W_MAP,
};

struct cl_wplace {
    unsigned line; /* both from 1; columns count characters */
    unsigned column;
};

struct cl_wnode {
    enum cl_wnode_kind kind;
    struct cl_wplace place;
    const char *text; /* terminated; of a number or string */
    size_t length;
    const char *key; /* terminated; NULL outside maps */
    size_t key_length;
    struct cl_wplace key_place;
    struct cl_wnode *first; /* items, or values of a map */
    struct cl_wnode *last;
    struct cl_wnode *next;
    size_t count;
};

struct cl_wchunk;

struct cl_wtree {
    struct cl_wnode *root; /* NULL: nothing was read */
    size_t nodes;
    struct cl_wchunk *chunks;
};

/* clang-format off */
#define CL_WTREE_INIT { NULL, 0, NULL }
/* clang-format on */

void cl_wtree_fini(struct cl_wtree *tree);

/* Memory that lives as long as the tree. Aborts without memory: callers cap what they read. */
void *cl_wtree_room(struct cl_wtree *tree, size_t length);
const char *cl_wtree_copy(struct cl_wtree *tree, const char *text, size_t length);

struct cl_wnode *cl_wnode_new(struct cl_wtree *tree, enum cl_wnode_kind kind,
                              struct cl_wplace place);
void cl_wnode_append(struct cl_wnode *parent, struct cl_wnode *child);

/* The value under a key; NULL when the map (which may be NULL) has none. */
const struct cl_wnode *cl_wnode_find(const struct cl_wnode *map, const char *key);

bool cl_wnode_is_text(const struct cl_wnode *node, const char *text);
/* "a list", "a number", ...: for messages. */
const char *cl_wnode_kind_name(const struct cl_wnode *node);

/* Appends the value as JSON without white space. */
int cl_wnode_format(const struct cl_wnode *node, struct cl_buf *out, struct cl_err *err);

#endif
