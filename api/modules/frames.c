/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a tenant's modules goes with a call, as frames.
 * Runs in: cloche-api.
 * Trusts: rows and contents; their code was made in the tenant's jail and only goes back there.
 */
#include "api/modules/modules.h"

#include <inttypes.h>
#include <string.h>

#include "api/modules/row.h"
#include "api/tenants/tenant.h"
#include "sandbox/base/own.h"

/* ---------------------------------------------------------------------------------- closure */

static int add(struct cl_modules *modules, struct cl_modclosure *closure,
               const struct cl_modpart *part, struct cl_refusal *refusal)
{
    if (closure->count == CL_MODULES_CALL_COUNT) {
        refusal->limit = CL_MODULES_CALL_COUNT;
        return cl_refusal_set(refusal, CL_R_TOO_LARGE,
                              "more than %d modules would go with the call",
                              CL_MODULES_CALL_COUNT);
    }
    if (!closure->parts) {
        closure->parts = calloc(CL_MODULES_CALL_COUNT, sizeof(*part));
        CL_CHECK(closure->parts);
    }
    closure->parts[closure->count++] = *part;
    closure->missing += !part->held;
    closure->bytes += part->row->source_bytes + part->row->code_bytes;
    if (closure->bytes > CL_MODULES_CALL_BYTES) {
        refusal->limit = CL_MODULES_CALL_BYTES;
        return cl_refusal_set(refusal, CL_R_TOO_LARGE,
                              "the modules that go with the call have more than %d bytes",
                              CL_MODULES_CALL_BYTES);
    }
    (void)modules;
    return 0;
}

static int add_row(struct cl_modules *modules, struct cl_modclosure *closure,
                   struct cl_modrow *row, struct cl_refusal *refusal)
{
    const struct cl_modpart part = { row, row->version, row->held };

    if (row->mark == modules->walk || row->reason)
        return 0;
    row->mark = modules->walk;
    return add(modules, closure, &part, refusal);
}

static int add_all(struct cl_modules *modules, const struct cl_modules_want *want,
                   struct cl_modclosure *closure, struct cl_refusal *refusal)
{
    const struct cl_modtenant *of = cl_modules_tenant(modules, want->tenant->name, false);

    for (size_t i = 0; of && i < of->served.count; i++) {
        if (add_row(modules, closure, of->served.items[i], refusal) < 0)
            return -1;
    }
    for (size_t i = 0; of && i < of->put.count; i++) {
        struct cl_modrow *row = of->put.items[i];

        if (!cl_modtable_find(&of->served, row->name) &&
            add_row(modules, closure, row, refusal) < 0)
            return -1;
    }
    return 0;
}

/* NUL-separated names, each a module of the tenant's or not. */
static int add_imports(struct cl_modules *modules, const char *tenant, const char *names,
                       size_t length, struct cl_modclosure *closure, struct cl_refusal *refusal)
{
    for (const char *at = names; at < names + length; at += strlen(at) + 1) {
        struct cl_modrow *row = cl_modules_row(modules, tenant, at);

        if (row && add_row(modules, closure, row, refusal) < 0)
            return -1;
    }
    return 0;
}

static struct cl_json imports_of(const struct cl_modheld *held)
{
    return (struct cl_json){ held->bytes + held->source + held->code + held->functions,
                             held->imports };
}

/* An old version knows its imports once it is here. */
static int add_old(struct cl_modules *modules, const struct cl_modules_want *want,
                   struct cl_modrow *row, struct cl_modclosure *closure,
                   struct cl_refusal *refusal)
{
    struct cl_modheld *held =
        cl_modheld_find(modules, want->tenant->name, want->name, want->version);
    const struct cl_modpart part = { row, want->version, held };
    size_t length = 0;
    int added;

    row->mark = modules->walk;
    if (add(modules, closure, &part, refusal) < 0)
        return -1;
    if (!held)
        return 0;
    closure->bytes += held->source + held->code;
    cl_free_auto char *names = cl_modrow_imports(imports_of(held), &length);
    added = add_imports(modules, want->tenant->name, names, length, closure, refusal);
    return added;
}

static bool is_old(const struct cl_modules_want *want, const struct cl_modrow *row)
{
    return want->version && want->version[0] && strcmp(want->version, row->version) != 0;
}

int cl_modclosure_make(struct cl_modules *modules, const struct cl_modules_want *want,
                       struct cl_modclosure *closure, struct cl_refusal *refusal)
{
    struct cl_modrow *row;

    modules->walk++;
    if (!want->name)
        return add_all(modules, want, closure, refusal);
    row = cl_modules_row(modules, want->tenant->name, want->name);
    if (!row || row->reason)
        return cl_refusal_set(refusal, CL_R_FUNCTION_NOT_FOUND, "there is no module \"%s\"",
                              want->name);
    if (is_old(want, row) ? add_old(modules, want, row, closure, refusal) < 0
                          : add_row(modules, closure, row, refusal) < 0)
        return -1;
    /* What is added behind brings its own imports along. */
    for (size_t i = is_old(want, row) ? 1 : 0; i < closure->count; i++) {
        const struct cl_modrow *part = closure->parts[i].row;

        if (add_imports(modules, want->tenant->name, part->imports, part->imports_length,
                        closure, refusal) < 0)
            return -1;
    }
    return 0;
}

void cl_modclosure_fini(struct cl_modclosure *closure)
{
    free(closure->parts);
    *closure = (struct cl_modclosure){ 0 };
}

/* ----------------------------------------------------------------------------------- frames */

static int put_module(struct cl_request *request, const struct cl_modpart *part,
                      struct cl_err *err)
{
    const struct cl_modheld *held = part->held;
    const struct cl_frame_module module = { (uint32_t)strlen(held->name),
                                            (uint32_t)held->source, (uint32_t)held->code };
    const struct cl_frame head = cl_frame_make(
        CL_F_MODULE, sizeof(module) + module.name_length + held->source + held->code);

    if (cl_buf_put(&request->frames, &head, sizeof(head), err) < 0 ||
        cl_buf_put(&request->frames, &module, sizeof(module), err) < 0 ||
        cl_buf_put(&request->frames, held->name, module.name_length, err) < 0)
        return -1;
    return cl_buf_put(&request->frames, held->bytes, held->source + held->code, err);
}

static int put_all(struct cl_modules *modules, const struct cl_modclosure *closure,
                   struct cl_request *request, struct cl_refusal *refusal)
{
    const size_t heads =
        sizeof(struct cl_frame) + sizeof(struct cl_frame_module) + CL_MODULE_NAME_MAX;
    struct cl_err err = CL_ERR_INIT;

    request->frames.limit += closure->bytes + closure->count * heads;
    for (size_t i = 0; i < closure->count; i++) {
        cl_modheld_use(modules, closure->parts[i].held);
        if (put_module(request, &closure->parts[i], &err) < 0)
            return cl_refusal_failed(refusal, CL_R_TOO_LARGE, &err);
    }
    return 0;
}

int cl_modules_put_frames(struct cl_modules *modules, const struct cl_modules_want *want,
                          struct cl_request *request, struct cl_refusal *refusal)
{
    struct cl_modclosure CL_AUTO(cl_modclosure_fini) closure = { 0 };

    if (cl_modclosure_make(modules, want, &closure, refusal) < 0)
        return -1;
    if (closure.missing > 0)
        return CL_MODULES_LATER;
    return put_all(modules, &closure, request, refusal);
}
