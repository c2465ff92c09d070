/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs, spares and queues, against a cloched and workers that the test plays.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/job_case.h"

#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

#define BODY JOB_CASE_BODY

static void a_call_goes_to_a_spare_and_ends(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    assert_int_equal(cl_dispatch_idle(fake.app.dispatch), 1);
    submit(BODY);
    expect(CL_M_TAKE);
    assert_true(msg.take.spare == 1 && msg.take.acknowledge == 0 && msg.take.wall_ms == 0);
    expect_call(worker);
    assert_int_equal(cl_dispatch_running(fake.app.dispatch), 1);
    result(worker, "42");
    expect(CL_M_FINISH);
    expect_heard("start 1;");
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    expect_heard("done 1 ok;");
    expect(0);
    assert_int_equal(cl_dispatch_running(fake.app.dispatch), 0);
    assert_null(cl_job_find(fake.app.dispatch, 1));
    expect_nothing(worker); /* closed */
}

static void a_spare_is_of_use_once_it_is_ready(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, false);

    (void)state;
    submit(BODY);
    expect(CL_M_WANT);
    assert_true(msg.want.pool == API_FAKE_POOL && msg.want.queued == 1);
    expect_heard("");
    api_fake_frame(&fake, worker, CL_F_READY, NULL, 0);
    expect_heard("start 1;");
    expect(CL_M_TAKE);
    expect_call(worker);
}

static void the_oldest_spare_is_taken_first(void **state)
{
    cl_close_auto int first = api_fake_offer(&fake, true);
    cl_close_auto int second = api_fake_offer(&fake, true);

    (void)state;
    submit(BODY);
    expect(CL_M_TAKE);
    assert_int_equal(msg.take.spare, 1);
    expect_call(first);
    expect_nothing(second);
}

static void waiting_calls_are_served_in_order(void **state)
{
    cl_close_auto int first = -1;
    cl_close_auto int second = -1;

    (void)state;
    submit(BODY);
    submit(BODY);
    expect(CL_M_WANT);
    expect(CL_M_WANT);
    assert_int_equal(msg.want.queued, 2);
    first = api_fake_offer(&fake, true);
    expect_heard("start 1;");
    second = api_fake_offer(&fake, true);
    expect_heard("start 2;");
    assert_int_equal(cl_dispatch_queued(fake.app.dispatch), 0);
}

static void a_full_queue_refuses(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        submit(BODY);
    expect_heard("");
    submit(BODY);
    expect_heard("refused 4 queue-full;");
    assert_int_equal(cl_dispatch_queued(fake.app.dispatch), 3);
}

/* Room for four: two tenants that wait have two places each, one that waits alone may have three,
 * which is all its pool has. */
static void a_tenant_with_company_gets_its_part_of_the_queue(void **state)
{
    (void)state;
    submit(BODY);
    submit_other(BODY);
    submit(BODY);
    expect_heard("");
    submit(BODY);
    expect_heard("refused 4 queue-full;");
    submit_other(BODY);
    expect_heard("");
    submit_other(BODY);
    expect_heard("refused 6 queue-full;");
}

static void a_queue_full_of_bytes_refuses(void **state)
{
    static char body[3000];

    (void)state;
    memset(body, '#', sizeof(body));
    memcpy(body, "{\"source\":\"", 11);
    memcpy(body + sizeof(body) - 3, "\"}", 3);
    submit(body);
    submit(body);
    expect_heard("refused 2 queue-full;");
    submit(BODY);
    expect_heard("");
}

static void a_call_waits_so_long_and_no_longer(void **state)
{
    const uint64_t start = cl_clock_us();

    (void)state;
    submit(BODY);
    submit(BODY);
    while (!was_heard("refused 2") && cl_clock_us() - start < 5000000)
        event_base_loop(fake.app.base, EVLOOP_ONCE);
    expect_heard("refused 1 queue-timeout;refused 2 queue-timeout;");
    assert_true(cl_clock_us() - start >= 50000);
    assert_int_equal(cl_dispatch_queued(fake.app.dispatch), 0);
}

