/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of stored calls share: async.c (who is known, who starts), room.c (whether one may), run.c (one
 * start to its end), events.c (what comes out meanwhile), load.c (a restart), end.c (ends without a worker), take.c (acceptance), ask.c
 * (state, cancel, list), follow.c (events). Nobody else includes this.
 */
#ifndef CL_API_ASYNC_IMPL_H
#define CL_API_ASYNC_IMPL_H

#include "api/async/async.h"
#include "api/async/replay.h"
#include "api/errand.h"
#include "api/storeq.h"
#include "api/visit.h"

enum { CL_ASYNC_BUCKETS = 8192 };

struct cl_async {
    struct cl_app *app;
    struct cl_async_caps caps;
    struct cl_asyncq *queue;
    struct cl_list buckets[CL_ASYNC_BUCKETS]; /* calls by id */
    struct cl_list outbox;                    /* ops that the store queue had no room for */
    uint32_t ops;                             /* that are not done */
    struct event *resend, *pump;
    bool is_loaded, is_draining;
    struct cl_list starting; /* calls in that state: no quota and no pool counts them yet */
    struct cl_list asks, follows; /* visits that wait for something here */
};

/* Something for the store that must get there. Embedded first in what it is about. */
struct cl_async_op {
    struct cl_list node;
    struct cl_async *async;
    cl_storeq_work *run;
    cl_storeq_done *done;
    size_t bytes;
    struct event *again; /* NULL until the store has refused it */
    char id[CL_ULID_SIZE];
    char tenant[CL_NAME_MAX];
};

enum cl_async_state {
    CL_ASYNC_QUEUED,   /* in the queue, or waits until it may be there again */
    CL_ASYNC_STARTING, /* being marked as started */
    CL_ASYNC_RUNNING,
    CL_ASYNC_ENDING, /* its end is on its way to the disk */
};

/* Known as long as it is not done. */
struct cl_async_call {
    struct cl_asyncq_item item;
    struct cl_list node; /* of a bucket */
    struct cl_async *async;
    char id[CL_ULID_SIZE];
    char tenant[CL_NAME_MAX];
    char key[CL_NAME_MAX];        /* id of the token; "": none */
    char policy[CL_NAME_MAX];     /* as it was when accepted */
    char trace[CL_TRACE_ID_SIZE]; /* for the log; "": none, or not read yet after a restart */
    struct cl_tenant *known;      /* NULL until cloched has told of it; then it stays */
    enum cl_async_state state;    /* set by cl_async_become */
    struct cl_list starting;      /* in the list of those */
    unsigned lane;
    uint32_t attempts;
    bool may_retry, is_cancelled;
    bool is_urgent;           /* its client waits: it is not held back for others */
    struct event *again;      /* NULL but while it waits for its next attempt */
    struct cl_async_run *run; /* NULL but while it runs */
    struct cl_list watches;
};

/* What log lines about it begin with. */
#define CL_ASYNC_TEXT     "id=%s tenant=%s trace=%s"
#define CL_ASYNC_OF(call) (call)->id, (call)->tenant, (call)->trace

/* Who wants to hear of a call. A watch unlinks itself, or is unlinked before on_end. */
struct cl_async_watch {
    struct cl_list node;
    /* Events are on the disk. */
    void (*on_events)(struct cl_async_watch *watch, const char *text, size_t length);
    /* It is done, and no longer known here. */
    void (*on_end)(struct cl_async_watch *watch);
};

/* async.c */
void cl_async_persist(struct cl_async_op *op);
void cl_async_op_init(struct cl_async_op *op, const struct cl_async_call *call,
                      cl_storeq_work *run, cl_storeq_done *done);
void cl_async_op_done(struct cl_async_op *op);  /* first thing in its `done` */
void cl_async_op_again(struct cl_async_op *op); /* the same after a while, from its `done` */
void cl_async_op_fini(struct cl_async_op *op);
struct cl_async_call *cl_async_find(const struct cl_async *async, const char *tenant,
                                    const char *id);
struct cl_async_call *cl_async_admit(struct cl_async *async, const char *tenant,
                                     const char *id);
