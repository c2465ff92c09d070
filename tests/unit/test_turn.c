/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who begins next: quotas that hold calls back, and parts by weight.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/job_case.h"

#include <string.h>
#include <unistd.h>

#include "api/dispatch/impl.h"
#include "api/dispatch/turn.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

#define BODY JOB_CASE_BODY

static struct cl_tenant *local(void)
{
    return cl_tenancy_named(fake.app.tenancy, "local");
}

static struct cl_tenant *other(void)
{
    return cl_tenancy_named(fake.app.tenancy, "other");
}

static int workers[32];
static size_t worker_count;

/* A spare of a tenant's pool, ready; its worker says no more. */
static void offer_to(uint32_t pool)
{
    fake.pool = pool;
    workers[worker_count++] = api_fake_offer(&fake, true);
    fake.pool = API_FAKE_POOL;
}

static int teardown(void **state)
{
    while (worker_count > 0)
        close(workers[--worker_count]);
    return job_case_teardown(state);
}

static void a_call_waits_for_its_tenants_concurrency_though_there_is_a_jail(void **state)
{
    cl_close_auto int first = api_fake_offer(&fake, true);
    cl_close_auto int second = api_fake_offer(&fake, true);

    (void)state;
    local()->quota.limits.concurrency = 1;
    submit(BODY);
    submit(BODY);
    expect_heard("start 1;");
    assert_int_equal(local()->quota.running, 1);
    assert_int_equal(local()->quota.queued, 1);
    expect(CL_M_TAKE);
    expect(0); /* no jail is asked for that could not be used */
    expect_call(first);
    result(first, "1");
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    expect_heard("done 1 ok;start 2;");
    expect_call(second);
    assert_int_equal(local()->quota.queued, 0);
}

static void a_held_call_without_a_jail_asks_for_one_when_it_may_begin(void **state)
{
    cl_close_auto int first = api_fake_offer(&fake, true);

    (void)state;
    local()->quota.limits.concurrency = 1;
    submit(BODY);
    submit(BODY);
    expect(CL_M_TAKE);
    expect(0);
    result(first, "1");
    expect(CL_M_FINISH);
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    expect(CL_M_WANT);
    assert_true(msg.want.pool == API_FAKE_POOL && msg.want.queued == 1);
    offer_to(API_FAKE_POOL);
    assert_true(was_heard("start 2;"));
}

static void memory_is_a_sum_over_running_calls(void **state)
{
    cl_close_auto int first = api_fake_offer(&fake, true);
    cl_close_auto int second = api_fake_offer(&fake, true);
    const uint64_t each = fake.sample.head.memory_bytes;

    (void)state;
    local()->quota.limits.memory_bytes = each * 2 - 1;
    submit(BODY);
    submit(BODY);
    expect_heard("start 1;");
    assert_int_equal(local()->quota.memory_bytes, each);
    result(first, "1");
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    expect_heard("done 1 ok;start 2;");
    expect_call(second);
}

static void processor_time_is_charged_when_a_call_ends(void **state)
{
    cl_close_auto int first = api_fake_offer(&fake, true);
    const struct cl_tenant_quota limits = { .weight = 1, .cpu = { 1000, 60 } };

    (void)state;
    cl_quota_set(&local()->quota, &limits, 1);
    submit(BODY);
    assert_int_equal(local()->quota.cpu_used_us, 0);
    result(first, "1");
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    assert_int_equal(local()->quota.cpu_used_us, 380);
    assert_int_equal(local()->quota.running, 0);
    assert_int_equal(local()->quota.memory_bytes, 0);
}

static void a_call_that_waited_is_refused_when_processor_time_is_used_up(void **state)
{
    cl_close_auto int first = api_fake_offer(&fake, true);
    cl_close_auto int second = api_fake_offer(&fake, true);
    const struct cl_tenant_quota limits = { .weight = 1, .concurrency = 1, .cpu = { 1, 60 } };

    (void)state;
    cl_quota_set(&local()->quota, &limits, 1);
    submit(BODY);
    submit(BODY);
    cl_quota_charge(&local()->quota, 1000, cl_clock_us());
    result(first, "1");
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    assert_true(was_heard("start 1;done 1 ok;refused 2 quota-cpu;"));
    assert_int_equal(local()->quota.queued, 0);
    submit(BODY);
    assert_true(was_heard("start 1;done 1 ok;refused 2 quota-cpu;refused 3 quota-cpu;"));
    (void)second;
}

static void a_full_queue_of_the_tenants_own_refuses(void **state)
{
    (void)state;
    local()->quota.limits.queue = 1;
    submit(BODY);
    submit(BODY);
    expect_heard("refused 2 quota-queue;");
    submit_other(BODY);
    expect_heard("");
}

static void calls_that_leave_the_queue_are_not_counted_any_more(void **state)
{
    const uint64_t id = submit(BODY);

    (void)state;
    assert_int_equal(local()->quota.queued, 1);
    assert_int_equal(fake.app.dispatch->weights_waiting, local()->weighed);
    cl_dispatch_abandon(fake.app.dispatch, id, false);
    assert_int_equal(local()->quota.queued, 0);
    assert_int_equal(fake.app.dispatch->weights_waiting, 0);
    assert_int_equal(local()->weighed, 0);
}

/* A weight that changes while calls wait is taken back as it was counted. */
static void a_reload_may_change_a_weight_while_calls_wait(void **state)
{
    const uint64_t id = submit(BODY);

    (void)state;
    local()->quota.limits.weight = 7000;
    cl_dispatch_abandon(fake.app.dispatch, id, false);
    assert_int_equal(fake.app.dispatch->weights_waiting, 0);
}

