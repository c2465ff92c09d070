/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads workflows and writes what callers see of them.
 * Runs in: cloche-api, on the store thread; `done` on the event loop.
 * Trusts: that the store holds what run.c put there: checked JSON, ids as texts.
 */
#include "api/workflow/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json/scan.h"
#include "api/storeq.h"
#include "api/tenants/tenant.h"
#include "api/visit.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

enum { RECORD_MAX = 512 << 20 };

struct fetch {
    struct cl_record_want want;
    char tenant[CL_NAME_MAX];
    char *id;
    char status[32];
    struct cl_record record;
    bool is_first; /* nothing of the list or the map is written yet */
    bool is_single;
    unsigned rows;
    cl_record_done *done;
    void *self;
};

/* ----------------------------------------------------------------------------------- pieces */

static int put_text(struct cl_buf *out, const char *key, const char *text, struct cl_err *err)
{
    if (cl_buf_format(out, err, "\"%s\":", key) < 0)
        return -1;
    return cl_json_put_string(out, text, strlen(text), err);
}

static int put_time(struct cl_buf *out, const char *key, int64_t us, struct cl_err *err)
{
    char text[CL_UTC_SIZE];

    if (us == 0)
        return cl_buf_format(out, err, ",\"%s\":null", key);
    return cl_buf_format(out, err, ",\"%s\":\"%s\"", key, cl_utc_text(us, 6, text));
}

static int put_json(struct cl_buf *out, const char *key, struct cl_json value,
                    struct cl_err *err)
{
    if (cl_buf_format(out, err, ",\"%s\":", key) < 0)
        return -1;
    return value.length ? cl_buf_put(out, value.text, value.length, err)
                        : cl_buf_put_text(out, "null", err);
}

static struct cl_json member(struct cl_blob object, const char *name)
{
    struct cl_json key, value = { "", 0 };
    size_t cursor = 0;

    if (!object.bytes)
        return value;
    while (
        cl_json_next((struct cl_json){ object.bytes, object.length }, &cursor, &key, &value)) {
        if (cl_json_is(key, name))
            return value;
    }
    return (struct cl_json){ "", 0 };
}

static int put_task(struct cl_buf *out, const struct cl_store_task *task, struct cl_err *err)
{
    const struct cl_json more = member(task->error, "data");

    if (put_text(out, "task_id", task->id, err) < 0 || cl_buf_put(out, ",", 1, err) < 0 ||
        put_text(out, "status", task->status, err) < 0 ||
        put_json(out, "result", (struct cl_json){ task->result.bytes, task->result.length },
                 err) < 0 ||
        put_json(out, "error", member(task->error, "message"), err) < 0 ||
        cl_buf_put_text(out, task->code ? "," : ",\"error_code\":null,\"code\":null", err) < 0)
        return -1;
    if (task->code && (put_text(out, "error_code", task->error_code, err) < 0 ||
                       cl_buf_format(out, err, ",\"code\":%" PRId32, task->code) < 0))
        return -1;
    if (more.length && put_json(out, "error_data", more, err) < 0)
        return -1;
    if (cl_buf_format(out, err, ",\"attempts\":%" PRIu32, task->attempts) < 0)
        return -1;
    return task->started_us && task->ended_us
               ? cl_buf_format(out, err, ",\"duration_ms\":%" PRId64,
                               (task->ended_us - task->started_us) / 1000)
               : cl_buf_put_text(out, ",\"duration_ms\":null", err);
}

static int put_workflow(struct cl_buf *out, const struct cl_store_workflow *workflow,
                        struct cl_err *err)
{
    if (put_text(out, "workflow_id", workflow->id, err) < 0 ||
        cl_buf_put(out, ",", 1, err) < 0 || put_text(out, "name", workflow->name, err) < 0 ||
        cl_buf_put(out, ",", 1, err) < 0 ||
        put_text(out, "status", workflow->status, err) < 0 ||
        put_time(out, "created_at", workflow->created_us, err) < 0 ||
        put_time(out, "started_at", workflow->started_us, err) < 0 ||
        put_time(out, "ended_at", workflow->ended_us, err) < 0)
        return -1;
    return cl_buf_format(out, err, ",\"task_count\":%" PRIu32, workflow->task_count);
}

/* ------------------------------------------------------------------------ on the store thread */

static int on_one_workflow(void *self, const struct cl_store_workflow *workflow,
                           struct cl_err *err)
{
    struct fetch *fetch = self;

    fetch->is_single = workflow->is_task;
    return put_workflow(&fetch->record.text, workflow, err);
}

static int on_map_task(void *self, const struct cl_store_task *task, struct cl_err *err)
{
    struct fetch *fetch = self;
    struct cl_buf *out = &fetch->record.text;

    if (!fetch->is_first && cl_buf_put(out, ",", 1, err) < 0)
        return -1;
    fetch->is_first = false;
    if (cl_json_put_string(out, task->id, strlen(task->id), err) < 0 ||
        cl_buf_put(out, ":{", 2, err) < 0 || put_task(out, task, err) < 0)
        return -1;
    return cl_buf_put(out, "}", 1, err);
}

static int on_one_task(void *self, const struct cl_store_task *task, struct cl_err *err)
{
    struct fetch *fetch = self;

    if (cl_buf_put(&fetch->record.text, ",", 1, err) < 0)
        return -1;
    return put_task(&fetch->record.text, task, err);
}

