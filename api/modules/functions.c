/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions: what can be called, a call by name, and which name the caller may have meant.
 * Runs in: cloche-api.
 * Trusts: nothing of a request; names in rows were checked when they were put.
 */
#include <string.h>

#include "api/modules/modules.h"
#include "api/modules/row.h"
#include "api/tenants/tenant.h"
#include "api/visit.h"
#include "sandbox/base/own.h"

enum {
    SIMILAR_MAX = 3,
    SIMILAR_LOOKED = 2000, /* modules that are compared */
    FAR = 3,               /* edits that make another name */
    WORD_MAX = 48,
};

/* ---------------------------------------------------------------------------------- similar */

static unsigned edits(const char *a, const char *b)
{
    unsigned row[WORD_MAX + 1];
    const size_t width = strlen(b);
    const size_t height = strlen(a);

    if (width > WORD_MAX || (width > height ? width - height : height - width) >= FAR)
        return FAR;
    for (size_t j = 0; j <= width; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; i < height; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i + 1;
        for (size_t j = 1; j <= width; j++) {
            const unsigned change = diagonal + (a[i] != b[j - 1]);
            const unsigned shorter = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

            diagonal = row[j];
            row[j] = change < shorter ? change : shorter;
        }
    }
    return row[width];
}

struct similar {
    char names[SIMILAR_MAX][CL_REQUEST_FUNCTION_MAX];
    unsigned far[SIMILAR_MAX];
    size_t count;
};

/* The nearest stay, the nearest first. */
static void offer(struct similar *similar, unsigned far, const char *module,
                  const char *function)
{
    size_t at = similar->count;

    if (far >= FAR)
        return;
    while (at > 0 && similar->far[at - 1] > far)
        at--;
    if (at == SIMILAR_MAX)
        return;
    if (similar->count < SIMILAR_MAX)
        similar->count++;
    for (size_t i = similar->count - 1; i > at; i--) {
        memcpy(similar->names[i], similar->names[i - 1], sizeof(similar->names[i]));
        similar->far[i] = similar->far[i - 1];
    }
    snprintf(similar->names[at], sizeof(similar->names[at]), "%s%s%s", module,
             *function ? "." : "", function);
    similar->far[at] = far;
}

/* The name of one of a module's functions, if it is plain. */
static bool name_of(struct cl_json function, char name[WORD_MAX + 1])
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(WORD_MAX);
    struct cl_err err = CL_ERR_INIT;

    if (cl_json_string(cl_modules_member(function, "name"), &text, &err) < 0)
        return false;
    memcpy(name, text.bytes, text.length);
    name[text.length] = '\0';
    return text.length > 0;
}

static void offer_functions(struct similar *similar, const struct cl_module *module,
                            const char *wanted)
{
    char name[WORD_MAX + 1];
    struct cl_json key;
    struct cl_json function;
    size_t cursor = 0;

    while (cl_json_kind(module->functions) == CL_JSON_ARRAY &&
           cl_json_next(module->functions, &cursor, &key, &function)) {
        if (name_of(function, name))
            offer(similar, edits(wanted, name), module->name, name);
    }
}

static void offer_modules(struct similar *similar, struct cl_modules *modules,
                          const struct cl_tenant *tenant, const char *wanted, const char *rest)
{
    struct cl_module module = { .name = "" };
    struct cl_json function;

    for (int i = 0;
         i < SIMILAR_LOOKED && cl_modules_next(modules, tenant, module.name, &module); i++) {
        const unsigned far = edits(wanted, module.name);

        if (far < FAR)
            offer(similar, far, module.name,
                  *rest && cl_modules_function(&module, rest, &function) ? rest : "");
    }
}

static void put_similar(const struct similar *similar, struct cl_refusal *refusal)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(sizeof(refusal->extra) - 1);
    struct cl_err err = CL_ERR_INIT;

    if (similar->count == 0 || cl_buf_put_text(&out, "\"similar\":[", &err) < 0)
        return;
    for (size_t i = 0; i < similar->count; i++) {
        const size_t before = out.length;

        if (cl_buf_put_text(&out, i ? "," : "", &err) < 0 ||
            cl_json_put_string(&out, similar->names[i], strlen(similar->names[i]), &err) < 0 ||
            out.length + 1 > out.limit) {
            out.length = before;
            break;
        }
    }
    if (cl_buf_put_text(&out, "]", &err) == 0)
        snprintf(refusal->extra, sizeof(refusal->extra), "%.*s", (int)out.length, out.bytes);
}

