/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quotas under a clock that the test turns.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/tenants/quota.h"

#define S ((uint64_t)1000000)

static struct cl_quota quota;
static uint64_t now;

static int setup(void **state)
{
    (void)state;
    memset(&quota, 0, sizeof(quota));
    now = 1000 * S;
    return 0;
}

static void set(struct cl_tenant_quota limits)
{
    limits.weight = 100;
    cl_quota_set(&quota, &limits, now);
}

/* 0, or the seconds of Retry-After. */
static uint32_t admit(void)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    if (cl_quota_admit(&quota, now, &refusal) == 0)
        return 0;
    assert_true(refusal.retry_after_s > 0 && refusal.detail[0]);
    assert_int_equal(cl_refusal_row(refusal.kind)->status, 429);
    return refusal.retry_after_s;
}

static void no_quota_refuses_nothing(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    char policy[CL_QUOTA_FIELD], shown[CL_QUOTA_FIELD];

    (void)state;
    set((struct cl_tenant_quota){ 0 });
    assert_false(cl_quota_is_timed(&quota));
    for (int i = 0; i < 100000; i++)
        assert_int_equal(admit(), 0);
    quota.running = quota.queued = UINT32_MAX;
    cl_quota_charge(&quota, UINT64_MAX / 2, now);
    assert_int_equal(admit(), 0);
    assert_true(cl_quota_may_run(&quota, UINT64_MAX));
    assert_int_equal(cl_quota_check_size(&quota, UINT64_MAX, &refusal), 0);
    assert_int_equal(cl_quota_may_wait(&quota, 1, &refusal), 0);
    assert_false(cl_quota_fields(&quota, now, policy, shown));
}

static void burst_passes_at_once_then_the_rate(void **state)
{
    (void)state;
    set((struct cl_tenant_quota){ .rate = { 10, 1 }, .burst = 5 });
    for (int i = 0; i < 5; i++)
        assert_int_equal(admit(), 0);
    assert_int_equal(admit(), 1);
    now += S / 10 - 1;
    assert_int_equal(admit(), 1);
    now += 1;
    assert_int_equal(admit(), 0);
    assert_int_equal(admit(), 1);
    now += 3600 * S; /* never more than the burst */
    for (int i = 0; i < 5; i++)
        assert_int_equal(admit(), 0);
    assert_int_equal(admit(), 1);
}

/* Whoever waits as long as it was told passes; a second earlier it does not. */
static void wait_that_is_told_is_the_wait_that_is_needed(void **state)
{
    static const struct cl_tenant_rate rates[] = { { 1, 1 },    { 7, 1 },    { 3, 60 },
                                                   { 1, 3600 }, { 7, 3600 }, { 1000000, 1 } };

    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        setup(NULL);
        set((struct cl_tenant_quota){ .rate = rates[i], .burst = 1 });
        assert_int_equal(admit(), 0);
        const uint32_t wait_s = admit();
        assert_true(wait_s > 0);
        if (wait_s > 1) {
            now += (wait_s - 1) * S;
            assert_true(admit() > 0);
            now += S;
        } else {
            now += wait_s * S;
        }
        assert_int_equal(admit(), 0);
    }
}

static void rate_is_exact_over_a_long_time(void **state)
{
    unsigned passed = 0;

    (void)state;
    set((struct cl_tenant_quota){ .rate = { 7, 60 }, .burst = 1 });
    for (int i = 0; i < 60 * 60 * 100; i++) { /* an hour, asked a hundred times a second */
        passed += admit() == 0;
        now += S / 100;
    }
    assert_in_range(passed, 419, 421);
}

/* A batch is admitted as one and is many: the rate holds over time, whatever comes in one request. */
static void what_one_request_makes_is_owed(void **state)
{
    char policy[CL_QUOTA_FIELD], left[CL_QUOTA_FIELD];

    (void)state;
    set((struct cl_tenant_quota){ .rate = { 10, 1 }, .burst = 20 });
    assert_int_equal(admit(), 0);
    cl_quota_owe(&quota, 9, now);
    assert_true(cl_quota_fields(&quota, now, policy, left));
    assert_string_equal(left, "\"rate\";r=10;t=1");
    assert_int_equal(admit(), 0);
    cl_quota_owe(&quota, 99, now); /* 90 more than are left */
    assert_int_equal(admit(), 10);
    assert_true(cl_quota_fields(&quota, now, policy, left));
    assert_string_equal(left, "\"rate\";r=0;t=11");
    now += 9 * S;
    assert_int_equal(admit(), 1);
    now += S / 10;
    assert_int_equal(admit(), 0);
    assert_int_equal(admit(), 1);
    for (int i = 0; i < 10000; i++)
        cl_quota_owe(&quota, UINT32_MAX, now);
    assert_true(admit() > 0);
    set((struct cl_tenant_quota){ .rate = { 10, 1 }, .burst = 21 }); /* a new bucket is full */
    assert_int_equal(admit(), 0);
    set((struct cl_tenant_quota){ .queue = 1 });
    cl_quota_owe(&quota, 5, now);
    assert_int_equal(admit(), 0);
}

