/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of modules in sorted tables, and the cache of contents.
 * Runs in: cloche-api.
 * Trusts: what was checked on its way in; functions and imports are JSON that passed json/scan.c.
 */
#include "api/modules/row.h"

#include <string.h>

#include "sandbox/base/own.h"

bool cl_module_is_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyz_0123456789";

    return *name && strchr(letters, *name) && name[strspn(name, rest)] == '\0' &&
           strlen(name) <= CL_MODULE_NAME_MAX;
}

struct cl_json cl_modules_member(struct cl_json object, const char *key)
{
    struct cl_json name;
    struct cl_json value;
    size_t cursor = 0;

    while (cl_json_kind(object) == CL_JSON_OBJECT &&
           cl_json_next(object, &cursor, &name, &value)) {
        if (cl_json_is(name, key))
            return value;
    }
    return (struct cl_json){ NULL, 0 };
}

/* ----------------------------------------------------------------------------------- tables */

size_t cl_modtable_place(const struct cl_modtable *table, const char *name)
{
    size_t from = 0;
    size_t to = table->count;

    while (from < to) {
        const size_t middle = from + (to - from) / 2;

        if (strcmp(table->items[middle], name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

void *cl_modtable_find(const struct cl_modtable *table, const char *name)
{
    const size_t at = cl_modtable_place(table, name);

    return at < table->count && strcmp(table->items[at], name) == 0 ? table->items[at] : NULL;
}

void cl_modtable_insert(struct cl_modtable *table, void *item)
{
    const size_t at = cl_modtable_place(table, item);

    if (table->count == table->capacity) {
        table->capacity = table->capacity ? 2 * table->capacity : 16;
        table->items = reallocarray(table->items, table->capacity, sizeof(void *));
        CL_CHECK(table->items);
    }
    memmove(table->items + at + 1, table->items + at, (table->count - at) * sizeof(void *));
    table->items[at] = item;
    table->count++;
}

void *cl_modtable_take(struct cl_modtable *table, const char *name)
{
    const size_t at = cl_modtable_place(table, name);
    void *item;

    if (at == table->count || strcmp(table->items[at], name) != 0)
        return NULL;
    item = table->items[at];
    table->count--;
    memmove(table->items + at, table->items + at + 1, (table->count - at) * sizeof(void *));
    return item;
}

/* ------------------------------------------------------------------------------------- rows */

/* The start of a dotted name, if a module may be called like that. */
static size_t put_import(char *at, struct cl_json name)
{
    const char *text = name.text + 1; /* behind the quote */
    const size_t length = strcspn(text, ".\"\\");
    char top[CL_MODULE_NAME_MAX + 1];

    if (length == 0 || length > CL_MODULE_NAME_MAX || text[length] == '\\')
        return 0;
    memcpy(top, text, length);
    top[length] = '\0';
    if (!cl_module_is_name(top))
        return 0;
    memcpy(at, top, length + 1);
    return length + 1;
}

char *cl_modrow_imports(struct cl_json imports, size_t *length)
{
    char *names = malloc(imports.length + 1); /* a name and its NUL are shorter than "name" */
    struct cl_json key;
    struct cl_json name;
    size_t cursor = 0;

    CL_CHECK(names);
    *length = 0;
    while (cl_json_kind(imports) == CL_JSON_ARRAY &&
           cl_json_next(imports, &cursor, &key, &name)) {
        if (cl_json_kind(name) == CL_JSON_STRING)
            *length += put_import(names + *length, name);
    }
    return names;
}

void cl_modrow_free(struct cl_modules *modules, struct cl_modrow *row)
{
    if (!row)
        return;
    if (row->held && row->held->is_pinned)
        cl_modheld_free(modules, row->held);
    else if (row->held)
        row->held->row = NULL;
    free(row->description);
    free(row->reason);
    free(row->functions);
    free(row->imports);
    free(row);
}

void cl_modrow_view(const struct cl_modrow *row, struct cl_module *module)
{
    *module = (struct cl_module){
        .name = row->name,
        .version = row->version,
        .policy = row->policy,
        .description = row->description ? row->description : "",
        .reason = row->reason,
        .functions = { row->functions, row->functions_length },
        .retry = row->retry,
        .is_served = row->is_served,
        .source_bytes = row->source_bytes,
        .created_us = row->created_us,
        .updated_us = row->updated_us,
    };
}

/* ------------------------------------------------------------------------------------ cache */

static size_t size_of(const struct cl_modheld *held)
{
    return sizeof(*held) + held->source + held->code + held->functions + held->imports;
}

void cl_modheld_free(struct cl_modules *modules, struct cl_modheld *held)
{
    if (held->row)
        held->row->held = NULL;
    if (!held->is_pinned)
        modules->cache_bytes -= size_of(held);
    cl_list_unlink(&held->node);
    free(held->bytes);
    free(held);
}

static void make_room(struct cl_modules *modules)
{
    cl_list_each (node, keep, &modules->cache) {
        if (modules->cache_bytes <= CL_MODULES_CACHE)
            return;
        cl_modheld_free(modules, cl_list_entry(node, struct cl_modheld, node));
    }
}

struct cl_modheld *cl_modheld_find(struct cl_modules *modules, const char *tenant,
                                   const char *name, const char *version)
{
    cl_list_each (node, keep, &modules->cache) {
        struct cl_modheld *held = cl_list_entry(node, struct cl_modheld, node);

        if (strcmp(held->version, version) == 0 && strcmp(held->name, name) == 0 &&
            strcmp(held->tenant, tenant) == 0)
            return held;
    }
    return NULL;
}

static char *join(const struct cl_modparts *parts)
{
    const struct cl_json views[] = { parts->source, parts->code, parts->functions,
                                     parts->imports };
    char *bytes;
    size_t at = 0;

    for (size_t i = 0; i < CL_COUNT(views); i++)
        at += views[i].length;
    bytes = malloc(at + 1);
    CL_CHECK(bytes);
    at = 0;
    for (size_t i = 0; i < CL_COUNT(views); i++) {
        if (views[i].length)
            memcpy(bytes + at, views[i].text, views[i].length);
        at += views[i].length;
    }
    return bytes;
}

struct cl_modheld *cl_modheld_put(struct cl_modules *modules, const char *tenant,
                                  const char *name, const char *version,
                                  const struct cl_modparts *parts)
{
    struct cl_modheld *held = cl_modheld_find(modules, tenant, name, version);

    if (held)
        cl_modheld_free(modules, held);
    held = calloc(1, sizeof(*held));
    CL_CHECK(held);
    snprintf(held->tenant, sizeof(held->tenant), "%s", tenant);
    snprintf(held->name, sizeof(held->name), "%s", name);
    snprintf(held->version, sizeof(held->version), "%s", version);
    held->bytes = join(parts);
    held->source = parts->source.length;
    held->code = parts->code.length;
    held->functions = parts->functions.length;
    held->imports = parts->imports.length;
    cl_list_init(&held->node);
    modules->cache_bytes += size_of(held);
    make_room(modules);
    cl_list_append(&modules->cache, &held->node); /* last, so that it stays itself */
    return held;
}

void cl_modheld_attach(struct cl_modheld *held, struct cl_modrow *row)
{
    if (row->held && row->held != held)
        row->held->row = NULL;
    held->row = row;
    row->held = held;
}

void cl_modheld_use(struct cl_modules *modules, struct cl_modheld *held)
{
    if (held->is_pinned)
        return;
    cl_list_unlink(&held->node);
    cl_list_append(&modules->cache, &held->node);
}

void cl_modheld_pin(struct cl_modules *modules, struct cl_modheld *held)
{
    if (held->is_pinned)
        return;
    cl_list_unlink(&held->node);
    modules->cache_bytes -= size_of(held);
    held->is_pinned = true;
}
