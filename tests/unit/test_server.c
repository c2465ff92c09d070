/* SPDX-License-Identifier: Apache-2.0 */
/* Listening: caps on connections, running out of descriptors, draining, ending. */
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/base/log.h"
#include "tests/support/http_peer.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static struct cl_http_caps with_caps(uint32_t connections, uint32_t per_address)
{
    struct cl_http_caps caps = cl_http_caps_default;

    caps.connections = connections;
    caps.connections_per_address = caps.connections_local = per_address;
    return caps;
}

static struct peer_client busy_client(struct peer_server *peer, const char *text)
{
    struct peer_client client = peer_connect(peer);

    peer_say(&client, text);
    peer_turn_for(peer, 20);
    return client;
}

static void server_refuses_one_connection_too_many(void **state)
{
    struct cl_http_caps caps = with_caps(2, 0);
    struct peer_server peer;
    struct peer_client clients[3];

    (void)state;
    peer_open(&peer, &caps);
    /* A slow head and a running call are both no idle connections. */
    clients[0] = busy_client(&peer, "GET /hello HT");
    clients[1] = busy_client(&peer, GET("/hold"));
    clients[2] = peer_connect(&peer);
    assert_true(peer_hears_end(&clients[2]));
    assert_int_equal(peer_status(&clients[2]), 503);
    assert_int_equal(peer_count(&clients[2], "Retry-After: 1\r\n"), 1);
    assert_int_equal(cl_http_server_connections(peer.server), 2);
    assert_int_equal(cl_http_server_counts(peer.server)->turned_away, 1);
    assert_int_equal(cl_http_server_counts(peer.server)->evicted, 0);

    peer_hang_up(&clients[1]);
    peer_hang_up(&clients[2]);
    peer_turn_for(&peer, 20);
    clients[2] = peer_connect(&peer);
    peer_say(&clients[2], GET("/hello"));
    assert_true(peer_hears(&clients[2], "\r\n\r\nhello", 1));
    peer_hang_up(&clients[0]);
    peer_hang_up(&clients[2]);
    peer_close(&peer);
}

static void server_closes_the_longest_idle_connection_for_a_new_one(void **state)
{
    struct cl_http_caps caps = with_caps(3, 0);
    struct peer_server peer;
    struct peer_client clients[3], next[2];

    (void)state;
    peer_open(&peer, &caps);
    clients[0] = busy_client(&peer, GET("/hold"));
    clients[1] = busy_client(&peer, GET("/hello"));
    clients[2] = busy_client(&peer, GET("/hello"));
    /* The second was idle first, but asked again since. */
    peer_say(&clients[1], GET("/hello"));
    assert_true(peer_hears(&clients[1], "\r\n\r\nhello", 2));

    next[0] = busy_client(&peer, GET("/hello"));
    assert_true(peer_hears(&next[0], "\r\n\r\nhello", 1));
    assert_true(peer_hears_end(&clients[2]));
    assert_false(clients[1].saw_end);
    /* One that never said anything is as idle as any other. */
    next[1] = busy_client(&peer, "");
    assert_true(peer_hears_end(&clients[1]));
    assert_int_equal(cl_http_server_connections(peer.server), 3);
    assert_int_equal(cl_http_server_counts(peer.server)->evicted, 2);
    assert_non_null(peer.held);
    for (int i = 0; i < 2; i++)
        peer_hang_up(&next[i]);
    for (int i = 0; i < 3; i++)
        peer_hang_up(&clients[i]);
    peer_turn_for(&peer, 20);
    peer_close(&peer);
}

static void server_counts_connections_by_address(void **state)
{
    struct cl_http_caps caps = with_caps(100, 3);
    struct peer_server peer;
    struct peer_client clients[4];

    (void)state;
    peer_open(&peer, &caps);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            clients[i] = busy_client(&peer, "GET /hello HT");
        clients[3] = peer_connect(&peer);
        assert_true(peer_hears_end(&clients[3]));
        assert_int_equal(peer_status(&clients[3]), 503);
        for (int i = 0; i < 3; i++) {
            peer_say(&clients[i], "TP/1.1\r\nHost: a\r\n\r\n");
            assert_true(peer_hears(&clients[i], "\r\n\r\nhello", 1));
        }
        for (int i = 0; i < 4; i++)
            peer_hang_up(&clients[i]);
        peer_turn_for(&peer, 20);
        assert_int_equal(cl_http_server_connections(peer.server), 0);
    }
    peer_close(&peer);
}

