/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are stored: accepted once they are on the disk, started in turn, answered from the
 * store. What waits and what runs is known here by its id; what has ended only the store knows.
 *
 * A call is marked as started on the disk before a byte of it goes to a worker, and as done with
 * its envelope before anybody is told. So after a crash what was not marked runs, what was marked
 * and not done ends as `lost` (or runs again, if its function is marked `retry`), and nothing
 * runs twice in silence.
 */
#ifndef CL_API_ASYNC_H
#define CL_API_ASYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "api/async/queue.h"
#include "api/calls/prepare.h"

struct cl_app;
struct cl_async;
struct cl_visit;

struct cl_async_caps {
    struct cl_asyncq_caps queue;
    uint32_t attempts; /* starts of a call that may be run again */
};

extern const struct cl_async_caps cl_async_caps_default;

/* The app must have its store queue. */
struct cl_async *cl_async_new(struct cl_app *app, const struct cl_async_caps *caps);
/* Asks the store for what an earlier process left. Clients wait at the door until that is known,
 * a second at most: what does not need it need not wait for a large store, the rest gets 503. */
void cl_async_load(struct cl_async *async);
/* After the store queue is freed, whose works point here. NULL is ignored. */
void cl_async_free(struct cl_async *async);

/* Starts nothing more; whoever waits is answered with what is known. */
void cl_async_drain(struct cl_async *async);
/* Nothing runs, and nothing waits for the disk. */
bool cl_async_is_idle(const struct cl_async *async);

/* How many calls wait and run. */
uint32_t cl_async_waiting(const struct cl_async *async);
uint32_t cl_async_running(const struct cl_async *async);

/* Takes a call with `Prefer: respond-async` or an Idempotency-Key: answers later. */
int cl_async_take(struct cl_visit *visit, const struct cl_call_sent *sent,
                  struct cl_refusal *refusal);

#endif
