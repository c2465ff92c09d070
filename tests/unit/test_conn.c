/* SPDX-License-Identifier: Apache-2.0 */
/* One connection over a real socket: order, deadlines, caps, clients that misbehave or vanish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "tests/support/http_peer.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK_LINE "HTTP/1.1 200 OK\r\n"

/* Deadlines short enough to wait for. */
static const struct cl_http_caps quick = {
    .connections = 64,
    .head_bytes = 16384,
    .fields = 64,
    .head_ms = 250,
    .body_ms = 600,
    .body_grace_ms = 100,
    .body_rate = 100,
    .idle_ms = 250,
    .write_ms = 250,
    .output_bytes = 1 << 20,
};

struct fixture {
    struct peer_server peer;
    struct peer_client client;
};

static int open_with(void **state, const struct cl_http_caps *caps)
{
    struct fixture *f = calloc(1, sizeof(*f));

    peer_open(&f->peer, caps);
    f->client = peer_connect(&f->peer);
    *state = f;
    return 0;
}

static int open_default(void **state)
{
    return open_with(state, &cl_http_caps_default);
}

static int open_quick(void **state)
{
    return open_with(state, &quick);
}

/* Every test ends with no connection left behind and every exchange ended once. */
static int close_all(void **state)
{
    struct fixture *f = *state;

    peer_hang_up(&f->client);
    for (int i = 0; i < 1000 && cl_http_server_connections(f->peer.server) > 0; i++)
        peer_turn_for(&f->peer, 5);
    assert_int_equal(cl_http_server_connections(f->peer.server), 0);
    assert_int_equal(f->peer.heads, f->peer.ends_complete + f->peer.ends_gone);
    peer_close(&f->peer);
    free(f);
    return 0;
}

static void assert_hears(struct peer_client *client, const char *text)
{
    if (!peer_hears(client, text, 1))
        fail_msg("'%s' is not in: %.*s", text, (int)client->in.length, (char *)client->in.bytes);
}

/* ------------------------------------------------------------------------------- answers */

static void conn_answers_with_the_promised_head(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, GET("/hello"));
    assert_hears(&f->client, "\r\n\r\nhello");
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
    struct fixture *f = *state;

    for (unsigned i = 1; i <= 20; i++) {
        peer_say(&f->client, GET("/hello"));
        assert_true(peer_hears(&f->client, "\r\n\r\nhello", i));
    }
    assert_int_equal(cl_http_server_connections(f->peer.server), 1);
    assert_int_equal(f->peer.ends_complete, 20);
}

static void conn_takes_a_request_byte_by_byte(void **state)
{
    static const char request[] = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
                                  "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                                  "\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        peer_send(&f->client, request + i, 1);
        peer_turn(&f->peer);
    }
    assert_hears(&f->client, "\r\n\r\nabcd");
    assert_int_equal(peer_count(&f->client, "\r\n\r\nbody"), 1);
    assert_int_equal(f->peer.bodies, 2);
}

static void conn_answers_pipelined_requests_in_order(void **state)
{
    char body[8], request[256], *at;
    struct fixture *f = *state;
    size_t from = 0;

    for (int i = 0; i < 100; i++) {
        snprintf(request, sizeof(request),
                 "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n<%03d>", i);
        peer_say(&f->client, request);
    }
    assert_hears(&f->client, "<099>");
    for (int i = 0; i < 100; i++) {
        snprintf(body, sizeof(body), "<%03d>", i);
        at = memmem(f->client.in.bytes + from, f->client.in.length - from, body, 5);
        assert_non_null(at);
        from = (size_t)(at - (char *)f->client.in.bytes);
    }
}

static void conn_starts_a_request_only_when_the_one_before_is_answered(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, GET("/hold") GET("/hello"));
    peer_turn_for(&f->peer, 30);
    assert_int_equal(f->peer.heads, 1);
    cl_exchange_answer(f->peer.held, 200, "text/plain", "held", 4);
    assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_count(&f->client, "\r\n\r\nheld"), 1);
}

