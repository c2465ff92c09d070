/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of workflows that run: submitted, found, watched, stopped.
 * Runs in: cloche-api.
 * Trusts: plans, which were checked.
 */
#include <stdlib.h>
#include <string.h>

#include "api/visit.h"
#include "api/workflow/run_impl.h"
#include "sandbox/base/own.h"

struct cl_runs *cl_runs_new(struct cl_app *app)
{
    struct cl_runs *runs = calloc(1, sizeof(*runs));

    CL_CHECK(runs);
    runs->app = app;
    cl_list_init(&runs->all);
    return runs;
}

void cl_runs_end(struct cl_runs *runs)
{
    runs->is_ending = true;
}

void cl_runs_free(struct cl_runs *runs)
{
    cl_list_for (struct cl_run, run, node, &runs->all) {
        run->flush = NULL; /* one that waited to be sent again dies with the process */
        cl_run_free(run);
    }
    free(runs);
}

static struct cl_run *find(const struct cl_runs *runs, const struct cl_tenant *tenant,
                           const char *id)
{
    cl_list_for (struct cl_run, run, node, &runs->all) {
        if (run->tenant == tenant && strcmp(run->plan.id, id) == 0)
            return run;
    }
    return NULL;
}

bool cl_runs_has(const struct cl_runs *runs, const struct cl_tenant *tenant, const char *id)
{
    return find(runs, tenant, id) != NULL;
}

bool cl_runs_cancel(struct cl_runs *runs, const struct cl_tenant *tenant, const char *id)
{
    struct cl_run *run = find(runs, tenant, id);

    if (!run || run->is_over)
        return run != NULL;
    run->is_cancel_asked = true;
    run->has_news = true;
    cl_run_stop(run, CL_STOP_CANCEL);
    return true;
}

bool cl_runs_watch(struct cl_runs *runs, const struct cl_tenant *tenant, const char *id,
                   struct cl_run_watch *watch)
{
    struct cl_run *run = find(runs, tenant, id);

    cl_list_init(&watch->node);
    if (run)
        cl_list_append(&run->watches, &watch->node);
    return run != NULL;
}

void cl_run_watch_end(struct cl_run_watch *watch)
{
    if (watch->node.next)
        cl_list_unlink(&watch->node);
    cl_list_init(&watch->node);
}

bool cl_run_is_last(const char *status)
{
    static const char *const names[] = { "completed", "failed", "cancelled", "timeout" };

    for (size_t i = 0; i < CL_COUNT(names); i++) {
        if (strcmp(status, names[i]) == 0)
            return true;
    }
    return false;
}

static bool has_room(const struct cl_runs *runs, const struct cl_tenant *tenant)
{
    uint32_t count = 0;

    cl_list_for (struct cl_run, run, node, &runs->all)
        count += run->tenant == tenant;
    return runs->count < CL_RUNS_MAX && count < CL_RUNS_TENANT_MAX;
}

int cl_runs_submit(struct cl_runs *runs, const struct cl_run_ask *ask, struct cl_plan *plan,
                   cl_run_on_kept *on_kept, void *self, struct cl_refusal *refusal)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_run *run;

    if (!has_room(runs, ask->tenant)) {
        refusal->retry_after_s = 1;
        return cl_refusal_set(refusal, CL_R_QUEUE_FULL, "too many workflows are running");
    }
    run = cl_run_new(runs, ask, plan);
    run->on_kept = on_kept;
    run->kept_self = self;
    if (cl_run_insert(run, &err) == 0)
        return 0;
    cl_run_free(run);
    return cl_refusal_set(refusal, CL_R_QUEUE_FULL, "%s", err.text);
}

uint32_t cl_runs_count(const struct cl_runs *runs)
{
    return runs->count;
}
