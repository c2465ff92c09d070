/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/workflows and /v1/tasks: submit, cancel, records and lists.
 * Runs in: cloche-api.
 * Trusts: nothing of the request; of records only that the store kept what run.c put there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/query.h"
#include "api/visit.h"
#include "api/workflow/ask.h"
#include "api/workflow/record.h"
#include "api/workflow/run.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

/* A request that is answered later. Lives until the client is gone and nothing is under way. */
struct asking {
    struct cl_visit *visit; /* NULL: the client is gone */
    struct cl_app *app;
    struct cl_tenant *tenant;
    struct cl_run_watch watch;
    char *id;
    bool is_task, waits;
    bool is_watching;
    bool is_busy; /* something will call back */
    uint32_t count;
    struct cl_buf warnings;
};

/* ------------------------------------------------------------------------------ answer later */

static void fini(struct asking *asking)
{
    if (asking->visit || asking->is_busy)
        return;
    if (asking->is_watching)
        cl_run_watch_end(&asking->watch);
    cl_buf_fini(&asking->warnings);
    free(asking->id);
    free(asking);
}

static void on_client_end(void *self)
{
    struct asking *asking = self;

    asking->visit = NULL;
    fini(asking);
}

static const struct cl_visit_later later = { .on_end = on_client_end };

static struct asking *ask(struct cl_visit *visit, const char *id)
{
    struct asking *asking = calloc(1, sizeof(*asking));

    CL_CHECK(asking);
    *asking = (struct asking){ .visit = visit,
                               .app = visit->app,
                               .tenant = visit->tenant,
                               .id = strdup(id),
                               .warnings = CL_BUF_INIT(2 << 20) };
    CL_CHECK(asking->id);
    visit->later = &later;
    visit->later_self = asking;
    return asking;
}

static void refuse(struct asking *asking, const struct cl_refusal *refusal)
{
    if (asking->visit)
        cl_visit_refuse(asking->app, asking->visit->exchange, refusal);
}

static void on_record(void *self, struct cl_record *record, const struct cl_refusal *refusal)
{
    struct asking *asking = self;
    struct cl_refusal none = CL_REFUSAL_INIT;

    asking->is_busy = false;
    if (refusal) {
        refuse(asking, refusal);
    } else if (!record->is_found) {
        cl_refusal_set(&none, CL_R_NOT_FOUND, "%s %.100s not found",
                       asking->is_task ? "Task" : "Workflow", asking->id);
        refuse(asking, &none);
    } else if (asking->visit &&
               !cl_exchange_reserve(asking->visit->exchange, record->text.length)) {
        none.retry_after_s = 1;
        cl_refusal_set(&none, CL_R_NO_MEMORY,
                       "other requests hold what there is for the record");
        refuse(asking, &none);
    } else if (asking->visit) {
        cl_visit_answer(asking->visit, "application/json", &record->text);
    }
    fini(asking);
}

static void answer_record(struct asking *asking)
{
    const struct cl_record_want want = {
        .kind = asking->is_task ? CL_RECORD_TASK : CL_RECORD_WORKFLOW,
        .tenant = asking->tenant,
        .id = asking->id,
    };
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    if (cl_record_fetch(asking->app, &want, on_record, asking, &refusal) < 0)
        refuse(asking, &refusal);
    else
        asking->is_busy = true;
}

static void on_news(struct cl_run_watch *watch, bool is_over)
{
    struct asking *asking =
        (struct asking *)(void *)((char *)watch - offsetof(struct asking, watch));

    if (!is_over)
        return;
    asking->is_watching = false;
    answer_record(asking);
}

/* The record once the run is over, which it may be. */
static void answer_when_over(struct asking *asking)
{
    asking->watch.on_news = on_news;
    asking->is_watching =
        cl_runs_watch(asking->app->runs, asking->tenant, asking->id, &asking->watch);
    if (!asking->is_watching)
        answer_record(asking);
}

/* ---------------------------------------------------------------------------------- submit */

static void answer_accepted(struct asking *asking)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(4 << 20);
    struct cl_err err = CL_ERR_INIT;
    const size_t length = strlen(asking->id);

    CL_CHECK(cl_buf_put_text(&text, "{\"workflow_id\":", &err) == 0 &&
             cl_json_put_string(&text, asking->id, length, &err) == 0);
    if (asking->is_task)
        CL_CHECK(cl_buf_put_text(&text, ",\"task_id\":", &err) == 0 &&
                 cl_json_put_string(&text, asking->id, length, &err) == 0);
    CL_CHECK(cl_buf_format(&text, &err, ",\"task_count\":%u", asking->count) == 0);
    if (asking->warnings.length > 0)
        CL_CHECK(cl_buf_format(&text, &err, ",\"warnings\":[%.*s]",
                               (int)asking->warnings.length,
                               (char *)asking->warnings.bytes) == 0);
    CL_CHECK(cl_buf_put(&text, "}", 1, &err) == 0);
    cl_workflow_answer(asking->visit, 202, &text);
}

static void on_kept(void *self, const struct cl_refusal *why)
{
    struct asking *asking = self;
    char text[CL_PROBLEM_BYTES];

    asking->is_busy = false;
    snprintf(text, sizeof(text), "Duplicate workflow ID: %s", asking->id);
    if (!asking->visit)
        fini(asking);
    else if (why && why->kind == CL_R_NONE)
        cl_workflow_answer_problem(asking->visit, text);
    else if (why)
        refuse(asking, why);
    else if (asking->waits)
        answer_when_over(asking);
    else
        answer_accepted(asking);
}

