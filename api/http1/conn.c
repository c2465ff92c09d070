/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: its deadlines, its exchanges one after the other, its end.
 * Runs in: cloche-api.
 * Trusts: nothing; the client may send anything, at any pace, and vanish at any moment.
 */
#include "api/http1/conn.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

enum {
    EXTRA_MAX = 8 << 10,    /* bytes of header lines that a handler may add */
    PENDING_MAX = 64 << 10, /* the answer's head and the pieces held back (output.c) */
    BODY_KEEP = 64 << 10,   /* larger body buffers are not kept for the next request */
};

static const struct cl_http_fault too_slow = { 408, "the request did not arrive in time" };

/* ------------------------------------------------------------------------------- deadlines */

static void arm(struct cl_conn *conn, uint64_t now_us)
{
    uint64_t wait_us = conn->deadline_us > now_us ? conn->deadline_us - now_us : 0;
    struct timeval wait = { (time_t)(wait_us / 1000000), (suseconds_t)(wait_us % 1000000) };

    event_add(&conn->timer, &wait);
    conn->armed_us = conn->deadline_us;
}

/* A timer that would fire too early is left alone: it fires, sees that and is set again. So a
 * request that is answered at once sets no timer. */
void cl_conn_set_deadline(struct cl_conn *conn, uint64_t now_us, uint64_t after_ms)
{
    conn->deadline_us = now_us + after_ms * 1000;
    if (conn->armed_us == 0 || conn->deadline_us < conn->armed_us)
        arm(conn, now_us);
}

void cl_conn_clear_deadline(struct cl_conn *conn)
{
    conn->deadline_us = 0;
}

static void become_idle(struct cl_conn *conn, uint32_t wait_ms)
{
    conn->state = CL_CONN_IDLE;
    cl_list_append(&conn->server->idle, &conn->idle);
    conn->scan = (struct cl_head_scan)CL_HEAD_SCAN_INIT;
    cl_conn_set_deadline(conn, cl_clock_us(), wait_ms);
}

/* ---------------------------------------------------------------------------------- ending */

void cl_conn_free(struct cl_conn *conn)
{
    struct cl_exchange *x = &conn->exchange;

    if (x->is_announced) {
        x->is_announced = false;
        conn->server->calls.on_end(x, false);
    }
    event_del(&conn->timer);
    event_del(&conn->kick);
    event_del(&conn->late);
    cl_list_unlink(&conn->idle);
    cl_list_unlink(&conn->waiting);
    cl_charge_release(conn);
    cl_http_server_forget(conn);
    if (conn->state == CL_CONN_IDLE)
        cl_secure_say_end(conn);
    if (conn->stream)
        bufferevent_free(conn->stream);
    free(conn->certificate);
    cl_buf_fini(&conn->head_text);
    cl_buf_fini(&conn->body);
    cl_buf_fini(&conn->pending);
    cl_buf_fini(&x->extra);
    free(conn);
}

/* Without chunks the only sign of a broken-off answer is RST. */
static void break_off(struct cl_conn *conn)
{
    struct linger hard = { 1, 0 };

    if (!conn->exchange.is_chunked)
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    cl_conn_free(conn);
}

void cl_conn_refuse(struct cl_conn *conn, const struct cl_http_fault *fault)
{
    conn->state = CL_CONN_CALL;
    cl_conn_clear_deadline(conn);
    if (!conn->exchange.body_is_in) {
        cl_buf_fini(&conn->body); /* no handler has seen it */
        cl_charge_settle(conn);
    }
    cl_exchange_refuse(&conn->exchange, fault);
}

/* -------------------------------------------------------------------------- on the way out */

static void release_buffers(struct cl_conn *conn)
{
    if (conn->body.capacity > BODY_KEEP)
        cl_buf_fini(&conn->body);
    cl_buf_clear(&conn->body);
    cl_buf_clear(&conn->head_text);
    cl_charge_settle(conn);
}

static void end_exchange(struct cl_conn *conn)
{
    struct cl_exchange *x = &conn->exchange;
    const bool has_more = cl_behind_is_any(conn);
    bool keeps_alive =
        x->keeps_alive && (!conn->saw_eof || has_more) && !conn->server->is_draining;

    if (x->is_announced) {
        x->is_announced = false;
        conn->server->calls.on_end(x, true);
    }
    cl_exchange_reset(x);
    release_buffers(conn);
    if (!keeps_alive) {
        cl_linger_begin(conn);
        return;
    }
    if (has_more) {
        cl_behind_wait(conn);
        return;
    }
    become_idle(conn, conn->server->caps.idle_ms);
    cl_input_resume(conn);
}

/* What came before the end of the input is answered, but for a call: that must not outlive its
 * client, and nobody tells whether it is still there. */
void cl_conn_take_turn(struct cl_conn *conn)
{
    become_idle(conn, conn->server->caps.idle_ms);
    cl_input_resume(conn);
    if (conn->saw_eof && conn->exchange.answer != CL_ANSWER_DONE)
        cl_conn_free(conn);
}

