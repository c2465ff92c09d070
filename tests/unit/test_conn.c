/* SPDX-License-Identifier: Apache-2.0 */
/* One connection over a real socket: answers, order, bodies, and requests that mean harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <event2/event.h>

#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "tests/support/http_peer.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK_LINE   "HTTP/1.1 200 OK\r\n"

static int open_default(void **state)
{
    return peer_fixture_open(state, &cl_http_caps_default);
}

/* --------------------------------------------------------------------------------- answers */

static void conn_answers_with_the_promised_head(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/hello"));
    peer_assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_status(&f->client), 200);
    assert_int_equal(peer_count(&f->client, "Content-Length: 5\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "Content-Type: text/plain\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "Cache-Control: no-store\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "X-Content-Type-Options: nosniff\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "Server: cloche\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "\r\nDate: "), 1);
    assert_int_equal(peer_count(&f->client, " GMT\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "Connection:"), 0);
    assert_int_equal(f->peer.ends_complete, 1);
}

static void conn_is_reused(void **state)
{
    struct peer_fixture *f = *state;

    for (unsigned i = 1; i <= 20; i++) {
        peer_say(&f->client, GET("/hello"));
        assert_true(peer_hears(&f->client, "\r\n\r\nhello", i));
    }
    assert_int_equal(cl_http_server_connections(f->peer.server), 1);
    assert_int_equal(f->peer.ends_complete, 20);
}

static void conn_takes_a_request_byte_by_byte(void **state)
{
    static const char request[] =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        "\r\n3\r\nabc\r\n1\r\nz\r\n0\r\n\r\n";
    struct peer_fixture *f = *state;

    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        peer_send(&f->client, request + i, 1);
        peer_turn(&f->peer);
    }
    peer_assert_hears(&f->client, "\r\n\r\nabcz");
    assert_int_equal(peer_count(&f->client, "\r\n\r\nbody"), 1);
    assert_int_equal(f->peer.bodies, 2);
}

static void conn_answers_pipelined_requests_in_order(void **state)
{
    char body[8], request[256];
    struct peer_fixture *f = *state;
    size_t from = 0;

    for (int i = 0; i < 100; i++) {
        snprintf(request, sizeof(request),
                 "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n<%03d>", i);
        peer_say(&f->client, request);
    }
    peer_assert_hears(&f->client, "<099>");
    for (int i = 0; i < 100; i++) {
        snprintf(body, sizeof(body), "<%03d>", i);
        char *at = memmem(f->client.in.bytes + from, f->client.in.length - from, body, 5);
        assert_non_null(at);
        from = (size_t)(at - (char *)f->client.in.bytes);
    }
}

/* Whoever sends hundreds of requests in one go does not keep others waiting for all the answers. */
static void conn_with_many_requests_leaves_turns_to_others(void **state)
{
    struct peer_fixture *f = *state;
    struct peer_client other = peer_connect(&f->peer);
    static const char one[] = GET("/hello");
    CL_AUTO(cl_buf_fini) struct cl_buf many = CL_BUF_INIT(1 << 20);
    struct cl_err err = CL_ERR_INIT;

    peer_say(&other, one);
    peer_assert_hears(&other, "\r\n\r\nhello");
    for (int i = 0; i < 300; i++)
        cl_buf_put_text(&many, one, &err);
    assert_int_equal(send(f->client.fd, many.bytes, many.length, 0), (ssize_t)many.length);
    assert_int_equal(send(other.fd, one, sizeof(one) - 1, 0), (ssize_t)sizeof(one) - 1);
    for (int turns = 0; peer_count(&other, "\r\n\r\nhello") < 2 && turns < 1000; turns++) {
        event_base_loop(f->peer.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        peer_read(&other);
    }
    assert_in_range(f->peer.heads, 3, 10);
    assert_true(peer_hears(&f->client, "\r\n\r\nhello", 300));
    peer_hang_up(&other);
}

static void conn_answers_what_came_before_the_end_of_the_input(void **state)
{
    struct peer_fixture *f = *state;

    for (int i = 0; i < 10; i++)
        peer_say(&f->client, GET("/hello"));
    shutdown(f->client.fd, SHUT_WR);
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_count(&f->client, "\r\n\r\nhello"), 10);
}

static void conn_whose_input_has_ended_begins_nothing_that_lasts(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/hello") GET("/hello") GET("/hold") GET("/hello"));
    shutdown(f->client.fd, SHUT_WR);
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_count(&f->client, "\r\n\r\nhello"), 2);
    assert_null(f->peer.held);
}

static void conn_starts_a_request_only_when_the_one_before_is_answered(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/hold") GET("/hello"));
    peer_turn_for(&f->peer, 30);
    assert_int_equal(f->peer.heads, 1);
    cl_exchange_answer(f->peer.held, 200, "text/plain", "held", 4);
    peer_assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_count(&f->client, "\r\n\r\nheld"), 1);
}

