/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workflows that run. A task starts when the tasks that it needs have completed, whatever others
 * do; of those that may start the most urgent goes first, then who came first. Every transition
 * is in the store before anybody is told of it, and a task is there as executing before it
 * starts: what a restart finds as executing may have run, all else has not.
 *
 * Records are read from the store (record.h), of ended and of running workflows alike. Everything
 * here runs on the event loop.
 */
#ifndef CL_WORKFLOW_RUN_H
#define CL_WORKFLOW_RUN_H

#include "api/refusal.h"
#include "api/workflow/plan.h"
#include "sandbox/base/list.h"

struct cl_app;
struct cl_runs;
struct cl_tenant;

enum {
    CL_RUNS_MAX = 2000, /* that are not over, of all tenants */
    CL_RUNS_TENANT_MAX = 500,
};

/* On whose behalf. Copied. */
struct cl_run_ask {
    struct cl_tenant *tenant;
    const char *key;    /* the token's id; "" is the tenant's own token */
    const char *policy; /* "": the tenant's default */
    bool is_task;       /* a workflow of one, made by POST /v1/tasks */
    const char *trace;  /* of trace.h; NULL or "": none */
};

/* Who waits for news of one run. Part of the caller; in a list while it is watching. */
struct cl_run_watch {
    struct cl_list node;
    /* More is in the store now. `is_over`: nothing else will be, and the watch has ended. */
    void (*on_news)(struct cl_run_watch *watch, bool is_over);
};

/* `why` is NULL when it is in the store, and runs. CL_R_NONE in it: the id is taken. */
typedef void cl_run_on_kept(void *self, const struct cl_refusal *why);

struct cl_runs *cl_runs_new(struct cl_app *app);
/* Nothing starts from here on; what the store takes on its way out is kept. */
void cl_runs_end(struct cl_runs *runs);
/* After the store's queue has been freed. What is in the store stays as it is. */
void cl_runs_free(struct cl_runs *runs);

/* Takes up what the store has as not done. Once, before anything is submitted. */
int cl_runs_restore(struct cl_runs *runs, struct cl_err *err);

/* Takes the plan (which is empty then), unless it is refused: -1. Else on_kept comes exactly
 * once, never from inside; it may be NULL. */
int cl_runs_submit(struct cl_runs *runs, const struct cl_run_ask *ask, struct cl_plan *plan,
                   cl_run_on_kept *on_kept, void *self, struct cl_refusal *refusal);

uint32_t cl_runs_count(const struct cl_runs *runs); /* that are not over */
/* Whether there is such a run that is not over. */
bool cl_runs_has(const struct cl_runs *runs, const struct cl_tenant *tenant, const char *id);
/* Stops it. Returns whether there was such a run. */
bool cl_runs_cancel(struct cl_runs *runs, const struct cl_tenant *tenant, const char *id);
/* Returns whether there is such a run: then the watch hears of it until it is over. */
bool cl_runs_watch(struct cl_runs *runs, const struct cl_tenant *tenant, const char *id,
                   struct cl_run_watch *watch);
void cl_run_watch_end(struct cl_run_watch *watch); /* harmless when it has ended */

/* "failed", "timeout", ...: the last statuses of a workflow. */
bool cl_run_is_last(const char *status);

#endif
