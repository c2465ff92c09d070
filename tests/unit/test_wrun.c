/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler of a workflow against a real store, with calls that this test answers: what is
 * started when, what is not an attempt, what a full store holds up.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "api/pythonv1/scoped.h"
#include "api/sessions/session.h"
#include "api/storeq.h"
#include "api/visit.h"
#include "api/workflow/document.h"
#include "api/workflow/record.h"
#include "api/workflow/run.h"
#include "sandbox/base/own.h"
#include "tests/support/store_case.h"

enum { CALLS_MAX = 64, WAIT_S = 20 };

struct fake_call {
    uint64_t id;
    char task[64], params[256];
    const struct cl_v1_calls *calls;
    void *self;
    bool is_cancelled;
};

static struct {
    struct fake_call calls[CALLS_MAX];
    size_t started, open;
} fake;

static struct cl_app app;
static struct cl_tenant tenant = { .name = "t" };
static struct store_case *store;
static bool is_kept;
static struct cl_refusal refused;
static char record[16384];

/* ----------------------------------------------------------------------- what is behind a run */

uint64_t cl_v1_start_scoped(struct cl_app *asked, const struct cl_v1_caller *caller,
                            struct cl_v1_scope *scope, const struct cl_v1_want *want,
                            const struct cl_v1_calls *calls, void *self)
{
    struct fake_call *call = &fake.calls[fake.started++];

    (void)scope;
    assert_ptr_equal(asked, &app);
    assert_true(fake.started <= CALLS_MAX);
    *call = (struct fake_call){ .id = fake.started, .calls = calls, .self = self };
    snprintf(call->task, sizeof(call->task), "%s", caller->task_id);
    snprintf(call->params, sizeof(call->params), "%.*s", (int)want->params.length,
             want->params.text);
    fake.open++;
    return call->id;
}

void cl_pythonv1_cancel(struct cl_app *asked, uint64_t id)
{
    (void)asked;
    fake.calls[id - 1].is_cancelled = true;
}

void cl_pythonv1_forget(struct cl_app *asked, uint64_t id)
{
    (void)asked;
    fake.calls[id - 1].self = NULL;
}

void cl_v1_scope_fini(struct cl_v1_scope *scope)
{
    (void)scope;
}

void cl_audit_change(struct cl_audit *audit, const struct cl_audit_change *change)
{
    (void)audit;
    (void)change;
}

struct cl_session *cl_session_find(struct cl_app *asked, const struct cl_tenant *of,
                                   const char *key, const char *id)
{
    (void)asked;
    (void)of;
    (void)key;
    (void)id;
    return NULL;
}

struct cl_session *cl_session_open(struct cl_app *asked, const struct cl_session_ask *ask,
                                   struct cl_refusal *refusal)
{
    (void)asked;
    (void)ask;
    cl_refusal_set(refusal, CL_R_SESSION_NOT_ALLOWED, "not here");
    return NULL;
}

const char *cl_session_id(const struct cl_session *session)
{
    (void)session;
    return "";
}

void cl_session_end(struct cl_session *session)
{
    (void)session;
}

struct cl_tenant *cl_tenancy_named(const struct cl_tenancy *tenancy, const char *name)
{
    (void)tenancy;
    return strcmp(name, tenant.name) == 0 ? &tenant : NULL;
}

/* ------------------------------------------------------------------------------------- driving */

static int open_case(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    store_case_open((void **)&store);
    app = (struct cl_app){ .base = event_base_new() };
    app.storeq = cl_storeq_new(app.base, &store->store, &cl_storeq_caps_default, &store->err);
    assert_non_null(app.storeq);
    app.runs = cl_runs_new(&app);
    return 0;
}

/* As the process ends: what is under way stays as the store has it. */
static void end(void)
{
    cl_runs_end(app.runs);
    cl_storeq_free(app.storeq);
    cl_runs_free(app.runs);
    event_base_free(app.base);
}

static int close_case(void **state)
{
    (void)state;
    end();
    store_case_close((void **)&store);
    return 0;
}

static void spin(bool (*until)(void))
{
    const struct timeval most = { WAIT_S, 0 };

    event_base_loopexit(app.base, &most);
    while (!until() && !event_base_got_exit(app.base))
        event_base_loop(app.base, EVLOOP_ONCE);
    assert_true(until());
}

/* Whatever is under way is written, and told. */
static bool is_quiet(void)
{
    return cl_storeq_waiting(app.storeq) == 0;
}

static void settle(void)
{
    for (int i = 0; i < 4; i++) {
        event_base_loop(app.base, EVLOOP_NONBLOCK);
        spin(is_quiet);
    }
}

static void on_kept(void *self, const struct cl_refusal *why)
{
    (void)self;
    is_kept = !why;
    if (why)
        refused = *why;
}

static uint32_t no_random(void *self)
{
    (void)self;
    return 7;
}

