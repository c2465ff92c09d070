/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server and clients for the tests of api/http1.
 * Runs in: unit tests.
 * Trusts: the tests.
 */
#include "tests/support/http_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "api/http1/conn.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

/* -------------------------------------------------------------------------------- handlers */

struct stream {
    struct peer_server *peer;
    unsigned left;
};

static struct peer_server *peer_of(struct cl_exchange *x)
{
    return x->conn->server->user;
}

static void answer_text(struct cl_exchange *x, const char *text)
{
    cl_exchange_answer(x, 200, "text/plain", text, strlen(text));
}

static void answer_buffer(struct cl_exchange *x)
{
    struct evbuffer *buffer = evbuffer_new();

    evbuffer_add(buffer, "buffer", 6);
    cl_exchange_answer_buffer(x, 200, "text/plain", buffer);
    evbuffer_free(buffer);
}

static void begin_stream(struct cl_exchange *x)
{
    struct stream *stream = calloc(1, sizeof(*stream));

    stream->left = (unsigned)strtoul(cl_exchange_head(x)->query, NULL, 10);
    cl_exchange_set_user(x, stream);
    cl_exchange_begin(x, 200, "application/octet-stream");
}

static void try_headers(struct cl_exchange *x)
{
    cl_exchange_header(x, "X-Good", "yes");
    cl_exchange_header(x, "X-Split", "a\r\nX-Injected: b");
    cl_exchange_header(x, "X Space", "c");
    cl_exchange_header(x, "Content-Length", "1");
    cl_exchange_header(x, "transfer-encoding", "chunked");
    answer_text(x, "headers");
}

static void break_off(struct cl_exchange *x)
{
    cl_exchange_begin(x, 200, "text/plain");
    cl_exchange_write(x, "half", 4);
    cl_exchange_abort(x);
}

static void flood(struct cl_exchange *x)
{
    char *piece = calloc(1, PEER_PIECE);

    cl_exchange_begin(x, 200, "application/octet-stream");
    for (int i = 0; i < 1024; i++)
        cl_exchange_write(x, piece, PEER_PIECE);
    free(piece);
}

static void hold(struct cl_exchange *x)
{
    peer_of(x)->held = x;
}

static void hello(struct cl_exchange *x)
{
    answer_text(x, "hello");
}

static const struct {
    const char *path;
    size_t body_most;
    void (*run)(struct cl_exchange *x); /* NULL: echo */
} resources[] = {
    { "/hello", 0, hello },         { "/echo", 1 << 20, NULL },
    { "/small", 8, NULL },          { "/hold", 1 << 20, hold },
    { "/stream", 0, begin_stream }, { "/buffer", 0, answer_buffer },
    { "/header", 0, try_headers },  { "/break", 0, break_off },
    { "/flood", 0, flood },
};

static void on_head(struct cl_exchange *x, void *user)
{
    struct peer_server *peer = user;

    peer->heads++;
    if (strcmp(cl_exchange_head(x)->path, "/early") == 0)
        cl_exchange_problem(x, 401, NULL, NULL, "no token", NULL);
    for (size_t i = 0; i < CL_COUNT(resources); i++) {
        if (strcmp(resources[i].path, cl_exchange_head(x)->path) == 0)
            cl_exchange_want_body(x, resources[i].body_most);
    }
}

static void on_body(struct cl_exchange *x, const char *body, size_t length)
{
    peer_of(x)->bodies++;
    for (size_t i = 0; i < CL_COUNT(resources); i++) {
        if (strcmp(resources[i].path, cl_exchange_head(x)->path) != 0)
            continue;
        if (resources[i].run)
            resources[i].run(x);
        else
            cl_exchange_answer(x, 200, "text/plain", body, length);
        return;
    }
    cl_exchange_problem(x, 404, NULL, NULL, NULL, NULL);
}

static void on_drained(struct cl_exchange *x)
{
    static char piece[PEER_PIECE];
    struct stream *stream = cl_exchange_user(x);
    struct peer_server *peer = peer_of(x);

    peer->drains++;
    if (!stream)
        return;
    if (stream->left == 0) {
        cl_exchange_finish(x);
        return;
    }
    stream->left--;
    memset(piece, 'x', sizeof(piece));
    cl_exchange_write(x, piece, sizeof(piece));
    if (cl_output_unsent(x->conn) > peer->most_unsent)
        peer->most_unsent = cl_output_unsent(x->conn);
}

static void on_end(struct cl_exchange *x, bool complete)
{
    struct peer_server *peer = peer_of(x);

    if (complete)
        peer->ends_complete++;
    else
        peer->ends_gone++;
    if (peer->held == x)
        peer->held = NULL;
    free(cl_exchange_user(x));
}

static const struct cl_exchange_calls calls = {
    .on_head = on_head, .on_body = on_body, .on_drained = on_drained, .on_end = on_end
};

/* ---------------------------------------------------------------------------------- server */