static void conn_closes_when_asked(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_true(peer_hears_end(&f->client));
    assert_false(f->client.saw_reset);
    assert_int_equal(peer_count(&f->client, "Connection: close\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "\r\n\r\nhello"), 1);
}

static void conn_of_http10_closes_unless_asked(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    peer_assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_count(&f->client, "Connection: keep-alive\r\n"), 1);
    peer_say(&f->client, "GET /hello HTTP/1.0\r\n\r\n");
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_count(&f->client, "Connection: close\r\n"), 1);
}

static void conn_answers_head_without_a_body(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                         "HEAD /buffer HTTP/1.1\r\nHost: a\r\n\r\n"
                         "HEAD /stream?3 HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello"));
    peer_assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_count(&f->client, "hello"), 1);
    assert_int_equal(peer_count(&f->client, "Content-Length: 5\r\n"), 2);
    assert_int_equal(peer_count(&f->client, "Content-Length: 6\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "xxx"), 0);
    assert_int_equal(peer_count(&f->client, "0\r\n\r\n"), 0);
}

static void conn_answers_from_a_buffer(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/buffer"));
    peer_assert_hears(&f->client, "Content-Length: 6\r\n");
    peer_assert_hears(&f->client, "\r\n\r\nbuffer");
}

static void conn_leaves_out_headers_that_may_not_be_sent(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/header"));
    peer_assert_hears(&f->client, "\r\n\r\nheaders");
    assert_int_equal(peer_count(&f->client, "X-Good: yes\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "X-Injected"), 0);
    assert_int_equal(peer_count(&f->client, "X Space"), 0);
    assert_int_equal(peer_count(&f->client, "Content-Length"), 1);
    assert_int_equal(peer_count(&f->client, "ncoding"), 0);
}

static void conn_lets_the_first_answer_stand(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/hold"));
    peer_turn_for(&f->peer, 20);
    cl_exchange_answer(f->peer.held, 200, "text/plain", "first", 5);
    cl_exchange_answer(f->peer.held, 200, "text/plain", "second", 6);
    cl_exchange_begin(f->peer.held, 200, "text/plain");
    cl_exchange_abort(f->peer.held);
    peer_assert_hears(&f->client, "\r\n\r\nfirst");
    peer_say(&f->client, GET("/hello"));
    peer_assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_count(&f->client, OK_LINE), 2);
}

static void conn_sends_no_body_with_204(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/hold"));
    peer_turn_for(&f->peer, 20);
    cl_exchange_answer(f->peer.held, 204, NULL, NULL, 0);
    peer_say(&f->client, GET("/hello"));
    peer_assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_status(&f->client), 204);
    assert_int_equal(peer_count(&f->client, "Content-Length"), 1);
}

static void conn_tells_problems_as_json(void **state)
{
    struct peer_fixture *f = *state;
    struct cl_err err = CL_ERR_INIT;

    peer_say(&f->client, GET("/hold"));
    peer_turn_for(&f->peer, 20);
    cl_fail(&err, CL_E_BUSY, "all \"slots\" are taken");
    cl_exchange_fail(f->peer.held, &err);
    peer_assert_hears(&f->client, "\"detail\":\"all \\\"slots\\\" are taken\"}");
    assert_int_equal(peer_status(&f->client), 503);
    assert_int_equal(peer_count(&f->client, "Content-Type: application/problem+json\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "Retry-After: 1\r\n"), 1);

    peer_say(&f->client, GET("/hold"));
    peer_turn_for(&f->peer, 20);
    cl_fail(&err, CL_E_SYS, "open /secret/place");
    cl_exchange_fail(f->peer.held, &err);
    peer_assert_hears(&f->client, "HTTP/1.1 500 ");
    assert_int_equal(peer_count(&f->client, "secret"), 0);
}

/* ---------------------------------------------------------------------------------- bodies */

static void conn_takes_a_large_body(void **state)
{
    static const char head[] =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n";
    struct peer_fixture *f = *state;
    cl_free_auto char *body = malloc(1 << 20);

    memset(body, 'b', 1 << 20);
    body[0] = '<';
    body[(1 << 20) - 1] = '>';
    peer_say(&f->client, head);
    peer_send(&f->client, body, 1 << 20);
    peer_assert_hears(&f->client, "b>");
    uint8_t *at = memmem(f->client.in.bytes, f->client.in.length, "\r\n\r\n<", 5);
    assert_non_null(at);
    assert_memory_equal(at + 4, body, 1 << 20);
}

static void conn_refuses_a_body_that_is_announced_too_large(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 413);
    assert_int_equal(f->peer.bodies, 0);
    assert_int_equal(f->peer.ends_complete, 1);
}

static void conn_refuses_a_body_that_grows_too_large(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "8\r\n12345678\r\n1\r\n9\r\n0\r\n\r\n" GET("/hello"));
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 413);
    assert_int_equal(f->peer.bodies, 0);
    assert_int_equal(peer_count(&f->client, "HTTP/1.1 "), 1);
}

