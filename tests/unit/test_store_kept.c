/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What any store does with sessions, registrations and workflows, and with room and age.
 * Runs in: tests only.
 * Trusts: -
 */
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/own.h"
#include "tests/support/store_case.h"

enum { TEXT_SIZE = 512 };

static void add(char *text, const char *more)
{
    assert_true(strlen(text) + strlen(more) + 2 < TEXT_SIZE);
    strcat(text, more);
    strcat(text, " ");
}

/* ------------------------------------------------------------------------------ sessions */

static int see_session(void *self, const struct cl_store_session *session, struct cl_err *err)
{
    (void)err;
    add(self, session->id + 24);
    assert_string_equal(session->policy, "default");
    assert_int_equal(session->created_us, 5);
    return 0;
}

static int put_session(struct store_case *at, unsigned number, const char *key, bool is_default)
{
    char id[CL_ULID_SIZE];
    const struct cl_store_session session = {
        store_case_id(id, number), "t", key, "default", is_default, 5, 6
    };

    return cl_store_session_put(at->store, &session, &at->err);
}

static void a_key_has_one_default_session(void **state)
{
    struct store_case *at = *state;
    char text[TEXT_SIZE] = "", id[CL_ULID_SIZE];

    assert_int_equal(put_session(at, 1, "k1", true), 1);
    assert_int_equal(put_session(at, 2, "k1", true), 0);
    assert_int_equal(put_session(at, 3, "k1", false), 1);
    assert_int_equal(put_session(at, 4, "k2", true), 1);
    assert_works(
        cl_store_session_list(at->store, "t", "k1", "", 9, see_session, text, &at->err),
        &at->err);
    assert_string_equal(text, "01 03 ");
    text[0] = '\0';
    assert_works(cl_store_session_list(at->store, "t", NULL, store_case_id(id, 1), 1,
                                       see_session, text, &at->err),
                 &at->err);
    assert_string_equal(text, "03 ");
    assert_int_equal(
        cl_store_session_get(at->store, "s", store_case_id(id, 1), NULL, NULL, &at->err), 0);
    assert_int_equal(cl_store_session_touch(at->store, "t", store_case_id(id, 1), 99, &at->err),
                     1);
    text[0] = '\0';
    store_case_again(at);
    assert_works(cl_store_session_all(at->store, see_session, text, &at->err), &at->err);
    assert_string_equal(text, "01 03 04 ");
}

static int see_registration(void *self, const struct cl_store_registration *reg,
                            struct cl_err *err)
{
    char item[96];

    (void)err;
    snprintf(item, sizeof(item), "%s:%s:%.*s", reg->name, reg->kind, (int)reg->content.length,
             (const char *)reg->content.bytes);
    add(self, item);
    return 0;
}

static int register_one(struct store_case *at, const char *name, const char *content)
{
    char id[CL_ULID_SIZE];
    const struct cl_store_registration reg = { "t",      store_case_id(id, 1),     name,
                                               "lambda", store_case_blob(content), 0 };

    return cl_store_registration_put(at->store, &reg, &at->err);
}

static void registrations_keep_their_order(void **state)
{
    struct store_case *at = *state;
    char text[TEXT_SIZE] = "", id[CL_ULID_SIZE];

    assert_int_equal(register_one(at, "a", "1"), -1); /* no such session */
    assert_int_equal(at->err.kind, CL_E_INPUT);
    assert_int_equal(put_session(at, 1, "k1", true), 1);
    assert_int_equal(register_one(at, "b", "1"), 1);
    assert_int_equal(register_one(at, "a", "2"), 1);
    assert_int_equal(register_one(at, "b", "3"), 0);
    assert_int_equal(register_one(at, "c", "4"), 1);
    assert_int_equal(
        cl_store_registration_delete(at->store, "t", store_case_id(id, 1), "a", &at->err), 1);
    assert_int_equal(cl_store_registration_delete(at->store, "t", id, "a", &at->err), 0);
    assert_int_equal(cl_store_registration_delete(at->store, "s", id, "b", &at->err), 0);
    assert_int_equal(register_one(at, "a", "5"), 1);
    store_case_again(at);
    assert_works(cl_store_registrations(at->store, "t", id, see_registration, text, &at->err),
                 &at->err);
    assert_string_equal(text, "b:lambda:3 c:lambda:4 a:lambda:5 ");
    assert_int_equal(cl_store_session_delete(at->store, "t", id, &at->err), 1);
    text[0] = '\0';
    assert_works(cl_store_registration_all(at->store, see_registration, text, &at->err),
                 &at->err);
    assert_string_equal(text, "");
}

