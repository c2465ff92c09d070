/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Method and path to a row of the route table.
 * Runs in: cloche-api.
 * Trusts: the path was decoded once and has no dot segments (http1/target.c); nothing else.
 */
#include "api/route.h"

#include <stdio.h>
#include <string.h>

static bool matches(const char *pattern, const char *path, char param[CL_ROUTE_PARAM_MAX])
{
    const char *hole = strstr(pattern, "{}");
    size_t before;
    size_t length;

    param[0] = '\0';
    if (!hole)
        return strcmp(pattern, path) == 0;
    before = (size_t)(hole - pattern);
    if (strncmp(pattern, path, before) != 0)
        return false;
    length = strcspn(path + before, "/");
    if (length == 0 || length >= CL_ROUTE_PARAM_MAX ||
        strcmp(hole + 2, path + before + length) != 0)
        return false;
    memcpy(param, path + before, length);
    param[length] = '\0';
    return true;
}

static bool serves(const struct cl_route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

static void allow(struct cl_refusal *refusal, const char *method)
{
    const size_t at = strlen(refusal->allow);

    snprintf(refusal->allow + at, sizeof(refusal->allow) - at, "%s%s%s", at ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

const struct cl_route *cl_route_find(const struct cl_route *table, size_t count,
                                     const char *method, const char *path,
                                     char param[CL_ROUTE_PARAM_MAX], struct cl_refusal *refusal)
{
    for (size_t i = 0; i < count; i++) {
        if (!matches(table[i].path, path, param))
            continue;
        if (serves(&table[i], method))
            return &table[i];
        allow(refusal, table[i].method);
    }
    if (refusal->allow[0])
        cl_refusal_set(refusal, CL_R_METHOD_NOT_ALLOWED, "allowed here: %s", refusal->allow);
    else
        cl_refusal_set(refusal, CL_R_NOT_FOUND, "no such path");
    return NULL;
}
