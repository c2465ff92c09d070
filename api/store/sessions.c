/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions, and the functions that were registered in them.
 * Runs in: cloche-api, on the store thread.
 * Trusts: ids, which are ours; names, which were checked.
 */
#include "api/store/sql.h"

#define SESSION "SELECT id, tenant, key, policy, is_default, created_us, used_us FROM session"
#define REGISTRATION                                                                           \
    "SELECT r.tenant, s.id, r.name, r.kind, r.position, r.content"                             \
    " FROM registration r JOIN session s ON s.serial = r.session"

static int read_sessions(struct cl_sql_rows *rows, cl_store_on_session *each, void *self,
                         struct cl_err *err)
{
    int count = 0, found;

    while ((found = cl_sql_next(rows, err)) > 0) {
        const struct cl_store_session session = {
            .id = cl_sql_text(rows, 0),
            .tenant = cl_sql_text(rows, 1),
            .key = cl_sql_text(rows, 2),
            .policy = cl_sql_text(rows, 3),
            .is_default = cl_sql_number(rows, 4) != 0,
            .created_us = cl_sql_number(rows, 5),
            .used_us = cl_sql_number(rows, 6),
        };

        count++;
        found = each ? each(self, &session, err) : 0;
        if (found != 0)
            break;
    }
    return found < 0 ? -1 : count;
}

int cl_store_session_put(struct cl_store *store, const struct cl_store_session *session,
                         struct cl_err *err)
{
    if (cl_store_check_room(store, session->tenant, CL_STORE_ROW_BYTES, err) < 0)
        return -1;
    return cl_sql_run(
        store,
        "INSERT INTO session (id, tenant, key, policy, is_default, created_us, used_us, bytes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        CL_SQL_VALUES(CL_TEXT(session->id), CL_TEXT(session->tenant), CL_TEXT(session->key),
                      CL_TEXT(session->policy), CL_NUMBER(session->is_default),
                      CL_NUMBER(session->created_us), CL_NUMBER(session->used_us),
                      CL_NUMBER(CL_STORE_ROW_BYTES)),
        err);
}

int cl_store_session_touch(struct cl_store *store, const char *tenant, const char *id,
                           int64_t used_us, struct cl_err *err)
{
    return cl_sql_run(store, "UPDATE session SET used_us = ? WHERE tenant = ? AND id = ?",
                      CL_SQL_VALUES(CL_NUMBER(used_us), CL_TEXT(tenant), CL_TEXT(id)), err);
}

int cl_store_session_delete(struct cl_store *store, const char *tenant, const char *id,
                            struct cl_err *err)
{
    return cl_sql_run(store, "DELETE FROM session WHERE tenant = ? AND id = ?",
                      CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(id)), err);
}

int cl_store_session_get(struct cl_store *store, const char *tenant, const char *id,
                         cl_store_on_session *each, void *self, struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store, SESSION " WHERE tenant = ? AND id = ?",
                    CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(id)), err) < 0)
        return -1;
    return read_sessions(&rows, each, self, err);
}

int cl_store_session_list(struct cl_store *store, const char *tenant, const char *key,
                          const char *after, unsigned limit, cl_store_on_session *each,
                          void *self, struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store,
                    SESSION " WHERE tenant = ? AND id > ? AND (? OR key = ?)"
                            " ORDER BY id LIMIT ?",
                    CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(after), CL_NUMBER(!key),
                                  CL_TEXT(key), CL_NUMBER(limit)),
                    err) < 0)
        return -1;
    return read_sessions(&rows, each, self, err) < 0 ? -1 : 0;
}

int cl_store_session_all(struct cl_store *store, cl_store_on_session *each, void *self,
                         struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store, SESSION " ORDER BY serial", NULL, 0, err) < 0)
        return -1;
    return read_sessions(&rows, each, self, err) < 0 ? -1 : 0;
}

/* ------------------------------------------------------------------------- registrations */