static void conn_closes_when_asked(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_true(peer_hears_end(&f->client));
    assert_false(f->client.saw_reset);
    assert_int_equal(peer_count(&f->client, "Connection: close\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "\r\n\r\nhello"), 1);
}

static void conn_of_http10_closes_unless_asked(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_count(&f->client, "Connection: keep-alive\r\n"), 1);
    peer_say(&f->client, "GET /hello HTTP/1.0\r\n\r\n");
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_count(&f->client, "Connection: close\r\n"), 1);
}

static void conn_answers_head_without_a_body(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                         "HEAD /buffer HTTP/1.1\r\nHost: a\r\n\r\n"
                         "HEAD /stream?3 HTTP/1.1\r\nHost: a\r\n\r\n" GET("/hello"));
    assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_count(&f->client, "hello"), 1);
    assert_int_equal(peer_count(&f->client, "Content-Length: 5\r\n"), 2);
    assert_int_equal(peer_count(&f->client, "Content-Length: 6\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "xxx"), 0);
    assert_int_equal(peer_count(&f->client, "0\r\n\r\n"), 0);
}

static void conn_answers_from_a_buffer(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, GET("/buffer"));
    assert_hears(&f->client, "Content-Length: 6\r\n");
    assert_hears(&f->client, "\r\n\r\nbuffer");
}

static void conn_leaves_out_headers_that_may_not_be_sent(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, GET("/header"));
    assert_hears(&f->client, "\r\n\r\nheaders");
    assert_int_equal(peer_count(&f->client, "X-Good: yes\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "X-Injected"), 0);
    assert_int_equal(peer_count(&f->client, "X Space"), 0);
    assert_int_equal(peer_count(&f->client, "Content-Length"), 1);
    assert_int_equal(peer_count(&f->client, "ncoding"), 0);
}

static void conn_lets_the_first_answer_stand(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, GET("/hold"));
    peer_turn_for(&f->peer, 20);
    cl_exchange_answer(f->peer.held, 200, "text/plain", "first", 5);
    cl_exchange_answer(f->peer.held, 200, "text/plain", "second", 6);
    cl_exchange_begin(f->peer.held, 200, "text/plain");
    cl_exchange_abort(f->peer.held);
    assert_hears(&f->client, "\r\n\r\nfirst");
    peer_say(&f->client, GET("/hello"));
    assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_count(&f->client, OK_LINE), 2);
}

static void conn_sends_no_body_with_204(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, GET("/hold"));
    peer_turn_for(&f->peer, 20);
    cl_exchange_answer(f->peer.held, 204, NULL, NULL, 0);
    peer_say(&f->client, GET("/hello"));
    assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_status(&f->client), 204);
    assert_int_equal(peer_count(&f->client, "Content-Length"), 1);
}

static void conn_tells_problems_as_json(void **state)
{
    struct fixture *f = *state;
    struct cl_err err = CL_ERR_INIT;

    peer_say(&f->client, GET("/hold"));
    peer_turn_for(&f->peer, 20);
    cl_fail(&err, CL_E_BUSY, "all \"slots\" are taken");
    cl_exchange_fail(f->peer.held, &err);
    assert_hears(&f->client, "\"detail\":\"all \\\"slots\\\" are taken\"}");
    assert_int_equal(peer_status(&f->client), 503);
    assert_int_equal(peer_count(&f->client, "Content-Type: application/problem+json\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "Retry-After: 1\r\n"), 1);

    peer_say(&f->client, GET("/hold"));
    peer_turn_for(&f->peer, 20);
    cl_fail(&err, CL_E_SYS, "open /secret/place");
    cl_exchange_fail(f->peer.held, &err);
    assert_hears(&f->client, "HTTP/1.1 500 ");
    assert_int_equal(peer_count(&f->client, "secret"), 0);
}

/* -------------------------------------------------------------------------------- bodies */

static void conn_takes_a_large_body(void **state)
{
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n";
    struct fixture *f = *state;
    cl_free_auto char *body = malloc(1 << 20);

    memset(body, 'b', 1 << 20);
    body[0] = '<';
    body[(1 << 20) - 1] = '>';
    peer_say(&f->client, head);
    peer_send(&f->client, body, 1 << 20);
    assert_hears(&f->client, "b>");
    uint8_t *at = memmem(f->client.in.bytes, f->client.in.length, "\r\n\r\n<", 5);
    assert_non_null(at);
    assert_memory_equal(at + 4, body, 1 << 20);
}

static void conn_refuses_a_body_that_is_announced_too_large(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 413);
    assert_int_equal(f->peer.bodies, 0);
    assert_int_equal(f->peer.ends_complete, 1);
}

static void conn_refuses_a_body_that_grows_too_large(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "8\r\n12345678\r\n1\r\n9\r\n0\r\n\r\n" GET("/hello"));
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 413);
    assert_int_equal(f->peer.bodies, 0);
    assert_int_equal(peer_count(&f->client, "HTTP/1.1 "), 1);
}