static int read_wait(struct cl_visit *visit, bool *waits, struct cl_refusal *refusal)
{
    static const char *const words[] = { "false", "true", "0", "1", NULL };
    struct cl_query known[] = { { .name = "wait" } };
    int place = 0;

    if (cl_query_parse(cl_exchange_head(visit->exchange)->query, known, CL_COUNT(known),
                       refusal) < 0)
        return -1;
    if (known[0].is_given && cl_query_word(&known[0], words, &place, refusal) < 0)
        return -1;
    *waits = place & 1;
    return 0;
}

static int check_policy(const struct cl_visit *visit, const char *policy,
                        struct cl_refusal *refusal)
{
    const bool is_empty =
        policy && !policy[0]; /* it names none, and does not mean the default */

    if (!is_empty && cl_tenancy_find(visit->app->tenancy, visit->tenant, policy ? policy : ""))
        return 0;
    return cl_refusal_set(refusal, CL_R_POLICY_NOT_ALLOWED, "no policy \"%s\" for this token",
                          policy ? policy : "");
}

static int submit(struct cl_visit *visit, const char *body, size_t length, bool is_task,
                  struct cl_refusal *refusal)
{
    struct cl_plan CL_AUTO(cl_plan_fini) made = { 0 };
    const char *policy = cl_exchange_field(visit->exchange, "cloche-policy");
    const struct cl_run_ask who = { visit->tenant, cl_visit_key(visit), policy ? policy : "",
                                    is_task, visit->trace };
    struct cl_err err = CL_ERR_INIT;
    struct asking *asking;
    bool waits = false;

    if (read_wait(visit, &waits, refusal) < 0 || check_policy(visit, policy, refusal) < 0)
        return -1;
    if (cl_workflow_plan(visit, body, length, is_task, &made) > 0)
        return 0;
    asking = ask(visit, made.id);
    asking->is_task = is_task;
    asking->waits = waits || made.waits;
    asking->count = (uint32_t)made.count;
    CL_CHECK(cl_buf_put(&asking->warnings, made.warnings.list.bytes, made.warnings.list.length,
                        &err) == 0);
    if (cl_runs_submit(visit->app->runs, &who, &made, on_kept, asking, refusal) < 0)
        return -1;
    cl_quota_owe(&visit->tenant->quota, asking->count - 1, cl_clock_us());
    asking->is_busy = true;
    return 0;
}

int cl_workflows_submit(struct cl_visit *visit, const char *body, size_t length,
                        struct cl_refusal *refusal)
{
    return submit(visit, body, length, false, refusal);
}

int cl_workflows_task(struct cl_visit *visit, const char *body, size_t length,
                      struct cl_refusal *refusal)
{
    return submit(visit, body, length, true, refusal);
}

/* ------------------------------------------------------------------------ records, list, stop */

int cl_workflows_get(struct cl_visit *visit, const char *body, size_t length,
                     struct cl_refusal *refusal)
{
    (void)body;
    (void)length;
    (void)refusal;
    answer_record(ask(visit, visit->param));
    return 0;
}

int cl_workflows_get_task(struct cl_visit *visit, const char *body, size_t length,
                          struct cl_refusal *refusal)
{
    struct asking *asking = ask(visit, visit->param);

    (void)body;
    (void)length;
    (void)refusal;
    asking->is_task = true;
    answer_record(asking);
    return 0;
}

/* Answers with the record, once everything of it has ended; of what is over already, at once. */
int cl_workflows_cancel(struct cl_visit *visit, const char *body, size_t length,
                        struct cl_refusal *refusal)
{
    struct asking *asking = ask(visit, visit->param);

    (void)body;
    (void)length;
    (void)refusal;
    cl_runs_cancel(visit->app->runs, visit->tenant, visit->param);
    answer_when_over(asking);
    return 0;
}

int cl_workflows_list(struct cl_visit *visit, const char *body, size_t length,
                      struct cl_refusal *refusal)
{
    static const char *const words[] = { "",       "active",    "running", "completed",
                                         "failed", "cancelled", "timeout", NULL };
    struct cl_query known[] = { { .name = "status" },
                                { .name = "limit" },
                                { .name = "cursor" } };
    struct cl_record_want want = { .kind = CL_RECORD_LIST, .tenant = visit->tenant };
    uint64_t limit = CL_RECORD_PAGE;
    struct asking *asking;
    int place = 0;

    (void)body;
    (void)length;
    if (cl_query_parse(cl_exchange_head(visit->exchange)->query, known, CL_COUNT(known),
                       refusal) < 0 ||
        (known[0].is_given && cl_query_word(&known[0], words, &place, refusal) < 0) ||
        cl_query_u64(&known[1], 1, CL_RECORD_PAGE_MAX, &limit, refusal) < 0 ||
        cl_query_u64(&known[2], 1, UINT64_MAX >> 1, &want.before, refusal) < 0)
        return -1;
    want.status = words[place];
    want.limit = (unsigned)limit;
    asking = ask(visit, "");
    if (cl_record_fetch(visit->app, &want, on_record, asking, refusal) < 0)
        return -1;
    asking->is_busy = true;
    return 0;
}
