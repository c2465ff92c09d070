/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that all clients together may use, and the time an answer may take to be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "tests/support/http_peer.h"

enum { MIB = 1 << 20, KIB = 1 << 10, LARGE = 16 * MIB };

static const char text[MIB];

static int open_with(void **state, uint64_t memory_bytes, uint32_t write_ms, uint32_t rate)
{
    struct cl_http_caps caps = cl_http_caps_default;

    caps.memory_bytes = memory_bytes;
    caps.write_ms = write_ms;
    caps.write_rate = rate;
    return peer_fixture_open(state, &caps);
}

static int open_small(void **state)
{
    return open_with(state, MIB, 30000, 4096);
}

static int open_roomy(void **state)
{
    return open_with(state, 2 * LARGE, 30000, 4096);
}

static int open_hasty(void **state)
{
    return open_with(state, 2 * LARGE, 600, 64 * MIB);
}

static void say_post(struct peer_client *client, const char *path, size_t announced,
                     size_t sent)
{
    char head[128];

    snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
             path, announced);
    peer_say(client, head);
    peer_send(client, text, sent);
    peer_turn_for(client->server, 50);
}

/* ---------------------------------------------------------------------------------- bodies */

static void charge_stops_large_bodies_only_and_comes_back(void **state)
{
    struct peer_fixture *f = *state;
    struct peer_client large = peer_connect(&f->peer), small = peer_connect(&f->peer);

    say_post(&f->client, "/hold", MIB, MIB - 1);
    assert_in_range(cl_http_server_charged(f->peer.server), MIB - 64 * KIB, MIB);

    say_post(&large, "/echo", 512 * KIB, 0);
    assert_true(peer_hears_end(&large));
    assert_int_equal(peer_status(&large), 503);
    assert_int_equal(peer_count(&large, "Retry-After: 1\r\n"), 1);
    say_post(&small, "/echo", 60 * KIB, 60 * KIB);
    assert_true(peer_hears(&small, "200 OK", 1));
    assert_int_equal(cl_http_server_counts(f->peer.server)->over_memory, 1);

    peer_hang_up(&f->client);
    peer_hang_up(&large);
    peer_turn_for(&f->peer, 50);
    assert_int_equal(cl_http_server_charged(f->peer.server), 0);
    large = peer_connect(&f->peer);
    say_post(&large, "/echo", 512 * KIB, 512 * KIB);
    assert_true(peer_hears(&large, "200 OK", 1));
    peer_hang_up(&large);
    peer_hang_up(&small);
}

/* What is announced costs nothing: only bytes that came do. */
static void charge_counts_no_promises(void **state)
{
    struct peer_fixture *f = *state;
    struct peer_client clients[8];

    for (int i = 0; i < 8; i++) {
        clients[i] = peer_connect(&f->peer);
        say_post(&clients[i], "/hold", MIB, 1000);
    }
    assert_int_equal(cl_http_server_charged(f->peer.server), 0);
    for (int i = 0; i < 8; i++)
        peer_hang_up(&clients[i]);
}

static void charge_refuses_a_chunked_body_when_it_is_spent(void **state)
{
    struct peer_fixture *f = *state;
    struct peer_client other = peer_connect(&f->peer);

    say_post(&other, "/hold", MIB, MIB - 1);
    peer_say(&f->client,
             "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n80000\r\n");
    peer_send(&f->client, text, 0x80000);
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 503);
    assert_int_equal(f->peer.bodies, 0);
    peer_hang_up(&other);
    peer_turn_for(&f->peer, 50);
    assert_int_equal(cl_http_server_charged(f->peer.server), 0);
}

/* -------------------------------------------------------------------- handlers and answers */

static struct cl_exchange *held(struct peer_fixture *f)
{
    peer_say(&f->client, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_turn_for(&f->peer, 20);
    assert_non_null(f->peer.held);
    return f->peer.held;
}

static void charge_counts_what_handlers_keep(void **state)
{
    struct peer_fixture *f = *state;
    struct cl_exchange *x = held(f);

    assert_true(cl_exchange_reserve(x, 60 * KIB));
    assert_int_equal(cl_http_server_charged(f->peer.server), 0);
    assert_false(cl_exchange_reserve(x, 2 * MIB));
    assert_int_equal(cl_http_server_charged(f->peer.server), 0);
    assert_true(cl_exchange_reserve(x, MIB));
    assert_int_equal(cl_http_server_charged(f->peer.server), MIB - 64 * KIB);
    cl_exchange_answer(x, 200, "text/plain", "held", 4);
    peer_assert_hears(&f->client, "\r\n\r\nheld");
    assert_int_equal(cl_http_server_charged(f->peer.server), 0);
}

static void answer_large(struct peer_fixture *f)
{
    char *body = calloc(1, LARGE);

    cl_exchange_answer(held(f), 200, "text/plain", body, LARGE);
    free(body);
    peer_turn_for(&f->peer, 20);
}

static void charge_closes_when_an_answer_has_no_room(void **state)
{
    struct peer_fixture *f = *state;

    answer_large(f);
    assert_int_equal(f->peer.ends_gone, 1);
    assert_true(peer_hears_end(&f->client));
    assert_in_range(f->client.in.length, 0, LARGE - 1);
    assert_int_equal(cl_http_server_charged(f->peer.server), 0);
}

static void charge_counts_an_answer_until_it_is_read(void **state)
{
    struct peer_fixture *f = *state;

    answer_large(f);
    assert_in_range(cl_http_server_charged(f->peer.server), MIB, LARGE);
    while (f->client.in.length < LARGE && !f->client.saw_end) {
        peer_read(&f->client);
        peer_turn(&f->peer);
    }
    peer_turn_for(&f->peer, 20);
    assert_in_range(f->client.in.length, LARGE, LARGE + KIB);
    assert_int_equal(cl_http_server_charged(f->peer.server), 0);
    assert_int_equal(f->peer.ends_complete, 1);
}

/* Every read is progress; together they are too slow. */
static void charge_ends_a_reader_that_is_too_slow(void **state)
{
    struct peer_fixture *f = *state;
    const uint64_t start_us = cl_clock_us();

    answer_large(f);
    while (f->peer.ends_gone + f->peer.ends_complete == 0 &&
           cl_clock_us() - start_us < 5000000) {
        peer_read(&f->client);
        peer_turn_for(&f->peer, 10);
    }
    assert_int_equal(f->peer.ends_gone, 1);
    assert_in_range(cl_clock_us() - start_us, 600000, 1500000);
}

#define WITH(open, name) cmocka_unit_test_setup_teardown(name, open, peer_fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(open_small, charge_stops_large_bodies_only_and_comes_back),
        WITH(open_small, charge_counts_no_promises),
        WITH(open_small, charge_refuses_a_chunked_body_when_it_is_spent),
        WITH(open_small, charge_counts_what_handlers_keep),
        WITH(open_small, charge_closes_when_an_answer_has_no_room),
        WITH(open_roomy, charge_counts_an_answer_until_it_is_read),
        WITH(open_hasty, charge_ends_a_reader_that_is_too_slow),
    };

    cl_log_open("test", CL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