static void conn_takes_a_body_at_its_cap(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n12345678");
    assert_hears(&f->client, "\r\n\r\n12345678");
}

static void conn_refuses_a_body_where_none_is_taken(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 413);
}

/* The client writes on while the refusal is on its way: no RST may destroy it. */
static void conn_refusal_reaches_a_client_that_keeps_writing(void **state)
{
    struct fixture *f = *state;
    cl_free_auto char *body = calloc(1, 512 << 10);

    peer_say(&f->client, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 524288\r\n\r\n");
    peer_send(&f->client, body, 512 << 10);
    assert_true(peer_hears_end(&f->client));
    assert_false(f->client.saw_reset);
    assert_int_equal(peer_status(&f->client), 413);
}

static void conn_answer_before_the_body_closes(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 27\r\n\r\n" GET("/hello"));
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 401);
    assert_int_equal(peer_count(&f->client, "Connection: close\r\n"), 1);
    assert_int_equal(f->peer.heads, 1);
    assert_int_equal(f->peer.bodies, 0);
}

static void conn_answer_from_the_head_without_a_body_keeps_alive(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, GET("/early") GET("/hello"));
    assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_status(&f->client), 401);
    assert_int_equal(f->peer.bodies, 1);
}

#define EXPECT(path, length)                                                                    \
    "POST " path " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: " length "\r\n\r\n"

static void conn_says_100_when_the_body_is_welcome(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, EXPECT("/echo", "4"));
    assert_hears(&f->client, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(f->peer.bodies, 0);
    peer_say(&f->client, "body");
    assert_hears(&f->client, "\r\n\r\nbody");
    assert_int_equal(peer_count(&f->client, "100 Continue"), 1);
}

static void conn_says_no_100_when_the_body_came_along(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, EXPECT("/echo", "4") "body");
    assert_hears(&f->client, "\r\n\r\nbody");
    assert_int_equal(peer_status(&f->client), 200);
}

static void conn_says_no_100_when_the_body_is_not_welcome(void **state)
{
    struct fixture *f = *state;

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

#define HOSTILE(bytes, status) { (bytes), sizeof(bytes) - 1, (status) }
#define POST "POST /echo HTTP/1.1\r\nHost: a\r\n"
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
    HOSTILE(POST "Transfer-Encoding:\r\n chunked\r\n\r\n" SMUGGLED, 501),
    HOSTILE(POST "Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\n\r\n" GET("/hello"), 400),
    HOSTILE(POST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n" GET("/hello"), 400),
    HOSTILE(POST "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n" GET("/hello"), 400),
    HOSTILE(POST "Na\0me: v\r\n\r\n" GET("/hello"), 400),
    HOSTILE(POST "Name: v\0v\r\n\r\n" GET("/hello"), 400),
    HOSTILE(POST ": v\r\n\r\n" GET("/hello"), 400),
    HOSTILE(POST "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n" GET("/hello"), 400),
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
    struct fixture *f = *state;

    for (size_t i = 0; i < CL_COUNT(hostile); i++) {
        struct peer_client client = peer_connect(&f->peer);
        peer_send(&client, hostile[i].bytes, hostile[i].length);
        if (!peer_hears_end(&client) || client.saw_reset ||
            peer_status(&client) != hostile[i].status || peer_count(&client, "HTTP/1.1 ") != 1 ||
            peer_count(&client, "Connection: close\r\n") != 1)
            fail_msg("%d wanted for: %s\ngot: %.*s", hostile[i].status, hostile[i].bytes,
                     (int)client.in.length, (char *)client.in.bytes);
        peer_hang_up(&client);
    }
    assert_int_equal(f->peer.bodies, 0);
}

/* ------------------------------------------------------------------------------ deadlines */

static uint64_t ms_since(uint64_t start_us)
{
    return (cl_clock_us() - start_us) / 1000;
}

static void conn_ends_a_head_that_trickles(void **state)
{
    struct fixture *f = *state;
    uint64_t start_us = cl_clock_us();

    peer_say(&f->client, "GET / HTTP/1.1\r\nX: ");
    while (!f->client.saw_end && ms_since(start_us) < 5000) {
        peer_say(&f->client, "a");
        peer_turn_for(&f->peer, 20);
        peer_read(&f->client);
    }
    assert_true(f->client.saw_end);
    assert_int_equal(peer_status(&f->client), 408);
    assert_in_range(ms_since(start_us), 200, 1500);
    assert_int_equal(f->peer.heads, 0);
}

static void conn_ends_silently_when_nothing_comes(void **state)
{
    struct fixture *f = *state;

    assert_true(peer_hears_end(&f->client));
    assert_int_equal(f->client.in.length, 0);
}

static void conn_ends_silently_when_idle_after_a_request(void **state)
{
    struct fixture *f = *state;
    uint64_t start_us = cl_clock_us();

    peer_say(&f->client, GET("/hello"));
    assert_true(peer_hears_end(&f->client));
    assert_in_range(ms_since(start_us), 200, 1500);
    assert_int_equal(peer_count(&f->client, "HTTP/1.1 "), 1);
    assert_int_equal(f->peer.ends_complete, 1);
}

static void conn_ends_a_body_that_stops(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, POST "Content-Length: 10\r\n\r\nabc");
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 408);
    assert_int_equal(f->peer.ends_complete, 1);
}

