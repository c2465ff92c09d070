/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workflows.
 * Runs in: cloche-api, on the store thread.
 * Trusts: statuses, which are ours; ids and names are a caller's text.
 */
#include "api/store/sql.h"

/* What read_row reads, in its order; the list leaves out what is long. */
#define COMMON                                                                                 \
    "SELECT tenant, id, key, name, status, session, serial, task_count, is_task, is_done,"     \
    " is_cancelled, deadline_us, created_us, started_us, ended_us, error, policy, trace"
#define LEAN  COMMON ", NULL FROM workflow"
#define WHOLE COMMON ", document FROM workflow"

static int read_row(struct cl_sql_rows *rows, struct cl_store_workflow *workflow,
                    struct cl_err *err)
{
    *workflow = (struct cl_store_workflow){
        .tenant = cl_sql_text(rows, 0),
        .id = cl_sql_text(rows, 1),
        .key = cl_sql_text(rows, 2),
        .name = cl_sql_text(rows, 3),
        .status = cl_sql_text(rows, 4),
        .session = cl_sql_text(rows, 5),
        .serial = (uint64_t)cl_sql_number(rows, 6),
        .task_count = (uint32_t)cl_sql_number(rows, 7),
        .is_task = cl_sql_number(rows, 8) != 0,
        .is_done = cl_sql_number(rows, 9) != 0,
        .is_cancelled = cl_sql_number(rows, 10) != 0,
        .deadline_us = cl_sql_number(rows, 11),
        .created_us = cl_sql_number(rows, 12),
        .started_us = cl_sql_number(rows, 13),
        .ended_us = cl_sql_number(rows, 14),
        .policy = cl_sql_text(rows, 16),
        .trace = cl_sql_text(rows, 17),
    };
    if (cl_sql_kept(rows, 15, &workflow->error, err) < 0)
        return -1;
    return cl_sql_kept(rows, 18, &workflow->document, err);
}

/* Returns how many rows were read. */
static int read_rows(struct cl_sql_rows *rows, cl_store_on_workflow *each, void *self,
                     struct cl_err *err)
{
    struct cl_store_workflow workflow;
    int count = 0, found;

    while ((found = cl_sql_next(rows, err)) > 0) {
        if (read_row(rows, &workflow, err) < 0)
            return -1;
        count++;
        found = each ? each(self, &workflow, err) : 0;
        if (found != 0)
            break;
    }
    return found < 0 ? -1 : count;
}

/* ------------------------------------------------------------------------------- writing */

static int insert(struct cl_store *store, const struct cl_store_workflow *workflow,
                  size_t bytes, struct cl_err *err)
{
    return cl_sql_run(
        store,
        "INSERT INTO workflow (tenant, id, key, name, status, session, task_count, is_task,"
        " is_done, is_cancelled, deadline_us, created_us, started_us, ended_us, error,"
        " document, bytes, policy, trace)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (tenant, id) DO NOTHING",
        CL_SQL_VALUES(CL_TEXT(workflow->tenant), CL_TEXT(workflow->id), CL_TEXT(workflow->key),
                      CL_TEXT(workflow->name), CL_TEXT(workflow->status),
                      CL_TEXT(workflow->session), CL_NUMBER(workflow->task_count),
                      CL_NUMBER(workflow->is_task), CL_NUMBER(workflow->is_done),
                      CL_NUMBER(workflow->is_cancelled), CL_NUMBER(workflow->deadline_us),
                      CL_NUMBER(workflow->created_us), CL_NUMBER(workflow->started_us),
                      CL_NUMBER(workflow->ended_us), CL_KEPT(workflow->error),
                      CL_KEPT(workflow->document), CL_NUMBER(bytes),
                      CL_TEXT(workflow->policy ? workflow->policy : ""),
                      CL_TEXT(workflow->trace ? workflow->trace : "")),
        err);
}

static int insert_task(struct cl_store *store, int64_t serial, const char *tenant,
                       const struct cl_store_task *task, struct cl_err *err)
{
    return cl_sql_run(
        store,
        "INSERT INTO task (workflow, position, id, tenant, status, error_code, result, error,"
        " attempts, code, due_us, started_us, ended_us, bytes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        CL_SQL_VALUES(CL_NUMBER(serial), CL_NUMBER(task->position), CL_TEXT(task->id),
                      CL_TEXT(tenant), CL_TEXT(task->status), CL_TEXT(task->error_code),
                      CL_KEPT(task->result), CL_KEPT(task->error), CL_NUMBER(task->attempts),
                      CL_NUMBER(task->code), CL_NUMBER(task->due_us),
                      CL_NUMBER(task->started_us), CL_NUMBER(task->ended_us),
                      CL_NUMBER(CL_STORE_ROW_BYTES + task->result.length + task->error.length)),
        err);
}

