/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests from head to answer: routes, tokens, bodies, calls in every form.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>
#include <unistd.h>

#include "sandbox/base/own.h"
#include "tests/support/api_fake.h"
#include "tests/support/exchange_fake.h"

#define BODY "{\"source\":\"def main(): pass\",\"metadata\":{\"a\":1}}"

static struct api_fake fake;
static struct cl_exchange x;

static int setup(void **state)
{
    (void)state;
    api_fake_init(&fake, NULL, &cl_calls_jobs, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    exchange_fake_fini(&x);
    api_fake_fini(&fake);
    return 0;
}

/* Starts over with a request of this method and path, token and type as they should be. */
static void request(const char *method, const char *path)
{
    exchange_fake_fini(&x);
    exchange_fake_init(&x, method, path);
    exchange_fake_field(&x, "authorization", "Bearer " API_FAKE_TOKEN);
    exchange_fake_field(&x, "content-type", "application/json; charset=utf-8");
}

static void post(const char *path, const char *body)
{
    x.head.path = path;
    x.head.has_body = true;
    x.head.content_length = strlen(body);
    cl_visit_calls.on_head(&x, &fake.app);
    if (x.status == 0)
        cl_visit_calls.on_body(&x, body, strlen(body));
    api_fake_turn(&fake);
}

static void call(const char *body)
{
    post("/v1/calls", body);
}

static void get(const char *path)
{
    request("GET", path);
    cl_visit_calls.on_head(&x, &fake.app);
    if (x.status == 0)
        cl_visit_calls.on_body(&x, "", 0);
}

static void end(bool complete)
{
    cl_visit_calls.on_end(&x, complete);
    x.user = NULL;
}

static void expect_problem(int status, const char *slug)
{
    if (x.status != status || strcmp(x.slug, slug) != 0)
        fail_msg("%d %s instead of %d %s: %s", x.status, x.slug, status, slug, x.detail);
    assert_string_equal(x.type, "application/problem+json");
    end(true);
}

static bool has(const char *text)
{
    return strstr(exchange_fake_text(&x), text) != NULL;
}

static void result(int worker, const char *json)
{
    api_fake_frame(&fake, worker, CL_F_RESULT, json, strlen(json));
}

/* ------------------------------------------------------------------------------------ calls */

static void a_plain_call_is_answered_with_its_envelope(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    request("POST", "");
    call(BODY);
    assert_int_equal(x.wanted_body, 4 << 20);
    assert_int_equal(x.status, 0);
    api_fake_frame(&fake, worker, CL_F_STDOUT, "hi\n", 3);
    result(worker, "[1e400]");
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    assert_int_equal(x.status, 200);
    assert_string_equal(x.type, "application/json");
    assert_true(has("{\"id\":\"") &&
                has("\"verdict\":\"ok\",\"result\":[1e400],\"stdout\":\"hi\\n\""));
    assert_true(has("\"wall_us\":410") && has("\"generation\":1},\"metadata\":{\"a\":1}}"));
    assert_int_equal(fake.app.metrics.policies[0].calls[CL_V_OK], 1);
    end(true);
}

static void a_call_pays_for_what_it_holds(void **state)
{
    static const char output[4096];
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    request("POST", "");
    call(BODY);
    const size_t at_start = x.reserved;
    assert_in_range(at_start, 1, 64 << 10);
    api_fake_frame(&fake, worker, CL_F_STDOUT, output, sizeof(output));
    assert_in_range(x.reserved, at_start + sizeof(output), at_start + (64 << 10));
    result(worker, "1");
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    assert_int_equal(x.status, 200);
    assert_int_equal(x.reserved, 0);
    end(true);
}

static void a_call_without_room_never_starts(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);
    union cl_msg_any msg;

    (void)state;
    request("POST", "");
    x.may_reserve = 10;
    call(BODY);
    assert_int_equal(api_fake_read(worker, (uint8_t[16]){ 0 }, 16), 0);
    assert_non_null(strstr(x.headers, "Retry-After: 1\n"));
    expect_problem(503, "no-memory");
    while (api_fake_hear(&fake, &msg))
        assert_int_not_equal(msg.head.type, CL_M_TAKE);
    assert_int_equal(cl_dispatch_running(fake.app.dispatch), 0);
}

