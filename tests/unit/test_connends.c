/* SPDX-License-Identifier: Apache-2.0 */
/* How connections and streams end: deadlines, clients that vanish, slow readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "tests/support/http_peer.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST      "POST /echo HTTP/1.1\r\nHost: a\r\n"

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
    .memory_bytes = 64 << 20,
    .write_ms = 250,
    .write_rate = 4096,
    .output_bytes = 1 << 20,
};

static int open_default(void **state)
{
    return peer_fixture_open(state, &cl_http_caps_default);
}

static int open_quick(void **state)
{
    return peer_fixture_open(state, &quick);
}

/* ------------------------------------------------------------------------------- deadlines */

static uint64_t ms_since(uint64_t start_us)
{
    return (cl_clock_us() - start_us) / 1000;
}

static void conn_ends_a_head_that_trickles(void **state)
{
    struct peer_fixture *f = *state;
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
    struct peer_fixture *f = *state;

    assert_true(peer_hears_end(&f->client));
    assert_int_equal(f->client.in.length, 0);
}

static void conn_ends_silently_when_idle_after_a_request(void **state)
{
    struct peer_fixture *f = *state;
    uint64_t start_us = cl_clock_us();

    peer_say(&f->client, GET("/hello"));
    assert_true(peer_hears_end(&f->client));
    assert_in_range(ms_since(start_us), 200, 1500);
    assert_int_equal(peer_count(&f->client, "HTTP/1.1 "), 1);
    assert_int_equal(f->peer.ends_complete, 1);
}

static void conn_ends_a_body_that_stops(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, POST "Content-Length: 10\r\n\r\nabc");
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 408);
    assert_int_equal(f->peer.ends_complete, 1);
}

/* Fast enough for the rate, but the whole body has a deadline too. */
static void conn_ends_a_body_that_never_ends(void **state)
{
    struct peer_fixture *f = *state;
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
    struct peer_fixture *f = *state;
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
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/hold"));
    peer_turn_for(&f->peer, 900);
    assert_non_null(f->peer.held);
    cl_exchange_answer(f->peer.held, 200, "text/plain", "late", 4);
    peer_assert_hears(&f->client, "\r\n\r\nlate");
}

static void conn_ends_when_the_client_does_not_read(void **state)
{
    struct peer_fixture *f = *state;
    uint64_t start_us = cl_clock_us();

    peer_say(&f->client, GET("/stream?1000"));
    while (f->peer.ends_gone == 0 && ms_since(start_us) < 5000)
        peer_turn_for(&f->peer, 10);
    assert_int_equal(f->peer.ends_gone, 1);
    assert_int_equal(cl_http_server_connections(f->peer.server), 0);
}

/* --------------------------------------------------------------------- clients that vanish */

static void wait_for_gone(struct peer_fixture *f)
{
    uint64_t start_us = cl_clock_us();

    while (f->peer.ends_gone == 0 && ms_since(start_us) < 5000)
        peer_turn_for(&f->peer, 1);
    assert_int_equal(f->peer.ends_gone, 1);
    assert_null(f->peer.held);
}

static void hold_one(struct peer_fixture *f)
{
    peer_say(&f->client, GET("/hold"));
    peer_turn_for(&f->peer, 20);
    assert_non_null(f->peer.held);
}

static void conn_tells_the_handler_that_the_client_hung_up(void **state)
{
    struct peer_fixture *f = *state;

    hold_one(f);
    peer_hang_up(&f->client);
    wait_for_gone(f);
}

static void conn_tells_the_handler_of_a_reset(void **state)
{
    struct peer_fixture *f = *state;

    hold_one(f);
    peer_reset(&f->client);
    wait_for_gone(f);
}

static void conn_takes_a_half_close_during_a_call_for_gone(void **state)
{
    struct peer_fixture *f = *state;

    hold_one(f);
    shutdown(f->client.fd, SHUT_WR);
    wait_for_gone(f);
}

static void conn_delivers_a_complete_answer_after_a_half_close(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/hello"));
    shutdown(f->client.fd, SHUT_WR);
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_count(&f->client, "\r\n\r\nhello"), 1);
}

