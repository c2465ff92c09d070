/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which handler serves a method and a path. Pure; the table itself is in routes.c.
 */
#ifndef CL_API_ROUTE_H
#define CL_API_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/refusal.h"
#include "policies/tenant.h"

struct cl_visit;

enum cl_route_auth { CL_ROUTE_OPEN = 0, CL_ROUTE_TOKEN };

/* What a body may be: by its Content-Type, or that there may be none. */
enum cl_takes {
    CL_TAKES_NONE = 0,
    CL_TAKES_JSON = 1 << 0,   /* application/json */
    CL_TAKES_PYTHON = 1 << 1, /* text/x-python */
    CL_TAKES_YAML = 1 << 2,   /* application/yaml, application/x-yaml, text/yaml, text/x-yaml */
    CL_TAKES_NOTHING = 1 << 3, /* the body may be left out (beside a type above) */
};

enum { CL_ROUTE_PARAM_MAX = 256 };

struct cl_route {
    const char *method; /* a GET is also a HEAD */
    /* "{}" stands for (the start of) one component, at most once: "/v1/calls/{}/events",
     * "/v1/workflows/{}:cancel". */
    const char *path;
    enum cl_route_auth auth;
    uint32_t scope; /* enum cl_scope that the token must have; 0: any token will do */
    uint32_t takes; /* enum cl_takes */
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

/* Which of `takes` a Content-Type is; CL_TAKES_NONE when it is none of them. */
enum cl_takes cl_route_type(uint32_t takes, const char *content_type);
/* "application/json or text/x-python" */
void cl_route_put_types(uint32_t takes, char *text, size_t size);

#endif