/* ---------------------------------------------------------------------------------- resolve */

/* "module.name.more" as "module", "name" and whether the rest is public. */
struct name {
    char module[CL_MODULE_NAME_MAX + 1];
    char function[CL_REQUEST_FUNCTION_MAX];
    bool is_public;
};

static void split(const char *text, struct name *name)
{
    const size_t first = strcspn(text, ".");
    const char *rest = text[first] ? text + first + 1 : "main";

    snprintf(name->module, sizeof(name->module), "%.*s",
             first <= CL_MODULE_NAME_MAX ? (int)first : 0, text);
    snprintf(name->function, sizeof(name->function), "%.*s", (int)strcspn(rest, "."), rest);
    name->is_public = *rest != '_' && !strstr(rest, "._");
}

static int refuse(struct cl_modules *modules, const struct cl_tenant *tenant,
                  const char *wanted, const struct name *name, struct cl_refusal *refusal)
{
    struct similar similar = { .count = 0 };
    struct cl_module module;
    const bool has_module = cl_modules_find(modules, tenant, name->module, &module);

    if (has_module && module.reason)
        return cl_refusal_set(refusal, CL_R_FUNCTION_NOT_FOUND, "Function %s not found: %s",
                              wanted, module.reason);
    if (has_module)
        offer_functions(&similar, &module, name->function);
    else
        offer_modules(&similar, modules, tenant, name->module, name->function);
    put_similar(&similar, refusal);
    return cl_refusal_set(refusal, CL_R_FUNCTION_NOT_FOUND, "Function %s not found", wanted);
}

static struct cl_json view(const char *bytes, size_t length)
{
    return (struct cl_json){ bytes, length };
}

/* Whether it is there to be called. CL_MODULES_LATER: an old version's functions are in the store. */
static int look_up(struct cl_modules *modules, const struct cl_tenant *tenant,
                   const struct cl_request *request, const struct name *name)
{
    struct cl_module module;
    struct cl_json function;

    if (!name->is_public || !cl_modules_find(modules, tenant, name->module, &module) ||
        module.reason)
        return -1;
    if (request->version[0] && strcmp(request->version, module.version) != 0) {
        const struct cl_modheld *held =
            cl_modheld_find(modules, tenant->name, name->module, request->version);

        if (!held)
            return CL_MODULES_LATER;
        module.functions = view(held->bytes + held->source + held->code, held->functions);
    }
    return cl_modules_function(&module, name->function, &function) ? 0 : -1;
}

static int put_entry(struct cl_request *request, struct cl_refusal *refusal)
{
    const size_t length = strlen(request->function);
    const struct cl_frame head = cl_frame_make(CL_F_ENTRY, length);
    struct cl_err err = CL_ERR_INIT;

    request->frames.limit += sizeof(head) + length;
    if (cl_buf_put(&request->frames, &head, sizeof(head), &err) < 0 ||
        cl_buf_put(&request->frames, request->function, length, &err) < 0)
        return cl_refusal_failed(refusal, CL_R_TOO_LARGE, &err);
    return 0;
}

int cl_modules_resolve(struct cl_modules *modules, const struct cl_tenant *tenant,
                       struct cl_request *request, struct cl_modules_want *want,
                       struct cl_refusal *refusal)
{
    const struct cl_modrow *row;
    struct name name;
    int found;

    split(request->function, &name);
    found = look_up(modules, tenant, request, &name);
    if (found < 0)
        return refuse(modules, tenant, request->function, &name, refusal);
    row = cl_modules_row(modules, tenant->name, name.module);
    *want = (struct cl_modules_want){ tenant, row->name, request->version };
    if (found == 0)
        found = cl_modules_put_frames(modules, want, request, refusal);
    if (found != 0)
        return found;
    if (!request->policy[0])
        snprintf(request->policy, sizeof(request->policy), "%s", row->policy);
    return put_entry(request, refusal);
}

/* ------------------------------------------------------------------------------------- http */

int cl_functions_call(struct cl_visit *visit, const char *body, size_t length,
                      struct cl_refusal *refusal)
{
    const struct cl_json sent = length ? view(body, length) : view("{}", 2);

    return cl_calls_take(visit, CL_CALL_KIND_CALL, visit->param, sent, refusal);
}
