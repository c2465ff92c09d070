/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the document together, once, when it is first asked for.
 * Runs in: cloche-api.
 * Trusts: our own tables; a test reads all of the document.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/openapi/openapi.h"
#include "api/openapi/shapes.h"
#include "api/visit.h"
#include "policies/tenant.h"
#include "sandbox/base/own.h"
#include "sandbox/base/version.h"

enum { DOCUMENT_MAX = 1 << 20, HASH_BYTES = 16, WORD_MAX = 64 };

#define PUT(...) (cl_buf_format(out, err, __VA_ARGS__) < 0)

/* What a body may be called, of each bit of `takes`. */
static const struct {
    uint32_t takes;
    const char *type;
    bool is_text; /* else it has the operation's schema */
} types[] = {
    { CL_TAKES_JSON, "application/json", false },
    { CL_TAKES_YAML, "application/yaml", false },
    { CL_TAKES_PYTHON, "text/x-python", true },
};

/* What a route says about the refusals that it has. */
static const struct {
    int status;
    bool with_token, with_scope, with_body, with_param;
} refusals[] = {
    { 400, false, false, false, false }, { 401, true, false, false, false },
    { 403, false, true, false, false },  { 404, false, false, false, true },
    { 408, false, false, true, false },  { 411, false, false, true, false },
    { 413, false, false, true, false },  { 415, false, false, true, false },
    { 429, true, false, false, false },  { 431, false, false, false, false },
    { 500, false, false, false, false }, { 503, true, false, false, false },
};

/* The next word of a list; false at its end. */
static bool next_word(const char **list, char word[WORD_MAX])
{
    *list += strspn(*list, " ");
    const size_t length = strcspn(*list, " ");

    snprintf(word, WORD_MAX, "%.*s", (int)length, *list);
    *list += length;
    return length > 0;
}

static int put_parameters(const struct cl_operation *operation, struct cl_buf *out,
                          struct cl_err *err)
{
    const char *list = operation->parameters;
    const char *before = "";
    char name[WORD_MAX];

    if (PUT(",\"parameters\":["))
        return -1;
    if (operation->param) {
        if (PUT("{\"name\":\"%s\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":"
                "\"string\"}}",
                operation->param))
            return -1;
        before = ",";
    }
    for (; next_word(&list, name); before = ",") {
        if (PUT("%s{\"$ref\":\"#/components/parameters/%s\"}", before, name))
            return -1;
    }
    return cl_buf_put_text(out, "]", err);
}

static int put_body(const struct cl_route *route, const struct cl_operation *operation,
                    struct cl_buf *out, struct cl_err *err)
{
    const char *before = "";

    if (!operation->takes)
        return 0;
    if (PUT(",\"requestBody\":{\"required\":%s,\"content\":{",
            route->takes & CL_TAKES_NOTHING ? "false" : "true"))
        return -1;
    for (size_t i = 0; i < CL_COUNT(types); i++) {
        if (!(route->takes & types[i].takes))
            continue;
        if (types[i].is_text
                ? PUT("%s\"%s\":{\"schema\":{\"type\":\"string\"}}", before, types[i].type)
                : PUT("%s\"%s\":{\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}", before,
                      types[i].type, operation->takes))
            return -1;
        before = ",";
    }
    return cl_buf_put_text(out, "}}", err);
}

/* Among its answers: what this one of its refusals looks like. */
static bool is_answered(const struct cl_operation *operation, int status)
{
    const char *list = operation->answers;
    char word[WORD_MAX];

    while (next_word(&list, word)) {
        if (atoi(word) == status)
            return true;
    }
    return false;
}

static bool is_refused(const struct cl_route *route, const struct cl_operation *operation,
                       size_t row)
{
    const bool has_token = route->auth == CL_ROUTE_TOKEN;

    if (is_answered(operation, refusals[row].status))
        return false;
    for (size_t i = 0; i < CL_OPERATION_REFUSALS; i++) {
        if (operation->refusals[i] == refusals[row].status)
            return true;
    }
    return (!refusals[row].with_token || has_token) &&
           (!refusals[row].with_scope || route->scope != 0) &&
           (!refusals[row].with_body || route->takes != CL_TAKES_NONE) &&
           (!refusals[row].with_param || operation->param);
}

static bool is_common(int status)
{
    for (size_t i = 0; i < CL_COUNT(refusals); i++) {
        if (refusals[i].status == status)
            return true;
    }
    return false;
}

static int put_problem(int status, struct cl_buf *out, struct cl_err *err)
{
    return PUT(",\"%d\":{\"$ref\":\"#/components/responses/Problem%d\"}", status, status) ? -1
                                                                                          : 0;
}

static int put_responses(const struct cl_route *route, const struct cl_operation *operation,
                         struct cl_buf *out, struct cl_err *err)
{
    const char *list = operation->answers, *before = "";
    char status[WORD_MAX], name[WORD_MAX];