int cl_store_workflow_insert(struct cl_store *store, const struct cl_store_workflow *workflow,
                             const struct cl_store_task *tasks, size_t count,
                             struct cl_err *err)
{
    const size_t bytes = CL_STORE_ROW_BYTES + workflow->document.length;
    int64_t serial;
    int inserted;

    if (cl_store_check_room(store, workflow->tenant, bytes + count * CL_STORE_ROW_BYTES, err) <
        0)
        return -1;
    inserted = insert(store, workflow, bytes, err);
    if (inserted <= 0)
        return inserted;
    serial = sqlite3_last_insert_rowid(store->db);
    for (size_t i = 0; i < count; i++) {
        if (insert_task(store, serial, workflow->tenant, &tasks[i], err) < 0)
            return -1;
    }
    return 1;
}

int cl_store_workflow_update(struct cl_store *store, const struct cl_store_workflow *workflow,
                             struct cl_err *err)
{
    return cl_sql_run(
        store,
        "UPDATE workflow SET status = ?, error = ?, session = ?, started_us = ?, ended_us = ?,"
        " deadline_us = ?, is_done = ? WHERE tenant = ? AND id = ? AND is_done = 0",
        CL_SQL_VALUES(CL_TEXT(workflow->status), CL_KEPT(workflow->error),
                      CL_TEXT(workflow->session), CL_NUMBER(workflow->started_us),
                      CL_NUMBER(workflow->ended_us), CL_NUMBER(workflow->deadline_us),
                      CL_NUMBER(workflow->is_done), CL_TEXT(workflow->tenant),
                      CL_TEXT(workflow->id)),
        err);
}

int cl_store_workflow_cancel(struct cl_store *store, const char *tenant, const char *id,
                             struct cl_err *err)
{
    return cl_sql_run(store,
                      "UPDATE workflow SET is_cancelled = 1"
                      " WHERE tenant = ? AND id = ? AND is_done = 0",
                      CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(id)), err);
}

/* ------------------------------------------------------------------------------- reading */

int cl_store_workflow_get(struct cl_store *store, const char *tenant, const char *id,
                          cl_store_on_workflow *each, void *self, struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store, WHOLE " WHERE tenant = ? AND id = ?",
                    CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(id)), err) < 0)
        return -1;
    return read_rows(&rows, each, self, err);
}

/* What is not done has an index of its own, and there is never much of it. */
static const char *const lists[] = {
    LEAN " WHERE tenant = ?1 AND serial < ?2 AND (?4 OR is_task = 0)"
         " AND (?5 = '' OR status = ?5) ORDER BY serial DESC LIMIT ?3",
    LEAN " WHERE is_done = 0 AND +tenant = ?1 AND serial < ?2 AND (?4 OR is_task = 0)"
         " AND (?5 = '' OR status = ?5) ORDER BY serial DESC LIMIT ?3",
};

int cl_store_workflow_list(struct cl_store *store,
                           const struct cl_store_workflow_filter *filter,
                           cl_store_on_workflow *each, void *self, struct cl_err *err)
{
    const int64_t before = filter->before == 0 ? INT64_MAX : (int64_t)filter->before;
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store, lists[filter->only_active],
                    CL_SQL_VALUES(CL_TEXT(filter->tenant), CL_NUMBER(before),
                                  CL_NUMBER(filter->limit), CL_NUMBER(filter->with_tasks),
                                  CL_TEXT(filter->status)),
                    err) < 0)
        return -1;
    return read_rows(&rows, each, self, err) < 0 ? -1 : 0;
}

int cl_store_workflow_left_all(struct cl_store *store, cl_store_on_workflow *each, void *self,
                               struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;

    if (cl_sql_open(&rows, store, WHOLE " WHERE is_done = 0 ORDER BY serial", NULL, 0, err) < 0)
        return -1;
    return read_rows(&rows, each, self, err) < 0 ? -1 : 0;
}
