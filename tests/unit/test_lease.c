/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call on one worker, to every end that it can have.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/job_case.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/dispatch/jailclient.h"
#include "sandbox/base/own.h"

#define BODY JOB_CASE_BODY

/* ------------------------------------------------------------- what the kernel has no room for */

static bool send_fails, recv_fails; /* the next of a job's socket, once */

ssize_t __real_send(int fd, const void *bytes, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags);
ssize_t __real_recv(int fd, void *bytes, size_t length, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t length, int flags);
ssize_t __real___recv_chk(int fd, void *bytes, size_t length, size_t room, int flags);
ssize_t __wrap___recv_chk(int fd, void *bytes, size_t length, size_t room, int flags);

static bool fails_once(bool *fails)
{
    if (!*fails)
        return false;
    *fails = false;
    errno = ENOMEM;
    return true;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags)
{
    return flags == (MSG_DONTWAIT | MSG_NOSIGNAL) && fails_once(&send_fails)
               ? -1
               : __real_send(fd, bytes, length, flags);
}

ssize_t __wrap_recv(int fd, void *bytes, size_t length, int flags)
{
    return fails_once(&recv_fails) ? -1 : __real_recv(fd, bytes, length, flags);
}

ssize_t __wrap___recv_chk(int fd, void *bytes, size_t length, size_t room, int flags)
{
    return fails_once(&recv_fails) ? -1 : __real___recv_chk(fd, bytes, length, room, flags);
}

static void a_call_that_could_not_be_sent_has_another_worker(void **state)
{
    cl_close_auto int first = api_fake_offer(&fake, true);
    char byte;

    (void)state;
    send_fails = true;
    submit(BODY);
    expect(CL_M_TAKE);
    assert_int_equal(read(first, &byte, 1), 0); /* nothing, and no more comes: it ends */
    api_fake_end(&fake, 1, CL_END_EXITED, 0);
    cl_close_auto int second = api_fake_offer(&fake, true);
    expect_call(second);
    result(second, "1");
    api_fake_end(&fake, 2, CL_END_FINISHED, 0);
    expect_heard("start 1;start 1;done 1 ok;");
}

static void an_answer_that_could_not_be_read_is_read_again(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    submit(BODY);
    expect(CL_M_TAKE);
    expect_call(worker);
    recv_fails = true;
    result(worker, "1");
    expect(CL_M_FINISH);
    assert_false(recv_fails);
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    expect_heard("start 1;done 1 ok;");
}

/* ------------------------------------------------------------------------------------- the rest */

static void narrowed_time_is_told_without_waiting(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    submit("{\"source\":\"\",\"limits\":{\"wall\":\"1s\",\"cpu\":\"500ms\"}}");
    expect(CL_M_TAKE);
    assert_true(msg.take.wall_ms == 1000 && msg.take.cpu_ms == 500 && !msg.take.acknowledge);
    expect_call(worker);
}

static void narrowed_memory_waits_for_taken(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);
    struct cl_msg_spare taken = { .spare = 1 };

    (void)state;
    submit("{\"source\":\"\",\"limits\":{\"memory\":\"20Mi\"}}");
    expect(CL_M_TAKE);
    assert_true(msg.take.memory_bytes == 20 << 20 && msg.take.acknowledge == 1);
    expect_nothing(worker);
    api_fake_tell(&fake, CL_M_TAKEN, &taken);
    expect_call(worker);
}

static void a_call_whose_take_waits_does_not_start_before_it_is_heard(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);
    struct cl_msg_spare taken = { .spare = 1 };

    (void)state;
    for (uint64_t i = 0; i < 3000; i++)
        cl_jailclient_send_drop(fake.app.client, 1000 + i);
    submit("{\"source\":\"\"}");
    for (uint64_t i = 0; i < 3000; i++) {
        expect(CL_M_DROP);
        api_fake_turn(&fake);
    }
    expect_nothing(worker);
    expect(CL_M_TAKE);
    assert_int_equal(msg.take.acknowledge, 1);
    expect_nothing(worker);
    api_fake_tell(&fake, CL_M_TAKEN, &taken);
    expect_call(worker);
}