static void largest_numbers_do_not_overflow(void **state)
{
    (void)state;
    set((struct cl_tenant_quota){
        .rate = { 1000000, 3600 }, .burst = 1000000, .cpu = { UINT32_MAX, 3600 } });
    assert_int_equal(admit(), 0);
    now = UINT64_MAX / 2;
    assert_int_equal(admit(), 0);
    cl_quota_charge(&quota, 2ull * UINT32_MAX * 1000, now);
    const uint32_t wait_s = admit();
    assert_in_range(wait_s, 3600, 3602);
    now += 3601 * S;
    assert_int_equal(admit(), 0);
}

static void processor_time_is_a_debt_that_falls(void **state)
{
    (void)state;
    set((struct cl_tenant_quota){ .cpu = { 600000, 60 } }); /* 600 s a minute: ten cores */
    cl_quota_charge(&quota, 599 * S, now);
    assert_int_equal(admit(), 0);
    cl_quota_charge(&quota, 11 * S, now); /* what ran ends, and is charged whole */
    assert_int_equal(admit(), 2);
    now += S;
    assert_int_equal(admit(), 1);
    now += S / 100;
    assert_int_equal(admit(), 0);
    now += 61 * S;
    cl_quota_charge(&quota, 599 * S, now);
    assert_int_equal(admit(), 0);
}

/* Steps too short for a microsecond of debt are not lost. */
static void debt_falls_however_often_it_is_looked_at(void **state)
{
    (void)state;
    set((struct cl_tenant_quota){ .cpu = { 1, 3600 } });
    cl_quota_charge(&quota, 2000, now);
    for (int i = 0; i < 3700 * 100; i++) {
        admit();
        now += S / 100;
    }
    assert_int_equal(admit(), 0);
}

static void clock_that_stands_or_goes_back_gives_nothing(void **state)
{
    (void)state;
    set((struct cl_tenant_quota){ .rate = { 1, 1 }, .burst = 1, .cpu = { 1000, 60 } });
    assert_int_equal(admit(), 0);
    now -= 500 * S;
    assert_true(admit() > 0);
    cl_quota_charge(&quota, 5 * S, now);
    now -= S;
    assert_true(admit() > 0);
}

static void concurrency_and_memory_hold_back(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    (void)state;
    set((struct cl_tenant_quota){ .concurrency = 2, .memory_bytes = 100 });
    assert_true(cl_quota_may_run(&quota, 100));
    assert_false(cl_quota_may_run(&quota, 101));
    assert_false(cl_quota_may_run(&quota, UINT64_MAX));
    cl_quota_begin(&quota, 60);
    assert_true(cl_quota_may_run(&quota, 40));
    assert_false(cl_quota_may_run(&quota, 41));
    cl_quota_begin(&quota, 1);
    assert_false(cl_quota_may_run(&quota, 1)); /* two run */
    cl_quota_end(&quota, 60);
    assert_true(cl_quota_may_run(&quota, 99));
    assert_int_equal(cl_quota_check_size(&quota, 100, &refusal), 0);
    assert_int_equal(cl_quota_check_size(&quota, 101, &refusal), -1);
    assert_int_equal(refusal.kind, CL_R_QUOTA_MEMORY);
    assert_int_equal(refusal.limit, 100);
    assert_int_equal(refusal.retry_after_s, 0); /* waiting would not help */
}

