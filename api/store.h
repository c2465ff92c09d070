/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Cloche keeps: modules, calls that are answered later, sessions, workflows. A
 * synchronous interface that is used on the store thread only (api/storeq.h), each function
 * inside the transaction of the work that calls it. SQLite is behind it; nothing here says so,
 * and another backend has to pass the same tests (tests/unit/test_store*.c).
 *
 * Ids are ULIDs unless a comment says otherwise, times microseconds since 1970 UTC (0: not
 * yet). Every row has a tenant, and every look-up is of one tenant; the exceptions are named
 * `_all` and serve the start of the service. Texts are never NULL: "" is none.
 *
 * Functions return -1 and fill `err`, or 0 and more: 1 where a comment says "whether". What a
 * reader gets in its callback is valid until it returns; it returns 0 to go on, 1 to stop (the
 * function then returns as if there was no more), -1 with `err` filled to fail all of it. A
 * reader may not write, and may not read within a callback.
 *
 * CL_E_LIMIT: the store is full, by quota or because the disk is (507). CL_E_BUSY: it cannot
 * be written at the moment (503). CL_E_LOST: what was stored is damaged. CL_E_SYS: anything
 * else.
 */
#ifndef CL_API_STORE_H
#define CL_API_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/ulid.h"
#include "sandbox/base/err.h"

struct cl_store;

/* A view. bytes NULL: none; what was put as none is read as none. */
struct cl_blob {
    const void *bytes;
    size_t length;
};

/* clang-format off */
#define CL_BLOB_NONE { NULL, 0 }
/* clang-format on */

struct cl_store_caps {
    uint64_t bytes;        /* of all tenants together */
    uint64_t tenant_bytes; /* of one */
    uint64_t keep_us;      /* how long an ended call, and an ended workflow, is kept */
    uint64_t keep_calls;   /* of all tenants, the newest stay; workflows alike */
};

extern const struct cl_store_caps cl_store_caps_default;

/* Opens or makes the store in a directory and brings it to this version's schema. `dir` is
 * borrowed and has to stay open; it is used for every file of the store. One store per process.
 * CL_E_DENIED: the directory or what is in it cannot be read and written. CL_E_INPUT: made by a
 * newer Cloche. CL_E_LOST: damaged. Each with a sentence for people. NULL: failed. */
struct cl_store *cl_store_open(int dir, const struct cl_store_caps *caps, struct cl_err *err);
void cl_store_close(struct cl_store *store);

/* --------------------------------------------------------------------- transactions, upkeep */
/* For storeq.c and for tests that have no queue. */

int cl_store_begin(struct cl_store *store, struct cl_err *err);
int cl_store_commit(struct cl_store *store, struct cl_err *err); /* durable; or all is undone */
void cl_store_rollback(struct cl_store *store);
/* One level inside: a work that fails undoes itself alone, unless its fault undid the whole
 * transaction (false). */
int cl_store_mark(struct cl_store *store, struct cl_err *err);
int cl_store_keep(struct cl_store *store, struct cl_err *err);
bool cl_store_undo(struct cl_store *store);

/* Deletes a little of what is older or more than `caps` keep, outside of any transaction.
 * Returns whether there is more to delete. */
int cl_store_tidy(struct cl_store *store, int64_t now_us, struct cl_err *err);

/* Writes a row, outside of any transaction: whether the store takes anything now. */
int cl_store_probe(struct cl_store *store, struct cl_err *err);

struct cl_store_usage {
    uint64_t bytes; /* of rows and files */
    uint64_t tenant_bytes;
};

int cl_store_usage(struct cl_store *store, const char *tenant, struct cl_store_usage *usage,
                   struct cl_err *err);

/* What single tenants may keep, instead of `tenant_bytes` where that is more. */
struct cl_store_quota {
    char tenant[64];
    uint64_t bytes;
};

/* Takes the place of all that were set before: an array of malloc, sorted by tenant, kept by the
 * store and NULL afterwards. */
void cl_store_take_quotas(struct cl_store *store, struct cl_store_quota **quotas, size_t count);

/* ------------------------------------------------------------------------------- modules */

/* A version of a module. One version of each name is the current one. */
struct cl_store_module {
    const char *tenant;
    const char *name;
    const char *version;     /* 12 hex digits of its SHA-256 */
    const char *key;         /* who put it */
    const char *description; /* of the module, not of the version */
    const char *policy;
    const char *magic; /* which interpreter `code` is for */
    bool retry;
    bool is_current;
    struct cl_blob source;
    struct cl_blob code;      /* marshalled bytecode */
    struct cl_blob functions; /* JSON */
    struct cl_blob imports;   /* JSON */
    int64_t created_us;       /* this version, first */
    int64_t updated_us;       /* the module, last */
};

typedef int cl_store_on_module(void *self, const struct cl_store_module *module,
                               struct cl_err *err);

/* Keeps the version (once, whatever it is put as often) and makes it the current one; all but
 * source, code, magic, functions, imports belongs to the module and is replaced. Returns
 * whether the module is new. */
int cl_store_module_put(struct cl_store *store, const struct cl_store_module *module,
                        struct cl_err *err);
/* `version` NULL: the current one. Returns whether it is there. */
int cl_store_module_get(struct cl_store *store, const char *tenant, const char *name,
                        const char *version, cl_store_on_module *each, void *self,
                        struct cl_err *err);
