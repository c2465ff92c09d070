/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Method and path to a row of the route table.
 * Runs in: cloche-api.
 * Trusts: the path was decoded once and has no dot segments (http1/target.c); nothing else.
 */
#include "api/route.h"

#include "api/field.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sandbox/base/own.h"

static bool matches(const char *pattern, const char *path, char param[CL_ROUTE_PARAM_MAX])
{
    const char *hole = strstr(pattern, "{}");
    size_t before, behind, length;

    param[0] = '\0';
    if (!hole)
        return strcmp(pattern, path) == 0;
    before = (size_t)(hole - pattern);
    behind = strlen(hole + 2);
    length = strlen(path);
    if (strncmp(pattern, path, before) != 0 || length <= before + behind ||
        strcmp(hole + 2, path + length - behind) != 0)
        return false;
    length -= before + behind;
    if (length >= CL_ROUTE_PARAM_MAX || memchr(path + before, '/', length))
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
        if (serves(&table[i], method)) {
            refusal->allow[0] = '\0';
            return &table[i];
        }
        allow(refusal, table[i].method);
    }
    if (refusal->allow[0])
        cl_refusal_set(refusal, CL_R_METHOD_NOT_ALLOWED, "allowed here: %s", refusal->allow);
    else
        cl_refusal_set(refusal, CL_R_NOT_FOUND, "no such path");
    return NULL;
}

static const struct {
    enum cl_takes takes;
    const char *type;
} types[] = {
    { CL_TAKES_JSON, "application/json" }, { CL_TAKES_PYTHON, "text/x-python" },
    { CL_TAKES_YAML, "application/yaml" }, { CL_TAKES_YAML, "application/x-yaml" },
    { CL_TAKES_YAML, "text/yaml" },        { CL_TAKES_YAML, "text/x-yaml" },
};

enum cl_takes cl_route_type(uint32_t takes, const char *content_type)
{
    for (size_t i = 0; content_type && i < CL_COUNT(types); i++) {
        const size_t length = strlen(types[i].type);

        if ((takes & types[i].takes) && strncasecmp(content_type, types[i].type, length) == 0 &&
            strchr("; \t", content_type[length]) && cl_field_is_utf8(content_type + length))
            return types[i].takes;
    }
    return CL_TAKES_NONE;
}

void cl_route_put_types(uint32_t takes, char *text, size_t size)
{
    uint32_t told = 0; /* one name of each is enough */
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < CL_COUNT(types) && at < size; i++) {
        if (!(takes & types[i].takes) || (told & types[i].takes))
            continue;
        at += (size_t)snprintf(text + at, size - at, "%s%s", told ? " or " : "", types[i].type);
        told |= types[i].takes;
    }
}
