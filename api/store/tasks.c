/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tasks of a workflow.
 * Runs in: cloche-api, on the store thread.
 * Trusts: statuses, which are ours; ids are a caller's text.
 */
#include "api/store/sql.h"

/* A task's end is never refused by a quota, as a call's is not. */
int cl_store_task_update(struct cl_store *store, const struct cl_store_task *task,
                         struct cl_err *err)
{
    const int changed = cl_sql_run(
        store,
        "UPDATE task SET status = ?, error_code = ?, result = ?, error = ?, attempts = ?,"
        " code = ?, due_us = ?, started_us = ?, ended_us = ?, bytes = ? WHERE id = ?"
        " AND workflow = (SELECT serial FROM workflow WHERE tenant = ? AND id = ?)",
        CL_SQL_VALUES(CL_TEXT(task->status), CL_TEXT(task->error_code), CL_KEPT(task->result),
                      CL_KEPT(task->error), CL_NUMBER(task->attempts), CL_NUMBER(task->code),
                      CL_NUMBER(task->due_us), CL_NUMBER(task->started_us),
                      CL_NUMBER(task->ended_us),
                      CL_NUMBER(CL_STORE_ROW_BYTES + task->result.length + task->error.length),
                      CL_TEXT(task->id), CL_TEXT(task->tenant), CL_TEXT(task->workflow)),
        err);

    if (changed == 0)
        return cl_fail(err, CL_E_INPUT, "there is no such task");
    return changed < 0 ? -1 : 0;
}

int cl_store_tasks(struct cl_store *store, const char *tenant, const char *workflow,
                   cl_store_on_task *each, void *self, struct cl_err *err)
{
    cl_sql_rows_auto rows = CL_SQL_ROWS_INIT;
    int found;

    if (cl_sql_open(&rows, store,
                    "SELECT t.id, t.status, t.error_code, t.position, t.attempts, t.code,"
                    " t.due_us, t.started_us, t.ended_us, t.result, t.error"
                    " FROM task t JOIN workflow w ON w.serial = t.workflow"
                    " WHERE w.tenant = ? AND w.id = ? ORDER BY t.position",
                    CL_SQL_VALUES(CL_TEXT(tenant), CL_TEXT(workflow)), err) < 0)
        return -1;
    while ((found = cl_sql_next(&rows, err)) > 0) {
        struct cl_store_task task = {
            .tenant = tenant,
            .workflow = workflow,
            .id = cl_sql_text(&rows, 0),
            .status = cl_sql_text(&rows, 1),
            .error_code = cl_sql_text(&rows, 2),
            .position = (uint32_t)cl_sql_number(&rows, 3),
            .attempts = (uint32_t)cl_sql_number(&rows, 4),
            .code = (int32_t)cl_sql_number(&rows, 5),
            .due_us = cl_sql_number(&rows, 6),
            .started_us = cl_sql_number(&rows, 7),
            .ended_us = cl_sql_number(&rows, 8),
        };

        if (cl_sql_kept(&rows, 9, &task.result, err) < 0 ||
            cl_sql_kept(&rows, 10, &task.error, err) < 0)
            return -1;
        found = each(self, &task, err);
        if (found != 0)
            break;
    }
    return found < 0 ? -1 : 0;
}
