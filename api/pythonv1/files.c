/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of the tenant's files, as python/v1 names them: stem.name.
 * Runs in: cloche-api.
 * Trusts: the index of modules, which jails made from syntax trees; whether a name is really
 * there decides the jail that runs it.
 */
#include <stdio.h>
#include <string.h>

#include "api/pythonv1/call.h"
#include "api/visit.h"
#include "sandbox/base/own.h"

enum { SIMILAR_MAX = 64 };

/* A function's name in the index: plain text, "" when it is too long to be called. */
static void name_of(struct cl_json function, char name[CL_V1_NAME_MAX + 1])
{
    if (!cl_v1_plain(cl_v1_member(function, "name"), name, CL_V1_NAME_MAX + 1))
        name[0] = '\0';
}

/* ------------------------------------------------------------------------------------- similar */

struct words {
    char text[SIMILAR_MAX][2 * CL_V1_NAME_MAX];
    const char *list[SIMILAR_MAX + 1];
    size_t count;
};

static void add_word(struct words *words, const char *module, const char *name)
{
    char *text;

    if (words->count == SIMILAR_MAX)
        return;
    text = words->text[words->count];
    snprintf(text, sizeof(words->text[0]), "%s%s%s", module, module[0] ? "." : "", name);
    words->list[words->count++] = text;
}

static void add_module(struct words *words, const struct cl_module *module)
{
    struct cl_json key, function;
    char name[CL_V1_NAME_MAX + 1];
    size_t cursor = 0;

    while (cl_json_kind(module->functions) == CL_JSON_ARRAY &&
           cl_json_next(module->functions, &cursor, &key, &function)) {
        name_of(function, name);
        add_word(words, module->name, name);
    }
}

/* The name that is nearest to one that nobody has. */
static void put_similar(struct cl_v1_call *call, struct cl_v1_fault *fault)
{
    struct words words = { .count = 0 };
    struct cl_module module;
    const char *near;

    for (size_t i = 0; cl_v1_builtins[i]; i++)
        add_word(&words, "", cl_v1_builtins[i]);
    for (const char *after = "";
         words.count < SIMILAR_MAX &&
         cl_modules_next(call->app->modules, call->tenant, after, &module);
         after = module.name)
        add_module(&words, &module);
    words.list[words.count] = NULL;
    near = cl_refusal_nearest(words.list, call->plan.name);
    if (near)
        snprintf(fault->similar, sizeof(fault->similar), "%s", near);
}

/* ---------------------------------------------------------------------------------------- find */

static bool not_found(struct cl_v1_call *call, const char *reason, struct cl_v1_fault *fault)
{
    cl_v1_fail(fault, CL_V1_PARAMS, "Function %s not found", call->plan.name);
    if (reason)
        cl_v1_plain_text(reason, strlen(reason), fault->reason, sizeof(fault->reason));
    put_similar(call, fault);
    return false;
}

bool cl_v1_files_find(struct cl_v1_call *call, struct cl_v1_fault *fault)
{
    const char *dot = strchr(call->plan.name, '.');
    struct cl_module module;
    struct cl_json function;
    char stem[CL_V1_NAME_MAX + 1];

    if (!dot || strchr(dot + 1, '.'))
        return not_found(call, NULL, fault);
    snprintf(stem, sizeof(stem), "%.*s", (int)(dot - call->plan.name), call->plan.name);
    if (!cl_modules_find(call->app->modules, call->tenant, stem, &module))
        return not_found(call, "there is no such file", fault);
    if (module.reason)
        return not_found(call, module.reason, fault);
    if (dot[1] == '_' || !cl_modules_function(&module, dot + 1, &function))
        return not_found(call, "the file exports no function of this name", fault);
    snprintf(call->module, sizeof(call->module), "%s", stem);
    call->member = dot + 1;
    call->home = CL_V1_HOME_FILE;
    return true;
}

bool cl_v1_files_serve(const struct cl_v1_call *call, const char *name)
{
    const char *dot = strchr(name, '.');
    char stem[CL_V1_NAME_MAX + 1];
    struct cl_module module;
    struct cl_json function;

    if (!dot || dot[1] == '_')
        return false;
    snprintf(stem, sizeof(stem), "%.*s", (int)(dot - name), name);
    return cl_modules_find(call->app->modules, call->tenant, stem, &module) && !module.reason &&
           cl_modules_function(&module, dot + 1, &function);
}

bool cl_v1_files_has(struct cl_v1_call *call, struct cl_v1_fault *fault)
{
    char path[CL_V1_NAME_MAX + 1];
    struct cl_module module;

    if (cl_modules_find(call->app->modules, call->tenant, call->plan.file, &module))
        return true;
    cl_v1_plain(call->plan.shown, path, sizeof(path));
    cl_v1_fail(fault, CL_V1_PARAMS, "File %s not found", path);
    return false;
}

/* ---------------------------------------------------------------------------------------- list */

static int list_module(const struct cl_module *module, struct cl_buf *list, uint32_t *count,
                       struct cl_err *err)
{
    struct cl_json key, function;
    char name[CL_V1_NAME_MAX + 1];
    size_t cursor = 0;

    while (cl_json_kind(module->functions) == CL_JSON_ARRAY &&
           cl_json_next(module->functions, &cursor, &key, &function)) {
        name_of(function, name);
        if (!name[0] || name[0] == '_')
            continue;
        if (cl_buf_format(list, err, "%s\"%s.", list->length ? "," : "", module->name) < 0 ||
            cl_buf_format(list, err, "%s\"", name) < 0)
            return -1;
        (*count)++;
    }
    return 0;
}

int cl_v1_files_list(const struct cl_v1_call *call, struct cl_buf *list, uint32_t *count,
                     struct cl_err *err)
{
    struct cl_module module;

    for (const char *after = "";
         cl_modules_next(call->app->modules, call->tenant, after, &module);
         after = module.name) {
        if (!module.reason && list_module(&module, list, count, err) < 0)
            return -1;
    }
    return 0;
}