static void conn_notices_the_end_behind_input_that_is_not_read(void **state)
{
    struct peer_fixture *f = *state;
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
    char request[1024];
    struct peer_fixture *f = *state;
    const unsigned count = (120 << 10) / (sizeof(request) - 1);
    cl_free_auto char *all = malloc(count * (sizeof(request) - 1));

    hold_one(f);
    snprintf(request, sizeof(request), "GET /hello HTTP/1.1\r\nHost: a\r\nX: %0*d\r\n\r\n",
             (int)sizeof(request) - 38, 0);
    assert_int_equal(strlen(request), sizeof(request) - 1);
    for (unsigned i = 0; i < count; i++)
        memcpy(all + i * (sizeof(request) - 1), request, sizeof(request) - 1);
    size_t sent = 0;
    for (int i = 0; i < 50; i++) {
        ssize_t more =
            send(f->client.fd, all + sent, count * (sizeof(request) - 1) - sent, MSG_NOSIGNAL);
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
    struct peer_fixture *f = *state;

    peer_say(&f->client, POST "Content-Length: 10\r\n\r\nabc");
    peer_turn_for(&f->peer, 20);
    peer_hang_up(&f->client);
    wait_for_gone(f);
    assert_int_equal(f->peer.bodies, 0);
}

static void conn_ends_the_stream_of_a_client_that_goes(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/stream?100000"));
    peer_assert_hears(&f->client, "xxx");
    peer_reset(&f->client);
    wait_for_gone(f);
}

/* --------------------------------------------------------------------------------- streams */

static void conn_streams_in_chunks(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/stream?3") GET("/hello"));
    peer_assert_hears(&f->client, "\r\n\r\nhello");
    assert_int_equal(peer_count(&f->client, "Transfer-Encoding: chunked\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "10000\r\nxxxx"), 3);
    assert_int_equal(peer_count(&f->client, "xx\r\n0\r\n\r\nHTTP/1.1 200 OK"), 1);
    assert_int_equal(f->peer.drains, 4);
}

static void conn_streams_to_http10_until_the_end_of_the_connection(void **state)
{
    struct peer_fixture *f = *state;

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
    struct peer_fixture *f = *state;
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
    struct peer_fixture *f = *state;

    hold_one(f);
    cl_exchange_begin(f->peer.held, 200, "text/plain");
    cl_exchange_write(f->peer.held, "one", 3);
    cl_exchange_write(f->peer.held, "", 0);
    cl_exchange_write(f->peer.held, "two", 3);
    assert_false(cl_exchange_is_drained(f->peer.held));
    peer_assert_hears(&f->client, "\r\n\r\n3\r\none\r\n3\r\ntwo\r\n");
    assert_int_equal(f->peer.drains, 1);
    assert_true(cl_exchange_is_drained(f->peer.held));
    cl_exchange_write(f->peer.held, "three", 5);
    cl_exchange_finish(f->peer.held);
    peer_assert_hears(&f->client, "5\r\nthree\r\n0\r\n\r\n");
}

static void conn_breaks_off_without_a_proper_end(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/break"));
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_count(&f->client, "4\r\nhalf\r\n"), 1);
    assert_int_equal(peer_count(&f->client, "0\r\n\r\n"), 0);
    assert_int_equal(f->peer.ends_gone, 1);
}

static void conn_breaks_off_http10_with_a_reset(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, "GET /break HTTP/1.0\r\n\r\n");
    assert_true(peer_hears_end(&f->client));
    assert_true(f->client.saw_reset);
}

static void conn_breaks_off_a_handler_that_floods(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, GET("/flood"));
    peer_turn_for(&f->peer, 50);
    assert_int_equal(f->peer.ends_gone, 1);
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_count(&f->client, "\r\n0\r\n\r\n"), 0);
}

#define CASE(name)  cmocka_unit_test_setup_teardown(name, open_default, peer_fixture_close)
#define QUICK(name) cmocka_unit_test_setup_teardown(name, open_quick, peer_fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
