/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store thread: order, groups, faults, bounds, the end.
 * Runs in: tests only.
 * Trusts: -
 */
#include <errno.h>
#include <semaphore.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/refusal.h"
#include "api/storeq.h"
#include "sandbox/base/own.h"
#include "tests/support/store_case.h"

enum { WAIT_MS = 10000 };

/* What a work is to do, and what came of it. */
struct job {
    struct queue_case *at;
    unsigned number;
    bool has_to_fail, is_done;
    uint32_t kind;
    char text[216];
};

struct queue_case {
    struct store_case *store;
    struct event_base *base;
    struct cl_storeq *queue;
    sem_t gate, entered;
    unsigned done_count;
    unsigned order[64];
};

static int open_queue(void **state)
{
    struct queue_case *at = calloc(1, sizeof(*at));

    store_case_open((void **)&at->store);
    at->base = event_base_new();
    at->queue =
        cl_storeq_new(at->base, &at->store->store,
                      &(struct cl_storeq_caps){ .works = 40, .bytes = 1000 }, &at->store->err);
    assert_non_null(at->queue);
    assert_null(at->store->store);
    sem_init(&at->gate, 0, 0);
    sem_init(&at->entered, 0, 0);
    *state = at;
    return 0;
}

static int close_queue(void **state)
{
    struct queue_case *at = *state;

    cl_storeq_free(at->queue);
    event_base_free(at->base);
    store_case_close((void **)&at->store);
    free(at);
    return 0;
}

static void spin(struct queue_case *at, unsigned count)
{
    const struct timeval most = { WAIT_MS / 1000, 0 };

    event_base_loopexit(at->base, &most);
    while (at->done_count < count && !event_base_got_exit(at->base))
        event_base_loop(at->base, EVLOOP_ONCE);
    assert_int_equal(at->done_count, count);
}

static int put(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct job *job = arg;
    char id[CL_ULID_SIZE];
    const struct cl_store_call call = store_case_call("t", store_case_id(id, job->number));

    if (cl_store_call_insert(store, &call, NULL, NULL, err) < 0)
        return -1;
    return job->has_to_fail ? cl_fail(err, CL_E_INPUT, "as it was told") : 0;
}

static void on_done(void *arg, const struct cl_err *err)
{
    struct job *job = arg;

    assert_false(job->is_done);
    job->is_done = true;
    job->kind = err->kind;
    memcpy(job->text, err->text, sizeof(job->text));
    job->at->order[job->at->done_count++] = job->number;
}

/* Keeps the thread until the gate opens, so that what is queued meanwhile is one group. */
static int block(struct cl_store *store, void *arg, struct cl_err *err)
{
    struct job *job = arg;

    (void)store;
    (void)err;
    sem_post(&job->at->entered);
    while (sem_wait(&job->at->gate) < 0 && errno == EINTR)
        ;
    return 0;
}

static void start_blocked(struct queue_case *at, struct job *job)
{
    *job = (struct job){ .at = at };
    assert_works(cl_storeq_run(at->queue, block, on_done, job, &at->store->err),
                 &at->store->err);
    while (sem_wait(&at->entered) < 0 && errno == EINTR)
        ;
}

static void queue_put(struct queue_case *at, struct job *job, unsigned number, bool fails)
{
    *job = (struct job){ .at = at, .number = number, .has_to_fail = fails };
    assert_works(cl_storeq_run(at->queue, put, on_done, job, &at->store->err), &at->store->err);
}

/* Which calls another process would find. */
static int see(void *self, const struct cl_store_call *call, struct cl_err *err)
{
    (void)err;
    strcat(self, call->id + 24);
    strcat(self, " ");
    return 0;
}

struct look {
    struct queue_case *at;
    char ids[256];
};

static int read_all(struct cl_store *store, void *arg, struct cl_err *err)
{
    const struct cl_store_filter all = { "t", NULL, NULL, -1, 99 };

    return cl_store_call_list(store, &all, see, ((struct look *)arg)->ids, err);
}

static void on_read(void *arg, const struct cl_err *err)
{
    assert_int_equal(err->kind, CL_E_NONE);
    ((struct look *)arg)->at->done_count++;
}

static void assert_ids(struct queue_case *at, const char *ids)
{
    struct look look = { at, "" };

    assert_works(cl_storeq_run(at->queue, read_all, on_read, &look, &at->store->err),
                 &at->store->err);
    spin(at, at->done_count + 1);
    assert_string_equal(look.ids, ids);
}

static void works_are_done_in_order(void **state)
{
    struct queue_case *at = *state;
    struct job jobs[20];

    for (unsigned i = 0; i < CL_COUNT(jobs); i++)
        queue_put(at, &jobs[i], i + 1, false);
    assert_int_equal(at->done_count, 0); /* never from inside */
    assert_int_equal(cl_storeq_waiting(at->queue), 20);
    spin(at, 20);
    for (unsigned i = 0; i < CL_COUNT(jobs); i++) {
        assert_int_equal(at->order[i], i + 1);
        assert_int_equal(jobs[i].kind, CL_E_NONE);
    }
    assert_int_equal(cl_storeq_waiting(at->queue), 0);
}

