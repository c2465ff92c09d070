/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of a workflow document -> a tree. Two readers, one result: YAML (the part of 1.2 that
 * means JSON: one document, no aliases, no tags, core-schema scalars) and JSON. Keys that come
 * twice are refused, and size, depth and number of values are capped. Pure.
 */
#ifndef CL_WORKFLOW_DOCUMENT_H
#define CL_WORKFLOW_DOCUMENT_H

#include "api/workflow/node.h"

enum {
    CL_DOCUMENT_JSON_MAX = 4 << 20, /* bytes */
    CL_DOCUMENT_YAML_MAX = 2 << 20, /* read on the event loop: what takes a few ten ms */
    CL_DOCUMENT_DEPTH_MAX = 48,
    CL_DOCUMENT_NODES_MAX = 200000,
};

/* On failure err says "line L column C: what", CL_E_INPUT or, for a cap, CL_E_LIMIT; the tree
 * is then empty. */
int cl_document_parse_json(struct cl_wtree *tree, const char *text, size_t length,
                           struct cl_err *err);
int cl_document_parse_yaml(struct cl_wtree *tree, const char *text, size_t length,
                           struct cl_err *err);

/* A plain YAML scalar by the core schema: its kind, and for a number its text as JSON, made in
 * the tree. -1 for a number that JSON has not (.inf, .nan). */
int cl_document_scalar(struct cl_wtree *tree, const char *text, size_t length,
                       struct cl_wnode *node);

#endif
