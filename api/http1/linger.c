/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a connection behind its last answer: a FIN now, and the close when the client has seen
 * it. Closing with unread bytes would send RST, which may destroy the answer on its way, so what a
 * client still sends of an unwanted request is read and dropped. That costs it little and this
 * process a copy, so all connections together may have only so much of it: what is over waits
 * unread for its turn, until its time is up.
 * Runs in: cloche-api.
 * Trusts: nothing; the client may go on sending for as long as it is let.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <sys/socket.h>

#include "api/http1/conn.h"
#include "sandbox/base/clock.h"

enum {
    LINGER_MS = 2000,        /* how long the client may take to read a last answer */
    LINGER_BYTES = 64 << 20, /* dropped of one connection at most */
    EVERY_US = 10000,        /* between two turns of those that wait */
    READ_BYTES = 16 << 10,   /* what a bufferevent takes at a time */
};

static void earn(struct cl_http_server *server, uint64_t now_us)
{
    const uint64_t whole_us = (uint64_t)CL_LINGER_BURST * 1000000 / CL_LINGER_RATE;
    uint64_t since_us = now_us - server->linger_us;
    int64_t sum = server->linger_left;

    if (since_us > 2 * whole_us) /* enough for any debt */
        since_us = 2 * whole_us;
    sum += (int64_t)(since_us * CL_LINGER_RATE / 1000000);
    server->linger_left = sum < CL_LINGER_BURST ? sum : CL_LINGER_BURST;
    server->linger_us = now_us;
}

static void turn_later(struct cl_http_server *server)
{
    static const struct timeval wait = { 0, EVERY_US };

    event_add(&server->linger_turn, &wait);
}

static void hold(struct cl_conn *conn)
{
    struct cl_http_server *server = conn->server;

    bufferevent_disable(conn->stream, EV_READ);
    conn->is_paused = true;
    if (cl_list_is_empty(&server->lingering))
        turn_later(server);
    cl_list_append(&server->lingering, &conn->waiting);
}

static void on_turn(evutil_socket_t fd, short what, void *user)
{
    struct cl_http_server *server = user;

    (void)fd;
    (void)what;
    earn(server, cl_clock_us());
    for (int64_t left = server->linger_left; left > 0; left -= READ_BYTES) {
        if (cl_list_is_empty(&server->lingering))
            return;
        struct cl_conn *conn = cl_list_entry(server->lingering.next, struct cl_conn, waiting);
        cl_list_unlink(&conn->waiting);
        cl_input_resume(conn);
    }
    if (!cl_list_is_empty(&server->lingering))
        turn_later(server);
}

void cl_linger_read(struct cl_conn *conn)
{
    struct cl_http_server *server = conn->server;
    struct evbuffer *input = bufferevent_get_input(conn->stream);
    size_t length = evbuffer_get_length(input);

    evbuffer_drain(input, length);
    conn->received += length;
    if (conn->received > LINGER_BYTES) {
        cl_conn_free(conn);
        return;
    }
    earn(server, cl_clock_us());
    server->linger_left -= (int64_t)length;
    if (server->linger_left <= 0)
        hold(conn);
}

void cl_linger_begin(struct cl_conn *conn)
{
    cl_secure_say_end(conn);
    if (conn->saw_eof || shutdown(conn->fd, SHUT_WR) < 0) {
        cl_conn_free(conn);
        return;
    }
    conn->state = CL_CONN_LINGER;
    conn->received = 0;
    cl_conn_set_deadline(conn, cl_clock_us(), LINGER_MS);
    cl_input_resume(conn);
}

void cl_linger_init(struct cl_http_server *server)
{
    cl_list_init(&server->lingering);
    server->linger_left = CL_LINGER_BURST;
    server->linger_us = cl_clock_us();
    event_assign(&server->linger_turn, server->base, -1, 0, on_turn, server);
}

void cl_linger_fini(struct cl_http_server *server)
{
    event_del(&server->linger_turn);
}
