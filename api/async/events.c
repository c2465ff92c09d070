/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of a stored call on their way to the disk: in pieces, not line by line, and told to
 * those who follow once they are there.
 * Runs in: cloche-api; the functions named work_* on the store thread.
 * Trusts: errand.c for whole lines.
 */
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/async/impl.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

enum {
    PIECE_BYTES = 32 << 10, /* events that are written at once */
    PIECE_MS = 100,         /* ... or after so long */
    WATCHED_MS = 10,        /* ... when somebody follows */
};

void cl_async_run_free(struct cl_async_run *run)
{
    if (!run)
        return;
    event_free(run->flush);
    cl_buf_fini(&run->pending);
    free(run);
}

struct piece {
    struct cl_async_op op;
    struct cl_buf text;
    uint64_t last;
};

static void piece_free(struct piece *piece)
{
    cl_async_op_fini(&piece->op);
    cl_buf_fini(&piece->text);
    free(piece);
}

/* The row's seq is that of its last line: who has that one has all of it. */
static int work_piece(struct cl_store *store, void *arg, struct cl_err *err)
{
    const struct piece *piece = arg;
    const struct cl_store_event event = {
        .seq = piece->last,
        .line = { piece->text.bytes, piece->text.length },
    };

    return cl_store_call_event_put(store, piece->op.tenant, piece->op.id, &event, err);
}

static void on_piece(void *arg, const struct cl_err *err)
{
    struct piece *piece = arg;
    struct cl_async_call *call = cl_async_find(piece->op.async, piece->op.tenant, piece->op.id);

    cl_async_op_done(&piece->op);
    if (err->kind == CL_E_BUSY) {
        cl_async_op_again(&piece->op);
        return;
    }
    if (err->kind != CL_E_NONE)
        cl_log(CL_WARN, "async.events", "id=%s lost_bytes=%zu what=\"%s\"", piece->op.id,
               piece->text.length, err->text);
    else if (call)
        cl_async_tell_events(call, (const char *)piece->text.bytes, piece->text.length);
    piece_free(piece);
}

static void flush(struct cl_async_run *run)
{
    struct piece *piece;

    event_del(run->flush);
    if (run->pending.length == 0)
        return;
    piece = calloc(1, sizeof(*piece));
    CL_CHECK(piece);
    cl_async_op_init(&piece->op, run->call, work_piece, on_piece);
    piece->text = run->pending;
    piece->last = run->last;
    piece->op.bytes = piece->text.capacity;
    run->pending = (struct cl_buf)CL_BUF_INIT(CL_ASYNC_PENDING_MAX);
    cl_async_persist(&piece->op);
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    flush(arg);
}

/* What is there goes out before more is added: the last lines, `end` among them, are to be
 * stored together with the end itself. */
void cl_async_on_events(void *self, const char *ndjson, size_t length)
{
    struct cl_async_run *run = self;
    const bool is_watched = !cl_list_is_empty(&run->call->watches);
    const struct timeval wait = { 0, (is_watched ? WATCHED_MS : PIECE_MS) * 1000 };
    struct cl_err err = CL_ERR_INIT;

    if (run->pending.length + length > PIECE_BYTES)
        flush(run);
    if (cl_replay_renumber(ndjson, length, run->base, &run->last, &run->pending, &err) < 0 &&
        !run->has_lost) {
        run->has_lost = true;
        cl_log(CL_WARN, "async.events", CL_ASYNC_TEXT " what=\"%s\"", CL_ASYNC_OF(run->call),
               err.text);
    }
    if (run->pending.length > 0 && !event_pending(run->flush, EV_TIMEOUT, NULL))
        event_add(run->flush, &wait);
}

struct event *cl_async_events_timer(struct cl_async_run *run)
{
    struct event *timer = event_new(run->call->async->app->base, -1, 0, on_flush, run);

    CL_CHECK(timer);
    return timer;
}