static void a_large_call_goes_out_as_the_worker_reads(void **state)
{
    static char body[4 << 20];
    static uint8_t bytes[5 << 20];
    cl_close_auto int worker = api_fake_offer(&fake, true);
    size_t length = 0;

    (void)state;
    memset(body, '#', sizeof(body));
    memcpy(body, "{\"source\":\"", 11);
    memcpy(body + sizeof(body) - 3, "\"}", 3);
    submit(body);
    for (int i = 0; i < 10000 && length < sizeof(body); i++) {
        const size_t got = api_fake_read(worker, bytes + length, sizeof(bytes) - length);

        length += got;
        api_fake_turn(&fake);
        if (got == 0 && i > 100)
            break;
    }
    const struct cl_frame go = { CL_FRAME_MAGIC, CL_F_GO, 0 };
    assert_memory_equal(bytes + length - sizeof(go), &go, sizeof(go));
    assert_true(length > sizeof(body) - 16);
}

static void a_call_that_nobody_read_goes_to_another_worker(void **state)
{
    int first = api_fake_offer(&fake, true);
    cl_close_auto int second = -1;

    (void)state;
    submit(BODY);
    expect(CL_M_TAKE);
    expect_heard("start 1;");
    cl_own_close(&first); /* with the call unread */
    api_fake_turn(&fake);
    api_fake_end(&fake, 1, CL_END_SIGNALLED, SIGKILL);
    expect_heard("");
    expect(CL_M_WANT);
    second = api_fake_offer(&fake, true);
    expect_heard("start 1;");
    expect(CL_M_TAKE);
    expect_call(second);
    result(second, "1");
    api_fake_end(&fake, 2, CL_END_FINISHED, 0);
    expect_heard("done 1 ok;");
    assert_int_equal(cl_dispatch_requeued(fake.app.dispatch), 1);
}

static void a_call_is_not_tried_for_ever(void **state)
{
    (void)state;
    submit(BODY);
    for (uint64_t i = 1; i <= 3; i++) {
        int worker = api_fake_offer(&fake, true);

        cl_own_close(&worker);
        api_fake_turn(&fake);
        api_fake_end(&fake, i, CL_END_SIGNALLED, SIGKILL);
    }
    expect_heard("start 1;start 1;start 1;done 1 crashed;");
}

static void a_call_that_was_read_is_never_run_twice(void **state)
{
    int worker = api_fake_offer(&fake, true);

    (void)state;
    submit(BODY);
    expect_call(worker);
    cl_own_close(&worker);
    api_fake_turn(&fake);
    api_fake_end(&fake, 1, CL_END_LOST, 0);
    expect_heard("start 1;done 1 lost;");
}

static void what_was_written_before_death_is_read_after_end(void **state)
{
    int worker = api_fake_offer(&fake, true);
    const struct cl_frame head = { CL_FRAME_MAGIC, CL_F_RESULT, 1 };
    struct cl_msg_end end = { .spare = 1, .cause = CL_END_EXITED };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    submit(BODY);
    expect_call(worker);
    assert_works(cl_msg_send(fake.cloched, CL_M_END, &end, NULL, 0, &err), &err);
    assert_int_equal(send(worker, &head, sizeof(head), 0), sizeof(head));
    assert_int_equal(send(worker, "7", 1, 0), 1);
    cl_own_close(&worker);
    api_fake_turn(&fake);
    expect_heard("start 1;done 1 ok;");
}

static void a_broken_protocol_is_killed_once(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    submit(BODY);
    expect(CL_M_TAKE);
    api_fake_frame(&fake, worker, CL_F_GO, NULL, 0);
    expect(CL_M_KILL);
    assert_int_equal(msg.kill.reason, CL_KILL_PROTOCOL);
    api_fake_frame(&fake, worker, CL_F_GO, NULL, 0);
    expect(0);
    api_fake_end(&fake, 1, CL_END_KILLED, CL_KILL_PROTOCOL);
    expect_heard("start 1;done 1 error;");
}

static void a_byte_behind_the_result_breaks_it(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    submit(BODY);
    expect(CL_M_TAKE);
    result(worker, "1");
    expect(CL_M_FINISH);
    assert_int_equal(send(worker, "x", 1, 0), 1);
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    expect(0); /* after FINISH there is no KILL */
    expect_heard("start 1;done 1 error;");
}