/* ----------------------------------------------------------------------------- workflows */

static struct cl_store_workflow workflow_of(const char *tenant, const char *id)
{
    return (struct cl_store_workflow){
        .tenant = tenant,
        .id = id,
        .key = "k1",
        .name = "Order totals",
        .status = "running",
        .session = "",
        .document = store_case_blob("{\"tasks\":[]}"),
        .task_count = 2,
        .created_us = 7,
    };
}

static int insert(struct store_case *at, const struct cl_store_workflow *workflow)
{
    const struct cl_store_task tasks[] = {
        { .id = "load", .status = "queued", .error_code = "", .position = 0 },
        { .id = "the total", .status = "queued", .error_code = "", .position = 1 },
    };

    return cl_store_workflow_insert(at->store, workflow, tasks, 2, &at->err);
}

static int see_workflow(void *self, const struct cl_store_workflow *workflow,
                        struct cl_err *err)
{
    char item[96];

    (void)err;
    snprintf(item, sizeof(item), "%s/%s:%s", workflow->tenant, workflow->id, workflow->status);
    add(self, item);
    return 0;
}

static int see_task(void *self, const struct cl_store_task *task, struct cl_err *err)
{
    char item[96];

    (void)err;
    snprintf(item, sizeof(item), "%u:%s:%s:%u:%.*s", task->position, task->id, task->status,
             task->attempts, (int)task->result.length,
             task->result.bytes ? (const char *)task->result.bytes : "");
    add(self, item);
    return 0;
}

static void a_workflow_is_kept_with_its_tasks(void **state)
{
    struct store_case *at = *state;
    const struct cl_store_workflow workflow = workflow_of("t", "w");
    struct cl_store_task task = { .tenant = "t",
                                  .workflow = "w",
                                  .id = "the total",
                                  .status = "completed",
                                  .error_code = "",
                                  .attempts = 3,
                                  .result = store_case_blob("{}") };
    char text[TEXT_SIZE] = "";

    assert_int_equal(insert(at, &workflow), 1);
    assert_int_equal(insert(at, &workflow), 0);
    assert_works(cl_store_task_update(at->store, &task, &at->err), &at->err);
    task.tenant = "s";
    assert_fails(cl_store_task_update(at->store, &task, &at->err), &at->err, CL_E_INPUT);
    store_case_again(at);
    assert_works(cl_store_tasks(at->store, "t", "w", see_task, text, &at->err), &at->err);
    assert_string_equal(text, "0:load:queued:0: 1:the total:completed:3:{} ");
    text[0] = '\0';
    assert_works(cl_store_tasks(at->store, "s", "w", see_task, text, &at->err), &at->err);
    assert_string_equal(text, "");
}

static void a_done_workflow_stays_as_it_is(void **state)
{
    struct store_case *at = *state;
    struct cl_store_workflow workflow = workflow_of("t", "w");
    char text[TEXT_SIZE] = "";

    assert_int_equal(insert(at, &workflow), 1);
    assert_int_equal(cl_store_workflow_cancel(at->store, "s", "w", &at->err), 0);
    assert_int_equal(cl_store_workflow_cancel(at->store, "t", "w", &at->err), 1);
    workflow.status = "cancelled";
    workflow.is_done = true;
    workflow.ended_us = 9;
    assert_int_equal(cl_store_workflow_update(at->store, &workflow, &at->err), 1);
    workflow.status = "failed";
    assert_int_equal(cl_store_workflow_update(at->store, &workflow, &at->err), 0);
    assert_int_equal(cl_store_workflow_cancel(at->store, "t", "w", &at->err), 0);
    assert_int_equal(cl_store_workflow_get(at->store, "t", "w", see_workflow, text, &at->err),
                     1);
    assert_int_equal(cl_store_workflow_get(at->store, "s", "w", see_workflow, text, &at->err),
                     0);
    assert_string_equal(text, "t/w:cancelled ");
}