static void on_kick(evutil_socket_t fd, short what, void *user)
{
    struct cl_conn *conn = user;
    struct cl_exchange *x = &conn->exchange;

    (void)fd;
    (void)what;
    cl_output_flush(conn);
    if (conn->is_broken) {
        cl_conn_free(conn);
        return;
    }
    if (x->answer == CL_ANSWER_ABORTED) {
        break_off(conn);
        return;
    }
    if (x->answer == CL_ANSWER_DONE)
        conn->state = CL_CONN_FLUSH;
    if (cl_output_unsent(conn) > 0)
        return; /* on_writable comes */
    cl_output_on_drained(conn);
    if (x->answer == CL_ANSWER_DONE) {
        end_exchange(conn);
    } else if (x->answer == CL_ANSWER_STREAM && x->owes_drained) {
        x->owes_drained = false;
        conn->server->calls.on_drained(x);
    }
}

void cl_conn_kick(struct cl_conn *conn)
{
    event_active(&conn->kick, EV_TIMEOUT, 1);
}

void cl_conn_kick_later(struct cl_conn *conn)
{
    struct timeval now = { 0, 0 };

    event_add(&conn->kick, &now);
}

static void on_writable(struct bufferevent *stream, void *user)
{
    (void)stream;
    on_kick(-1, 0, user);
}

static void on_readable(struct bufferevent *stream, void *user)
{
    (void)stream;
    cl_input_read(user);
}

/* ----------------------------------------------------------------------- what else happens */

/* A client that half-closes while its call runs counts as gone: nobody tells them apart, and a
 * call must not outlive its client. A complete answer is still delivered to it. */
static void on_event(struct bufferevent *stream, short what, void *user)
{
    struct cl_conn *conn = user;

    (void)stream;
    if (conn->is_secure && cl_secure_on_event(conn, what))
        return;
    if ((what & BEV_EVENT_EOF) &&
        (conn->exchange.answer == CL_ANSWER_DONE || conn->state == CL_CONN_BEHIND)) {
        conn->saw_eof = true;
        return;
    }
    cl_conn_free(conn);
}

static bool is_gone(const struct cl_conn *conn)
{
    struct pollfd ask = { .fd = conn->fd, .events = POLLRDHUP };

    return poll(&ask, 1, 0) > 0;
}

static void on_deadline(struct cl_conn *conn, uint64_t now_us)
{
    switch (conn->state) {
    case CL_CONN_HEAD:
        cl_conn_refuse(conn, &too_slow);
        return;
    case CL_CONN_BODY:
        cl_input_check_pace(conn, now_us);
        return;
    case CL_CONN_BEHIND:
    case CL_CONN_CALL:
    case CL_CONN_FLUSH:
        cl_conn_clear_deadline(conn);
        if (is_gone(conn))
            cl_conn_free(conn);
        else
            cl_input_watch_for_end(conn);
        return;
    case CL_CONN_IDLE:
    case CL_CONN_LINGER:
        cl_conn_free(conn);
        return;
    }
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
    struct cl_conn *conn = user;
    uint64_t now_us = cl_clock_us();

    (void)fd;
    (void)what;
    conn->armed_us = 0;
    if (conn->deadline_us == 0)
        return;
    if (now_us < conn->deadline_us)
        arm(conn, now_us);
    else
        on_deadline(conn, now_us);
}

void cl_conn_on_drain(struct cl_conn *conn)
{
    if (conn->state == CL_CONN_IDLE)
        cl_conn_free(conn);
}

/* ------------------------------------------------------------------------------- beginning */

/* Takes `fd`, which the bufferevent owns from here on. */
static int open_stream(struct cl_conn *conn, int fd, struct cl_err *err)
{
    const struct cl_http_caps *caps = &conn->server->caps;
    struct timeval write_wait = { caps->write_ms / 1000, caps->write_ms % 1000 * 1000 };

    conn->fd = fd;
    conn->is_secure = conn->server->tls != NULL;
    conn->stream = conn->is_secure
                       ? cl_secure_open(conn, fd)
                       : bufferevent_socket_new(conn->server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->stream) {
        close(fd);
        return cl_fail(err, CL_E_SYS, "make a bufferevent");
    }
    bufferevent_setcb(conn->stream, on_readable, on_writable, on_event, conn);
    bufferevent_setwatermark(conn->stream, EV_READ, 0, caps->head_bytes + CL_INPUT_SPARE);
    bufferevent_set_timeouts(conn->stream, NULL, &write_wait);
    if (bufferevent_enable(conn->stream, EV_READ | EV_WRITE) < 0) {
        bufferevent_free(cl_take_ptr(&conn->stream));
        return cl_fail(err, CL_E_SYS, "watch a connection");
    }
    return 0;
}

struct cl_conn *cl_conn_new(struct cl_http_server *server, int fd, struct cl_err *err)
{
    struct cl_conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        close(fd);
        cl_fail(err, CL_E_SYS, "allocate a connection");
        return NULL;
    }
    conn->server = server;
    conn->exchange.conn = conn;
    conn->exchange.extra = (struct cl_buf)CL_BUF_INIT(EXTRA_MAX);
    conn->head_text = (struct cl_buf)CL_BUF_INIT(server->caps.head_bytes);
    conn->pending = (struct cl_buf)CL_BUF_INIT(PENDING_MAX);
    cl_list_init(&conn->link);
    cl_list_init(&conn->idle);
    cl_list_init(&conn->waiting);
    event_assign(&conn->timer, server->base, -1, 0, on_timer, conn);
    event_assign(&conn->kick, server->base, -1, 0, on_kick, conn);
    event_assign(&conn->late, server->base, -1, 0, cl_output_on_late, conn);
    if (open_stream(conn, fd, err) < 0) {
        free(conn);
        return NULL;
    }
    become_idle(conn, server->caps.head_ms);
    return conn;
}