/* Fast enough for the rate, but the whole body has a deadline too. */
static void conn_ends_a_body_that_never_ends(void **state)
{
    struct fixture *f = *state;
    uint64_t start_us = cl_clock_us();

    peer_say(&f->client, POST "Content-Length: 100000\r\n\r\n");
    while (!f->client.saw_end && ms_since(start_us) < 5000) {
        peer_say(&f->client, "0123456789");
        peer_turn_for(&f->peer, 10);
        peer_read(&f->client);
    }
    assert_int_equal(peer_status(&f->client), 408);
    assert_in_range(ms_since(start_us), 550, 2500);
}

static void conn_ends_a_body_that_is_too_slow(void **state)
{
    struct fixture *f = *state;
    uint64_t start_us = cl_clock_us();

    peer_say(&f->client, POST "Content-Length: 100000\r\n\r\n");
    while (!f->client.saw_end && ms_since(start_us) < 5000) {
        peer_say(&f->client, "0");
        peer_turn_for(&f->peer, 20);
        peer_read(&f->client);
    }
    assert_int_equal(peer_status(&f->client), 408);
    assert_in_range(ms_since(start_us), 80, 500);
}

static void conn_has_no_deadline_while_a_call_runs(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, GET("/hold"));
    peer_turn_for(&f->peer, 900);
    assert_non_null(f->peer.held);
    cl_exchange_answer(f->peer.held, 200, "text/plain", "late", 4);
    assert_hears(&f->client, "\r\n\r\nlate");
}

static void conn_ends_when_the_client_does_not_read(void **state)
{
    struct fixture *f = *state;
    uint64_t start_us = cl_clock_us();

    peer_say(&f->client, GET("/stream?1000"));
    while (f->peer.ends_gone == 0 && ms_since(start_us) < 5000)
        peer_turn_for(&f->peer, 10);
    assert_int_equal(f->peer.ends_gone, 1);
    assert_int_equal(cl_http_server_connections(f->peer.server), 0);
}

/* ------------------------------------------------------------------------ clients that vanish */

static void wait_for_gone(struct fixture *f)
{
    uint64_t start_us = cl_clock_us();

    while (f->peer.ends_gone == 0 && ms_since(start_us) < 5000)
        peer_turn_for(&f->peer, 1);
    assert_int_equal(f->peer.ends_gone, 1);
    assert_null(f->peer.held);
}

static void hold_one(struct fixture *f)
{
    peer_say(&f->client, GET("/hold"));
    peer_turn_for(&f->peer, 20);
    assert_non_null(f->peer.held);
}