static void server_makes_room_among_the_idle_ones_of_a_host(void **state)
{
    struct cl_http_caps caps = with_caps(100, 3);
    struct peer_server peer;
    struct peer_client clients[4];

    (void)state;
    peer_open(&peer, &caps);
    clients[0] = busy_client(&peer, "GET /hello HT");
    for (int i = 1; i < 4; i++) {
        clients[i] = busy_client(&peer, GET("/hello"));
        assert_true(peer_hears(&clients[i], "\r\n\r\nhello", 1));
    }
    assert_true(peer_hears_end(&clients[1]));
    assert_int_equal(cl_http_server_connections(peer.server), 3);
    assert_int_equal(cl_http_server_counts(peer.server)->evicted, 1);
    assert_int_equal(cl_http_server_counts(peer.server)->turned_away, 0);
    for (int i = 0; i < 4; i++)
        peer_hang_up(&clients[i]);
    peer_turn_for(&peer, 20);
    peer_close(&peer);
}

static int fill_descriptors(int *fds, int most)
{
    int count = 0;

    while (count < most && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    return count;
}

/* The server learns of the newcomer before it reads what the idle ones have just sent. */
static void server_evicts_nobody_whose_request_is_on_its_way(void **state)
{
    enum { IDLE = 40 }; /* more than it looks at */
    struct cl_http_caps caps = with_caps(IDLE, 0);
    struct peer_server peer;
    struct peer_client clients[IDLE];

    (void)state;
    peer_open(&peer, &caps);
    for (int i = 0; i < IDLE; i++) {
        clients[i] = busy_client(&peer, GET("/hello"));
        assert_true(peer_hears(&clients[i], "\r\n\r\nhello", 1));
    }
    struct peer_client late = peer_connect(&peer);
    for (int i = 0; i < IDLE; i++)
        assert_true(send(clients[i].fd, GET("/hello"), sizeof(GET("/hello")) - 1, 0) > 0);
    assert_true(peer_hears_end(&late));
    assert_int_equal(peer_status(&late), 503);
    for (int i = 0; i < IDLE; i++) {
        assert_true(peer_hears(&clients[i], "\r\n\r\nhello", 2));
        peer_hang_up(&clients[i]);
    }
    assert_int_equal(cl_http_server_counts(peer.server)->evicted, 0);
    peer_hang_up(&late);
    peer_turn_for(&peer, 20);
    peer_close(&peer);
}

static void server_survives_running_out_of_descriptors(void **state)
{
    struct rlimit before, few = { 64, 64 };
    struct peer_server peer;
    int fds[64], count;

    (void)state;
    peer_open(&peer, &cl_http_caps_default);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    struct peer_client turned_away = peer_connect(&peer);
    struct peer_client waits = peer_connect(&peer);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    count = fill_descriptors(fds, 64);
    assert_true(count > 0);

    peer_turn_for(&peer, 30);
    assert_int_equal(cl_http_server_connections(peer.server), 0);
    while (count > 0)
        close(fds[--count]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);

    assert_true(peer_hears_end(&turned_away));
    assert_int_equal(peer_status(&turned_away), 503);
    peer_say(&waits, GET("/hello"));
    assert_true(peer_hears(&waits, "\r\n\r\nhello", 1));
    peer_hang_up(&turned_away);
    peer_hang_up(&waits);
    peer_close(&peer);
}

/* After the first time nothing can be opened to be in reserve again (api/confine.c): the socket of
 * the client that was turned away is it. */
static void server_has_a_reserve_again_and_again(void **state)
{
    struct rlimit before, few = { 64, 64 };
    struct peer_server peer;
    int fds[64], count;

    (void)state;
    peer_open(&peer, &cl_http_caps_default);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    for (int round = 0; round < 3; round++) {
        struct peer_client client = peer_connect(&peer);

        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        count = fill_descriptors(fds, 64);
        assert_true(peer_hears_end(&client));
        assert_int_equal(peer_status(&client), 503);
        while (count > 0)
            close(fds[--count]);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        peer_hang_up(&client);
        peer_turn_for(&peer, 120); /* accepting rests for 100 ms */
    }
    struct peer_client last = peer_connect(&peer);
    peer_say(&last, GET("/hello"));
    assert_true(peer_hears(&last, "\r\n\r\nhello", 1));
    peer_hang_up(&last);
    peer_close(&peer);
}

/* Out of descriptors the listening socket stays readable: the loop must rest all the same. */
static void server_does_not_spin_without_descriptors(void **state)
{
    struct rlimit before, few = { 64, 64 };
    struct peer_server peer;
    int fds[64], count;
    unsigned turns = 0;

    (void)state;
    peer_open(&peer, &cl_http_caps_default);
    struct peer_client first = peer_connect(&peer), second = peer_connect(&peer);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    count = fill_descriptors(fds, 64);
    peer_turn(&peer);

    struct timeval stop = { 0, 60000 };
    event_base_loopexit(peer.base, &stop);
    while (!event_base_got_exit(peer.base)) {
        event_base_loop(peer.base, EVLOOP_ONCE);
        turns++;
    }
    while (count > 0)
        close(fds[--count]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_in_range(turns, 1, 4);
    peer_hang_up(&first);
    peer_hang_up(&second);
    peer_close(&peer);
}

static void server_drains(void **state)
{
    struct peer_server peer;

    (void)state;
    peer_open(&peer, &cl_http_caps_default);
    struct peer_client idle = peer_connect(&peer), busy = peer_connect(&peer);
    peer_say(&idle, GET("/hello"));
    assert_true(peer_hears(&idle, "\r\n\r\nhello", 1));
    peer_say(&busy, GET("/hold"));
    peer_turn_for(&peer, 20);

    cl_http_server_drain(peer.server);
    assert_true(peer_hears_end(&idle));
    assert_int_equal(cl_http_server_connections(peer.server), 1);
    struct peer_client late = peer_connect(&peer);
    peer_say(&late, GET("/hello"));
    peer_turn_for(&peer, 30);
    assert_false(peer_read(&late));

    cl_exchange_answer(peer.held, 200, "text/plain", "held", 4);
    assert_true(peer_hears_end(&busy));
    assert_int_equal(peer_count(&busy, "Connection: close\r\n"), 1);
    assert_int_equal(peer_count(&busy, "\r\n\r\nheld"), 1);
    peer_hang_up(&busy);
    peer_turn_for(&peer, 20);
    assert_int_equal(cl_http_server_connections(peer.server), 0);
    peer_hang_up(&idle);
    peer_hang_up(&late);
    peer_close(&peer);
}

static void server_free_ends_what_runs(void **state)
{
    struct peer_server peer;

    (void)state;
    peer_open(&peer, &cl_http_caps_default);
    struct peer_client client = peer_connect(&peer);
    peer_say(&client, GET("/hold"));
    peer_turn_for(&peer, 20);
    assert_non_null(peer.held);
    peer_close(&peer);
    assert_int_equal(peer.ends_gone, 1);
    peer_hang_up(&client);
}

static void server_refuses_caps_that_make_no_sense(void **state)
{
    static const struct cl_exchange_calls no_calls = { .on_head = NULL };
    struct cl_http_caps caps = cl_http_caps_default;
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    caps.fields = 129;
    assert_null(cl_http_server_new(NULL, -1, &caps, &no_calls, NULL, &err));
    assert_int_equal(err.kind, CL_E_INPUT);
    caps = with_caps(0, 0);
    assert_null(cl_http_server_new(NULL, -1, &caps, &no_calls, NULL, &err));
    caps = cl_http_caps_default;
    caps.head_bytes = 1023;
    assert_null(cl_http_server_new(NULL, -1, &caps, &no_calls, NULL, &err));
    caps.head_bytes = (1 << 20) + 1;
    assert_null(cl_http_server_new(NULL, -1, &caps, &no_calls, NULL, &err));
    caps = cl_http_caps_default;
    caps.write_rate = 0;
    assert_null(cl_http_server_new(NULL, -1, &caps, &no_calls, NULL, &err));
}

static void on_head(struct cl_exchange *x, void *user)
{
    memcpy(user, cl_exchange_peer(x), strlen(cl_exchange_peer(x)) + 1);
}

static void on_body(struct cl_exchange *x, const char *body, size_t length)
{
    cl_exchange_answer(x, 200, "text/plain", body, length);
}

static void on_end(struct cl_exchange *x, bool complete)
{
    (void)x;
    assert_true(complete);
}

static int answers;

static void on_answer(struct cl_exchange *x, int status)
{
    (void)x;
    answers += status == 200;
}

/* A listener on this address, which is filled with what the kernel made of it. */
static int listen_at(struct sockaddr *address, socklen_t *size)
{
    const int listener =
        socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (bind(listener, address, *size) < 0) {
        close(listener);
        return -1;
    }
    *size = sizeof(struct sockaddr_storage);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, address, size), 0);
    return listener;
}