static void parts_are_by_weight_among_those_that_wait(void **state)
{
    struct cl_dispatch *dispatch = fake.app.dispatch;

    (void)state;
    local()->quota.limits.weight = 300;
    other()->quota.limits.weight = 100;
    assert_int_equal(cl_turn_part(dispatch, local(), 100), 100); /* alone */
    submit_other(BODY);
    assert_int_equal(cl_turn_part(dispatch, local(), 100), 75);
    assert_int_equal(cl_turn_part(dispatch, other(), 100), 100); /* nobody else waits */
    submit(BODY);
    assert_int_equal(cl_turn_part(dispatch, local(), 100), 75);
    assert_int_equal(cl_turn_part(dispatch, other(), 100), 25);
    assert_int_equal(cl_turn_part(dispatch, other(), 1), 1); /* never nothing */
}

/* Four jails for all: while the other tenant waits, three are the part of a weight of 300 beside
 * 100. As soon as nobody else waits, the rest may be used. */
static void a_tenant_with_company_keeps_to_its_part(void **state)
{
    (void)state;
    fake.app.dispatch->caps.running_all = 4;
    local()->quota.limits.weight = 300;
    other()->quota.limits.weight = 100;
    for (int i = 0; i < 4; i++)
        offer_to(API_FAKE_POOL);
    submit_other(BODY); /* 1: no jail for it yet */
    for (int i = 0; i < 4; i++)
        submit(BODY);
    expect_heard("start 2;start 3;start 4;");
    offer_to(API_FAKE_OTHER_POOL);
    expect_heard("start 1;start 5;");
}

/* The last WANT of a pool, of all messages that were sent; UINT32_MAX: none. */
static uint32_t last_want(uint32_t pool)
{
    uint32_t queued = UINT32_MAX;

    for (uint32_t type = api_fake_hear(&fake, &msg); type != 0;
         type = api_fake_hear(&fake, &msg)) {
        if (type == CL_M_WANT && msg.want.pool == pool)
            queued = msg.want.queued;
    }
    return queued;
}

/* Jails made for calls that may not begin would be missing to the other. */
static void a_tenant_with_company_wants_no_jails_beyond_its_part(void **state)
{
    (void)state;
    fake.app.dispatch->caps.running_all = 8;
    fake.app.dispatch->caps.queue_all = fake.app.dispatch->caps.queue_pool = 64;
    fake.app.dispatch->caps.queue_bytes = 1 << 20;
    local()->quota.limits.weight = 100;
    other()->quota.limits.weight = 300;
    for (int i = 0; i < 6; i++)
        submit(BODY);
    assert_int_equal(last_want(API_FAKE_POOL), 6); /* alone */
    for (int i = 0; i < 6; i++)
        submit_other(BODY);
    assert_int_equal(last_want(API_FAKE_OTHER_POOL), 6);
    submit(BODY);
    assert_int_equal(last_want(API_FAKE_POOL), 2);
    offer_to(API_FAKE_POOL);
    offer_to(API_FAKE_POOL);
    submit(BODY);
    assert_int_equal(last_want(API_FAKE_POOL), 0); /* said, so that none is kept for it */
}

static void a_tenant_alone_has_all(void **state)
{
    (void)state;
    fake.app.dispatch->caps.running_all = 4;
    for (int i = 0; i < 4; i++)
        offer_to(API_FAKE_POOL);
    for (int i = 0; i < 4; i++)
        submit(BODY);
    expect_heard("start 1;start 2;start 3;start 4;");
}

/* Two that are held: of four turns, the one of three times the weight has three. */
static void turns_are_by_weight(void **state)
{
    struct cl_dispatch *dispatch = fake.app.dispatch;
    struct cl_tenant *const tenants[] = { local(), other() };

    (void)state;
    dispatch->caps.queue_all = 64;
    dispatch->caps.queue_pool = 64;
    dispatch->caps.queue_bytes = 1 << 20;
    dispatch->caps.queue_ms = 60000;
    for (int i = 0; i < 2; i++) {
        tenants[i]->quota.limits.weight = i == 0 ? 300 : 100;
        tenants[i]->quota.limits.concurrency = 1;
        tenants[i]->quota.running = 1; /* one that began before the test */
    }
    for (int i = 0; i < 8; i++) {
        offer_to(API_FAKE_POOL);
        offer_to(API_FAKE_OTHER_POOL);
        submit(BODY);       /* odd ids */
        submit_other(BODY); /* even ids */
    }
    expect_heard("");
    for (int i = 0; i < 2; i++)
        tenants[i]->quota.limits.concurrency = 1000;
    dispatch->caps.running_all = 0;
    cl_turn_serve(dispatch);
    expect_heard("start 1;start 2;start 3;start 5;start 7;start 4;start 9;start 11;start 13;"
                 "start 6;start 15;start 8;start 10;start 12;start 14;start 16;");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, job_case_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_call_waits_for_its_tenants_concurrency_though_there_is_a_jail),
        TEST(a_held_call_without_a_jail_asks_for_one_when_it_may_begin),
        TEST(memory_is_a_sum_over_running_calls),
        TEST(processor_time_is_charged_when_a_call_ends),
        TEST(a_call_that_waited_is_refused_when_processor_time_is_used_up),
        TEST(a_full_queue_of_the_tenants_own_refuses),
        TEST(calls_that_leave_the_queue_are_not_counted_any_more),
        TEST(a_reload_may_change_a_weight_while_calls_wait),
        TEST(parts_are_by_weight_among_those_that_wait),
        TEST(a_tenant_with_company_keeps_to_its_part),
        TEST(a_tenant_with_company_wants_no_jails_beyond_its_part),
        TEST(a_tenant_alone_has_all),
        TEST(turns_are_by_weight),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