static void conn_tells_the_handler_that_the_client_hung_up(void **state)
{
    struct fixture *f = *state;

    hold_one(f);
    peer_hang_up(&f->client);
    wait_for_gone(f);
}

static void conn_tells_the_handler_of_a_reset(void **state)
{
    struct fixture *f = *state;

    hold_one(f);
    peer_reset(&f->client);
    wait_for_gone(f);
}

static void conn_takes_a_half_close_during_a_call_for_gone(void **state)
{
    struct fixture *f = *state;

    hold_one(f);
    shutdown(f->client.fd, SHUT_WR);
    wait_for_gone(f);
}

static void conn_delivers_a_complete_answer_after_a_half_close(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, GET("/hello"));
    shutdown(f->client.fd, SHUT_WR);
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_count(&f->client, "\r\n\r\nhello"), 1);
}

static void conn_notices_the_end_behind_input_that_is_not_read(void **state)
{
    struct fixture *f = *state;
    cl_free_auto char *more = malloc(52 << 10);

    hold_one(f); /* 48 KiB of input are read ahead; the rest and the FIN stay in the kernel */
    memset(more, 'x', 52 << 10);
    peer_send(&f->client, more, 52 << 10);
    peer_turn_for(&f->peer, 50);
    peer_hang_up(&f->client);
    wait_for_gone(f);
}

static void conn_reads_on_after_its_input_was_full(void **state)
{
    static const char request[] = GET("/hello");
    struct fixture *f = *state;
    const unsigned count = (120 << 10) / (sizeof(request) - 1);
    cl_free_auto char *all = malloc(count * (sizeof(request) - 1));

    hold_one(f);
    for (unsigned i = 0; i < count; i++)
        memcpy(all + i * (sizeof(request) - 1), request, sizeof(request) - 1);
    size_t sent = 0;
    for (int i = 0; i < 50; i++) {
        ssize_t more = send(f->client.fd, all + sent, count * (sizeof(request) - 1) - sent,
                            MSG_NOSIGNAL);
        sent += more > 0 ? (size_t)more : 0;
        peer_turn(&f->peer);
    }
    assert_int_equal(f->peer.heads, 1);
    cl_exchange_answer(f->peer.held, 200, "text/plain", "held", 4);
    peer_send(&f->client, all + sent, count * (sizeof(request) - 1) - sent);
    assert_true(peer_hears(&f->client, "\r\n\r\nhello", count));
}

static void conn_ends_the_exchange_when_the_client_goes_in_mid_body(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, POST "Content-Length: 10\r\n\r\nabc");
    peer_turn_for(&f->peer, 20);
    peer_hang_up(&f->client);
    wait_for_gone(f);
    assert_int_equal(f->peer.bodies, 0);
}

static void conn_ends_the_stream_of_a_client_that_goes(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, GET("/stream?100000"));
    assert_hears(&f->client, "xxx");
    peer_reset(&f->client);
    wait_for_gone(f);
}

/* ----------------------------------------------------------------------------------- streams */

static void conn_streams_in_chunks(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, GET("/stream?3") GET("/hello"));
    assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_count(&f->client, "Transfer-Encoding: chunked\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "10000\r\nxxxx"), 3);
    assert_int_equal(peer_count(&f->client, "xx\r\n0\r\n\r\nHTTP/1.1 200 OK"), 1);
    assert_int_equal(f->peer.drains, 4);
}