static void a_spare_that_dies_parked_is_given_back(void **state)
{
    int worker = api_fake_offer(&fake, true);

    (void)state;
    cl_own_close(&worker);
    api_fake_turn(&fake);
    assert_int_equal(cl_dispatch_idle(fake.app.dispatch), 0);
    expect(CL_M_DROP);
    assert_int_equal(msg.spare.spare, 1);
    api_fake_end(&fake, 1, CL_END_EXITED, 0);
    expect_heard("");
}

/* Nobody watches it while nobody waits: a call finds out, or END tells. */
static void an_unwatched_spare_that_dies_is_noticed_by_the_call(void **state)
{
    int first = api_fake_offer(&fake, true);
    int second = api_fake_offer(&fake, false);
    int third = api_fake_offer(&fake, true);
    cl_close_auto int fourth = api_fake_offer(&fake, true);

    (void)state;
    cl_own_close(&first);
    cl_own_close(&second);
    cl_own_close(&third);
    api_fake_turn(&fake);
    expect(CL_M_DROP); /* the first of a pool is watched, to see that it can serve */
    api_fake_end(&fake, 3, CL_END_EXITED, 0);
    assert_int_equal(cl_dispatch_idle(fake.app.dispatch), 2);
    submit(BODY);
    expect(CL_M_DROP);
    assert_int_equal(msg.spare.spare, 2);
    expect(CL_M_TAKE);
    assert_int_equal(msg.take.spare, 4);
    expect_call(fourth);
}

static void a_spare_that_is_not_ready_is_passed_over(void **state)
{
    cl_close_auto int first = api_fake_offer(&fake, false);
    cl_close_auto int second = api_fake_offer(&fake, true);

    (void)state;
    submit(BODY);
    expect(CL_M_TAKE);
    assert_int_equal(msg.take.spare, 2);
    expect_call(second);
    submit(BODY);
    expect(CL_M_WANT);
    api_fake_frame(&fake, first, CL_F_READY, NULL, 0);
    expect(CL_M_TAKE);
    assert_int_equal(msg.take.spare, 1);
}

static void a_spare_that_talks_while_parked_is_given_back(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    api_fake_frame(&fake, worker, CL_F_RESULT, "1", 1);
    expect(CL_M_DROP);
    assert_int_equal(cl_dispatch_idle(fake.app.dispatch), 0);
}

static void retire_gives_back_what_is_not_taken(void **state)
{
    cl_close_auto int first = api_fake_offer(&fake, true);
    cl_close_auto int second = api_fake_offer(&fake, true);
    struct cl_msg_spare retire = { .spare = 2 };

    (void)state;
    (void)second;
    submit(BODY);
    expect(CL_M_TAKE);
    api_fake_tell(&fake, CL_M_RETIRE, &retire);
    expect(CL_M_DROP);
    retire.spare = 1;
    api_fake_tell(&fake, CL_M_RETIRE, &retire);
    expect(0);
    result(first, "1");
    expect(CL_M_FINISH);
}

static void a_client_that_goes_away_leaves_the_queue(void **state)
{
    const uint64_t id = submit(BODY);

    (void)state;
    cl_dispatch_abandon(fake.app.dispatch, id, false);
    assert_int_equal(cl_dispatch_queued(fake.app.dispatch), 0);
    assert_null(cl_job_find(fake.app.dispatch, id));
    expect_heard("");
}

static void spares_under_a_changed_policy_are_given_back(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    (void)worker;
    fake.sample.head.digest[0]++;
    fake.sample.head.wall_ms = 1000;
    api_fake_load(&fake, 2);
    expect(CL_M_DROP);
    assert_int_equal(cl_dispatch_idle(fake.app.dispatch), 0);
}

static void spares_outlive_a_reload_that_changes_nothing(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    (void)worker;
    api_fake_load(&fake, 2);
    expect(0);
    assert_int_equal(cl_dispatch_idle(fake.app.dispatch), 1);
}