static void an_answer_that_outgrows_the_room_ends_its_call(void **state)
{
    static const char output[4096];
    union cl_msg_any msg;

    (void)state;
    for (int is_stream = 0; is_stream < 2; is_stream++) {
        cl_close_auto int worker = api_fake_offer(&fake, true);
        bool is_killed = false;

        request("POST", "");
        if (is_stream)
            exchange_fake_field(&x, "accept", "application/x-ndjson");
        call(BODY);
        x.may_reserve = x.reserved;
        api_fake_frame(&fake, worker, CL_F_STDOUT, output, sizeof(output));
        while (api_fake_hear(&fake, &msg))
            is_killed |= msg.head.type == CL_M_KILL && msg.kill.reason == CL_KILL_CANCELLED;
        assert_true(is_killed);
        if (is_stream) {
            assert_true(x.is_aborted);
            end(false);
        } else {
            assert_non_null(strstr(x.headers, "Retry-After: 1\n"));
            expect_problem(503, "no-memory");
        }
        api_fake_end(&fake, fake.last_spare, CL_END_KILLED, 0);
        assert_int_equal(cl_dispatch_running(fake.app.dispatch), 0);
    }
}

static void streams_say_started_first_and_end_last(void **state)
{
    static const struct {
        const char *accept, *type, *first, *last;
    } rows[] = {
        { "application/x-ndjson", "application/x-ndjson",
          "{\"seq\":1,\"event\":\"started\",\"id\":\"",
          "{\"seq\":4,\"event\":\"end\",\"id\":\"" },
        { "text/html, text/event-stream;q=0.5", "text/event-stream",
          "id: 1\nevent: started\ndata: {\"seq\":1,",
          "id: 4\nevent: end\ndata: {\"seq\":4,\"event\":\"end\",\"id\":\"" },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        cl_close_auto int worker = api_fake_offer(&fake, true);

        request("POST", "");
        exchange_fake_field(&x, "accept", rows[i].accept);
        call(BODY);
        assert_int_equal(x.status, 200);
        assert_string_equal(x.type, rows[i].type);
        assert_ptr_equal(strstr(exchange_fake_text(&x), rows[i].first), exchange_fake_text(&x));
        api_fake_frame(&fake, worker, CL_F_STDERR, "e", 1);
        assert_true(has("\"event\":\"stderr\",\"text\":\"e\"}\n"));
        api_fake_frame(&fake, worker, CL_F_ITEM, "{\"a\":\n1}", 8);
        assert_true(has("\"event\":\"item\",\"value\":{\"a\": 1}}\n"));
        result(worker, "[\n1]");
        assert_false(x.is_finished);
        api_fake_end(&fake, fake.last_spare, CL_END_FINISHED, 0);
        assert_true(x.is_finished);
        assert_true(has(rows[i].last) && has("\"result\":[ 1]"));
        assert_false(has("\"stdout\":") || has("\"stderr\":"));
        end(true);
    }
}

static void logs_and_progress_are_events(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    request("POST", "");
    exchange_fake_field(&x, "accept", "application/x-ndjson");
    call(BODY);
    api_fake_frame(&fake, worker, CL_F_LOG, "\1\0\0\0careful", 11);
    api_fake_frame(&fake, worker, CL_F_PROGRESS, "{\"value\":1}", 11);
    assert_true(has("\"event\":\"log\",\"level\":\"warning\",\"message\":\"careful\"}\n"));
    assert_true(has("\"event\":\"progress\",\"value\":1}\n"));
    result(worker, "1");
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    end(true);
}

