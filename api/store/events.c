/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of calls and of workflows: two tables of one form.
 * Runs in: cloche-api, on the store thread.
 * Trusts: ids, which are ours or were looked up; lines are bytes.
 */
#include "api/store/sql.h"

static const struct stream {
    const char *what;
    const char *find;
    const char *insert;
    const char *select;
} calls = {
    "call",
    "SELECT serial FROM call WHERE tenant = ? AND id = ?",
    "INSERT INTO call_event (call, seq, tenant, line, bytes) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING",
    "SELECT seq, line FROM call_event WHERE call = ? AND seq > ? ORDER BY seq LIMIT ?",
}, workflows = {
    "workflow",
    "SELECT serial FROM workflow WHERE tenant = ? AND id = ?",
    "INSERT INTO workflow_event (workflow, seq, tenant, line, bytes) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING",
    "SELECT seq, line FROM workflow_event WHERE workflow = ? AND seq > ? ORDER BY seq LIMIT ?",
};

/* Whose events they are. */
struct owner {
    const char *tenant;
    const char *id;
};

static int find(struct cl_store *store, const struct stream *stream, struct owner owner,
                int64_t *serial, struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;
    int found;

    if (cl_sql_open(&rows, store, stream->find,
                    CL_SQL_VALUES(CL_TEXT(owner.tenant), CL_TEXT(owner.id)), err) < 0)
        return -1;
    found = cl_sql_next(&rows, err);
    *serial = found > 0 ? cl_sql_number(&rows, 0) : 0;
    return found;
}

static int put(struct cl_store *store, const struct stream *stream, struct owner owner,
               const struct cl_store_event *event, struct cl_err *err)
{
    const size_t bytes = CL_STORE_ROW_BYTES / 4 + event->line.length;
    int64_t serial;
    const int found = find(store, stream, owner, &serial, err);

    if (found == 0)
        return cl_fail(err, CL_E_INPUT, "there is no such %s", stream->what);
    if (found < 0 ||
        (!event->is_owed && cl_store_check_room(store, owner.tenant, bytes, err) < 0))
        return -1;
    return cl_sql_run(store, stream->insert,
                      CL_SQL_VALUES(CL_NUMBER(serial), CL_NUMBER(event->seq),
                                    CL_TEXT(owner.tenant), CL_KEPT(event->line),
                                    CL_NUMBER(bytes)),
                      err) < 0
               ? -1
               : 0;
}

/* Which part of a stream, and who hears of it. */
struct range {
    uint64_t after;
    unsigned limit;
    cl_store_on_event *each;
    void *self;
};

static int read_rows(struct cl_sql_rows *rows, const struct range *range, struct cl_err *err)
{
    int found;

    while ((found = cl_sql_next(rows, err)) > 0) {
        struct cl_store_event event = { .seq = (uint64_t)cl_sql_number(rows, 0) };

        if (cl_sql_kept(rows, 1, &event.line, err) < 0)
            return -1;
        found = range->each(range->self, &event, err);
        if (found != 0)
            break;
    }
    return found < 0 ? -1 : 0;
}

static int replay(struct cl_store *store, const struct stream *stream, struct owner owner,
                  const struct range *range, struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;
    int64_t serial;
    const int found = find(store, stream, owner, &serial, err);

    if (found <= 0)
        return found;
    if (cl_sql_open(
            &rows, store, stream->select,
            CL_SQL_VALUES(CL_NUMBER(serial), CL_NUMBER(range->after), CL_NUMBER(range->limit)),
            err) < 0 ||
        read_rows(&rows, range, err) < 0)
        return -1;
    return 1;
}

int cl_store_call_event_put(struct cl_store *store, const char *tenant, const char *id,
                            const struct cl_store_event *event, struct cl_err *err)
{
    return put(store, &calls, (struct owner){ tenant, id }, event, err);
}

int cl_store_call_events_drop(struct cl_store *store, const char *tenant, const char *id,
                              uint64_t after, struct cl_err *err)
{
    return cl_sql_run(store,
                      "DELETE FROM call_event WHERE seq > ?"
                      " AND call = (SELECT serial FROM call WHERE tenant = ? AND id = ?)",
                      CL_SQL_VALUES(CL_NUMBER(after), CL_TEXT(tenant), CL_TEXT(id)), err) < 0
               ? -1
               : 0;
}

int cl_store_call_events(struct cl_store *store, const char *tenant, const char *id,
                         uint64_t after, unsigned limit, cl_store_on_event *each, void *self,
                         struct cl_err *err)
{
    const struct range range = { after, limit, each, self };

    return replay(store, &calls, (struct owner){ tenant, id }, &range, err);
}

int cl_store_workflow_event_put(struct cl_store *store, const char *tenant, const char *id,
                                const struct cl_store_event *event, struct cl_err *err)
{
    return put(store, &workflows, (struct owner){ tenant, id }, event, err);
}

int cl_store_workflow_events(struct cl_store *store, const char *tenant, const char *id,
                             uint64_t after, unsigned limit, cl_store_on_event *each,
                             void *self, struct cl_err *err)
{
    const struct range range = { after, limit, each, self };

    return replay(store, &workflows, (struct owner){ tenant, id }, &range, err);
}
