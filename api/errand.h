/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call that no connection waits for: whoever starts it hears of its end. The dispatcher treats
 * it like any other call; only who is told differs. Everything runs on the event loop.
 *
 * After cl_errand_start comes exactly one on_end, never from inside start or cancel. Until then
 * the errand is known by its id, which is never used again.
 */
#ifndef CL_API_ERRAND_H
#define CL_API_ERRAND_H

#include <stdbool.h>
#include <stdint.h>

#include "api/calls/keep.h"
#include "api/calls/request.h"
#include "api/calls/verdict.h"
#include "api/json/scan.h"
#include "api/refusal.h"

struct cl_app;
struct cl_pool;

/* How it ended. Views and pointers are valid during the callback only. */
struct cl_errand_end {
    uint64_t id;
    const char *name;                 /* the call's id as callers see it (ULID) */
    const struct cl_refusal *refusal; /* it never had a worker, and all that follows is empty */
    struct cl_json envelope;          /* the whole object, as POST /v1/calls answers */
    enum cl_verdict_kind verdict;
    const struct cl_verdict *detail; /* the limit, signal, message of the verdict */
    struct cl_json result;           /* OK: checked JSON */
    /* ERROR: type, message, traceback. DENIED: rule, name (no text: none), message. Texts of a
     * worker, checked to be UTF-8, neither cut nor escaped; `line` and `column` 0 when unknown. */
    struct cl_json text[3];
    int32_t line, column;
    const struct cl_keep *output; /* two: stdout and stderr */
    const struct cl_msg_end
        *usage;          /* what the kernel counted; zeros when cancelled in the queue */
    uint64_t queue_us;   /* from start to a worker */
    uint32_t generation; /* of the policy it ran under; 0: it had no worker */
};

/* Each may be NULL. */
struct cl_errand_calls {
    void (*on_start)(void *self, uint64_t id); /* it has a worker */
    /* Only with CL_CALL_STREAM: whole lines of NDJSON as a streamed answer has them, numbered by
     * `seq` from 1, `started` first, `end` last and right before on_end (not after a refusal). */
    void (*on_events)(void *self, const char *ndjson, size_t length);
    void (*on_end)(void *self, const struct cl_errand_end *end);
};

/* Takes the request, which is sealed for the pool's policy with the same flags (enum
 * cl_call_flags). `calls` must outlive it. Returns the id, never 0. */
uint64_t cl_errand_start(struct cl_app *app, struct cl_pool *pool, struct cl_request *request,
                         uint32_t flags, const struct cl_errand_calls *calls, void *self);

/* Before its turn: callers know it by this id (a ULID, CL_ULID_SIZE) instead of one of its own. */
void cl_errand_name(struct cl_app *app, uint64_t id, const char *name);

/* Makes it end, with the verdict `cancelled` unless it has another one by then. An unknown id is
 * nothing. */
void cl_errand_cancel(struct cl_app *app, uint64_t id);

/* From here on nobody hears of it: its owner goes away. It is cancelled. */
void cl_errand_forget(struct cl_app *app, uint64_t id);

/* When the process or a test ends; before the dispatcher is freed. */
void cl_errands_free(struct cl_app *app);

#endif