static void a_stream_waits_for_its_client(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);
    unsigned writes;

    (void)state;
    request("POST", "");
    exchange_fake_field(&x, "accept", "application/x-ndjson");
    x.is_stuck = true;
    call(BODY);
    api_fake_frame(&fake, worker, CL_F_STDOUT, "a", 1);
    writes = x.writes;
    api_fake_frame(&fake, worker, CL_F_STDOUT, "b", 1);
    result(worker, "1");
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    assert_int_equal(x.writes, writes);
    assert_false(x.is_finished);
    x.is_stuck = false;
    cl_visit_calls.on_drained(&x);
    assert_true(x.is_finished && has("\"text\":\"b\"") && has("\"event\":\"end\""));
    end(true);
}

static void a_client_that_leaves_cancels_unless_detached(void **state)
{
    static const char *const queries[] = { "", "detach=0", "detach=1" };
    union cl_msg_any msg;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(queries); i++) {
        cl_close_auto int worker = api_fake_offer(&fake, true);

        request("POST", "");
        x.head.query = queries[i];
        call(BODY);
        assert_int_equal(api_fake_hear(&fake, &msg), CL_M_TAKE);
        end(false);
        assert_int_equal(api_fake_hear(&fake, &msg), i < 2 ? CL_M_KILL : 0);
        result(worker, "1");
        api_fake_hear(&fake, &msg);
        api_fake_end(&fake, fake.last_spare, i < 2 ? CL_END_KILLED : CL_END_FINISHED,
                     i < 2 ? CL_KILL_CANCELLED : 0);
        assert_int_equal(x.status, 0);
    }
    assert_int_equal(fake.app.metrics.policies[0].calls[CL_V_OK] +
                         fake.app.metrics.policies[0].calls[CL_V_CANCELLED],
                     3);
}

static void artifacts_come_with_the_envelope(void **state)
{
    cl_close_auto int worker = -1;

    (void)state;
    fake.sample.head.digest[0]++;
    fake.sample.head.files_bytes = 1000;
    api_fake_load(&fake, 2);
    worker = api_fake_offer(&fake, true);
    request("POST", "");
    call("{\"source\":\"\",\"artifacts\":[\"*\"]}");
    api_fake_frame(&fake, worker, CL_F_FILE_OUT, "\1\0\0\0\0\0\0\0ahi", 11);
    result(worker, "1");
    api_fake_end(&fake, 1, CL_END_FINISHED, 0);
    assert_true(has("\"artifacts\":[{\"path\":\"a\",\"size\":2,\"base64\":\"aGk=\"}]"));
    assert_true(has("\"generation\":2"));
    end(true);
}

static size_t worker_got(int worker, const char *text)
{
    static uint8_t bytes[1 << 16];
    const size_t length = api_fake_read(worker, bytes, sizeof(bytes));

    return memmem(bytes, length, text, strlen(text)) != NULL;
}