/* One request from somebody who connects there; who the handler was told it is. */
static void serve_at(int listener, const struct sockaddr *address, socklen_t size,
                     const char *expected)
{
    static const struct cl_exchange_calls local = {
        .on_head = on_head, .on_body = on_body, .on_answer = on_answer, .on_end = on_end
    };
    struct cl_http_caps caps = with_caps(4, 1);
    struct event_base *base = event_base_new();
    struct cl_err err = CL_ERR_INIT;
    char name[64] = "", answer[512] = "";

    answers = 0;
    struct cl_http_server *server =
        cl_http_server_new(base, listener, &caps, &local, name, &err);
    assert_non_null(server);
    int client = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, address, size), 0);
    assert_true(send(client, GET("/"), sizeof(GET("/")) - 1, 0) > 0);
    for (int i = 0; i < 10; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    assert_true(recv(client, answer, sizeof(answer) - 1, MSG_DONTWAIT) > 0);
    assert_non_null(strstr(answer, "200 OK"));
    assert_string_equal(name, expected);
    assert_int_equal(answers, 1);
    close(client);
    cl_http_server_free(server);
    event_base_free(base);
    close(listener);
}

static void server_serves_a_local_socket(void **state)
{
    struct sockaddr_storage room = { .ss_family = AF_UNIX };
    struct sockaddr *address = (struct sockaddr *)&room;
    socklen_t size = sizeof(sa_family_t); /* the kernel picks an abstract name */

    (void)state;
    const int listener = listen_at(address, &size);
    assert_true(listener >= 0);
    serve_at(listener, address, size, "local");
}