static void a_failing_work_undoes_itself_alone(void **state)
{
    struct queue_case *at = *state;
    struct job jobs[4];

    start_blocked(at, &jobs[0]);
    queue_put(at, &jobs[1], 1, false);
    queue_put(at, &jobs[2], 2, true);
    queue_put(at, &jobs[3], 3, false);
    sem_post(&at->gate);
    spin(at, 4);
    assert_int_equal(jobs[1].kind, CL_E_NONE);
    assert_int_equal(jobs[2].kind, CL_E_INPUT);
    assert_string_equal(jobs[2].text, "as it was told");
    assert_int_equal(jobs[3].kind, CL_E_NONE);
    assert_ids(at, "03 01 ");
}

static void the_queue_is_bounded(void **state)
{
    struct queue_case *at = *state;
    struct job jobs[41];

    start_blocked(at, &jobs[0]);
    for (unsigned i = 1; i < 40; i++)
        queue_put(at, &jobs[i], i, false);
    assert_fails(cl_storeq_run(at->queue, put, on_done, &jobs[40], &at->store->err),
                 &at->store->err, CL_E_BUSY);
    sem_post(&at->gate);
    spin(at, 40);
    queue_put(at, &jobs[40], 40, false);
    spin(at, 41);
}

static void queue_read(struct queue_case *at, struct job *job, const char *who, unsigned number)
{
    *job = (struct job){ .at = at, .number = number };
    assert_works(cl_storeq_read(at->queue, who, put, on_done, job, &at->store->err),
                 &at->store->err);
}

/* Two of `a` are with the thread when the rest comes. */
static void reads_are_few_at_a_time_and_tenants_in_turn(void **state)
{
    static const unsigned order[] = { 0, 1, 2, 9, 3, 6, 4, 7, 5 };
    struct queue_case *at = *state;
    struct job jobs[10];

    start_blocked(at, &jobs[0]);
    for (unsigned i = 1; i <= 5; i++)
        queue_read(at, &jobs[i], "a", i);
    queue_read(at, &jobs[6], "b", 6);
    queue_read(at, &jobs[7], "b", 7);
    queue_put(at, &jobs[9], 9, false);
    assert_int_equal(cl_storeq_waiting(at->queue), 9);
    sem_post(&at->gate);
    spin(at, 9);
    for (unsigned i = 0; i < CL_COUNT(order); i++)
        assert_int_equal(at->order[i], order[i]);
}

static void nobody_s_reads_fill_the_queue(void **state)
{
    struct queue_case *at = *state;
    struct job jobs[9];

    start_blocked(at, &jobs[0]);
    for (unsigned i = 1; i <= 7; i++) /* two with the thread, an eighth of 40 behind them */
        queue_read(at, &jobs[i], "a", i);
    assert_fails(cl_storeq_read(at->queue, "a", put, on_done, &jobs[8], &at->store->err),
                 &at->store->err, CL_E_BUSY);
    queue_read(at, &jobs[8], "b", 8);
    sem_post(&at->gate);
    spin(at, 9);
}

static void reads_that_wait_are_done_at_the_end(void **state)
{
    struct queue_case *at = *state;
    struct job jobs[6];

    start_blocked(at, &jobs[0]);
    for (unsigned i = 1; i < 6; i++)
        queue_read(at, &jobs[i], "a", i);
    sem_post(&at->gate);
    cl_storeq_free(at->queue);
    at->queue = NULL;
    assert_int_equal(at->done_count, 6);
}

static void so_are_its_bytes(void **state)
{
    struct queue_case *at = *state;
    struct job jobs[3];

    start_blocked(at, &jobs[0]);
    jobs[1] = (struct job){ .at = at, .number = 1 };
    jobs[2] = (struct job){ .at = at, .number = 2 };
    assert_works(cl_storeq_run_bytes(at->queue, put, on_done, &jobs[1], 1000, &at->store->err),
                 &at->store->err);
    assert_fails(cl_storeq_run_bytes(at->queue, put, on_done, &jobs[2], 1, &at->store->err),
                 &at->store->err, CL_E_BUSY);
    sem_post(&at->gate);
    spin(at, 2);
    /* One that is larger than all the room is let in by itself. */
    assert_works(cl_storeq_run_bytes(at->queue, put, on_done, &jobs[2], 5000, &at->store->err),
                 &at->store->err);
    spin(at, 3);
}

/* -------------------------------------------------------------------------- a full disk */

static bool is_full;
static ssize_t (*real_pwrite)(int fd, const void *bytes, size_t length, off_t at);

static ssize_t full_pwrite(int fd, const void *bytes, size_t length, off_t at)
{
    if (!__atomic_load_n(&is_full, __ATOMIC_SEQ_CST))
        return real_pwrite(fd, bytes, length, at);
    errno = ENOSPC;
    return -1;
}

