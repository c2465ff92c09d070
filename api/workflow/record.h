/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workflows as the store has them, as JSON for callers: records, lists, events. What the store
 * has not kept yet is not told.
 */
#ifndef CL_WORKFLOW_RECORD_H
#define CL_WORKFLOW_RECORD_H

#include "api/refusal.h"
#include "sandbox/base/buf.h"

struct cl_app;
struct cl_tenant;

enum cl_record_kind {
    CL_RECORD_WORKFLOW = 0,
    CL_RECORD_TASK, /* the only task of a workflow of one */
    CL_RECORD_LIST,
    CL_RECORD_EVENTS, /* lines of NDJSON */
};

enum { CL_RECORD_PAGE = 100, CL_RECORD_PAGE_MAX = 1000, CL_RECORD_ROWS = 32 };

/* Copied by fetch, but for the tenant. */
struct cl_record_want {
    enum cl_record_kind kind;
    const struct cl_tenant *tenant;
    const char *id;     /* of one workflow */
    const char *status; /* of a list: "" is any, "active" what is not over */
    uint64_t before; /* of a list: serial of the last one of the page before; 0: the newest */
    uint64_t after;  /* of events: seq of the last row that is known */
    unsigned limit;  /* of a list */
};

struct cl_record {
    struct cl_buf text;
    bool is_found;
    uint64_t last; /* of events: seq of the last row that was read */
    bool has_more; /* of events: there may be more rows */
};

/* refusal NULL: it was read. The record is the callback's until it returns. */
typedef void cl_record_done(void *self, struct cl_record *record,
                            const struct cl_refusal *refusal);

/* done is called exactly once, never from inside here. -1: refused, and nothing will be. */
int cl_record_fetch(struct cl_app *app, const struct cl_record_want *want, cl_record_done *done,
                    void *self, struct cl_refusal *refusal);

#endif
