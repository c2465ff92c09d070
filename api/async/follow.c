/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/calls/{id}/events: what is stored behind the client's last event, then what comes, up
 * to `end`. A client gets only what is on the disk, so that after any crash it goes on where it
 * was. Who reads slowly is served from the store when he is ready; nothing is kept for him.
 * Runs in: cloche-api; the functions named work_* on the store thread.
 * Trusts: nothing of the request. Every look-up is of the visitor's own tenant.
 */
#include <stdlib.h>
#include <string.h>

#include "api/async/impl.h"
#include "api/http1/exchange.h"
#include "api/query.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

enum {
    ROWS = 64,              /* of one look */
    LOOK_BYTES = 256 << 10, /* ... and no further row behind so much */
    TEXT_MAX = 1024 << 20,  /* one row more, in the longer form */
};

struct follow {
    struct cl_list node; /* of all follows */
    struct cl_async *async;
    struct cl_visit *visit; /* NULL: the client is gone */
    char id[CL_ULID_SIZE];
    char tenant[CL_NAME_MAX];
    struct cl_async_watch watch;
    struct cl_replay replay;
    bool is_reading; /* the store thread has it: replay and text are its */
    bool is_begun;
    bool is_behind;          /* there may be more in the store than was read */
    bool was_known;          /* when the look began, the call was not done */
    bool is_there, has_more; /* found by the look */
    struct cl_buf text;
};

static void follow_free(struct follow *follow)
{
    cl_list_unlink(&follow->node);
    cl_list_unlink(&follow->watch.node);
    cl_buf_fini(&follow->text);
    free(follow);
}

/* ---------------------------------------------------------------------------------- the answer */

static void finish(struct follow *follow)
{
    struct cl_exchange *exchange = follow->visit->exchange;

    follow->visit->later = NULL;
    if (follow->is_begun)
        cl_exchange_finish(exchange);
    follow_free(follow);
}

static void break_off(struct follow *follow, const struct cl_err *err)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    struct cl_visit *visit = follow->visit;

    visit->later = NULL;
    cl_storeq_refuse(&refusal, err);
    if (follow->is_begun)
        cl_exchange_abort(visit->exchange);
    else
        cl_visit_refuse(visit->app, visit->exchange, &refusal);
    follow_free(follow);
}

static void begin(struct follow *follow)
{
    struct cl_exchange *exchange = follow->visit->exchange;

    if (follow->is_begun)
        return;
    follow->is_begun = true;
    cl_exchange_header(exchange, "X-Accel-Buffering", "no");
    cl_exchange_begin(exchange, 200, cl_events_type(follow->replay.form));
}

static void write_text(struct follow *follow)
{
    if (follow->text.length > 0)
        cl_exchange_write(follow->visit->exchange, follow->text.bytes, follow->text.length);
    cl_buf_fini(&follow->text);
}

/* ------------------------------------------------------------------------------------- the store */

static int take_piece(void *self, const struct cl_store_event *event, struct cl_err *err)
{
    struct follow *follow = self;

    if (cl_replay_put(&follow->replay, event->line.bytes, event->line.length, &follow->text,
                      err) < 0)
        return -1;
    if (follow->text.length < LOOK_BYTES)
        return 0;
    follow->has_more = true;
    return 1;
}

static int work_look(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct follow *follow = arg;
    const uint64_t before = follow->replay.after;
    const int found = cl_store_call_events(store, follow->tenant, follow->id, before, ROWS,
                                           take_piece, follow, err);

    follow->is_there = found > 0;
    return found < 0 ? -1 : 0;
}

static void look(struct follow *follow);

/* After a look or a piece: all that is known is written. */
static void go_on(struct follow *follow)
{
    if (follow->replay.is_at_end)
        finish(follow);
    else if (follow->is_behind && cl_exchange_is_drained(follow->visit->exchange))
        look(follow);
}

static void on_looked(void *arg, const struct cl_err *err)
{
    struct follow *follow = arg;
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    const bool got_some = follow->text.length > 0;

    follow->is_reading = false;
    if (!follow->visit) {
        follow_free(follow);
        return;
    }
    if (err->kind != CL_E_NONE) {
        break_off(follow, err);
        return;
    }
    if (!follow->is_there && !follow->is_begun) {
        follow->visit->later = NULL;
        cl_refusal_set(&refusal, CL_R_CALL_NOT_FOUND, "no call has this id");
        cl_visit_refuse(follow->visit->app, follow->visit->exchange, &refusal);
        follow_free(follow);
        return;
    }
    begin(follow);
    write_text(follow);
    follow->is_behind |= got_some || follow->has_more;
    /* Nothing is left, and nothing will come. */
    if (!got_some && !follow->is_behind && !follow->was_known)
        follow->replay.is_at_end = true;
    if (follow->async->is_draining && !got_some)
        follow->replay.is_at_end = true;
    go_on(follow);
}