void cl_async_pump(struct cl_async *async);
void cl_async_become(struct cl_async_call *call, enum cl_async_state state);
/* Its tenant, if that is still there. */
struct cl_tenant *cl_async_tenant(struct cl_async_call *call);
/* Back into the queue, now or at a time. */
void cl_async_put(struct cl_async_call *call, int64_t not_before_us, bool in_front);
void cl_async_tell_events(struct cl_async_call *call, const char *text, size_t length);
/* Done and durable: tells and frees it. */
void cl_async_over(struct cl_async_call *call);

/* room.c */
/* Whether a call that waits may start: its policy's pool and its tenant's quota have room beside what runs, what
 * somebody waits for, and the stored calls on their way. True as well when its policy is gone: the start ends it. */
bool cl_async_has_room(struct cl_async_call *call);

/* events.c */
enum { CL_ASYNC_PENDING_MAX = 512 << 20 }; /* capped by the policy's limits long before */

/* What a call has while a worker does. */
struct cl_async_run {
    struct cl_async_call *call;
    uint64_t errand;
    uint64_t base; /* seq of the last event of an earlier start */
    uint64_t last; /* seq of the last event */
    struct cl_buf pending;
    struct event *flush; /* of cl_async_events_timer */
    bool has_lost;       /* events that did not fit */
};

struct event *cl_async_events_timer(struct cl_async_run *run);
void cl_async_on_events(void *run, const char *ndjson, size_t length);
void cl_async_run_free(struct cl_async_run *run); /* NULL is ignored */

/* run.c */
void cl_async_start(struct cl_async_call *call); /* it is in state STARTING */
void cl_async_stop(struct cl_async_call *call);  /* cancels what runs */

/* end.c */
struct cl_async_ending {
    enum cl_verdict_kind kind;        /* CANCELLED, LOST or DENIED */
    const char *message;              /* LOST */
    const struct cl_refusal *refusal; /* DENIED */
    const char *request;              /* as stored; NULL: not at hand */
    size_t length;
};
/* Ends a call that no worker has ended. */
void cl_async_end(struct cl_async_call *call, const struct cl_async_ending *ending);
/* The same with what a worker made: `events` are its last lines, the end among them. */
void cl_async_finish(struct cl_async_call *call, const char *verdict, struct cl_json envelope,
                     struct cl_buf *events, uint64_t last_seq);
/* Largest seq of a call's stored events, 0: none. On the store thread. */
int cl_async_last_seq(struct cl_store *store, const char *tenant, const char *id,
                      uint64_t *last, struct cl_err *err);

/* body.c: how a request is stored. Pure. */
int cl_async_pack(const struct cl_call_sent *sent, struct cl_buf *out, struct cl_err *err);
/* Its views are into the bytes, which it changes. */
int cl_async_unpack(char *bytes, size_t length, struct cl_call_sent *sent, struct cl_err *err);

/* show.c: what callers read of a stored call. Pure. */
int cl_async_show(const struct cl_store_call *call, struct cl_buf *out, struct cl_err *err);
int cl_async_show_row(const struct cl_store_call *call, struct cl_buf *out, struct cl_err *err);
bool cl_async_is_id(const char *text); /* a ULID as we make them */
const char *cl_async_state_name(enum cl_store_state state);
extern const char *const cl_async_priorities[];  /* by lane; ended by NULL */
int32_t cl_async_stored_priority(unsigned lane); /* higher goes first */
unsigned cl_async_lane(int32_t stored);

/* ask.c: one visit that waits for the store, a call, or a time. */
enum cl_ask_kind { CL_ASK_STATE, CL_ASK_CANCEL, CL_ASK_SETTLE };
struct cl_ask;
void cl_ask_open(struct cl_visit *visit, const char *tenant, const char *id,
                 enum cl_ask_kind kind, uint64_t wait_ms);
void cl_asks_release(struct cl_async *async);

/* follow.c: streams the events of a call behind `after`. */
void cl_follow_open(struct cl_visit *visit, const char *tenant, const char *id, uint64_t after);
void cl_follows_release(struct cl_async *async);

#endif
