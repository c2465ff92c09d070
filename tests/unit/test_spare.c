/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One parked worker's socket: READY, nothing else, and its end.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>
#include <sys/socket.h>

#include "api/dispatch/spare.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"

static struct cl_pool pool;
static struct cl_spare *spare;
static int worker;

static int setup(void **state)
{
    const struct cl_msg_offer offer = { .spare = 9, .generation = 2 };
    struct cl_err err = CL_ERR_INIT;
    int pair[2];

    (void)state;
    pool = (struct cl_pool){ .index = 1 };
    cl_list_init(&pool.idle);
    assert_works(cl_fdpass_pair(SOCK_STREAM, pair, &err), &err);
    worker = pair[1];
    spare = cl_spare_new(&offer, &pool, &pair[0]);
    assert_int_equal(pair[0], -1);
    assert_int_equal(pool.users, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cl_spare_free(spare);
    assert_int_equal(pool.users, 0);
    cl_own_close(&worker);
    return 0;
}

static void say(const void *bytes, size_t length)
{
    assert_int_equal(send(worker, bytes, length, 0), length);
}

static void ready_may_come_in_pieces(void **state)
{
    const struct cl_frame ready = { CL_FRAME_MAGIC, CL_F_READY, 0 };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_int_equal(cl_spare_recv_ready(spare, &err), 0);
    for (size_t i = 0; i < sizeof(ready); i++) {
        say((const char *)&ready + i, 1);
        assert_int_equal(cl_spare_recv_ready(spare, &err), i == sizeof(ready) - 1);
    }
    assert_int_equal(spare->state, CL_SPARE_IDLE);
    assert_true(pool.had_spare);
    assert_int_equal(cl_spare_recv_ready(spare, &err), 0);
    say("x", 1);
    assert_fails(cl_spare_recv_ready(spare, &err), &err, CL_E_LOST);
}

static void anything_but_ready_is_refused(void **state)
{
    const struct cl_frame frames[] = { { CL_FRAME_MAGIC, CL_F_RESULT, 0 },
                                       { CL_FRAME_MAGIC, CL_F_READY, 1 },
                                       { 0, CL_F_READY, 0 } };
    struct cl_err err = CL_ERR_INIT;

    for (size_t i = 0; i < CL_COUNT(frames); i++) {
        say(&frames[i], sizeof(frames[i]));
        assert_fails(cl_spare_recv_ready(spare, &err), &err, CL_E_LOST);
        teardown(state);
        setup(state);
    }
    say("012345678", 9);
    assert_fails(cl_spare_recv_ready(spare, &err), &err, CL_E_LOST);
}

static void a_worker_that_is_gone_is_told(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    cl_own_close(&worker);
    assert_fails(cl_spare_recv_ready(spare, &err), &err, CL_E_LOST);
}

static void it_is_in_its_pool_until_taken(void **state)
{
    (void)state;
    assert_int_equal(pool.idle_count, 1);
    assert_ptr_equal(pool.idle.next, &spare->node);
    cl_spare_take(spare, 77);
    assert_int_equal(pool.idle_count, 0);
    assert_true(cl_list_is_empty(&pool.idle));
    assert_int_equal(spare->job, 77);
    assert_int_equal(spare->state, CL_SPARE_TAKEN);
}

static void closing_leaves_the_list_and_ends_the_worker(void **state)
{
    char byte;

    (void)state;
    cl_spare_close(spare);
    cl_spare_close(spare);
    assert_int_equal(pool.idle_count, 0);
    assert_true(cl_list_is_empty(&pool.idle));
    assert_int_equal(spare->state, CL_SPARE_GONE);
    assert_int_equal(recv(worker, &byte, 1, 0), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(ready_may_come_in_pieces),
        CASE(anything_but_ready_is_refused),
        CASE(a_worker_that_is_gone_is_told),
        CASE(it_is_in_its_pool_until_taken),
        CASE(closing_leaves_the_list_and_ends_the_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