static void conn_streams_to_http10_until_the_end_of_the_connection(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, "GET /stream?2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(peer_hears_end(&f->client));
    assert_false(f->client.saw_reset);
    assert_int_equal(peer_count(&f->client, "chunked"), 0);
    assert_int_equal(peer_count(&f->client, "Content-Length"), 0);
    assert_int_equal(peer_count(&f->client, "Connection: close\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "x"), 2 * PEER_PIECE);
}

/* 64 MiB would pass through; the server never holds more than one piece of them. */
static void conn_memory_stays_bounded_with_a_slow_reader(void **state)
{
    struct fixture *f = *state;
    size_t received = 0;

    peer_say(&f->client, GET("/stream?1024"));
    for (int i = 0; i < 100; i++)
        peer_turn(&f->peer);
    unsigned drains_before = f->peer.drains;
    for (int i = 0; i < 100; i++)
        peer_turn(&f->peer);
    assert_int_equal(f->peer.drains, drains_before); /* the socket is full, nobody reads */

    uint64_t start_us = cl_clock_us();
    while (f->peer.ends_complete == 0 && ms_since(start_us) < 30000) {
        peer_turn(&f->peer);
        while (peer_read(&f->client)) {
            received += f->client.in.length;
            cl_buf_clear(&f->client.in);
        }
    }
    while (peer_read(&f->client)) {
        received += f->client.in.length;
        cl_buf_clear(&f->client.in);
    }
    assert_int_equal(f->peer.ends_complete, 1);
    assert_true(received > 1024u * PEER_PIECE);
    assert_in_range(f->peer.most_unsent, 1, PEER_PIECE + 64);
}

static void conn_puts_small_pieces_together(void **state)
{
    struct fixture *f = *state;

    hold_one(f);
    cl_exchange_begin(f->peer.held, 200, "text/plain");
    cl_exchange_write(f->peer.held, "one", 3);
    cl_exchange_write(f->peer.held, "", 0);
    cl_exchange_write(f->peer.held, "two", 3);
    assert_false(cl_exchange_is_drained(f->peer.held));
    assert_hears(&f->client, "\r\n\r\n3\r\none\r\n3\r\ntwo\r\n");
    assert_int_equal(f->peer.drains, 1);
    assert_true(cl_exchange_is_drained(f->peer.held));
    cl_exchange_write(f->peer.held, "three", 5);
    cl_exchange_finish(f->peer.held);
    assert_hears(&f->client, "5\r\nthree\r\n0\r\n\r\n");
}

static void conn_breaks_off_without_a_proper_end(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, GET("/break"));
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_count(&f->client, "4\r\nhalf\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "0\r\n\r\n"), 0);
    assert_int_equal(f->peer.ends_gone, 1);
}

static void conn_breaks_off_http10_with_a_reset(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, "GET /break HTTP/1.0\r\n\r\n");
    assert_true(peer_hears_end(&f->client));
    assert_true(f->client.saw_reset);
}

static void conn_breaks_off_a_handler_that_floods(void **state)
{
    struct fixture *f = *state;

    peer_say(&f->client, GET("/flood"));
    peer_turn_for(&f->peer, 50);
    assert_int_equal(f->peer.ends_gone, 1);
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_count(&f->client, "\r\n0\r\n\r\n"), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_default, close_all)
#define QUICK(name) cmocka_unit_test_setup_teardown(name, open_quick, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(conn_answers_with_the_promised_head),
        CASE(conn_is_reused),
        CASE(conn_takes_a_request_byte_by_byte),
        CASE(conn_answers_pipelined_requests_in_order),
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
        QUICK(conn_ends_a_head_that_trickles),
        QUICK(conn_ends_silently_when_nothing_comes),
        QUICK(conn_ends_silently_when_idle_after_a_request),
        QUICK(conn_ends_a_body_that_stops),
        QUICK(conn_ends_a_body_that_never_ends),
        QUICK(conn_ends_a_body_that_is_too_slow),
        QUICK(conn_has_no_deadline_while_a_call_runs),
        QUICK(conn_ends_when_the_client_does_not_read),
        CASE(conn_tells_the_handler_that_the_client_hung_up),
        CASE(conn_tells_the_handler_of_a_reset),
        CASE(conn_takes_a_half_close_during_a_call_for_gone),
        CASE(conn_delivers_a_complete_answer_after_a_half_close),
        CASE(conn_notices_the_end_behind_input_that_is_not_read),
        CASE(conn_reads_on_after_its_input_was_full),
        CASE(conn_ends_the_exchange_when_the_client_goes_in_mid_body),
        CASE(conn_ends_the_stream_of_a_client_that_goes),
        CASE(conn_streams_in_chunks),
        CASE(conn_streams_to_http10_until_the_end_of_the_connection),
        CASE(conn_memory_stays_bounded_with_a_slow_reader),
        CASE(conn_puts_small_pieces_together),
        CASE(conn_breaks_off_without_a_proper_end),
        CASE(conn_breaks_off_http10_with_a_reset),
        CASE(conn_breaks_off_a_handler_that_floods),
    };

    cl_log_open("test", CL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