static int submit(const char *text, struct cl_refusal *refusal)
{
    static const struct cl_plan_env env = { no_random, NULL, NULL };
    const struct cl_run_ask ask = { .tenant = &tenant, .key = "k", .policy = "" };
    struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
    struct cl_plan CL_AUTO(cl_plan_fini) plan;
    struct cl_err err = CL_ERR_INIT;

    assert_works(cl_document_parse_yaml(&tree, text, strlen(text), &err), &err);
    if (cl_plan_init(&plan, tree.root, &env) < 0)
        fail_msg("%.*s", (int)plan.problems.first.length, (char *)plan.problems.first.bytes);
    is_kept = false;
    const int done = cl_runs_submit(app.runs, &ask, &plan, on_kept, NULL, refusal);
    if (done == 0)
        settle();
    return done;
}

static struct fake_call *call_of(const char *task)
{
    for (size_t i = fake.started; i-- > 0;) {
        if (strcmp(fake.calls[i].task, task) == 0)
            return &fake.calls[i];
    }
    fail_msg("%s was not started", task);
    return NULL;
}

static void answer(const char *task, const struct cl_v1_answer *wanted)
{
    struct fake_call *call = call_of(task);
    struct cl_v1_answer made = *wanted;

    made.id = call->id;
    fake.open--;
    call->calls->on_done(call->self, &made);
    settle();
}

static void answer_result(const char *task, const char *envelope)
{
    answer(task, &(struct cl_v1_answer){ .json = { envelope, strlen(envelope) } });
}

static void answer_raised(const char *task, const char *exception)
{
    static const char envelope[] = "{\"error\":\"no\",\"success\":false}";

    answer(task, &(struct cl_v1_answer){ .json = { envelope, sizeof(envelope) - 1 },
                                         .is_failed = true,
                                         .exception = { exception, strlen(exception) } });
}

static void on_record(void *self, struct cl_record *got, const struct cl_refusal *why)
{
    (void)self;
    assert_null(why);
    assert_true(got->is_found);
    snprintf(record, sizeof(record), "%.*s", (int)got->text.length, (char *)got->text.bytes);
}

static bool has_record(void)
{
    return record[0] != '\0';
}

static void assert_record(const char *words)
{
    const struct cl_record_want want = { .kind = CL_RECORD_WORKFLOW,
                                         .tenant = &tenant,
                                         .id = "w" };
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    record[0] = '\0';
    assert_int_equal(cl_record_fetch(&app, &want, on_record, NULL, &refusal), 0);
    spin(has_record);
    if (!strstr(record, words))
        fail_msg("no %s in %s", words, record);
}

/* --------------------------------------------------------------------------------------- tests */

#define TASK(id, more) "- {id: " id ", method: execute" more "}\n"

static void no_more_start_than_may(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    (void)state;
    assert_int_equal(submit("id: w\nmax_parallel_tasks: 2\ntasks:\n" TASK("a", "") TASK("b", "")
                                TASK("c", "") TASK("d", ", dependencies: [a]"),
                            &refusal),
                     0);
    assert_true(is_kept);
    assert_int_equal(fake.started, 2);
    assert_record("\"task_id\":\"a\",\"status\":\"executing\"");
    answer_result("b", "{\"result\":2}");
    assert_int_equal(fake.started, 3);
    assert_int_equal(fake.open, 2);
    answer_result("a", "{\"result\":1}");
    assert_string_equal(fake.calls[3].task, "d");
    answer_result("c", "{\"result\":1}");
    assert_record("\"status\":\"running\"");
    answer_result("d", "{\"result\":1}");
    assert_record("\"status\":\"completed\"");
    assert_false(cl_runs_has(app.runs, &tenant, "w"));
}

static void values_go_from_task_to_task(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    (void)state;
    submit("id: w\ntasks:\n" TASK("a", "")
               TASK("b", ", dependencies: [a], params: {x: '${a.result.k}'}")
                   TASK("c", ", dependencies: [b], params: {x: '${a.result.k[1]} ${b}'}"),
           &refusal);
    answer_result("a", "{\"result\":{\"k\":[1.50,2]}}");
    assert_string_equal(call_of("b")->params, "{\"x\":[1.50,2]}");
    answer_result("b", "{\"result\":null}");
    assert_string_equal(call_of("c")->params, "{\"x\":\"2 {\\\"result\\\": null}\"}");
}

static bool is_started_again(void)
{
    return fake.started == 2;
}

static void no_room_is_no_attempt(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    struct cl_refusal full = { .kind = CL_R_QUEUE_FULL, .detail = "full" };

    (void)state;
    submit("id: w\ntasks:\n" TASK("a", ""), &refusal);
    answer("a",
           &(struct cl_v1_answer){ .refusal = &full, .is_error = true, .is_failed = true });
    assert_int_equal(fake.open, 0);
    spin(is_started_again);
    answer_result("a", "{\"result\":1}");
    assert_record("\"attempts\":1");
    assert_record("\"status\":\"completed\"");
}