static void waiting_calls_move_under_the_new_policy_if_they_fit(void **state)
{
    cl_close_auto int worker = -1;

    (void)state;
    submit(BODY);
    submit("{\"source\":\"\",\"limits\":{\"wall\":\"4s\"}}");
    fake.sample.head.digest[0]++;
    fake.sample.head.wall_ms = 1000;
    api_fake_load(&fake, 2);
    expect_heard("refused 2 policy-reloaded;");
    worker = api_fake_offer(&fake, true);
    expect_heard("start 1;");
}

/* What cloched does when a policy changes: another pool of the same name. */
static void waiting_calls_move_to_the_pool_that_replaces_theirs(void **state)
{
    cl_close_auto int old = api_fake_offer(&fake, false);
    cl_close_auto int worker = -1;

    (void)state;
    (void)old;
    submit(BODY);
    submit("{\"source\":\"\",\"limits\":{\"wall\":\"4s\"}}");
    expect(CL_M_WANT);
    expect(CL_M_WANT);
    fake.pool = 9;
    fake.sample.head.wall_ms = 1000;
    api_fake_load(&fake, 2);
    expect_heard("refused 2 policy-reloaded;");
    expect(CL_M_DROP);
    expect(CL_M_WANT);
    assert_true(msg.want.pool == 9 && msg.want.queued == 1);
    worker = api_fake_offer(&fake, true);
    expect_heard("start 1;");
    expect(CL_M_TAKE);
    result(worker, "1");
    api_fake_end(&fake, 2, CL_END_FINISHED, 0);
    api_fake_end(&fake, 1, CL_END_LOST, 0);
    expect_heard("done 1 ok;");
    api_fake_load(&fake, 3);
    assert_null(cl_tenancy_pool(fake.app.tenancy, API_FAKE_POOL));
}

static void offers_of_unknown_pools_are_given_back(void **state)
{
    struct cl_msg_offer offer = { .spare = 8, .pool = 99, .generation = 1 };
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    cl_dispatch_on_spare(fake.app.dispatch, &offer, &pair[0]);
    expect(CL_M_DROP);
    assert_int_equal(msg.spare.spare, 8);
    cl_own_close(&pair[0]);
    cl_own_close(&pair[1]);
}

static void messages_about_nobody_are_ignored(void **state)
{
    struct cl_msg_spare spare = { .spare = 77 };

    (void)state;
    api_fake_tell(&fake, CL_M_TAKEN, &spare);
    api_fake_tell(&fake, CL_M_RETIRE, &spare);
    api_fake_end(&fake, 77, CL_END_LOST, 0);
    cl_dispatch_resume(fake.app.dispatch, 77);
    expect(0);
    expect_heard("");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, job_case_setup, job_case_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(a_call_goes_to_a_spare_and_ends),
        CASE(a_spare_is_of_use_once_it_is_ready),
        CASE(the_oldest_spare_is_taken_first),
        CASE(waiting_calls_are_served_in_order),
        CASE(a_full_queue_refuses),
        CASE(a_tenant_with_company_gets_its_part_of_the_queue),
        CASE(a_queue_full_of_bytes_refuses),
        CASE(a_call_waits_so_long_and_no_longer),
        CASE(a_spare_that_dies_parked_is_given_back),
        CASE(an_unwatched_spare_that_dies_is_noticed_by_the_call),
        CASE(a_spare_that_is_not_ready_is_passed_over),
        CASE(a_spare_that_talks_while_parked_is_given_back),
        CASE(retire_gives_back_what_is_not_taken),
        CASE(a_client_that_goes_away_leaves_the_queue),
        CASE(spares_under_a_changed_policy_are_given_back),
        CASE(spares_outlive_a_reload_that_changes_nothing),
        CASE(waiting_calls_move_under_the_new_policy_if_they_fit),
        CASE(waiting_calls_move_to_the_pool_that_replaces_theirs),
        CASE(offers_of_unknown_pools_are_given_back),
        CASE(messages_about_nobody_are_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
