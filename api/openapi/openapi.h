/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /openapi.json (OpenAPI 3.1): made from the route table, which says who may call what with which
 * bodies, and from operations.c, which says the same in words. shapes.json beside this file has
 * the schemas of all bodies.
 */
#ifndef CL_API_OPENAPI_H
#define CL_API_OPENAPI_H

#include <stddef.h>

#include "api/route.h"
#include "sandbox/base/buf.h"

enum { CL_OPERATION_REFUSALS = 6 };

/* What a route does. */
struct cl_operation {
    int (*run)(struct cl_visit *visit, const char *body, size_t length,
               struct cl_refusal *refusal); /* of its route */
    const char *id, *tag, *summary;
    const char *param;      /* what "{}" in its path is called; NULL: there is none */
    const char *parameters; /* of shapes.json, with blanks between */
    const char *takes;      /* schema of a JSON (or YAML) body; NULL: it takes none */
    const char *answers; /* "200 Outcome 202 Accepted": status, and a response of shapes.json */
    int refusals[CL_OPERATION_REFUSALS]; /* statuses beside those that follow from the route */
};

extern const struct cl_operation cl_operations[];
extern const size_t cl_operations_count;

/* The one of a route; NULL: nobody has described it, which a test does not let pass. */
const struct cl_operation *cl_operation_of(const struct cl_route *route);

/* The whole document. */
int cl_openapi_format(struct cl_buf *out, struct cl_err *err);

#endif
