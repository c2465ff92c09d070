/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store thread: the only thread besides the event loop, and the only one that waits for a
 * disk. Works are taken in the order they came; all that are queued at a moment are one
 * transaction, each in a savepoint of its own, so that one fsync acknowledges many. `done`
 * runs on the event loop, in the order of the works, after the transaction is on the disk.
 *
 * A work and its `done` share `arg` and nothing else: `run` may touch no state of the event
 * loop (no cl_app, no libevent, no request), and the loop may not touch `arg` in between.
 */
#ifndef CL_API_STOREQ_H
#define CL_API_STOREQ_H

#include <event2/event.h>

#include "api/store.h"

struct cl_storeq;

struct cl_storeq_caps {
    uint32_t works; /* that wait; one more is CL_E_BUSY */
    uint64_t bytes; /* that waiting works say they hold */
};

extern const struct cl_storeq_caps cl_storeq_caps_default;

/* On the store thread, once: -1 with `err` undoes what this work did. Reads are works, too. */
typedef int cl_storeq_work(struct cl_store *store, void *arg, struct cl_err *err);
/* On the event loop. err->kind CL_E_NONE: what the work wrote is on the disk. Else nothing of
 * it is kept: CL_E_LIMIT, CL_E_BUSY and the rest of api/store.h, or what the work failed with.
 * */
typedef void cl_storeq_done(void *arg, const struct cl_err *err);

/* Takes the store and starts the thread. Has to be called before cl_confine, which then covers
 * it. NULL: failed. */
struct cl_storeq *cl_storeq_new(struct event_base *base, struct cl_store **store,
                                const struct cl_storeq_caps *caps, struct cl_err *err);
/* Finishes every work that is queued, calls their `done`, closes the store. NULL is ignored. */
void cl_storeq_free(struct cl_storeq *queue);

/* Queues a work; `done` (may be NULL) is then called exactly once, never from inside here.
 * CL_E_BUSY when too many wait or the queue is being freed; nothing is called then and `arg`
 * stays the caller's. */
int cl_storeq_run(struct cl_storeq *queue, cl_storeq_work *run, cl_storeq_done *done, void *arg,
                  struct cl_err *err);
/* The same for a work that holds much memory until it is done. */
int cl_storeq_run_bytes(struct cl_storeq *queue, cl_storeq_work *run, cl_storeq_done *done,
                        void *arg, size_t bytes, struct cl_err *err);

/* A work that reads what a client of the tenant `who` asked for. What comes out may be large and is
 * nobody's before its `done`, and to read it takes the thread long: so two of these are with the
 * thread at a time, tenants in turn, and all other works pass those that wait. */
int cl_storeq_read(struct cl_storeq *queue, const char *who, cl_storeq_work *run,
                   cl_storeq_done *done, void *arg, struct cl_err *err);

uint32_t cl_storeq_waiting(const struct cl_storeq *queue); /* works without their `done` */

struct cl_storeq_health {
    bool is_writable;
    char why[216]; /* when it is not */
};

/* What the last commit and the last probe said. */
void cl_storeq_health(struct cl_storeq *queue, struct cl_storeq_health *health);

/* What a work failed with as a refusal, always -1: 507 for CL_E_LIMIT, else 503. */
struct cl_refusal;
int cl_storeq_refuse(struct cl_refusal *refusal, const struct cl_err *err);

#endif
