/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A policy file as a tree: scalars, lists and mappings, each with its place. A document owns its
 * nodes; nothing is freed before the document is.
 */
#ifndef CL_POLICIES_NODE_H
#define CL_POLICIES_NODE_H

#include <stdbool.h>
#include <stddef.h>

#include "policies/report.h"
#include "sandbox/base/wire.h"

enum cl_node_kind { CL_NODE_SCALAR = 1, CL_NODE_LIST, CL_NODE_MAP };

struct cl_node {
    enum cl_node_kind kind;
    bool is_plain;       /* a scalar without quotes */
    bool is_flow;        /* a collection in brackets */
    struct cl_place end; /* behind the last character; of a block it may be some lines later */
    char sign;           /* of a list: '+', '-' or 0 */
    struct cl_place place;
    char *text;            /* of a scalar, terminated, without NUL inside */
    struct cl_node *key;   /* the scalar that names this value; NULL outside mappings */
    struct cl_node *first; /* children of a list, values of a mapping */
    struct cl_node *last;
    struct cl_node *next;
    size_t count;
    struct cl_node *all; /* chain of every node, for freeing */
};

struct cl_doc {
    char name[CL_NAME_MAX]; /* of the policy */
    char *path;             /* as shown in messages */
    char *text;             /* the source, for carets */
    size_t length;
    bool is_embedded;
    bool is_refused;      /* whatever the rest of it says */
    bool is_unreadable;   /* not UTF-8: never show its lines */
    struct cl_node *root; /* a mapping; NULL when the text was refused */
    struct cl_node *all;
};

/* A new, detached node and its place in a parent. Aborts without memory. */
struct cl_node *cl_node_new(struct cl_doc *doc, enum cl_node_kind kind, struct cl_place place);
void cl_node_append(struct cl_node *parent, struct cl_node *child);

void cl_doc_free(struct cl_doc *doc);

/* The value under `key` of a mapping, or NULL. */
const struct cl_node *cl_node_find(const struct cl_node *map, const char *key);

/* "a list", "a mapping", "nothing", "'text'": for messages, made in the caller's buffer. */
const char *cl_node_found(const struct cl_node *node, char *text, size_t size);

/* The bytes of a line (from 1) without its end; NULL when there is no such line. */
const char *cl_doc_line(const struct cl_doc *doc, unsigned line, size_t *length);

#endif