void peer_open(struct peer_server *peer, const struct cl_http_caps *caps)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof(address);
    struct cl_err err = CL_ERR_INIT;

    memset(peer, 0, sizeof(*peer));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer->base = event_base_new();
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(peer->listener >= 0);
    assert_int_equal(bind(peer->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(peer->listener, 128), 0);
    assert_int_equal(getsockname(peer->listener, (struct sockaddr *)&address, &size), 0);
    peer->port = address.sin_port;
    peer->server = cl_http_server_new(peer->base, peer->listener, caps, &calls, peer, &err);
    assert_non_null(peer->server);
}

void peer_close(struct peer_server *peer)
{
    cl_http_server_free(peer->server);
    event_base_free(peer->base);
    close(peer->listener);
}

void peer_turn(struct peer_server *peer)
{
    event_base_loop(peer->base, EVLOOP_NONBLOCK);
}

void peer_turn_for(struct peer_server *peer, unsigned ms)
{
    uint64_t end_us = cl_clock_us() + (uint64_t)ms * 1000;

    while (cl_clock_us() < end_us) {
        peer_turn(peer);
        usleep(200);
    }
}

/* --------------------------------------------------------------------------------- clients */

struct peer_client peer_connect(struct peer_server *peer)
{
    struct peer_client client = { .server = peer, .in = CL_BUF_INIT(64u << 20) };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = peer->port };

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client.fd >= 0);
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fcntl(client.fd, F_SETFL, O_NONBLOCK), 0);
    return client;
}

void peer_hang_up(struct peer_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    cl_buf_fini(&client->in);
}

void peer_reset(struct peer_client *client)
{
    struct linger hard = { 1, 0 };

    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    peer_hang_up(client);
}

void peer_send(struct peer_client *client, const char *bytes, size_t length)
{
    uint64_t end_us = cl_clock_us() + PEER_WAIT_MS * 1000;

    while (length > 0 && cl_clock_us() < end_us) {
        ssize_t sent = send(client->fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return;
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        }
        peer_turn(client->server);
    }
}

void peer_say(struct peer_client *client, const char *text)
{
    peer_send(client, text, strlen(text));
}

bool peer_read(struct peer_client *client)
{
    struct cl_err err = CL_ERR_INIT;
    uint8_t *room = cl_buf_room(&client->in, 65536, &err);

    assert_non_null(room);
    ssize_t got = recv(client->fd, room, 65536, 0);
    if (got > 0)
        client->in.length += (size_t)got;
    if (got == 0 || (got < 0 && errno != EAGAIN))
        client->saw_end = true;
    if (got < 0 && errno == ECONNRESET)
        client->saw_reset = true;
    return got > 0;
}

unsigned peer_count(const struct peer_client *client, const char *text)
{
    const uint8_t *at = client->in.bytes;
    const uint8_t *end = at + client->in.length;
    unsigned count = 0;

    while (at && at < end && (at = memmem(at, (size_t)(end - at), text, strlen(text)))) {
        count++;
        at += strlen(text);
    }
    return count;
}

static void turn_and_read(struct peer_client *client)
{
    peer_turn(client->server);
    if (!peer_read(client))
        usleep(100);
}

bool peer_hears(struct peer_client *client, const char *text, unsigned times)
{
    uint64_t end_us = cl_clock_us() + PEER_WAIT_MS * 1000;

    while (cl_clock_us() < end_us && !client->saw_end && peer_count(client, text) < times)
        turn_and_read(client);
    return peer_count(client, text) >= times;
}

bool peer_hears_end(struct peer_client *client)
{
    uint64_t end_us = cl_clock_us() + PEER_WAIT_MS * 1000;

    while (cl_clock_us() < end_us && !client->saw_end)
        turn_and_read(client);
    return client->saw_end;
}

int peer_status(const struct peer_client *client)
{
    const char *start = (const char *)client->in.bytes;

    if (client->in.length < 12 || memcmp(start, "HTTP/1.1 ", 9) != 0)
        return 0;
    return (start[9] - '0') * 100 + (start[10] - '0') * 10 + (start[11] - '0');
}

/* --------------------------------------------------------------------------------- fixture */

int peer_fixture_open(void **state, const struct cl_http_caps *caps)
{
    struct peer_fixture *f = calloc(1, sizeof(*f));

    peer_open(&f->peer, caps);
    f->client = peer_connect(&f->peer);
    *state = f;
    return 0;
}

int peer_fixture_close(void **state)
{
    struct peer_fixture *f = *state;

    peer_hang_up(&f->client);
    for (int i = 0; i < 1000 && cl_http_server_connections(f->peer.server) > 0; i++)
        peer_turn_for(&f->peer, 5);
    assert_int_equal(cl_http_server_connections(f->peer.server), 0);
    assert_int_equal(f->peer.heads, f->peer.ends_complete + f->peer.ends_gone);
    peer_close(&f->peer);
    free(f);
    return 0;
}

void peer_assert_hears(struct peer_client *client, const char *text)
{
    if (!peer_hears(client, text, 1))
        fail_msg("'%s' is not in: %.*s", text, (int)client->in.length,
                 (char *)client->in.bytes);
}