static int read_registrations(struct cl_sql_rows *rows, cl_store_on_registration *each,
                              void *self, struct cl_err *err)
{
    int found;

    while ((found = cl_sql_next(rows, err)) > 0) {
        struct cl_store_registration registration = {
            .tenant = cl_sql_text(rows, 0),
            .session = cl_sql_text(rows, 1),
            .name = cl_sql_text(rows, 2),
            .kind = cl_sql_text(rows, 3),
            .position = (uint64_t)cl_sql_number(rows, 4),
        };

        if (cl_sql_kept(rows, 5, &registration.content, err) < 0)
            return -1;
        found = each(self, &registration, err);
        if (found != 0)
            break;
    }
    return found < 0 ? -1 : 0;
}

/* What is known of a name in a session before it is registered there. */
struct place {
    int64_t session;
    bool is_new;
};

static int find_place(struct cl_store *store, const struct cl_store_registration *reg,
                      struct place *place, struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;
    int found;

    if (cl_sql_open(
            &rows, store,
            "SELECT s.serial, NOT EXISTS (SELECT 1 FROM registration r"
            " WHERE r.session = s.serial AND r.name = ?)"
            " FROM session s WHERE s.tenant = ? AND s.id = ?",
            CL_SQL_VALUES(CL_TEXT(reg->name), CL_TEXT(reg->tenant), CL_TEXT(reg->session)),
            err) < 0)
        return -1;
    found = cl_sql_next(&rows, err);
    if (found == 0)
        return cl_fail(err, CL_E_INPUT, "there is no such session");
    place->session = found > 0 ? cl_sql_number(&rows, 0) : 0;
    place->is_new = found > 0 && cl_sql_number(&rows, 1) != 0;
    return found < 0 ? -1 : 0;
}

int cl_store_registration_put(struct cl_store *store, const struct cl_store_registration *reg,
                              struct cl_err *err)
{
    const size_t bytes = CL_STORE_ROW_BYTES + reg->content.length;
    struct place place = { 0, false };

    if (find_place(store, reg, &place, err) < 0 ||
        cl_store_check_room(store, reg->tenant, bytes, err) < 0)
        return -1;
    if (cl_sql_run(store,
                   "INSERT INTO registration (session, name, tenant, kind, content, bytes,"
                   " position) VALUES (?1, ?2, ?3, ?4, ?5, ?6,"
                   " (SELECT coalesce(max(position), 0) + 1 FROM registration"
                   "  WHERE session = ?1))"
                   " ON CONFLICT (session, name) DO UPDATE SET kind = excluded.kind,"
                   " content = excluded.content, bytes = excluded.bytes",
                   CL_SQL_VALUES(CL_NUMBER(place.session), CL_TEXT(reg->name),
                                 CL_TEXT(reg->tenant), CL_TEXT(reg->kind),
                                 CL_KEPT(reg->content), CL_NUMBER(bytes)),
                   err) < 0)
        return -1;
    return place.is_new;
}

int cl_store_registration_delete(struct cl_store *store, const char *tenant,
                                 const char *session, const char *name, struct cl_err *err)
{
    return cl_sql_run(store,
                      "DELETE FROM registration WHERE name = ? AND session ="
                      " (SELECT serial FROM session WHERE tenant = ? AND id = ?)",
                      CL_SQL_VALUES(CL_TEXT(name), CL_TEXT(tenant), CL_TEXT(session)), err);
}

int cl_store_registrations(struct cl_store *store, const char *tenant, const char *session,
                           cl_store_on_registration *each, void *self, struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store,
                    REGISTRATION " WHERE s.tenant = ? AND s.id = ? ORDER BY r.position",
                    CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(session)), err) < 0)
        return -1;
    return read_registrations(&rows, each, self, err);
}

int cl_store_registration_all(struct cl_store *store, cl_store_on_registration *each,
                              void *self, struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store, REGISTRATION " ORDER BY s.serial, r.position", NULL, 0, err) <
        0)
        return -1;
    return read_registrations(&rows, each, self, err);
}