/* All its versions go. Returns whether it was there. */
int cl_store_module_delete(struct cl_store *store, const char *tenant, const char *name,
                           struct cl_err *err);
/* Current versions by name, behind `after` ("": from the first); without source and code. */
int cl_store_module_list(struct cl_store *store, const char *tenant, const char *after,
                         unsigned limit, cl_store_on_module *each, void *self,
                         struct cl_err *err);
/* All versions of one module, the newest first; without source and code. */
int cl_store_module_versions(struct cl_store *store, const char *tenant, const char *name,
                             cl_store_on_module *each, void *self, struct cl_err *err);
/* The current versions of all tenants, by tenant and name, whole. */
int cl_store_module_all(struct cl_store *store, cl_store_on_module *each, void *self,
                        struct cl_err *err);
/* The version's bytecode anew, for another interpreter. Returns whether it is there. */
int cl_store_module_recode(struct cl_store *store, const struct cl_store_module *module,
                           struct cl_err *err);

/* --------------------------------------------------------------------------------- calls */

enum cl_store_state { CL_STORE_QUEUED = 0, CL_STORE_RUNNING, CL_STORE_DONE };

struct cl_store_call {
    const char *id;
    const char *tenant;
    const char *key;
    const char *function; /* "module.name"; "" for source of its own */
    const char *policy;
    const char *verdict;      /* of api.md once done */
    const char *idem_key;     /* Idempotency-Key, "": none */
    struct cl_blob idem_hash; /* of the body */
    struct cl_blob
        request; /* what is needed to run it: its body and more, the caller decides */
    struct cl_blob envelope; /* JSON, once done */
    enum cl_store_state state;
    int32_t priority;  /* higher goes first */
    uint32_t attempts; /* how often it was started */
    bool retry;        /* may run again when it was lost */
    bool is_cancelled; /* asked for; it may still end in another way */
    int64_t not_before_us;
    int64_t created_us, started_us, ended_us;
};

typedef int cl_store_on_call(void *self, const struct cl_store_call *call, struct cl_err *err);

enum cl_store_fresh {
    CL_STORE_FRESH = 0, /* inserted */
    CL_STORE_SAME,      /* this key with this body: `each` has seen the first call, whole */
    CL_STORE_OTHER,     /* this key with another body */
};

/* Inserts in state queued, unless its (tenant, key, idem_key) is taken: enum cl_store_fresh. */
int cl_store_call_insert(struct cl_store *store, const struct cl_store_call *call,
                         cl_store_on_call *each, void *self, struct cl_err *err);
/* queued -> running, one more attempt. Returns whether it was queued and not cancelled. */
int cl_store_call_start(struct cl_store *store, const char *tenant, const char *id,
                        int64_t now_us, struct cl_err *err);
/* running -> queued, not before that time. One that `ran` had a worker; if not, its start is as if it had
 * never been. Returns whether it was running. */
int cl_store_call_requeue(struct cl_store *store, const char *tenant, const char *id, bool ran,
                          int64_t not_before_us, struct cl_err *err);
/* -> done; its request is dropped. Returns whether it was not done before: an end is kept once. */
int cl_store_call_finish(struct cl_store *store, const struct cl_store_call *call,
                         struct cl_err *err); /* tenant, id, verdict, envelope, ended_us */
/* Returns whether it was not done yet. */
int cl_store_call_cancel(struct cl_store *store, const char *tenant, const char *id,
                         struct cl_err *err);
/* Whole. Returns whether it is there. */
int cl_store_call_get(struct cl_store *store, const char *tenant, const char *id,
                      cl_store_on_call *each, void *self, struct cl_err *err);

struct cl_store_filter {
    const char *tenant;
    const char *function; /* "" or NULL: any */
    const char *before; /* id of the last one of the page before; "" or NULL: from the newest */
    int state;          /* enum cl_store_state, -1: any */
    unsigned limit;
};

/* The newest first, without request and envelope. */
int cl_store_call_list(struct cl_store *store, const struct cl_store_filter *filter,
                       cl_store_on_call *each, void *self, struct cl_err *err);
/* Of all tenants, what is queued or running, in order of priority and id; with request. */
int cl_store_call_left_all(struct cl_store *store, cl_store_on_call *each, void *self,
                           struct cl_err *err);

/* One event of a call or of a workflow: a line of JSON without its end. */
struct cl_store_event {
    uint64_t seq; /* the caller's, rising */
    struct cl_blob line;
    bool is_owed; /* put: the end of what was begun, which no quota refuses; keep it short */
};

typedef int cl_store_on_event(void *self, const struct cl_store_event *event,
                              struct cl_err *err);

/* A seq that is there already stays as it is. CL_E_INPUT: there is no such call. */
int cl_store_call_event_put(struct cl_store *store, const char *tenant, const char *id,
                            const struct cl_store_event *event, struct cl_err *err);
/* Takes those behind `after` back. */
int cl_store_call_events_drop(struct cl_store *store, const char *tenant, const char *id,
                              uint64_t after, struct cl_err *err);
/* Those behind `after` in order. Returns whether there is such a call. */
int cl_store_call_events(struct cl_store *store, const char *tenant, const char *id,
                         uint64_t after, unsigned limit, cl_store_on_event *each, void *self,
                         struct cl_err *err);

#include "api/store/kept.h"

#endif
