/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules and their versions.
 * Runs in: cloche-api, on the store thread.
 * Trusts: names and versions, which modules.c has checked.
 */
#include "api/store/sql.h"

/* What read_row reads, in its order; a list leaves out what is long. A module is as old as its first
 * version, a version as old as itself. */
#define HEAD                                                                                   \
    "SELECT m.tenant, m.name, v.version, m.key, m.description, m.policy, v.magic, m.retry,"    \
    " m.version = v.version, "
#define REST    ", m.updated_us, v.functions, v.imports"
#define MODULE  HEAD "(SELECT min(created_us) FROM module_version WHERE module = m.serial)" REST
#define VERSION HEAD "v.created_us" REST
#define LEAN    ", NULL, NULL"
#define WHOLE   ", v.source, v.code"
#define FROM    " FROM module m JOIN module_version v ON v.module = m.serial"
#define NOW     " AND v.version = m.version"

static int read_row(struct cl_sql_rows *rows, struct cl_store_module *module,
                    struct cl_err *err)
{
    *module = (struct cl_store_module){
        .tenant = cl_sql_text(rows, 0),
        .name = cl_sql_text(rows, 1),
        .version = cl_sql_text(rows, 2),
        .key = cl_sql_text(rows, 3),
        .description = cl_sql_text(rows, 4),
        .policy = cl_sql_text(rows, 5),
        .magic = cl_sql_text(rows, 6),
        .retry = cl_sql_number(rows, 7) != 0,
        .is_current = cl_sql_number(rows, 8) != 0,
        .created_us = cl_sql_number(rows, 9),
        .updated_us = cl_sql_number(rows, 10),
    };
    if (cl_sql_kept(rows, 11, &module->functions, err) < 0 ||
        cl_sql_kept(rows, 12, &module->imports, err) < 0 ||
        cl_sql_kept(rows, 13, &module->source, err) < 0)
        return -1;
    return cl_sql_kept(rows, 14, &module->code, err);
}

/* Returns how many rows were read. */
static int read_rows(struct cl_sql_rows *rows, cl_store_on_module *each, void *self,
                     struct cl_err *err)
{
    struct cl_store_module module;
    int count = 0, found;

    while ((found = cl_sql_next(rows, err)) > 0) {
        if (read_row(rows, &module, err) < 0)
            return -1;
        count++;
        found = each ? each(self, &module, err) : 0;
        if (found != 0)
            break;
    }
    return found < 0 ? -1 : count;
}

static size_t weight(const struct cl_store_module *module)
{
    return CL_STORE_ROW_BYTES + module->source.length + module->code.length +
           module->functions.length + module->imports.length;
}

/* ------------------------------------------------------------------------------- writing */

/* Whether there is a module of that name. */
static int find(struct cl_store *store, const char *tenant, const char *name, int64_t *serial,
                struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;
    int found;

    if (cl_sql_open(&rows, store, "SELECT serial FROM module WHERE tenant = ? AND name = ?",
                    CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(name)), err) < 0)
        return -1;
    found = cl_sql_next(&rows, err);
    *serial = found > 0 ? cl_sql_number(&rows, 0) : 0;
    return found;
}

static int put_name(struct cl_store *store, const struct cl_store_module *module,
                    struct cl_err *err)
{
    return cl_sql_run(
        store,
        "INSERT INTO module (tenant, name, version, key, description, policy, retry,"
        " updated_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (tenant, name) DO UPDATE SET version = excluded.version,"
        " key = excluded.key, description = excluded.description, policy = excluded.policy,"
        " retry = excluded.retry, updated_us = excluded.updated_us",
        CL_SQL_VALUES(CL_TEXT(module->tenant), CL_TEXT(module->name), CL_TEXT(module->version),
                      CL_TEXT(module->key), CL_TEXT(module->description),
                      CL_TEXT(module->policy), CL_NUMBER(module->retry),
                      CL_NUMBER(module->updated_us)),
        err);
}