static int read_record(struct fetch *fetch, struct cl_store *store, struct cl_err *err)
{
    const bool is_task = fetch->want.kind == CL_RECORD_TASK;
    struct cl_buf *out = &fetch->record.text;
    int found;

    if (cl_buf_put(out, "{", 1, err) < 0)
        return -1;
    found = cl_store_workflow_get(store, fetch->tenant, fetch->id, on_one_workflow, fetch, err);
    fetch->record.is_found = found > 0 && (!is_task || fetch->is_single);
    if (found < 0 || !fetch->record.is_found)
        return found < 0 ? -1 : 0;
    if (is_task) {
        /* One object: what is known of the task is what is asked for. */
        out->length = 0;
        if (cl_buf_put(out, "{", 1, err) < 0 ||
            put_text(out, "workflow_id", fetch->id, err) < 0 ||
            cl_store_tasks(store, fetch->tenant, fetch->id, on_one_task, fetch, err) < 0)
            return -1;
        return cl_buf_put(out, "}", 1, err);
    }
    if (cl_buf_put_text(out, ",\"tasks\":{", err) < 0 ||
        cl_store_tasks(store, fetch->tenant, fetch->id, on_map_task, fetch, err) < 0)
        return -1;
    return cl_buf_put(out, "}}", 2, err);
}

static int on_listed(void *self, const struct cl_store_workflow *workflow, struct cl_err *err)
{
    struct fetch *fetch = self;
    struct cl_buf *out = &fetch->record.text;

    if (++fetch->rows > fetch->want.limit)
        return 1;
    if (cl_buf_put_text(out, fetch->is_first ? "{" : ",{", err) < 0)
        return -1;
    fetch->is_first = false;
    fetch->record.last = workflow->serial;
    if (put_workflow(out, workflow, err) < 0)
        return -1;
    return cl_buf_put(out, "}", 1, err);
}

static int read_list(struct fetch *fetch, struct cl_store *store, struct cl_err *err)
{
    const bool only_active = strcmp(fetch->status, "active") == 0;
    const struct cl_store_workflow_filter filter = {
        .tenant = fetch->tenant,
        .status = only_active ? "" : fetch->status,
        .before = fetch->want.before,
        .only_active = only_active,
        .limit = fetch->want.limit + 1,
    };
    struct cl_buf *out = &fetch->record.text;

    fetch->record.is_found = true;
    if (cl_buf_put_text(out, "{\"workflows\":[", err) < 0 ||
        cl_store_workflow_list(store, &filter, on_listed, fetch, err) < 0)
        return -1;
    if (fetch->rows > fetch->want.limit)
        return cl_buf_format(out, err, "],\"next\":\"%" PRIu64 "\"}", fetch->record.last);
    return cl_buf_put_text(out, "],\"next\":null}", err);
}

static int on_event(void *self, const struct cl_store_event *event, struct cl_err *err)
{
    struct fetch *fetch = self;

    fetch->rows++;
    fetch->record.last = event->seq;
    if (cl_buf_put(&fetch->record.text, event->line.bytes, event->line.length, err) < 0)
        return -1;
    return cl_buf_put(&fetch->record.text, "\n", 1, err);
}

static int read_events(struct fetch *fetch, struct cl_store *store, struct cl_err *err)
{
    const int found =
        cl_store_workflow_events(store, fetch->tenant, fetch->id, fetch->want.after,
                                 CL_RECORD_ROWS, on_event, fetch, err);

    fetch->record.is_found = found > 0;
    fetch->record.has_more = fetch->rows >= CL_RECORD_ROWS;
    return found < 0 ? -1 : 0;
}

static int read_want(struct cl_store *store, void *arg, struct cl_err *err)
{
    static int (*const reads[])(struct fetch *, struct cl_store *, struct cl_err *) = {
        [CL_RECORD_WORKFLOW] = read_record,
        [CL_RECORD_TASK] = read_record,
        [CL_RECORD_LIST] = read_list,
        [CL_RECORD_EVENTS] = read_events,
    };
    struct fetch *fetch = arg;

    return reads[fetch->want.kind](fetch, store, err);
}

/* ------------------------------------------------------------------------- on the event loop */

static void free_fetch(struct fetch *fetch)
{
    cl_buf_fini(&fetch->record.text);
    free(fetch->id);
    free(fetch);
}

static void on_read(void *arg, const struct cl_err *err)
{
    struct fetch *fetch = arg;
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    if (err->kind != CL_E_NONE)
        cl_storeq_refuse(&refusal, err);
    fetch->done(fetch->self, &fetch->record, err->kind == CL_E_NONE ? NULL : &refusal);
    free_fetch(fetch);
}

int cl_record_fetch(struct cl_app *app, const struct cl_record_want *want, cl_record_done *done,
                    void *self, struct cl_refusal *refusal)
{
    struct fetch *fetch = calloc(1, sizeof(*fetch));
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(fetch);
    *fetch = (struct fetch){ .want = *want,
                             .id = strdup(want->id ? want->id : ""),
                             .record.text = CL_BUF_INIT(RECORD_MAX),
                             .record.last = want->after,
                             .is_first = true,
                             .done = done,
                             .self = self };
    CL_CHECK(fetch->id);
    snprintf(fetch->tenant, sizeof(fetch->tenant), "%s", want->tenant->name);
    snprintf(fetch->status, sizeof(fetch->status), "%s", want->status ? want->status : "");
    if (cl_storeq_read(app->storeq, fetch->tenant, read_want, on_read, fetch, &err) == 0)
        return 0;
    free_fetch(fetch);
    return cl_storeq_refuse(refusal, &err);
}