static void conn_takes_a_body_at_its_cap(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client,
             "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n12345678");
    peer_assert_hears(&f->client, "\r\n\r\n12345678");
}

static void conn_refuses_a_body_where_none_is_taken(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 413);
}

/* The client writes on while the refusal is on its way: no RST may destroy it. */
static void conn_refusal_reaches_a_client_that_keeps_writing(void **state)
{
    struct peer_fixture *f = *state;
    cl_free_auto char *body = calloc(1, 8 << 20);

    peer_say(&f->client, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n");
    peer_send(&f->client, body, 8 << 20);
    assert_true(peer_hears_end(&f->client));
    assert_false(f->client.saw_reset);
    assert_int_equal(peer_status(&f->client), 413);
}

static void conn_answer_before_the_body_closes(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client,
             "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\n" GET("/hello"));
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 401);
    assert_int_equal(peer_count(&f->client, "Connection: close\r\n"), 1);
    assert_int_equal(f->peer.heads, 1);
    assert_int_equal(f->peer.bodies, 0);
}

static void conn_answer_from_the_head_without_a_body_keeps_alive(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/early") GET("/hello"));
    peer_assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_status(&f->client), 401);
    assert_int_equal(f->peer.bodies, 1);
}

#define EXPECT(path, length)                                                                   \
    "POST " path " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: " length     \
    "\r\n\r\n"

static void conn_says_100_when_the_body_is_welcome(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, EXPECT("/echo", "4"));
    peer_assert_hears(&f->client, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(f->peer.bodies, 0);
    peer_say(&f->client, "body");
    peer_assert_hears(&f->client, "\r\n\r\nbody");
    assert_int_equal(peer_count(&f->client, "100 Continue"), 1);
}

static void conn_says_no_100_when_the_body_came_along(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, EXPECT("/echo", "4") "body");
    peer_assert_hears(&f->client, "\r\n\r\nbody");
    assert_int_equal(peer_status(&f->client), 200);
}

static void conn_says_no_100_when_the_body_is_not_welcome(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, EXPECT("/small", "9"));
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 413);
}

/* ------------------------------------------------------------------------- what is hostile */

struct hostile {
    const char *bytes;
    size_t length;
    int status;
};

#define HOSTILE(bytes, status)                                                                 \
    {                                                                                          \
        (bytes), sizeof(bytes) - 1, (status)                                                   \
    }
#define POST     "POST /echo HTTP/1.1\r\nHost: a\r\n"
#define SMUGGLED "1b\r\n" GET("/hello") "\r\n0\r\n\r\n"