static void traceparent_goes_to_the_jail_if_it_is_one(void **state)
{
    static const char good[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    cl_close_auto int first = -1;
    cl_close_auto int second = -1;

    (void)state;
    first = api_fake_offer(&fake, true);
    request("POST", "");
    exchange_fake_field(&x, "traceparent", good);
    call(BODY);
    assert_true(worker_got(first, "TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    end(false);
    second = api_fake_offer(&fake, true);
    request("POST", "");
    exchange_fake_field(&x, "traceparent", "00-XYZ");
    call(BODY);
    assert_false(worker_got(second, "TRACEPARENT"));
    end(false);
}

/* --------------------------------------------------------------------------------- refusals */

static void requests_that_cannot_be_are_refused_by_the_head(void **state)
{
    (void)state;
    get("/nosuch");
    expect_problem(404, "not-found");
    request("PUT", "/v1/calls");
    cl_visit_calls.on_head(&x, &fake.app);
    assert_string_equal(x.headers, "Allow: POST, GET, HEAD\n");
    expect_problem(405, "method-not-allowed");
    request("POST", "/v1/calls");
    cl_visit_calls.on_head(&x, &fake.app);
    expect_problem(411, "length-required");
    request("GET", "/v1/policies");
    x.head.has_body = true;
    x.head.content_length = 1;
    cl_visit_calls.on_head(&x, &fake.app);
    expect_problem(400, "malformed");
}

static void wrong_types_are_415(void **state)
{
    static const char *const types[] = {
        NULL,       "", "text/plain", "application/jsonx", "application/x-www-form-urlencoded",
        "text/json"
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(types); i++) {
        request("POST", "");
        x.head.field_count--;
        if (types[i])
            exchange_fake_field(&x, "content-type", types[i]);
        call(BODY);
        expect_problem(415, "media-type");
    }
}

static void announced_bodies_over_the_cap_are_413_with_the_limit(void **state)
{
    (void)state;
    request("POST", "/v1/calls");
    x.head.has_body = true;
    x.head.content_length = (4 << 20) + 1;
    cl_visit_calls.on_head(&x, &fake.app);
    assert_true(has("\"limit\":4194304"));
    expect_problem(413, "too-large");
    request("POST", "/v1/calls");
    x.head.has_body = true;
    x.head.content_length = 4 << 20;
    cl_visit_calls.on_head(&x, &fake.app);
    assert_int_equal(x.status, 0);
    end(false);
}

static void tokens_are_asked_for(void **state)
{
    (void)state;
    request("POST", "");
    x.fields[0].value = "Bearer wrong";
    call(BODY);
    assert_string_equal(x.headers, "WWW-Authenticate: Bearer\n");
    expect_problem(401, "unauthorized");
    assert_int_equal(fake.app.metrics.refused[CL_R_UNAUTHORIZED], 1);
}

static void what_needs_the_store_waits_for_it(void **state)
{
    static const char *const fields[][2] = { { "prefer", "wait=5, respond-async" },
                                             { "idempotency-key", "k" } };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(fields); i++) {
        request("POST", "");
        exchange_fake_field(&x, fields[i][0], fields[i][1]);
        call(BODY);
        assert_non_null(strstr(x.headers, "Retry-After: 1\n"));
        expect_problem(503, "not-ready");
    }
}

static void other_queries_and_policies_are_refused(void **state)
{
    (void)state;
    request("POST", "");
    x.head.query = "detach=yes";
    call(BODY);
    expect_problem(400, "malformed");
    request("POST", "");
    call("{\"source\":\"\",\"policy\":\"nosuch\"}");
    assert_true(has("\"pointer\":\"/policy\""));
    expect_problem(403, "policy-not-allowed");
    request("POST", "");
    call("{\"source\":\"\",\"sorce\":1}");
    assert_true(has("\"pointer\":\"/sorce\""));
    expect_problem(400, "malformed");
    request("POST", "");
    call("[]");
    assert_true(has("\"pointer\":\"\""));
    expect_problem(400, "malformed");
    request("POST", "");
    call("{\"source\":\"\",\"limits\":{\"wall\":\"1h\"}}");
    expect_problem(403, "limit-widened");
}

static void a_full_queue_is_503_with_retry_after(void **state)
{
    static struct cl_exchange waiting[600];
    unsigned refused = 0;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(waiting); i++) {
        struct cl_exchange *w = &waiting[i];

        exchange_fake_init(w, "POST", "/v1/calls");
        exchange_fake_field(w, "authorization", "Bearer " API_FAKE_TOKEN);
        exchange_fake_field(w, "content-type", "application/json");
        w->head.has_body = true;
        w->head.content_length = strlen(BODY);
        cl_visit_calls.on_head(w, &fake.app);
        cl_visit_calls.on_body(w, BODY, strlen(BODY));
        if (w->status == 503 && strcmp(w->slug, "queue-full") == 0 &&
            strstr(w->headers, "Retry-After: "))
            refused++;
    }
    assert_int_equal(refused, CL_COUNT(waiting) - 512);
    for (size_t i = 0; i < CL_COUNT(waiting); i++) {
        cl_visit_calls.on_end(&waiting[i], false);
        exchange_fake_fini(&waiting[i]);
    }
    assert_int_equal(cl_dispatch_queued(fake.app.dispatch), 0);
}

/* -------------------------------------------------------------------- policies and health */

static void policies_are_shown_as_they_are_in_force(void **state)
{
    (void)state;
    get("/v1/policies");
    assert_int_equal(x.status, 200);
    assert_true(has("{\"policies\":[{\"name\":\"") && has("\"wall_ms\":5000"));
    assert_true(has("\"modules\":[\"") && has("\"tiers\":[\"compute\",\"time\"]"));
    end(true);
    get("/v1/policies/nosuch");
    expect_problem(404, "policy-not-found");
}

static void one_policy_is_good_json_and_hides_paths_of_the_host(void **state)
{
    const struct cl_json_caps caps = CL_JSON_CAPS(1 << 20);
    char path[128];
    struct cl_err err = CL_ERR_INIT;
    size_t at = 0;

    (void)state;
    snprintf(path, sizeof(path), "/v1/policies/%s", fake.sample.head.name);
    get(path);
    assert_int_equal(x.status, 200);
    assert_works(cl_json_check(exchange_fake_text(&x), x.body.length, &caps, NULL, &at, &err),
                 &err);
    assert_false(has(fake.sample.binds));
    end(true);
}

static void health_needs_no_token(void **state)
{
    (void)state;
    request("GET", "/healthz");
    x.head.field_count = 0;
    cl_visit_calls.on_head(&x, &fake.app);
    cl_visit_calls.on_body(&x, "", 0);
    assert_int_equal(x.status, 200);
    end(true);
}

static void ready_needs_a_spare_and_no_drain(void **state)
{
    cl_close_auto int worker = -1;

    (void)state;
    get("/readyz");
    expect_problem(503, "not-ready");
    worker = api_fake_offer(&fake, true);
    get("/readyz");
    assert_int_equal(x.status, 200);
    assert_true(has("\"generation\":1"));
    end(true);
    fake.app.is_draining = true;
    get("/readyz");
    expect_problem(503, "not-ready");
}

static void metrics_count(void **state)
{
    cl_close_auto int worker = api_fake_offer(&fake, true);

    (void)state;
    (void)worker;
    get("/metrics");
    assert_int_equal(x.status, 200);
    assert_true(has("cloche_spare_jails{policy=\"sample-1\"} 1\n") &&
                has("cloche_connections 7\n"));
    end(true);
    request("GET", "/metrics");
    x.head.field_count = 0;
    cl_visit_calls.on_head(&x, &fake.app);
    expect_problem(401, "unauthorized");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(a_plain_call_is_answered_with_its_envelope),
        CASE(an_answer_that_outgrows_the_room_ends_its_call),
        CASE(a_call_without_room_never_starts),
        CASE(a_call_pays_for_what_it_holds),
        CASE(streams_say_started_first_and_end_last),
        CASE(logs_and_progress_are_events),
        CASE(a_stream_waits_for_its_client),
        CASE(a_client_that_leaves_cancels_unless_detached),
        CASE(artifacts_come_with_the_envelope),
        CASE(traceparent_goes_to_the_jail_if_it_is_one),
        CASE(requests_that_cannot_be_are_refused_by_the_head),
        CASE(wrong_types_are_415),
        CASE(announced_bodies_over_the_cap_are_413_with_the_limit),
        CASE(tokens_are_asked_for),
        CASE(what_needs_the_store_waits_for_it),
        CASE(other_queries_and_policies_are_refused),
        CASE(a_full_queue_is_503_with_retry_after),
        CASE(policies_are_shown_as_they_are_in_force),
        CASE(one_policy_is_good_json_and_hides_paths_of_the_host),
        CASE(health_needs_no_token),
        CASE(ready_needs_a_spare_and_no_drain),
        CASE(metrics_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
