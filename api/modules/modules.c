/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of modules: loaded from the store at start, asked by every call of a function.
 * Runs in: cloche-api.
 * Trusts: the store, as far as it is JSON where JSON is expected.
 */
#include "api/modules/modules.h"

#include <string.h>

#include "api/modules/row.h"
#include "api/store.h"
#include "api/tenants/tenant.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

struct cl_modules *cl_modules_new(struct cl_app *app)
{
    struct cl_modules *modules = calloc(1, sizeof(*modules));

    CL_CHECK(modules);
    modules->app = app;
    cl_list_init(&modules->cache);
    cl_list_init(&modules->fetches);
    cl_list_init(&modules->arriving);
    return modules;
}

static void free_table(struct cl_modules *modules, struct cl_modtable *table)
{
    for (size_t i = 0; i < table->count; i++)
        cl_modrow_free(modules, table->items[i]);
    free(table->items);
}

void cl_modules_free(struct cl_modules *modules)
{
    if (!modules)
        return;
    for (size_t i = 0; i < modules->tenants.count; i++) {
        struct cl_modtenant *tenant = modules->tenants.items[i];

        free_table(modules, &tenant->put);
        free_table(modules, &tenant->served);
        free_table(modules, &tenant->broken);
        free(tenant);
    }
    free(modules->tenants.items);
    cl_list_each (node, keep, &modules->cache)
        cl_modheld_free(modules, cl_list_entry(node, struct cl_modheld, node));
    free(modules);
}

struct cl_modtenant *cl_modules_tenant(struct cl_modules *modules, const char *name, bool make)
{
    struct cl_modtenant *tenant = cl_modtable_find(&modules->tenants, name);

    if (tenant || !make)
        return tenant;
    tenant = calloc(1, sizeof(*tenant));
    CL_CHECK(tenant);
    snprintf(tenant->name, sizeof(tenant->name), "%s", name);
    cl_modtable_insert(&modules->tenants, tenant);
    return tenant;
}

struct cl_modrow *cl_modules_row(struct cl_modules *modules, const char *tenant,
                                 const char *name)
{
    const struct cl_modtenant *of = cl_modules_tenant(modules, tenant, false);
    struct cl_modrow *row = of ? cl_modtable_find(&of->served, name) : NULL;

    if (!row && of)
        row = cl_modtable_find(&of->put, name);
    if (!row && of)
        row = cl_modtable_find(&of->broken, name);
    return row;
}

void cl_modules_put_row(struct cl_modules *modules, const char *tenant, struct cl_modrow *row)
{
    struct cl_modtenant *of = cl_modules_tenant(modules, tenant, true);
    struct cl_modtable *table = row->is_served ? &of->served
                                : row->reason  ? &of->broken
                                               : &of->put;

    if (!row->is_served)
        cl_modrow_free(modules, cl_modtable_take(&of->broken, row->name));
    cl_modrow_free(modules, cl_modtable_take(table, row->name));
    cl_modtable_insert(table, row);
}

/* ------------------------------------------------------------------------------------- load */

static char *copy_text(const void *bytes, size_t length)
{
    char *text = malloc(length + 1);

    CL_CHECK(text);
    if (length)
        memcpy(text, bytes, length);
    text[length] = '\0';
    return text;
}

static int check_json(struct cl_blob blob, struct cl_json *value, struct cl_err *err)
{
    const struct cl_json_caps caps = CL_JSON_CAPS(blob.length);
    size_t at = 0;

    if (blob.length == 0)
        return cl_fail(err, CL_E_LOST, "empty");
    return cl_json_check(blob.bytes, blob.length, &caps, value, &at, err);
}

/* One that is damaged does not keep all others from being served. */
static int pass_over(const struct cl_store_module *stored)
{
    cl_log(CL_ERROR, "modules.damaged", "tenant=%s module=%s", stored->tenant, stored->name);
    return 0;
}

static int on_stored(void *self, const struct cl_store_module *stored, struct cl_err *err)
{
    struct cl_modules *modules = self;
    struct cl_modrow *row;
    struct cl_json functions;
    struct cl_json imports;

    if (!cl_module_is_name(stored->name) ||
        check_json(stored->functions, &functions, err) < 0 ||
        check_json(stored->imports, &imports, err) < 0)
        return pass_over(stored);
    row = calloc(1, sizeof(*row));
    CL_CHECK(row);
    snprintf(row->name, sizeof(row->name), "%s", stored->name);
    snprintf(row->version, sizeof(row->version), "%s", stored->version);
    snprintf(row->policy, sizeof(row->policy), "%s", stored->policy);
    row->description = copy_text(stored->description, strlen(stored->description));
    row->functions = copy_text(functions.text, functions.length);
    row->functions_length = functions.length;
    row->imports = cl_modrow_imports(imports, &row->imports_length);
    row->source_bytes = stored->source.length;
    row->code_bytes = stored->code.length;
    row->created_us = stored->created_us;
    row->updated_us = stored->updated_us;
    row->retry = stored->retry;
    cl_modules_put_row(modules, stored->tenant, row);
    return 0;
}

int cl_modules_load(struct cl_modules *modules, struct cl_store *store, struct cl_err *err)
{
    return cl_store_module_all(store, on_stored, modules, err);
}

/* ------------------------------------------------------------------------------------- look */

bool cl_modules_find(struct cl_modules *modules, const struct cl_tenant *tenant,
                     const char *name, struct cl_module *module)
{
    const struct cl_modrow *row = cl_modules_row(modules, tenant->name, name);

    if (row)
        cl_modrow_view(row, module);
    return row;
}

static struct cl_modrow *behind(const struct cl_modtable *table, const char *after)
{
    size_t at = cl_modtable_place(table, after);

    if (at < table->count && strcmp(table->items[at], after) == 0)
        at++;
    return at < table->count ? table->items[at] : NULL;
}

bool cl_modules_next(struct cl_modules *modules, const struct cl_tenant *tenant,
                     const char *after, struct cl_module *module)
{
    const struct cl_modtenant *of = cl_modules_tenant(modules, tenant->name, false);
    const struct cl_modrow *first = NULL;

    if (!of)
        return false;
    const struct cl_modrow *rows[] = { behind(&of->served, after), behind(&of->put, after),
                                       behind(&of->broken, after) };
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (rows[i] && (!first || strcmp(rows[i]->name, first->name) < 0))
            first = rows[i];
    }
    if (first)
        cl_modrow_view(first, module);
    return first;
}

bool cl_modules_function(const struct cl_module *module, const char *name,
                         struct cl_json *function)
{
    struct cl_json key;
    size_t cursor = 0;

    while (cl_json_kind(module->functions) == CL_JSON_ARRAY &&
           cl_json_next(module->functions, &cursor, &key, function)) {
        if (cl_json_is(cl_modules_member(*function, "name"), name))
            return true;
    }
    return false;
}
