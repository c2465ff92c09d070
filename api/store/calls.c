/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are answered later, from their request to their envelope.
 * Runs in: cloche-api, on the store thread.
 * Trusts: ids, which are ours; keys and bodies are bytes.
 */
#include <string.h>

#include "api/store/sql.h"

/* What read_row reads, in its order; the list leaves out what is long. */
#define COMMON                                                                                 \
    "SELECT id, tenant, key, function, policy, verdict, idem_key, idem_hash, state, priority," \
    " attempts, retry, is_cancelled, not_before_us, created_us, started_us, ended_us"
#define LEAN  COMMON ", NULL, NULL FROM call"
#define WHOLE COMMON ", request, envelope FROM call"

static int read_row(struct cl_sql_rows *rows, struct cl_store_call *call, struct cl_err *err)
{
    *call = (struct cl_store_call){
        .id = cl_sql_text(rows, 0),
        .tenant = cl_sql_text(rows, 1),
        .key = cl_sql_text(rows, 2),
        .function = cl_sql_text(rows, 3),
        .policy = cl_sql_text(rows, 4),
        .verdict = cl_sql_text(rows, 5),
        .idem_key = cl_sql_text(rows, 6),
        .idem_hash = cl_sql_blob(rows, 7),
        .state = (enum cl_store_state)cl_sql_number(rows, 8),
        .priority = (int32_t)cl_sql_number(rows, 9),
        .attempts = (uint32_t)cl_sql_number(rows, 10),
        .retry = cl_sql_number(rows, 11) != 0,
        .is_cancelled = cl_sql_number(rows, 12) != 0,
        .not_before_us = cl_sql_number(rows, 13),
        .created_us = cl_sql_number(rows, 14),
        .started_us = cl_sql_number(rows, 15),
        .ended_us = cl_sql_number(rows, 16),
    };
    if (cl_sql_kept(rows, 17, &call->request, err) < 0)
        return -1;
    return cl_sql_kept(rows, 18, &call->envelope, err);
}

/* Returns how many rows were read. */
static int read_rows(struct cl_sql_rows *rows, cl_store_on_call *each, void *self,
                     struct cl_err *err)
{
    struct cl_store_call call;
    int count = 0, found;

    while ((found = cl_sql_next(rows, err)) > 0) {
        if (read_row(rows, &call, err) < 0)
            return -1;
        count++;
        found = each ? each(self, &call, err) : 0;
        if (found != 0)
            break;
    }
    return found < 0 ? -1 : count;
}

/* ------------------------------------------------------------------------------- writing */

