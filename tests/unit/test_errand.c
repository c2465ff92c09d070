/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that no connection waits for, from start to their one end.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/errand.h"
#include "sandbox/base/own.h"
#include "tests/support/api_fake.h"

static struct api_fake fake;
static char heard[4096];
static char envelope[4096];
static unsigned ends;

static void hear(const char *text, size_t length)
{
    const size_t at = strlen(heard);

    assert_true(at + length < sizeof(heard));
    memcpy(heard + at, text, length);
    heard[at + length] = '\0';
}

static void on_start(void *self, uint64_t id)
{
    assert_ptr_equal(self, heard);
    assert_true(id > 0);
    hear("start;", 6);
}

static void on_events(void *self, const char *ndjson, size_t length)
{
    assert_ptr_equal(self, heard);
    assert_int_equal(ndjson[length - 1], '\n');
    hear(ndjson, length);
}

static void on_end(void *self, const struct cl_errand_end *end)
{
    char line[256];
    int length;

    assert_ptr_equal(self, heard);
    ends++;
    if (end->refusal) {
        length = snprintf(line, sizeof(line), "refused %s;",
                          cl_refusal_row(end->refusal->kind)->slug);
    } else {
        length = snprintf(line, sizeof(line), "end %s %.*s|%.*s|%.*s %d;",
                          cl_verdict_name(end->verdict), (int)end->result.length,
                          end->result.text ? end->result.text : "", (int)end->text[0].length,
                          end->text[0].text ? end->text[0].text : "", (int)end->text[1].length,
                          end->text[1].text ? end->text[1].text : "", (int)end->line);
        assert_true(end->envelope.length < sizeof(envelope));
        memcpy(envelope, end->envelope.text, end->envelope.length);
        envelope[end->envelope.length] = '\0';
        assert_string_equal(strstr(envelope, end->name) - 7, envelope);
    }
    hear(line, (size_t)length);
}

static const struct cl_errand_calls calls = { on_start, on_events, on_end };

static const struct cl_dispatch_caps small = {
    .queue_pool = 1, .queue_all = 4, .queue_bytes = 4096, .queue_ms = 50
};

static int setup(void **state)
{
    (void)state;
    heard[0] = '\0';
    ends = 0;
    api_fake_init(&fake, &small, &cl_calls_jobs, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    api_fake_fini(&fake);
    return 0;
}

static uint64_t start(uint32_t flags)
{
    static const char body[] = "{\"source\":\"def main(): pass\",\"metadata\":{\"a\":1}}";
    struct cl_pool *pool = cl_tenancy_pool(fake.app.tenancy, API_FAKE_POOL);
    struct cl_request request = { 0 };
    struct cl_refusal refusal = CL_REFUSAL_INIT;

    assert_int_equal(cl_request_parse(&request, body, strlen(body), &refusal), 0);
    assert_int_equal(cl_request_seal(&request, pool->policy, flags, &refusal), 0);
    return cl_errand_start(&fake.app, pool, &request, flags, &calls, heard);
}

static void result(int worker, const char *json)
{
    api_fake_frame(&fake, worker, CL_F_RESULT, json, strlen(json));
}

static bool was_killed(void)
{
    union cl_msg_any msg;
    bool is_killed = false;

    while (api_fake_hear(&fake, &msg))
        is_killed |= msg.head.type == CL_M_KILL && msg.kill.reason == CL_KILL_CANCELLED;
    return is_killed;
}

static void the_end_brings_the_envelope_of_a_plain_call(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    assert_int_not_equal(start(0), 0);
    assert_string_equal(heard, "");
    api_fake_turn(&fake);
    assert_string_equal(heard, "start;");
    api_fake_frame(&fake, worker, CL_F_STDOUT, "hi\n", 3);
    result(worker, "[42]");
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    assert_string_equal(heard, "start;end ok [42]|| 0;");
    assert_non_null(
        strstr(envelope, "\"verdict\":\"ok\",\"result\":[42],\"stdout\":\"hi\\n\""));
    assert_non_null(strstr(envelope, "\"generation\":1},\"metadata\":{\"a\":1}}"));
    assert_int_equal(fake.app.metrics.policies[0].calls[CL_V_OK], 1);
}

static void events_come_as_lines_and_the_output_is_kept_too(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    start(CL_CALL_STREAM);
    api_fake_turn(&fake);
    api_fake_frame(&fake, worker, CL_F_STDERR, "e", 1);
    result(worker, "1");
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    assert_ptr_equal(strstr(heard, "start;{\"seq\":1,\"event\":\"started\",\"id\":\""), heard);
    assert_non_null(strstr(heard, "\n{\"seq\":2,\"event\":\"stderr\",\"text\":\"e\"}\n"
                                  "{\"seq\":3,\"event\":\"end\",\"id\":\""));
    assert_non_null(strstr(heard, "}\nend ok 1|| 0;"));
    assert_non_null(strstr(envelope, "\"stderr\":\"e\""));
}

static void an_error_brings_its_texts(void **state)
{
    static const struct cl_frame_error head = { 3, 1, 10, 1, 2 };
    uint8_t frame[sizeof(head) + 13];
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    start(0);
    api_fake_turn(&fake);
    memcpy(frame, &head, sizeof(head));
    memcpy(frame + sizeof(head), "ValueErrormtb", 13);
    api_fake_frame(&fake, worker, CL_F_ERROR, frame, sizeof(frame));
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    assert_string_equal(heard, "start;end error |ValueError|m 3;");
}

static void a_refusal_comes_from_the_loop(void **state)
{
    (void)state;
    start(0);
    start(0); /* one may wait */
    assert_string_equal(heard, "");
    api_fake_turn(&fake);
    assert_string_equal(heard, "refused queue-full;");
    usleep(60 * 1000);
    api_fake_turn(&fake);
    assert_string_equal(heard, "refused queue-full;refused queue-timeout;");
    assert_int_equal(ends, 2);
}

static void cancelled_before_its_turn_or_in_the_queue_it_ends_cancelled(void **state)
{
    (void)state;
    for (int is_queued = 0; is_queued < 2; is_queued++) {
        const uint64_t id = start(CL_CALL_STREAM);

        heard[0] = '\0';
        if (is_queued)
            api_fake_turn(&fake);
        cl_errand_cancel(&fake.app, id);
        cl_errand_cancel(&fake.app, id);
        assert_string_equal(heard, "");
        api_fake_turn(&fake);
        assert_non_null(strstr(heard, "{\"seq\":1,\"event\":\"end\""));
        assert_non_null(strstr(heard, "end cancelled || 0;"));
        assert_non_null(strstr(envelope, "\"verdict\":\"cancelled\""));
        cl_errand_cancel(&fake.app, id);
    }
    assert_int_equal(ends, 2);
    assert_int_equal(cl_dispatch_queued(fake.app.dispatch), 0);
}

static void cancelled_while_it_runs_it_keeps_its_output(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);
    const uint64_t id = start(0);

    (void)state;
    api_fake_turn(&fake);
    api_fake_frame(&fake, worker, CL_F_STDOUT, "half", 4);
    cl_errand_cancel(&fake.app, id);
    assert_true(was_killed());
    assert_int_equal(ends, 0);
    api_fake_end(&fake, 1, CL_END_KILLED, CL_KILL_CANCELLED);
    assert_string_equal(heard, "start;end cancelled || 0;");
    assert_non_null(strstr(envelope, "\"stdout\":\"half\""));
}