static int put_version(struct cl_store *store, int64_t serial,
                       const struct cl_store_module *module, struct cl_err *err)
{
    return cl_sql_run(
        store,
        "INSERT INTO module_version (module, tenant, version, magic, source, code, functions,"
        " imports, created_us, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (module, version) DO NOTHING",
        CL_SQL_VALUES(CL_NUMBER(serial), CL_TEXT(module->tenant), CL_TEXT(module->version),
                      CL_TEXT(module->magic), CL_KEPT(module->source), CL_KEPT(module->code),
                      CL_KEPT(module->functions), CL_KEPT(module->imports),
                      CL_NUMBER(module->created_us), CL_NUMBER(weight(module))),
        err);
}

int cl_store_module_put(struct cl_store *store, const struct cl_store_module *module,
                        struct cl_err *err)
{
    int64_t serial;
    const int was = find(store, module->tenant, module->name, &serial, err);

    if (was < 0 || cl_store_check_room(store, module->tenant, weight(module), err) < 0 ||
        put_name(store, module, err) < 0 ||
        find(store, module->tenant, module->name, &serial, err) < 0 ||
        put_version(store, serial, module, err) < 0)
        return -1;
    return was == 0;
}

int cl_store_module_delete(struct cl_store *store, const char *tenant, const char *name,
                           struct cl_err *err)
{
    return cl_sql_run(store, "DELETE FROM module WHERE tenant = ? AND name = ?",
                      CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(name)), err);
}

int cl_store_module_recode(struct cl_store *store, const struct cl_store_module *module,
                           struct cl_err *err)
{
    int64_t serial;

    if (find(store, module->tenant, module->name, &serial, err) < 0)
        return -1;
    return cl_sql_run(store,
                      "UPDATE module_version SET code = ?, magic = ?"
                      " WHERE module = ? AND version = ?",
                      CL_SQL_VALUES(CL_KEPT(module->code), CL_TEXT(module->magic),
                                    CL_NUMBER(serial), CL_TEXT(module->version)),
                      err);
}

/* ------------------------------------------------------------------------------- reading */

int cl_store_module_get(struct cl_store *store, const char *tenant, const char *name,
                        const char *version, cl_store_on_module *each, void *self,
                        struct cl_err *err)
{
    static const char current[] = MODULE WHOLE FROM NOW " WHERE m.tenant = ?1 AND m.name = ?2"
                                                        " AND ?3 = ''";
    static const char named[] = VERSION WHOLE FROM " WHERE m.tenant = ?1 AND m.name = ?2"
                                                   " AND v.version = ?3";
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store, version ? named : current,
                    CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(name), CL_TEXT(version)), err) < 0)
        return -1;
    return read_rows(&rows, each, self, err);
}

int cl_store_module_list(struct cl_store *store, const char *tenant, const char *after,
                         unsigned limit, cl_store_on_module *each, void *self,
                         struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store,
                    MODULE LEAN FROM NOW " WHERE m.tenant = ? AND m.name > ?"
                                         " ORDER BY m.name LIMIT ?",
                    CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(after), CL_NUMBER(limit)), err) < 0)
        return -1;
    return read_rows(&rows, each, self, err) < 0 ? -1 : 0;
}

int cl_store_module_versions(struct cl_store *store, const char *tenant, const char *name,
                             cl_store_on_module *each, void *self, struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store,
                    VERSION LEAN FROM " WHERE m.tenant = ? AND m.name = ?"
                                      " ORDER BY v.created_us DESC, v.serial DESC",
                    CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(name)), err) < 0)
        return -1;
    return read_rows(&rows, each, self, err) < 0 ? -1 : 0;
}

int cl_store_module_all(struct cl_store *store, cl_store_on_module *each, void *self,
                        struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store, MODULE WHOLE FROM NOW " ORDER BY m.tenant, m.name", NULL, 0,
                    err) < 0)
        return -1;
    return read_rows(&rows, each, self, err) < 0 ? -1 : 0;
}