static void workflows_are_listed_newest_first(void **state)
{
    static const struct {
        struct cl_store_workflow_filter filter;
        const char *seen;
    } cases[] = {
        { { "t", NULL, 0, false, false, 9 }, "t/c:running t/a:completed " },
        { { "t", NULL, 0, false, true, 9 }, "t/c:running t/b:running t/a:completed " },
        { { "t", NULL, 0, true, false, 9 }, "t/c:running " },
        { { "t", "completed", 0, false, false, 9 }, "t/a:completed " },
        { { "t", "", 0, false, false, 1 }, "t/c:running " },
        { { "t", NULL, 3, false, false, 9 }, "t/a:completed " },
        { { "r", NULL, 0, true, true, 9 }, "" },
    };
    struct store_case *at = *state;
    struct cl_store_workflow a = workflow_of("t", "a"), b = workflow_of("t", "b");
    const struct cl_store_workflow c = workflow_of("t", "c"), other = workflow_of("s", "a");
    char left[TEXT_SIZE] = "";

    b.is_task = true;
    assert_int_equal(insert(at, &a), 1);
    assert_int_equal(insert(at, &b), 1);
    assert_int_equal(insert(at, &c), 1);
    assert_int_equal(insert(at, &other), 1);
    a.status = "completed";
    a.is_done = true;
    assert_int_equal(cl_store_workflow_update(at->store, &a, &at->err), 1);
    for (size_t i = 0; i < CL_COUNT(cases); i++) {
        char text[TEXT_SIZE] = "";

        assert_works(
            cl_store_workflow_list(at->store, &cases[i].filter, see_workflow, text, &at->err),
            &at->err);
        assert_string_equal(text, cases[i].seen);
    }
    assert_works(cl_store_workflow_left_all(at->store, see_workflow, left, &at->err), &at->err);
    assert_string_equal(left, "t/b:running t/c:running s/a:running ");
}

static int see_event(void *self, const struct cl_store_event *event, struct cl_err *err)
{
    char item[32];

    (void)err;
    snprintf(item, sizeof(item), "%d:%.*s", (int)event->seq, (int)event->line.length,
             (const char *)event->line.bytes);
    add(self, item);
    return 0;
}

static void events_of_a_workflow_replay(void **state)
{
    struct store_case *at = *state;
    const struct cl_store_workflow workflow = workflow_of("t", "w");
    char text[TEXT_SIZE] = "";

    assert_int_equal(insert(at, &workflow), 1);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        const struct cl_store_event event = { .seq = seq, .line = store_case_blob("e") };

        assert_works(cl_store_workflow_event_put(at->store, "t", "w", &event, &at->err),
                     &at->err);
        assert_fails(cl_store_workflow_event_put(at->store, "s", "w", &event, &at->err),
                     &at->err, CL_E_INPUT);
    }
    assert_int_equal(
        cl_store_workflow_events(at->store, "t", "w", 1, 9, see_event, text, &at->err), 1);
    assert_string_equal(text, "2:e 3:e ");
    assert_int_equal(
        cl_store_workflow_events(at->store, "s", "w", 1, 9, see_event, text, &at->err), 0);
}

/* ---------------------------------------------------------------------------- room, age */

static void a_tenant_has_so_much_room(void **state)
{
    struct store_case *at = *state;
    struct cl_store_usage usage;
    char id[CL_ULID_SIZE], long_line[200] = "end";
    struct cl_store_call call = store_case_call("t", store_case_id(id, 1));
    struct cl_store_event event = { .seq = 1, .line = { long_line, sizeof(long_line) } };

    at->caps.tenant_bytes = 1000;
    at->caps.bytes = 1500;
    store_case_again(at);
    assert_int_equal(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), 0);
    assert_works(cl_store_usage(at->store, "t", &usage, &at->err), &at->err);
    assert_in_range(usage.tenant_bytes, 256, 300);
    for (unsigned i = 2; i <= 3; i++) {
        call.id = store_case_id(id, i);
        assert_int_equal(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), 0);
    }
    call.id = store_case_id(id, 4);
    assert_fails(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), &at->err,
                 CL_E_LIMIT);
    /* Another tenant has its own, until there is none left at all. */
    call.tenant = "s";
    assert_int_equal(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), 0);
    call.id = store_case_id(id, 5);
    assert_int_equal(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), 0);
    call.id = store_case_id(id, 6);
    assert_fails(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), &at->err,
                 CL_E_LIMIT);
    /* What was begun ends, whatever the quota says. */
    call.id = store_case_id(id, 5);
    assert_fails(cl_store_call_event_put(at->store, "s", id, &event, &at->err), &at->err,
                 CL_E_LIMIT);
    event.is_owed = true;
    assert_works(cl_store_call_event_put(at->store, "s", id, &event, &at->err), &at->err);
    call.verdict = "ok";
    call.envelope = store_case_blob("{\"a longer one\": \"than the request was by far, yes\"}");
    assert_int_equal(cl_store_call_finish(at->store, &call, &at->err), 1);
    assert_works(cl_store_usage(at->store, "s", &usage, &at->err), &at->err);
    assert_int_equal(usage.bytes, 3 * 270 + usage.tenant_bytes);
}