static void server_serves_ipv6(void **state)
{
    struct sockaddr_storage room = { 0 };
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&room;
    socklen_t size = sizeof(*ipv6);

    (void)state;
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_addr = in6addr_loopback;
    const int listener = listen_at((struct sockaddr *)&room, &size);
    if (listener < 0)
        skip(); /* this host has none */
    serve_at(listener, (struct sockaddr *)&room, size, "::1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_refuses_one_connection_too_many),
        cmocka_unit_test(server_closes_the_longest_idle_connection_for_a_new_one),
        cmocka_unit_test(server_counts_connections_by_address),
        cmocka_unit_test(server_makes_room_among_the_idle_ones_of_a_host),
        cmocka_unit_test(server_evicts_nobody_whose_request_is_on_its_way),
        cmocka_unit_test(server_survives_running_out_of_descriptors),
        cmocka_unit_test(server_has_a_reserve_again_and_again),
        cmocka_unit_test(server_does_not_spin_without_descriptors),
        cmocka_unit_test(server_drains),
        cmocka_unit_test(server_free_ends_what_runs),
        cmocka_unit_test(server_refuses_caps_that_make_no_sense),
        cmocka_unit_test(server_serves_a_local_socket),
        cmocka_unit_test(server_serves_ipv6),
    };

    cl_log_open("test", CL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