static void a_worker_that_read_nothing_is_replaced_unless_it_is_cancelled(void **state)
{
    (void)state;
    for (int is_cancelled = 0; is_cancelled < 2; is_cancelled++) {
        int dead = api_fake_offer(&fake, true);
        const uint64_t first = fake.last_spare;
        uint64_t id;

        heard[0] = '\0';
        id = start(0);
        api_fake_turn(&fake);
        close(dead); /* unread bytes: a reset */
        if (is_cancelled)
            cl_errand_cancel(&fake.app, id);
        api_fake_turn(&fake);
        api_fake_end(&fake, first, is_cancelled ? CL_END_KILLED : CL_END_EXITED,
                     is_cancelled ? CL_KILL_CANCELLED : 1);
        if (is_cancelled) {
            assert_string_equal(heard, "start;end cancelled || 0;");
            continue;
        }
        cl_close_auto int worker = api_fake_offer(&fake, true);

        result(worker, "2");
        api_fake_end(&fake, fake.last_spare, CL_END_FINISHED, 0);
        assert_string_equal(heard, "start;end ok 2|| 0;");
    }
}

static void forgotten_it_is_killed_and_nobody_hears(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);
    const uint64_t id = start(CL_CALL_STREAM);

    (void)state;
    api_fake_turn(&fake);
    heard[0] = '\0';
    cl_errand_forget(&fake.app, id);
    assert_true(was_killed());
    api_fake_frame(&fake, worker, CL_F_STDOUT, "x", 1);
    api_fake_end(&fake, 1, CL_END_KILLED, CL_KILL_CANCELLED);
    assert_string_equal(heard, "");
    assert_int_equal(cl_dispatch_running(fake.app.dispatch), 0);
}

static uint64_t chained;

static void start_another(void *self, const struct cl_errand_end *end)
{
    (void)self;
    (void)end;
    if (chained == 0)
        chained = start(0);
}

static void an_end_may_start_another(void **state)
{
    static const struct cl_errand_calls chain = { NULL, NULL, start_another };
    struct cl_pool *pool = cl_tenancy_pool(fake.app.tenancy, API_FAKE_POOL);
    struct cl_request request = { 0 };
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    uint64_t id;

    (void)state;
    chained = 0;
    assert_int_equal(cl_request_parse(&request, "{\"source\":\"\"}", 13, &refusal), 0);
    assert_int_equal(cl_request_seal(&request, pool->policy, 0, &refusal), 0);
    id = cl_errand_start(&fake.app, pool, &request, 0, &chain, NULL);
    cl_errand_cancel(&fake.app, id);
    api_fake_turn(&fake);
    assert_int_not_equal(chained, 0);
    assert_int_equal(cl_dispatch_queued(fake.app.dispatch), 1);
}

static void owners_that_are_gone_leave_nothing_behind(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    start(0);
    api_fake_turn(&fake);
    start(0);
    api_fake_turn(&fake);
    start(0); /* running, queued, fresh: teardown frees them, the sanitizer looks */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_end_brings_the_envelope_of_a_plain_call),
        CASE(events_come_as_lines_and_the_output_is_kept_too),
        CASE(an_error_brings_its_texts),
        CASE(a_refusal_comes_from_the_loop),
        CASE(cancelled_before_its_turn_or_in_the_queue_it_ends_cancelled),
        CASE(cancelled_while_it_runs_it_keeps_its_output),
        CASE(a_worker_that_read_nothing_is_replaced_unless_it_is_cancelled),
        CASE(forgotten_it_is_killed_and_nobody_hears),
        CASE(an_end_may_start_another),
        CASE(owners_that_are_gone_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