static bool is_same_body(struct cl_blob a, struct cl_blob b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

struct earlier {
    const struct cl_store_call *call;
    cl_store_on_call *each;
    void *self;
    enum cl_store_fresh fresh;
};

static int on_earlier(void *self, const struct cl_store_call *call, struct cl_err *err)
{
    struct earlier *earlier = self;

    if (!is_same_body(call->idem_hash, earlier->call->idem_hash)) {
        earlier->fresh = CL_STORE_OTHER;
        return 0;
    }
    earlier->fresh = CL_STORE_SAME;
    return earlier->each ? earlier->each(earlier->self, call, err) : 0;
}

static int find_earlier(struct cl_store *store, struct earlier *earlier, struct cl_err *err)
{
    const struct cl_store_call *call = earlier->call;
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (!call->idem_key || !call->idem_key[0])
        return 0;
    if (cl_sql_open(
            &rows, store, WHOLE " WHERE tenant = ? AND key = ? AND idem_key = ?",
            CL_SQL_VALUES(CL_TEXT(call->tenant), CL_TEXT(call->key), CL_TEXT(call->idem_key)),
            err) < 0)
        return -1;
    return read_rows(&rows, on_earlier, earlier, err);
}

static int insert(struct cl_store *store, const struct cl_store_call *call, size_t bytes,
                  struct cl_err *err)
{
    return cl_sql_run(
        store,
        "INSERT INTO call (id, tenant, key, function, policy, verdict, idem_key, idem_hash,"
        " request, state, priority, attempts, retry, is_cancelled, not_before_us, created_us,"
        " started_us, ended_us, bytes)"
        " VALUES (?, ?, ?, ?, ?, '', ?, ?, ?, 0, ?, 0, ?, 0, ?, ?, 0, 0, ?)",
        CL_SQL_VALUES(CL_TEXT(call->id), CL_TEXT(call->tenant), CL_TEXT(call->key),
                      CL_TEXT(call->function), CL_TEXT(call->policy), CL_MAYBE(call->idem_key),
                      CL_PLAIN(call->idem_hash), CL_KEPT(call->request),
                      CL_NUMBER(call->priority), CL_NUMBER(call->retry),
                      CL_NUMBER(call->not_before_us), CL_NUMBER(call->created_us),
                      CL_NUMBER(bytes)),
        err);
}

int cl_store_call_insert(struct cl_store *store, const struct cl_store_call *call,
                         cl_store_on_call *each, void *self, struct cl_err *err)
{
    const size_t bytes = CL_STORE_ROW_BYTES + call->request.length;
    struct earlier earlier = { call, each, self, CL_STORE_FRESH };

    if (find_earlier(store, &earlier, err) < 0)
        return -1;
    if (earlier.fresh != CL_STORE_FRESH)
        return (int)earlier.fresh;
    if (cl_store_check_room(store, call->tenant, bytes, err) < 0 ||
        insert(store, call, bytes, err) < 0)
        return -1;
    return CL_STORE_FRESH;
}

int cl_store_call_start(struct cl_store *store, const char *tenant, const char *id,
                        int64_t now_us, struct cl_err *err)
{
    return cl_sql_run(store,
                      "UPDATE call SET state = 1, attempts = attempts + 1, started_us = ?"
                      " WHERE tenant = ? AND id = ? AND state = 0 AND is_cancelled = 0",
                      CL_SQL_VALUES(CL_NUMBER(now_us), CL_TEXT(tenant), CL_TEXT(id)), err);
}

int cl_store_call_requeue(struct cl_store *store, const char *tenant, const char *id, bool ran,
                          int64_t not_before_us, struct cl_err *err)
{
    return cl_sql_run(
        store,
        ran ? "UPDATE call SET state = 0, not_before_us = ?"
              " WHERE tenant = ? AND id = ? AND state = 1"
            : "UPDATE call SET state = 0, not_before_us = ?, attempts = attempts - 1,"
              " started_us = CASE attempts WHEN 1 THEN 0 ELSE started_us END"
              " WHERE tenant = ? AND id = ? AND state = 1",
        CL_SQL_VALUES(CL_NUMBER(not_before_us), CL_TEXT(tenant), CL_TEXT(id)), err);
}

/* No quota refuses an end: what was begun is always answered, and results have their own cap. */
int cl_store_call_finish(struct cl_store *store, const struct cl_store_call *call,
                         struct cl_err *err)
{
    return cl_sql_run(
        store,
        "UPDATE call SET state = 2, verdict = ?, envelope = ?, request = NULL, ended_us = ?,"
        " bytes = ? WHERE tenant = ? AND id = ? AND state < 2",
        CL_SQL_VALUES(CL_TEXT(call->verdict), CL_KEPT(call->envelope),
                      CL_NUMBER(call->ended_us),
                      CL_NUMBER(CL_STORE_ROW_BYTES + call->envelope.length),
                      CL_TEXT(call->tenant), CL_TEXT(call->id)),
        err);
}

int cl_store_call_cancel(struct cl_store *store, const char *tenant, const char *id,
                         struct cl_err *err)
{
    return cl_sql_run(store,
                      "UPDATE call SET is_cancelled = 1"
                      " WHERE tenant = ? AND id = ? AND state < 2",
                      CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(id)), err);
}

/* ------------------------------------------------------------------------------- reading */

int cl_store_call_get(struct cl_store *store, const char *tenant, const char *id,
                      cl_store_on_call *each, void *self, struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store, WHOLE " WHERE tenant = ? AND id = ?",
                    CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(id)), err) < 0)
        return -1;
    return read_rows(&rows, each, self, err);
}

/* One text for each set of filters that an index serves. ?1 tenant ?2 before ?3 limit ?4
 * function ?5 state; what is not filtered by is compared with itself. */
#define PAGE  " WHERE tenant = ?1 AND id < ?2"
#define ORDER " ORDER BY id DESC LIMIT ?3"

static const char *const lists[] = {
    LEAN PAGE " AND ?4 = '' AND ?5 < 0" ORDER,
    LEAN PAGE " AND function = ?4 AND ?5 < 0" ORDER,
    LEAN PAGE " AND ?4 = '' AND state = ?5" ORDER,
    LEAN PAGE " AND function = ?4 AND state = ?5" ORDER,
};

int cl_store_call_list(struct cl_store *store, const struct cl_store_filter *filter,
                       cl_store_on_call *each, void *self, struct cl_err *err)
{
    const bool by_function = filter->function && filter->function[0];
    const bool is_first = !filter->before || !filter->before[0];
    const unsigned which = (by_function ? 1u : 0u) | (filter->state >= 0 ? 2u : 0u);
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store, lists[which],
                    CL_SQL_VALUES(CL_TEXT(filter->tenant),
                                  CL_TEXT(is_first ? "~" : filter->before), /* after any id */
                                  CL_NUMBER(filter->limit), CL_TEXT(filter->function),
                                  CL_NUMBER(filter->state)),
                    err) < 0)
        return -1;
    return read_rows(&rows, each, self, err) < 0 ? -1 : 0;
}

int cl_store_call_left_all(struct cl_store *store, cl_store_on_call *each, void *self,
                           struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store, WHOLE " WHERE state < 2 ORDER BY priority DESC, id", NULL, 0,
                    err) < 0)
        return -1;
    return read_rows(&rows, each, self, err) < 0 ? -1 : 0;
}