static void who_is_not_waited_for_goes_last(void **state)
{
    (void)state;
    set((struct cl_tenant_quota){ .concurrency = 3, .memory_bytes = 100 });
    assert_true(cl_quota_may_follow(&quota, 2, 100));
    assert_false(cl_quota_may_follow(&quota, 3, 100));
    assert_false(cl_quota_may_follow(&quota, 0, 101));
    quota.queued = 1;
    assert_true(cl_quota_may_follow(&quota, 1, 100));
    assert_false(cl_quota_may_follow(&quota, 2, 100));
    cl_quota_begin(&quota, 60);
    assert_true(cl_quota_may_follow(&quota, 0, 40));
    assert_false(cl_quota_may_follow(&quota, 0, 41));
    assert_false(cl_quota_may_follow(&quota, 1, 40));
    set((struct cl_tenant_quota){ .concurrency = 0 });
    assert_true(cl_quota_may_follow(&quota, UINT32_MAX, UINT64_MAX));
}

/* A reload may leave less than what is in use. */
static void less_than_is_in_use_holds_back_until_it_fits(void **state)
{
    (void)state;
    set((struct cl_tenant_quota){ .memory_bytes = 100 });
    cl_quota_begin(&quota, 90);
    set((struct cl_tenant_quota){ .memory_bytes = 50 });
    assert_false(cl_quota_may_run(&quota, 1));
    cl_quota_end(&quota, 90);
    assert_true(cl_quota_may_run(&quota, 50));
}

static void queue_is_bounded(void **state)
{
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    (void)state;
    set((struct cl_tenant_quota){ .queue = 2 });
    quota.queued = 1;
    assert_int_equal(cl_quota_may_wait(&quota, 7, &refusal), 0);
    quota.queued = 2;
    assert_int_equal(cl_quota_may_wait(&quota, 7, &refusal), -1);
    assert_int_equal(refusal.kind, CL_R_QUOTA_QUEUE);
    assert_int_equal(refusal.retry_after_s, 7);
}

static void reload_of_the_same_rate_gives_no_new_burst(void **state)
{
    const struct cl_tenant_quota same = { .rate = { 1, 1 }, .burst = 3 };

    (void)state;
    set(same);
    for (int i = 0; i < 3; i++)
        assert_int_equal(admit(), 0);
    set(same);
    assert_int_equal(admit(), 1);
    set((struct cl_tenant_quota){ .rate = { 1, 1 }, .burst = 4 });
    assert_int_equal(admit(), 0);
    set((struct cl_tenant_quota){ 0 });
    assert_int_equal(admit(), 0);
}

static void fields_tell_the_rate_and_what_is_left(void **state)
{
    char policy[CL_QUOTA_FIELD], shown[CL_QUOTA_FIELD];

    (void)state;
    set((struct cl_tenant_quota){ .rate = { 50, 1 }, .burst = 100 });
    assert_true(cl_quota_fields(&quota, now, policy, shown));
    assert_string_equal(policy, "\"rate\";q=50;w=1");
    assert_string_equal(shown, "\"rate\";r=100;t=0");
    for (int i = 0; i < 60; i++)
        admit();
    assert_true(cl_quota_fields(&quota, now, policy, shown));
    assert_string_equal(shown, "\"rate\";r=40;t=2");
    set((struct cl_tenant_quota){ .rate = { 1000000, 3600 }, .burst = 1000000 });
    assert_true(cl_quota_fields(&quota, now, policy, shown));
    assert_string_equal(shown, "\"rate\";r=1000000;t=0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_quota_refuses_nothing, setup),
        cmocka_unit_test_setup(burst_passes_at_once_then_the_rate, setup),
        cmocka_unit_test_setup(wait_that_is_told_is_the_wait_that_is_needed, setup),
        cmocka_unit_test_setup(rate_is_exact_over_a_long_time, setup),
        cmocka_unit_test_setup(what_one_request_makes_is_owed, setup),
        cmocka_unit_test_setup(largest_numbers_do_not_overflow, setup),
        cmocka_unit_test_setup(processor_time_is_a_debt_that_falls, setup),
        cmocka_unit_test_setup(debt_falls_however_often_it_is_looked_at, setup),
        cmocka_unit_test_setup(clock_that_stands_or_goes_back_gives_nothing, setup),
        cmocka_unit_test_setup(concurrency_and_memory_hold_back, setup),
        cmocka_unit_test_setup(who_is_not_waited_for_goes_last, setup),
        cmocka_unit_test_setup(less_than_is_in_use_holds_back_until_it_fits, setup),
        cmocka_unit_test_setup(queue_is_bounded, setup),
        cmocka_unit_test_setup(reload_of_the_same_rate_gives_no_new_burst, setup),
        cmocka_unit_test_setup(fields_tell_the_rate_and_what_is_left, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