    if (PUT(",\"responses\":{"))
        return -1;
    for (; next_word(&list, status) && next_word(&list, name); before = ",") {
        if (PUT("%s\"%s\":{\"$ref\":\"#/components/responses/%s\"}", before, status, name))
            return -1;
    }
    for (size_t i = 0; i < CL_COUNT(refusals); i++) {
        if (is_refused(route, operation, i) && put_problem(refusals[i].status, out, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < CL_OPERATION_REFUSALS; i++) {
        const int own = operation->refusals[i];
        if (own && !is_common(own) && put_problem(own, out, err) < 0)
            return -1;
    }
    return cl_buf_put_text(out, "}", err);
}

static int put_security(const struct cl_route *route, struct cl_buf *out, struct cl_err *err)
{
    const char *before = "", *words = CL_SCOPE_WORDS;
    char word[WORD_MAX];

    if (route->auth == CL_ROUTE_OPEN)
        return cl_buf_put_text(out, ",\"security\":[]", err);
    if (PUT(",\"security\":[{\"token\":["))
        return -1;
    for (uint32_t scope = 1; next_word(&words, word); scope <<= 1) {
        if (!(route->scope & scope))
            continue;
        if (PUT("%s\"%s\"", before, word))
            return -1;
        before = ",";
    }
    return cl_buf_put_text(out, "]}]", err);
}

static int put_operation(const struct cl_route *route, struct cl_buf *out, struct cl_err *err)
{
    const struct cl_operation *operation = cl_operation_of(route);
    char method[16] = "";

    if (!operation)
        return cl_fail(err, CL_E_INPUT, "%s %s is not described", route->method, route->path);
    for (size_t i = 0; i < sizeof(method) - 1 && route->method[i]; i++)
        method[i] = (char)(route->method[i] | 0x20);
    if (PUT("\"%s\":{\"operationId\":\"%s\",\"tags\":[\"%s\"],\"summary\":\"%s\"", method,
            operation->id, operation->tag, operation->summary) ||
        put_parameters(operation, out, err) < 0 || put_body(route, operation, out, err) < 0 ||
        put_responses(route, operation, out, err) < 0 || put_security(route, out, err) < 0)
        return -1;
    return cl_buf_put_text(out, "}", err);
}

/* The first route with this path stands for all of them. */
static bool is_first(size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(cl_routes[i].path, cl_routes[index].path) == 0)
            return false;
    }
    return true;
}

static int put_path(size_t index, struct cl_buf *out, struct cl_err *err)
{
    const struct cl_operation *operation = cl_operation_of(&cl_routes[index]);
    const char *path = cl_routes[index].path, *hole = strstr(path, "{}");
    const int before = (int)(hole ? hole - path : (ptrdiff_t)strlen(path));
    const char *comma = "";

    if (PUT("%s\"%.*s", index ? "," : "", before, path) ||
        (hole && operation && PUT("{%s}%s", operation->param, hole + 2)) || PUT("\":{"))
        return -1;
    for (size_t i = index; i < cl_routes_count; i++) {
        if (strcmp(cl_routes[i].path, path) != 0)
            continue;
        if (cl_buf_put_text(out, comma, err) < 0 || put_operation(&cl_routes[i], out, err) < 0)
            return -1;
        comma = ",";
    }
    return cl_buf_put_text(out, "}", err);
}

int cl_openapi_format(struct cl_buf *out, struct cl_err *err)
{
    if (PUT("{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Cloche\",\"version\":\"%s\","
            "\"summary\":\"Untrusted Python functions, each call in a kernel jail of its own\","
            "\"license\":{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}},"
            "\"servers\":[{\"url\":\"/\"}],\"paths\":{",
            CL_VERSION))
        return -1;
    for (size_t i = 0; i < cl_routes_count; i++) {
        if (is_first(i) && put_path(i, out, err) < 0)
            return -1;
    }
    if (PUT("},\"components\":"))
        return -1;
    return cl_buf_put_text(out, cl_openapi_shapes, err) < 0 || PUT("}\n") ? -1 : 0;
}

/* ----------------------------------------------------------------------------------- handler */

/* The same for as long as the process lives. */
static struct cl_buf document;
static char tag[2 * HASH_BYTES + 3]; /* quoted */

static int make(struct cl_err *err)
{
    struct cl_buf CL_AUTO(cl_buf_fini) made = CL_BUF_INIT(DOCUMENT_MAX);
    uint8_t hash[HASH_BYTES];

    if (document.length > 0)
        return 0;
    if (cl_openapi_format(&made, err) < 0)
        return -1;
    crypto_generichash(hash, sizeof(hash), made.bytes, made.length, NULL, 0);
    tag[0] = tag[2 * HASH_BYTES + 1] = '"';
    sodium_bin2hex(tag + 1, 2 * HASH_BYTES + 1, hash, sizeof(hash));
    tag[2 * HASH_BYTES + 1] = '"';
    document = made;
    made = (struct cl_buf){ 0 };
    return 0;
}

int cl_openapi_get(struct cl_visit *visit, const char *body, size_t length,
                   struct cl_refusal *refusal)
{
    const char *known = cl_exchange_field(visit->exchange, "if-none-match");
    struct cl_err err = CL_ERR_INIT;

    (void)body;
    (void)length;
    if (make(&err) < 0)
        return cl_refusal_set(refusal, CL_R_NO_MEMORY, "%s", err.text);
    cl_exchange_header(visit->exchange, "ETag", tag);
    if (known && (strstr(known, tag) || strcmp(known, "*") == 0))
        cl_exchange_answer(visit->exchange, 304, "application/json", "", 0);
    else
        cl_visit_answer(visit, "application/json", &document);
    return 0;
}
