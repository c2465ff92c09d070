/* SPDX-License-Identifier: Apache-2.0 */
/* What a client sends behind its last answer: dropped so that it sees the answer, but only so much
 * of it in a second, of all clients together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "api/http1/conn.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "tests/support/http_peer.h"

#define REFUSED "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n"

enum { MIB = 1 << 20, CLIENTS = 4 };

static const char text[MIB];

static int open_default(void **state)
{
    return peer_fixture_open(state, &cl_http_caps_default);
}

/* What the kernel takes now of `most` bytes. */
static size_t offer(struct peer_client *client, size_t most)
{
    ssize_t sent = send(client->fd, text, most < MIB ? most : MIB, MSG_NOSIGNAL | MSG_DONTWAIT);

    return sent > 0 ? (size_t)sent : 0;
}

/* Sends as fast as the server lets it, up to `most` bytes or for `ms`; how many went. */
static size_t pour(struct peer_client *client, size_t most, unsigned ms)
{
    uint64_t end_us = cl_clock_us() + (uint64_t)ms * 1000;
    size_t sent = 0;

    while (sent < most && cl_clock_us() < end_us) {
        sent += offer(client, most - sent);
        peer_turn(client->server);
    }
    return sent;
}

static void linger_hears_out_a_client_that_sends_first_and_reads_later(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, REFUSED);
    peer_send(&f->client, text, MIB);
    assert_int_equal(pour(&f->client, 16 * MIB, PEER_WAIT_MS), 16 * MIB);
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 413);
    assert_false(f->client.saw_reset);
}

/* More than the burst, by more clients than one connection's share would stop. */
static void linger_drops_a_burst_and_then_no_more_than_its_rate(void **state)
{
    struct peer_fixture *f = *state;
    struct cl_http_server *server = f->peer.server;
    struct peer_client clients[CLIENTS];
    uint64_t start_us = cl_clock_us(), dropped = 0;

    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = peer_connect(&f->peer);
        peer_say(&clients[i], REFUSED);
        peer_assert_hears(&clients[i], "413");
    }
    while (cl_clock_us() - start_us < 1000000)
        for (int i = 0; i < CLIENTS; i++)
            pour(&clients[i], MIB, 5);

    cl_list_each (node, keep, &server->conns)
        dropped += cl_list_entry(node, struct cl_conn, link)->received;
    const uint64_t spent_us = cl_clock_us() - start_us;
    assert_true(dropped > CL_LINGER_BURST); /* else nobody was held */
    assert_true(dropped <=
                CL_LINGER_BURST + spent_us * CL_LINGER_RATE / 1000000 + CLIENTS * MIB);
    assert_false(cl_list_is_empty(&server->lingering));

    /* All were answered, and none outstays its time. */
    while (cl_http_server_connections(server) > 1 && cl_clock_us() - start_us < 5000000)
        for (int i = 0; i < CLIENTS; i++)
            pour(&clients[i], MIB, 5);
    assert_int_equal(cl_http_server_connections(server), 1);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(peer_status(&clients[i]), 413);
        peer_hang_up(&clients[i]);
    }
    assert_true(cl_list_is_empty(&server->lingering));
}

static void linger_gets_on_with_those_it_held(void **state)
{
    struct peer_fixture *f = *state;
    struct cl_http_server *server = f->peer.server;
    uint64_t held_at;

    server->linger_left = -MIB;
    server->linger_us = cl_clock_us();
    peer_say(&f->client, REFUSED);
    peer_assert_hears(&f->client, "413");
    pour(&f->client, MIB, 20);
    struct cl_conn *conn = cl_list_entry(server->conns.next, struct cl_conn, link);
    assert_false(cl_list_is_empty(&conn->waiting));
    held_at = conn->received;
    assert_true(pour(&f->client, 8 * MIB, 1500) > MIB);
    assert_true(conn->received > held_at + 4 * MIB);
}

static void linger_ends_with_a_client_that_never_stops(void **state)
{
    struct peer_fixture *f = *state;
    uint64_t end_us = cl_clock_us() + PEER_WAIT_MS * 1000;

    peer_say(&f->client, REFUSED);
    peer_assert_hears(&f->client, "413");
    while (cl_http_server_connections(f->peer.server) > 0 && cl_clock_us() < end_us)
        pour(&f->client, MIB, 5);
    assert_int_equal(cl_http_server_connections(f->peer.server), 0);
    assert_int_equal(send(f->client.fd, text, 1, MSG_NOSIGNAL), -1);
}

/* However long ago it was, and however much. */
static void linger_forgets_a_debt_in_time(void **state)
{
    struct peer_fixture *f = *state;
    struct cl_http_server *server = f->peer.server;

    server->linger_left = -CL_LINGER_BURST;
    server->linger_us = 0;
    peer_say(&f->client, REFUSED);
    peer_assert_hears(&f->client, "413");
    assert_int_equal(pour(&f->client, 16 * MIB, PEER_WAIT_MS), 16 * MIB);
    assert_in_range(server->linger_left, 1, CL_LINGER_BURST);
    assert_true(cl_list_is_empty(&server->lingering));
}

/* A server without anybody who lingers has no timer of this. */
static void linger_leaves_no_timer_behind(void **state)
{
    struct peer_fixture *f = *state;
    struct cl_http_server *server = f->peer.server;

    server->linger_left = -MIB;
    server->linger_us = cl_clock_us();
    peer_say(&f->client, REFUSED);
    peer_assert_hears(&f->client, "413");
    pour(&f->client, MIB, 20);
    assert_true(event_pending(&server->linger_turn, EV_TIMEOUT, NULL));
    peer_reset(&f->client);
    while (cl_http_server_connections(server) > 0)
        peer_turn_for(&f->peer, 5);
    peer_turn_for(&f->peer, 50);
    assert_false(event_pending(&server->linger_turn, EV_TIMEOUT, NULL));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_default, peer_fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(linger_hears_out_a_client_that_sends_first_and_reads_later),
        CASE(linger_drops_a_burst_and_then_no_more_than_its_rate),
        CASE(linger_gets_on_with_those_it_held),
        CASE(linger_ends_with_a_client_that_never_stops),
        CASE(linger_forgets_a_debt_in_time),
        CASE(linger_leaves_no_timer_behind),
    };

    cl_log_open("test", CL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