static void set_full(bool full)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");

    __atomic_store_n(&is_full, full, __ATOMIC_SEQ_CST);
    if (real_pwrite)
        return;
    real_pwrite =
        (ssize_t(*)(int, const void *, size_t, off_t))vfs->xGetSystemCall(vfs, "pwrite64");
    assert_non_null(real_pwrite);
    vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)full_pwrite);
    vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)full_pwrite);
}

static void await_health(struct queue_case *at, bool is_writable)
{
    const struct timespec nap = { 0, 5000000 };
    struct cl_storeq_health health;

    for (int waited_ms = 0; waited_ms < WAIT_MS; waited_ms += 5) {
        cl_storeq_health(at->queue, &health);
        if (health.is_writable == is_writable)
            break;
        nanosleep(&nap, NULL);
    }
    assert_int_equal(health.is_writable, is_writable);
    assert_int_equal(health.why[0] == '\0', is_writable);
}

static void a_commit_that_fails_fails_all_of_its_group(void **state)
{
    struct queue_case *at = *state;
    struct job jobs[5];

    queue_put(at, &jobs[0], 9, false);
    spin(at, 1);
    start_blocked(at, &jobs[1]);
    for (unsigned i = 1; i <= 3; i++)
        queue_put(at, &jobs[i + 1], i, i == 2);
    set_full(true);
    sem_post(&at->gate);
    spin(at, 5);
    assert_int_equal(jobs[2].kind, CL_E_LIMIT);
    assert_int_equal(jobs[3].kind, CL_E_INPUT); /* it would have failed anyway */
    assert_int_equal(jobs[4].kind, CL_E_LIMIT);
    await_health(at, false);
    assert_ids(at, "09 "); /* reading goes on */
    set_full(false);
    await_health(at, true); /* by itself */
    queue_put(at, &jobs[0], 4, false);
    spin(at, at->done_count + 1);
    assert_int_equal(jobs[0].kind, CL_E_NONE);
    assert_ids(at, "09 04 ");
}

/* ------------------------------------------------------------------------------- the end */

static void the_end_finishes_what_is_queued(void **state)
{
    struct queue_case *at = *state;
    struct job jobs[10];

    for (unsigned i = 0; i < CL_COUNT(jobs); i++)
        queue_put(at, &jobs[i], i + 1, false);
    cl_storeq_free(at->queue);
    at->queue = NULL;
    assert_int_equal(at->done_count, 10);
    for (unsigned i = 0; i < CL_COUNT(jobs); i++)
        assert_int_equal(jobs[i].kind, CL_E_NONE);
    at->store->store = cl_store_open(at->store->dir, &at->store->caps, &at->store->err);
    assert_non_null(at->store->store);
    struct look look = { at, "" };
    assert_works(read_all(at->store->store, &look, &at->store->err), &at->store->err);
    assert_string_equal(look.ids, "10 09 08 07 06 05 04 03 02 01 ");
}

static void on_end_tries_more(void *arg, const struct cl_err *err)
{
    struct job *job = arg;
    struct cl_err refused = CL_ERR_INIT;

    on_done(arg, err);
    assert_fails(cl_storeq_run(job->at->queue, put, on_done, job, &refused), &refused,
                 CL_E_BUSY);
}

static void nothing_is_let_in_at_the_end(void **state)
{
    struct queue_case *at = *state;
    struct job job = { .at = at, .number = 1 };

    assert_works(cl_storeq_run(at->queue, put, on_end_tries_more, &job, &at->store->err),
                 &at->store->err);
    cl_storeq_free(at->queue);
    at->queue = NULL;
    assert_true(job.is_done);
}

static void faults_become_refusals(void **state)
{
    static const struct {
        enum cl_err_kind kind;
        int status;
        const char *detail;
    } cases[] = {
        { CL_E_LIMIT, 507, "why" },
        { CL_E_BUSY, 503, "why" },
        { CL_E_SYS, 503, "try again later" },
        { CL_E_LOST, 503, "try again later" },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(cases); i++) {
        struct cl_refusal refusal = CL_REFUSAL_INIT;
        struct cl_err err = CL_ERR_INIT;

        cl_fail(&err, cases[i].kind, "why");
        assert_int_equal(cl_storeq_refuse(&refusal, &err), -1);
        assert_int_equal(cl_refusal_row(refusal.kind)->status, cases[i].status);
        assert_string_equal(refusal.detail, cases[i].detail);
        assert_int_equal(refusal.retry_after_s > 0, cases[i].status == 503);
    }
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_queue, close_queue)
    static const struct CMUnitTest tests[] = {
        CASE(works_are_done_in_order),
        CASE(a_failing_work_undoes_itself_alone),
        CASE(the_queue_is_bounded),
        CASE(so_are_its_bytes),
        CASE(reads_are_few_at_a_time_and_tenants_in_turn),
        CASE(nobody_s_reads_fill_the_queue),
        CASE(reads_that_wait_are_done_at_the_end),
        CASE(a_commit_that_fails_fails_all_of_its_group),
        CASE(the_end_finishes_what_is_queued),
        CASE(nothing_is_let_in_at_the_end),
        cmocka_unit_test(faults_become_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
