/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which handler serves a method and a path. Pure; the table itself is in visit.c.
 */
#ifndef CL_API_ROUTE_H
#define CL_API_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "api/refusal.h"

struct cl_visit;

enum cl_route_auth { CL_ROUTE_OPEN = 0, CL_ROUTE_TOKEN };

enum { CL_ROUTE_PARAM_MAX = 128 };

struct cl_route {
    const char *method; /* a GET is also a HEAD */
    const char *path;   /* "{}" stands for one component, at most once */
    enum cl_route_auth auth;
    bool takes_body; /* and needs one */
    /* Looks at the head before a body is read; may be NULL. -1 with the refusal filled. */
    int (*check)(struct cl_visit *visit, struct cl_refusal *refusal);
    /* Answers now, or later. -1 with the refusal filled. */
    int (*run)(struct cl_visit *visit, const char *body, size_t length,
               struct cl_refusal *refusal);
};

/* The row, with what stands for "{}" in `param`; or NULL with 404 or 405 in the refusal. */
const struct cl_route *cl_route_find(const struct cl_route *table, size_t count,
                                     const char *method, const char *path,
                                     char param[CL_ROUTE_PARAM_MAX],
                                     struct cl_refusal *refusal);

#endif
