/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML text -> a tree of nodes that know their line and column. A small part of YAML only: one
 * document, a mapping at the top, no anchors, aliases, tags or directives, strict UTF-8, and caps
 * on size, depth and counts. A duplicate key is refused. `+[a, b]` and `-[a, b]`, which YAML sees
 * as plain text, become signed lists.
 */
#ifndef CL_POLICIES_LOAD_H
#define CL_POLICIES_LOAD_H

#include <stddef.h>

#include "policies/node.h"
#include "policies/report.h"

enum {
    CL_LOAD_BYTES_MAX = 256 << 10,
    CL_LOAD_DEPTH_MAX = 8,
    CL_LOAD_ITEMS_MAX = 4096, /* of one list or mapping */
    CL_LOAD_KEYS_MAX = 512,   /* of one mapping: looking for duplicates is quadratic */
    CL_LOAD_TEXT_MAX = 4096,  /* bytes of one scalar */
    /* A file of tenants holds as many of them as there may be. */
    CL_LOAD_TENANTS_BYTES_MAX = 2 << 20,
    CL_LOAD_TENANTS_KEYS_MAX = 1024,
};

/* Never NULL: a refused text gives a document without root, and problems in the report; one
 * with a duplicate key keeps its root, so that the rest can be checked, and `is_refused`. Without
 * a `name` it is no policy, and said to be JSON. Copies everything it keeps; the caller frees it
 * with cl_doc_free. */
struct cl_doc *cl_load_parse(const char *name, const char *path, const char *text,
                             size_t length, struct cl_report *report);

/* Likewise for tenants.yaml, which has larger caps. */
struct cl_doc *cl_load_tenants(const char *path, const char *text, size_t length,
                               struct cl_report *report);
/* And for cloche.yaml. */
struct cl_doc *cl_load_settings(const char *path, const char *text, size_t length,
                                struct cl_report *report);

#endif
