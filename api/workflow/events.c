/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/workflows/{}/events: what the store has of a workflow's events, from behind the last one
 * that the client has, then what comes, until the workflow is over. One piece at a time: the next
 * one is read when the client has taken the last.
 * Runs in: cloche-api.
 * Trusts: that stored lines are those that runkeep.c wrote.
 */
#include <stdlib.h>
#include <string.h>

#include "api/async/replay.h"
#include "api/field.h"
#include "api/query.h"
#include "api/visit.h"
#include "api/workflow/record.h"
#include "api/workflow/run.h"
#include "sandbox/base/own.h"

struct following {
    struct cl_visit *visit; /* NULL: the client is gone */
    struct cl_app *app;
    struct cl_tenant *tenant;
    struct cl_run_watch watch;
    char *id;
    struct cl_replay replay;
    uint64_t row;     /* seq of the last row that was read */
    bool is_watching; /* more may come */
    bool is_busy;     /* a row is being read */
    bool is_stale;    /* there may be more in the store than was read */
    bool is_begun;
};

static void go_on(struct following *following);

static void fini(struct following *following)
{
    if (following->visit || following->is_busy)
        return;
    cl_run_watch_end(&following->watch);
    free(following->id);
    free(following);
}

static void refuse(struct following *following, const struct cl_refusal *refusal)
{
    struct cl_visit *visit = following->visit;

    if (visit && following->is_begun)
        cl_exchange_abort(visit->exchange);
    else if (visit)
        cl_visit_refuse(following->app, visit->exchange, refusal);
}

static int pass_on(struct following *following, const struct cl_record *record,
                   struct cl_err *err)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(128 << 20);
    struct cl_exchange *exchange = following->visit->exchange;

    if (!following->is_begun) {
        following->is_begun = true;
        cl_exchange_header(exchange, "X-Accel-Buffering", "no");
        cl_exchange_begin(exchange, 200, cl_events_type(following->replay.form));
    }
    if (cl_replay_put(&following->replay, (const char *)record->text.bytes, record->text.length,
                      &out, err) < 0)
        return -1;
    if (out.length > 0)
        cl_exchange_write(exchange, out.bytes, out.length);
    return 0;
}

static void on_rows(void *self, struct cl_record *record, const struct cl_refusal *refusal)
{
    struct following *following = self;
    struct cl_refusal why = CL_REFUSAL_INIT;
    struct cl_err err = CL_ERR_INIT;

    following->is_busy = false;
    if (!following->visit) {
        fini(following);
        return;
    }
    if (!refusal && !record->is_found)
        cl_refusal_set(&why, CL_R_NOT_FOUND, "Workflow %.100s not found", following->id);
    else if (!refusal && pass_on(following, record, &err) < 0)
        cl_refusal_set(&why, CL_R_STORE_FAILED, "%s", err.text);
    if (refusal || why.kind != CL_R_NONE) {
        refuse(following, refusal ? refusal : &why);
        return;
    }
    following->row = record->last;
    following->is_stale |= record->has_more;
    go_on(following);
}

/* Reads what there is, unless the client is slow; ends when no more will come. */
static void go_on(struct following *following)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    const struct cl_record_want want = {
        .kind = CL_RECORD_EVENTS,
        .tenant = following->tenant,
        .id = following->id,
        .after = following->row,
    };

    if (!following->visit || following->is_busy ||
        (following->is_begun && !cl_exchange_is_drained(following->visit->exchange)))
        return;
    if (!following->is_stale) {
        if (!following->is_watching)
            cl_exchange_finish(following->visit->exchange);
        return;
    }
    following->is_stale = false;
    if (cl_record_fetch(following->app, &want, on_rows, following, &refusal) < 0)
        refuse(following, &refusal);
    else
        following->is_busy = true;
}

static void on_news(struct cl_run_watch *watch, bool is_over)
{
    struct following *following =
        (struct following *)(void *)((char *)watch - offsetof(struct following, watch));

    following->is_stale = true;
    if (is_over)
        following->is_watching = false;
    go_on(following);
}

static void on_drained(void *self)
{
    go_on(self);
}

static void on_client_end(void *self)
{
    struct following *following = self;

    following->visit = NULL;
    fini(following);
}

static const struct cl_visit_later later = { on_drained, on_client_end };

/* Last-Event-ID, or ?after= for those who cannot set it. */
static int read_after(struct cl_visit *visit, uint64_t *after, struct cl_refusal *refusal)
{
    struct cl_query known[] = { { .name = "after" } };
    const char *field = cl_exchange_field(visit->exchange, "last-event-id");
    struct cl_err err = CL_ERR_INIT;

    if (cl_query_parse(cl_exchange_head(visit->exchange)->query, known, CL_COUNT(known),
                       refusal) < 0 ||
        cl_query_u64(&known[0], 0, UINT64_MAX >> 1, after, refusal) < 0)
        return -1;
    if (field && cl_json_u64((struct cl_json){ field, strlen(field) }, after, &err) < 0)
        return cl_refusal_set(refusal, CL_R_MALFORMED, "Last-Event-ID is a number of an event");
    return 0;
}

int cl_workflows_events(struct cl_visit *visit, const char *body, size_t length,
                        struct cl_refusal *refusal)
{
    struct following *following;
    uint64_t after = 0;

    (void)body;
    (void)length;
    if (read_after(visit, &after, refusal) < 0)
        return -1;
    following = calloc(1, sizeof(*following));
    CL_CHECK(following);
    *following = (struct following){ .visit = visit,
                                     .app = visit->app,
                                     .tenant = visit->tenant,
                                     .id = strdup(visit->param),
                                     .replay.after = after,
                                     .row = after,
                                     .is_stale = true };
    CL_CHECK(following->id);
    if (cl_field_weight(cl_exchange_field(visit->exchange, "accept"), "text/event-stream") > 0)
        following->replay.form = CL_EVENTS_SSE;
    following->watch.on_news = on_news;
    following->is_watching =
        cl_runs_watch(visit->app->runs, visit->tenant, visit->param, &following->watch);
    visit->later = &later;
    visit->later_self = following;
    go_on(following);
    return 0;
}