static struct cl_store_quota *quotas_of(size_t count, ...)
{
    struct cl_store_quota *quotas = calloc(count, sizeof(*quotas));
    va_list args;

    assert_non_null(quotas);
    va_start(args, count);
    for (size_t i = 0; i < count; i++) {
        snprintf(quotas[i].tenant, sizeof(quotas[i].tenant), "%s", va_arg(args, const char *));
        quotas[i].bytes = va_arg(args, unsigned);
    }
    va_end(args);
    return quotas;
}

static void a_quota_of_its_own_narrows_a_tenants_room(void **state)
{
    struct store_case *at = *state;
    struct cl_store_quota *quotas = quotas_of(3, "a", 1u, "t", 300u, "z", 1u);
    char id[CL_ULID_SIZE];
    struct cl_store_call call = store_case_call("t", store_case_id(id, 1));

    cl_store_take_quotas(at->store, &quotas, 3);
    assert_null(quotas);
    assert_int_equal(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), 0);
    call.id = store_case_id(id, 2);
    assert_fails(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), &at->err,
                 CL_E_LIMIT);
    call.tenant = "u"; /* of whom nothing was said */
    assert_int_equal(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), 0);
    call.tenant = "z";
    assert_fails(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), &at->err,
                 CL_E_LIMIT);
    quotas = quotas_of(1, "a", 1u);
    cl_store_take_quotas(at->store, &quotas, 1);
    call.tenant = "t";
    assert_int_equal(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), 0);
}

static int count_call(void *self, const struct cl_store_call *call, struct cl_err *err)
{
    (void)err;
    add(self, call->id + 24);
    return 0;
}

static void assert_kept(struct store_case *at, const char *ids)
{
    const struct cl_store_filter all = { "t", NULL, NULL, -1, 100 };
    char text[TEXT_SIZE] = "";
    int more = 1;

    for (int i = 0; more > 0 && i < 100; i++)
        more = cl_store_tidy(at->store, 1000000, &at->err);
    assert_int_equal(more, 0);
    assert_works(cl_store_call_list(at->store, &all, count_call, text, &at->err), &at->err);
    assert_string_equal(text, ids);
}

static void old_and_many_calls_are_let_go(void **state)
{
    struct store_case *at = *state;
    struct cl_store_usage usage;
    char id[CL_ULID_SIZE];

    for (unsigned i = 1; i <= 9; i++) {
        struct cl_store_call call = store_case_call("t", store_case_id(id, i));
        const struct cl_store_event event = { .seq = 1, .line = store_case_blob("line") };

        assert_int_equal(cl_store_call_insert(at->store, &call, NULL, NULL, &at->err), 0);
        assert_works(cl_store_call_event_put(at->store, "t", id, &event, &at->err), &at->err);
        call.verdict = "ok";
        call.ended_us = i * 100000;
        if (i != 2)
            assert_int_equal(cl_store_call_finish(at->store, &call, &at->err), 1);
    }
    assert_kept(at, "09 08 07 06 05 04 03 02 01 ");
    at->caps.keep_us = 650000; /* of 1 s: what ended before 350 ms goes */
    store_case_again(at);
    assert_kept(at, "09 08 07 06 05 04 02 "); /* 02 has not ended */
    at->caps.keep_calls = 3;
    store_case_again(at);
    assert_kept(at, "09 08 07 02 ");
    assert_works(cl_store_usage(at->store, "t", &usage, &at->err), &at->err);
    assert_in_range(usage.bytes, 4 * 256, 4 * 400); /* their events went along */
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, store_case_open, store_case_close)
    static const struct CMUnitTest tests[] = {
        CASE(a_key_has_one_default_session),
        CASE(registrations_keep_their_order),
        CASE(a_workflow_is_kept_with_its_tasks),
        CASE(a_done_workflow_stays_as_it_is),
        CASE(workflows_are_listed_newest_first),
        CASE(events_of_a_workflow_replay),
        CASE(a_tenant_has_so_much_room),
        CASE(old_and_many_calls_are_let_go),
        CASE(a_quota_of_its_own_narrows_a_tenants_room),
        CASE(old_and_many_calls_are_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