/* Each once made some server see two requests where another sees one. */
static const struct hostile hostile[] = {
    HOSTILE(POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc" GET("/hello"), 400),
    HOSTILE(POST "Content-Length: +3\r\n\r\nabc" GET("/hello"), 400),
    HOSTILE(POST "Content-Length : 3\r\n\r\nabc" GET("/hello"), 400),
    HOSTILE(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" SMUGGLED, 400),
    HOSTILE(POST "Transfer-Encoding: xchunked\r\n\r\n" SMUGGLED, 501),
    HOSTILE(POST "Transfer-Encoding: chunked\x0b\r\n\r\n" SMUGGLED, 400),
    HOSTILE(POST "Transfer-Encoding: \0chunked\r\n\r\n" SMUGGLED, 400),
    HOSTILE(POST "Transfer-Encoding : chunked\r\n\r\n" SMUGGLED, 400),
    HOSTILE(POST "Transfer-Encoding: Chunked;q=1\r\n\r\n" SMUGGLED, 501),
    HOSTILE(POST "Transfer-Encoding: gzip, chunked\r\n\r\n" SMUGGLED, 501),
    HOSTILE(POST "Transfer-Encoding:\r\n chunked\r\n\r\n" SMUGGLED, 400),
    HOSTILE(POST "Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\n\r\n" GET("/hello"),
            400),
    HOSTILE(POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n" GET("/hello"), 400),
    HOSTILE(POST "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n" GET("/hello"), 400),
    HOSTILE(POST "Na\0me: v\r\n\r\n" GET("/hello"), 400),
    HOSTILE(POST "Name: v\0v\r\n\r\n" GET("/hello"), 400),
    HOSTILE(POST ": v\r\n\r\n" GET("/hello"), 400),
    HOSTILE(POST "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n" GET("/hello"),
            400),
    HOSTILE(POST "Authorization: Bearer a\0\r\n\r\n" GET("/hello"), 400),
    HOSTILE("GET  /hello HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello"), 400),
    HOSTILE("GET /hello\x7f HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello"), 400),
    HOSTILE("GET http://b/hello HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello"), 400),
    HOSTILE("GET /%2e%2e/hello HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello"), 400),
    HOSTILE("GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello"), 400),
    HOSTILE("GET /hello HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n" GET("/hello"), 501),
    HOSTILE("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello"), 501),
    HOSTILE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" GET("/hello"), 505),
    HOSTILE(POST "Expect: a\r\n\r\n" GET("/hello"), 417),
    HOSTILE(POST "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\n.", 415),
};

static void conn_answers_hostile_requests_once_and_closes(void **state)
{
    struct peer_fixture *f = *state;

    for (size_t i = 0; i < CL_COUNT(hostile); i++) {
        struct peer_client client = peer_connect(&f->peer);
        peer_send(&client, hostile[i].bytes, hostile[i].length);
        if (!peer_hears_end(&client) || client.saw_reset ||
            peer_status(&client) != hostile[i].status ||
            peer_count(&client, "HTTP/1.1 ") != 1 ||
            peer_count(&client, "Connection: close\r\n") != 1)
            fail_msg("%d wanted for: %s\ngot: %.*s", hostile[i].status, hostile[i].bytes,
                     (int)client.in.length, (char *)client.in.bytes);
        peer_hang_up(&client);
    }
    assert_int_equal(f->peer.bodies, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_default, peer_fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(conn_answers_with_the_promised_head),
        CASE(conn_is_reused),
        CASE(conn_takes_a_request_byte_by_byte),
        CASE(conn_answers_pipelined_requests_in_order),
        CASE(conn_with_many_requests_leaves_turns_to_others),
        CASE(conn_answers_what_came_before_the_end_of_the_input),
        CASE(conn_whose_input_has_ended_begins_nothing_that_lasts),
        CASE(conn_starts_a_request_only_when_the_one_before_is_answered),
        CASE(conn_closes_when_asked),
        CASE(conn_of_http10_closes_unless_asked),
        CASE(conn_answers_head_without_a_body),
        CASE(conn_answers_from_a_buffer),
        CASE(conn_leaves_out_headers_that_may_not_be_sent),
        CASE(conn_lets_the_first_answer_stand),
        CASE(conn_sends_no_body_with_204),
        CASE(conn_tells_problems_as_json),
        CASE(conn_takes_a_large_body),
        CASE(conn_refuses_a_body_that_is_announced_too_large),
        CASE(conn_refuses_a_body_that_grows_too_large),
        CASE(conn_takes_a_body_at_its_cap),
        CASE(conn_refuses_a_body_where_none_is_taken),
        CASE(conn_refusal_reaches_a_client_that_keeps_writing),
        CASE(conn_answer_before_the_body_closes),
        CASE(conn_answer_from_the_head_without_a_body_keeps_alive),
        CASE(conn_says_100_when_the_body_is_welcome),
        CASE(conn_says_no_100_when_the_body_came_along),
        CASE(conn_says_no_100_when_the_body_is_not_welcome),
        CASE(conn_answers_hostile_requests_once_and_closes),
    };

    cl_log_open("test", CL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