static void too_much_output_is_killed_by_name(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    submit("{\"source\":\"\",\"limits\":{\"output\":\"3\"}}");
    expect(CL_M_TAKE);
    api_fake_frame(&fake, worker, CL_F_STDOUT, "four", 4);
    expect(CL_M_KILL);
    assert_true(msg.kill.reason == CL_KILL_LIMIT && msg.kill.limit == CL_LIMIT_OUTPUT);
    api_fake_end(&fake, 1, CL_END_KILLED, CL_KILL_LIMIT);
    expect_heard("start 1;done 1 limit;");
}

static void a_client_that_goes_away_cancels(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);
    const uint64_t id = submit(BODY);

    (void)state;
    (void)worker;
    expect(CL_M_TAKE);
    cl_dispatch_abandon(fake.app.dispatch, id, false);
    expect(CL_M_KILL);
    assert_int_equal(msg.kill.reason, CL_KILL_CANCELLED);
    cl_dispatch_abandon(fake.app.dispatch, id, false);
    expect(0);
    api_fake_end(&fake, 1, CL_END_KILLED, CL_KILL_CANCELLED);
    expect_heard("start 1;done 1 cancelled;");
    cl_dispatch_abandon(fake.app.dispatch, id, false);
}

static void a_detached_call_runs_on(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);
    const uint64_t id = submit(BODY);

    (void)state;
    expect(CL_M_TAKE);
    cl_dispatch_abandon(fake.app.dispatch, id, true);
    expect(0);
    api_fake_frame(&fake, worker, CL_F_STDOUT, "x", 1);
    result(worker, "1");
    expect(CL_M_FINISH);
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    expect_heard("start 1;done 1 ok;");
}

/* Whether bytes still go into a socket whose other end is not read. */
static bool fills_up(int worker)
{
    const struct cl_frame head = { CL_FRAME_MAGIC, CL_F_STDOUT, 1000 };
    uint8_t frame[1008] = { 0 };

    memcpy(frame, &head, sizeof(head));
    for (int i = 0; i < 1000; i++) {
        if (send(worker, frame, sizeof(frame), MSG_DONTWAIT) < (ssize_t)sizeof(frame))
            return true;
        api_fake_turn(&fake);
    }
    return false;
}

static void a_slow_client_stops_the_worker(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);
    const uint64_t id = submit(BODY);

    (void)state;
    is_slow = true;
    assert_true(fills_up(worker));
    const struct cl_job *job = cl_job_find(fake.app.dispatch, id);
    const uint64_t seen = job->stream.output_bytes[0];
    assert_true(seen > 0 && seen <= 64 << 10);
    is_slow = false;
    cl_dispatch_resume(fake.app.dispatch, id);
    api_fake_turn(&fake);
    assert_true(job->stream.output_bytes[0] > seen);
}

static void end_waits_for_a_slow_client(void **state)
{
    int worker = api_fake_offer(&fake, true);
    const uint64_t id = submit(BODY);

    (void)state;
    expect_call(worker);
    is_slow = true;
    api_fake_frame(&fake, worker, CL_F_STDOUT, "one", 3);
    result(worker, "1");
    cl_own_close(&worker);
    api_fake_end(&fake, 1, CL_END_EXITED, 0);
    expect_heard("start 1;");
    is_slow = false;
    cl_dispatch_resume(fake.app.dispatch, id);
    expect_heard("done 1 ok;");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, job_case_setup, job_case_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(narrowed_time_is_told_without_waiting),
        CASE(a_call_that_could_not_be_sent_has_another_worker),
        CASE(an_answer_that_could_not_be_read_is_read_again),
        CASE(narrowed_memory_waits_for_taken),
        CASE(a_call_whose_take_waits_does_not_start_before_it_is_heard),
        CASE(a_large_call_goes_out_as_the_worker_reads),
        CASE(a_call_that_nobody_read_goes_to_another_worker),
        CASE(a_call_is_not_tried_for_ever),
        CASE(a_call_that_was_read_is_never_run_twice),
        CASE(what_was_written_before_death_is_read_after_end),
        CASE(a_broken_protocol_is_killed_once),
        CASE(a_byte_behind_the_result_breaks_it),
        CASE(too_much_output_is_killed_by_name),
        CASE(a_client_that_goes_away_cancels),
        CASE(a_detached_call_runs_on),
        CASE(a_slow_client_stops_the_worker),
        CASE(end_waits_for_a_slow_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