static void only_named_exceptions_are_retried(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    (void)state;
    submit("id: w\ntasks:\n" TASK(
               "a", ", retry: {on: [ValueError], base_delay: 0.1, backoff: fixed}"),
           &refusal);
    answer_raised("a", "ValueError");
    assert_record("\"status\":\"retry_pending\"");
    spin(is_started_again);
    answer_raised("a", "KeyError");
    assert_record("\"status\":\"failed\"");
    assert_record("\"attempts\":2");
}

static void fail_fast_cancels_what_runs(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    (void)state;
    submit("id: w\non_failure: fail_fast\nmax_parallel_tasks: 2\ntasks:\n" TASK("a", "")
               TASK("b", "") TASK("c", ""),
           &refusal);
    answer_raised("a", "ValueError");
    assert_true(call_of("b")->is_cancelled);
    assert_int_equal(fake.started, 2);
    answer("b", &(struct cl_v1_answer){ .is_error = true,
                                        .is_failed = true,
                                        .code = CL_V1_TASK_CANCELLED,
                                        .json = { "{\"code\":-29004}", 15 } });
    assert_record("\"task_id\":\"b\",\"status\":\"cancelled\"");
    assert_record("\"task_id\":\"c\",\"status\":\"skipped\"");
    assert_record("\"name\":\"w\",\"status\":\"failed\"");
}

/* What completed although it was to be cancelled has completed. */
static void late_success_counts(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    (void)state;
    submit("id: w\ntasks:\n" TASK("a", ""), &refusal);
    assert_true(cl_runs_cancel(app.runs, &tenant, "w"));
    assert_true(call_of("a")->is_cancelled);
    answer_result("a", "{\"result\":1}");
    assert_record("\"task_id\":\"a\",\"status\":\"completed\"");
    assert_false(cl_runs_cancel(app.runs, &tenant, "w"));
}

static void another_tenant_sees_nothing(void **state)
{
    struct cl_tenant other = { .name = "other" };
    struct cl_run_watch watch = { 0 };
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    (void)state;
    submit("id: w\ntasks:\n" TASK("a", ""), &refusal);
    assert_true(cl_runs_has(app.runs, &tenant, "w"));
    assert_false(cl_runs_has(app.runs, &other, "w"));
    assert_false(cl_runs_cancel(app.runs, &other, "w"));
    assert_false(cl_runs_watch(app.runs, &other, "w", &watch));
    assert_false(call_of("a")->is_cancelled);
}

static void an_id_is_taken_once(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    (void)state;
    submit("id: w\ntasks:\n" TASK("a", ""), &refusal);
    assert_true(is_kept);
    refused.kind = CL_R_COUNT_;
    assert_int_equal(submit("id: w\ntasks:\n" TASK("b", ""), &refusal), 0);
    assert_false(is_kept);
    assert_int_equal(refused.kind, CL_R_NONE);
    assert_int_equal(fake.started, 1);
}

/* The process ends while one task runs and another waits for its next attempt. */
static void restart_knows_what_may_have_run(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    submit("id: w\ntasks:\n" TASK("a", "") TASK("b", "")
               TASK("c", ", retry: {base_delay: 0.1, backoff: fixed}")
                   TASK("d", ", dependencies: [a]") TASK("e", ", dependencies: [b]"),
           &refusal);
    answer_result("a", "{\"result\":5}");
    assert_int_equal(fake.started, 4);
    end();
    store_case_again(store);
    app.base = event_base_new();
    app.storeq = cl_storeq_new(app.base, &store->store, &cl_storeq_caps_default, &store->err);
    app.runs = cl_runs_new(&app);
    memset(&fake, 0, sizeof(fake));
    assert_int_equal(cl_runs_restore(app.runs, &err), 0);
    settle();
    assert_record("\"task_id\":\"a\",\"status\":\"completed\"");
    assert_record("\"task_id\":\"b\",\"status\":\"failed\"");
    assert_record("\"code\":-25004");
    assert_record("\"task_id\":\"e\",\"status\":\"skipped\"");
    while (fake.started < 1)
        event_base_loop(app.base, EVLOOP_ONCE);
    assert_string_equal(fake.calls[0].task, "c");
    answer_result("c", "{\"result\":1}");
    assert_record("\"name\":\"w\",\"status\":\"failed\"");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_case, close_case)
    const struct CMUnitTest tests[] = {
        CASE(no_more_start_than_may),          CASE(values_go_from_task_to_task),
        CASE(no_room_is_no_attempt),           CASE(only_named_exceptions_are_retried),
        CASE(fail_fast_cancels_what_runs),     CASE(late_success_counts),
        CASE(another_tenant_sees_nothing),     CASE(an_id_is_taken_once),
        CASE(restart_knows_what_may_have_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
