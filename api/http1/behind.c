/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that came in one behind the other: they wait here, by connection, and a few connections
 * get on with their next one every millisecond. Answering all that a client sent in one go would
 * let it keep everybody else waiting: an input buffer holds thousands of small requests, which
 * cost their sender far less than they cost here.
 * Runs in: cloche-api.
 * Trusts: nothing; a connection may end while it waits.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "api/http1/conn.h"

enum { TURNS = 4, EVERY_US = 1000 }; /* so many requests in that time, of all together */

bool cl_behind_is_any(const struct cl_conn *conn)
{
    return evbuffer_get_length(bufferevent_get_input(conn->stream)) > 0;
}

static void serve_later(struct cl_http_server *server)
{
    static const struct timeval wait = { 0, EVERY_US };

    event_add(&server->behind_turn, &wait);
}

void cl_behind_wait(struct cl_conn *conn)
{
    struct cl_http_server *server = conn->server;

    conn->state = CL_CONN_BEHIND;
    cl_conn_clear_deadline(conn);
    if (cl_list_is_empty(&server->behind))
        serve_later(server);
    cl_list_append(&server->behind, &conn->waiting);
    cl_input_watch_for_end(conn);
}

static void on_turn(evutil_socket_t fd, short what, void *user)
{
    struct cl_http_server *server = user;

    (void)fd;
    (void)what;
    for (int i = 0; i < TURNS && !cl_list_is_empty(&server->behind); i++) {
        struct cl_conn *conn = cl_list_entry(server->behind.next, struct cl_conn, waiting);
        cl_list_unlink(&conn->waiting);
        cl_conn_take_turn(conn);
    }
    if (!cl_list_is_empty(&server->behind))
        serve_later(server);
}

void cl_behind_init(struct cl_http_server *server)
{
    cl_list_init(&server->behind);
    event_assign(&server->behind_turn, server->base, -1, 0, on_turn, server);
}

void cl_behind_fini(struct cl_http_server *server)
{
    event_del(&server->behind_turn);
}