static void look(struct follow *follow)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_async_call *call = cl_async_find(follow->async, follow->tenant, follow->id);

    follow->was_known = call != NULL;
    if (call && cl_list_is_empty(&follow->watch.node))
        cl_list_append(&call->watches, &follow->watch.node);
    follow->is_behind = follow->has_more = false;
    follow->is_reading = true;
    if (cl_storeq_read(follow->async->app->storeq, follow->tenant, work_look, on_looked, follow,
                       &err) == 0)
        return;
    follow->is_reading = false;
    break_off(follow, &err);
}

/* ---------------------------------------------------------------------------------- what comes */

static void on_events(struct cl_async_watch *watch, const char *text, size_t length)
{
    struct follow *follow = cl_list_entry(watch, struct follow, watch);
    struct cl_err err = CL_ERR_INIT;

    if (follow->is_reading || follow->is_behind ||
        !cl_exchange_is_drained(follow->visit->exchange)) {
        follow->is_behind = true;
        return;
    }
    if (cl_replay_put(&follow->replay, text, length, &follow->text, &err) < 0) {
        cl_log(CL_ERROR, "async.follow", "id=%s what=\"%s\"", follow->id, err.text);
        cl_list_unlink(&follow->watch.node);
        break_off(follow, &err);
        return;
    }
    write_text(follow);
    if (follow->replay.is_at_end) {
        cl_list_unlink(&follow->watch.node);
        finish(follow);
    }
}

/* Its last events were told before; who was busy then finds them in the store. */
static void on_call_end(struct cl_async_watch *watch)
{
    struct follow *follow = cl_list_entry(watch, struct follow, watch);

    follow->was_known = true;
    follow->is_behind = true;
    if (!follow->is_reading && cl_exchange_is_drained(follow->visit->exchange))
        look(follow);
}

static void on_drained(void *self)
{
    struct follow *follow = self;

    if (!follow->is_reading && follow->is_behind)
        look(follow);
}

static void on_gone(void *self)
{
    struct follow *follow = self;

    follow->visit = NULL;
    cl_list_unlink(&follow->watch.node);
    if (!follow->is_reading)
        follow_free(follow);
}

static const struct cl_visit_later later = { .on_drained = on_drained, .on_end = on_gone };

void cl_follow_open(struct cl_visit *visit, const char *tenant, const char *id, uint64_t after)
{
    struct follow *follow = calloc(1, sizeof(*follow));

    CL_CHECK(follow && strlen(id) < sizeof(follow->id) &&
             strlen(tenant) < sizeof(follow->tenant));
    follow->async = visit->app->async;
    follow->visit = visit;
    strcpy(follow->id, id);
    strcpy(follow->tenant, tenant);
    cl_list_init(&follow->watch.node);
    follow->watch.on_events = on_events;
    follow->watch.on_end = on_call_end;
    follow->replay.after = after;
    follow->replay.form = visit->form == CL_REPLY_SSE ? CL_EVENTS_SSE : CL_EVENTS_NDJSON;
    follow->text = (struct cl_buf)CL_BUF_INIT(TEXT_MAX);
    cl_list_append(&follow->async->follows, &follow->node);
    visit->later = &later;
    visit->later_self = follow;
    look(follow);
}

/* Whoever follows comes again with what he had last. */
void cl_follows_release(struct cl_async *async)
{
    cl_list_each (node, keep, &async->follows) {
        struct follow *follow = cl_list_entry(node, struct follow, node);

        if (!follow->is_reading && !follow->is_behind)
            finish(follow);
    }
}

static int read_after(struct cl_visit *visit, uint64_t *after, struct cl_refusal *refusal)
{
    const char *field = cl_exchange_field(visit->exchange, "last-event-id");
    struct cl_query query[] = { { .name = "after" } };
    struct cl_query last = { .name = "Last-Event-ID", .is_given = true };

    if (cl_query_parse(cl_exchange_head(visit->exchange)->query, query, CL_COUNT(query),
                       refusal) < 0)
        return -1;
    if (query[0].is_given || !field)
        return cl_query_u64(&query[0], 0, INT64_MAX, after, refusal);
    if (strlen(field) >= sizeof(last.value))
        return cl_refusal_set(refusal, CL_R_MALFORMED, "Last-Event-ID is too long");
    strcpy(last.value, field);
    return cl_query_u64(&last, 0, INT64_MAX, after, refusal);
}

int cl_async_events(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal)
{
    uint64_t after = 0;

    (void)body;
    (void)length;
    if (!cl_async_is_id(visit->param))
        return cl_refusal_set(refusal, CL_R_CALL_NOT_FOUND, "no call has this id");
    if (read_after(visit, &after, refusal) < 0)
        return -1;
    visit->form = cl_calls_form(visit);
    cl_follow_open(visit, visit->tenant->name, visit->param, after);
    return 0;
}
