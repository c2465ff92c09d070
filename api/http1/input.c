/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way in: from bytes of a connection to a head, a body and the handler's calls.
 * Runs in: cloche-api.
 * Trusts: nothing; the client may send anything, in pieces of any size.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "api/http1/conn.h"
#include "sandbox/base/clock.h"

enum {
    RATE_EVERY_MS = 1000,
    GONE_EVERY_MS = 250, /* see cl_input_watch_for_end */
};

static const struct cl_http_fault no_memory = { 503,
                                                "there is no memory for this request now" };
static const struct cl_http_fault too_slow = { 408, "the request did not arrive in time" };

static const struct cl_http_fault too_large = { 413,
                                                "the body is larger than this resource takes" };
static const struct cl_http_fault not_wanted = { 413, "this resource takes no body" };

static void finish_body(struct cl_conn *conn)
{
    struct cl_exchange *x = &conn->exchange;
    const char *body = conn->body.length > 0 ? (const char *)conn->body.bytes : "";

    conn->state = CL_CONN_CALL;
    cl_conn_clear_deadline(conn);
    x->body_is_in = true;
    conn->server->calls.on_body(x, body, conn->body.length);
    cl_input_watch_for_end(conn);
}

/* Takes one contiguous run out of the input; false when the request was refused. */
static bool take_run(struct cl_conn *conn, struct evbuffer *input,
                     const struct evbuffer_iovec *run)
{
    struct cl_http_fault fault = { 0, NULL };
    struct cl_err err = CL_ERR_INIT;
    const char *content;
    size_t length;
    ssize_t taken =
        cl_body_next(&conn->framing, run->iov_base, run->iov_len, &content, &length, &fault);

    if (taken < 0) {
        cl_conn_refuse(conn, &fault);
        return false;
    }
    if (!cl_charge_fits(conn, length) || cl_buf_put(&conn->body, content, length, &err) < 0) {
        cl_conn_refuse(conn, &no_memory);
        return false;
    }
    cl_charge_settle(conn);
    conn->received += (size_t)taken;
    evbuffer_drain(input, (size_t)taken);
    return true;
}

static void read_body(struct cl_conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->stream);
    struct evbuffer_iovec run;

    while (!cl_body_is_complete(&conn->framing)) {
        if (evbuffer_peek(input, -1, NULL, &run, 1) < 1)
            return;
        if (!take_run(conn, input, &run))
            return;
    }
    finish_body(conn);
}

void cl_input_check_pace(struct cl_conn *conn, uint64_t now_us)
{
    const struct cl_http_caps *caps = &conn->server->caps;
    uint64_t spent_ms = (now_us - conn->since_us) / 1000;

    if (spent_ms >= caps->body_ms || (spent_ms >= caps->body_grace_ms &&
                                      conn->received < spent_ms * caps->body_rate / 1000)) {
        cl_conn_refuse(conn, &too_slow);
        return;
    }
    uint64_t next_ms =
        spent_ms < caps->body_grace_ms ? caps->body_grace_ms - spent_ms : RATE_EVERY_MS;
    uint64_t left_ms = caps->body_ms - spent_ms;
    cl_conn_set_deadline(conn, now_us, next_ms < left_ms ? next_ms : left_ms);
}

/* A client that writes head and body apart, without TCP_NODELAY, keeps the body back until the
 * head is acknowledged, which the kernel puts off for 40 ms. Without effect on other sockets. */
static void acknowledge(struct cl_conn *conn)
{
    const int now = 1;

    setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &now, sizeof(now));
}

static void begin_body(struct cl_conn *conn)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct evbuffer *input = bufferevent_get_input(conn->stream);
    struct cl_exchange *x = &conn->exchange;
    struct iovec piece = { (void *)(uintptr_t)go_on, sizeof(go_on) - 1 };

    if (x->head.content_length > x->body_most || x->body_most == 0) {
        cl_conn_refuse(conn, x->body_most ? &too_large : &not_wanted);
        return;
    }
    /* Said now rather than when the client has sent half of it. */
    if (!cl_charge_fits(conn, (size_t)x->head.content_length)) {
        cl_conn_refuse(conn, &no_memory);
        return;
    }
    if (x->head.is_chunked)
        cl_body_init_chunked(&conn->framing, x->body_most);
    conn->body.limit = x->body_most;
    conn->state = CL_CONN_BODY;
    conn->since_us = cl_clock_us();
    conn->received = 0;
    if (x->head.expects_continue && evbuffer_get_length(input) == 0)
        cl_output_put(conn, &piece, 1);
    read_body(conn);
    if (conn->state != CL_CONN_BODY)
        return;
    acknowledge(conn);
    cl_input_check_pace(conn, conn->since_us);
}

static void begin_exchange(struct cl_conn *conn)
{
    struct cl_exchange *x = &conn->exchange;

    conn->state = CL_CONN_CALL;
    cl_conn_clear_deadline(conn);
    x->id = ++conn->server->next_id;
    cl_body_init_length(&conn->framing, x->head.content_length);
    x->body_is_in = !x->head.is_chunked && x->head.content_length == 0;
    x->is_announced = true;
    conn->server->calls.on_head(x, conn->server->user);
    if (x->answer != CL_ANSWER_NONE)
        return; /* with an unread body the connection closes behind the answer */
    if (x->body_is_in)
        finish_body(conn);
    else
        begin_body(conn);
}

/* Moves a complete head out of the input and parses it. */
static void take_head(struct cl_conn *conn, struct evbuffer *input, size_t length)
{
    const struct cl_http_caps *caps = &conn->server->caps;
    struct cl_head_caps head_caps = { caps->head_bytes, caps->fields };
    struct cl_http_fault fault = { 0, NULL };
    struct cl_err err = CL_ERR_INIT;
    uint8_t *text = cl_buf_room(&conn->head_text, length, &err);

    if (!text) {
        cl_conn_refuse(conn, &no_memory);
        return;
    }
    evbuffer_remove(input, text, length);
    if (cl_head_parse((char *)text, length, &head_caps, &conn->exchange.head, conn->fields,
                      &fault) < 0)
        cl_conn_refuse(conn, &fault);
    else
        begin_exchange(conn);
}

static void read_head(struct cl_conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->stream);
    const struct cl_http_caps *caps = &conn->server->caps;
    struct cl_head_caps head_caps = { caps->head_bytes, caps->fields };
    struct cl_http_fault fault = { 0, NULL };
    size_t length = evbuffer_get_length(input);

    if (length == 0)
        return;
    cl_list_unlink(&conn->idle);
    if (length > caps->head_bytes)
        length = caps->head_bytes;

    const char *bytes = (const char *)evbuffer_pullup(input, (ssize_t)length);
    if (!bytes) {
        cl_conn_refuse(conn, &no_memory);
        return;
    }
    conn->exchange.is_head = length >= 5 && memcmp(bytes, "HEAD ", 5) == 0;
    ssize_t end = cl_head_scan(&conn->scan, bytes, length, &head_caps, &fault);
    if (end > 0) {
        take_head(conn, input, (size_t)end);
    } else if (end < 0) {
        cl_conn_refuse(conn, &fault);
    } else if (conn->state == CL_CONN_IDLE) {
        conn->state = CL_CONN_HEAD;
        cl_conn_set_deadline(conn, cl_clock_us(), caps->head_ms);
    }
}

/* Reading is disabled by hand: a bufferevent left alone above its watermark would call
 * on_readable again and again. */
void cl_input_watch_for_end(struct cl_conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->stream);

    if (evbuffer_get_length(input) < conn->server->caps.head_bytes + CL_INPUT_SPARE)
        return;
    if (!conn->is_paused)
        bufferevent_disable(conn->stream, EV_READ);
    conn->is_paused = true;
    if (conn->deadline_us == 0)
        cl_conn_set_deadline(conn, cl_clock_us(), GONE_EVERY_MS);
}

void cl_input_resume(struct cl_conn *conn)
{
    if (conn->is_paused && bufferevent_enable(conn->stream, EV_READ) < 0) {
        conn->is_broken = true;
        cl_conn_kick(conn);
    }
    conn->is_paused = false;
    cl_input_read(conn);
}

void cl_input_read(struct cl_conn *conn)
{
    switch (conn->state) {
    case CL_CONN_IDLE:
    case CL_CONN_HEAD:
        read_head(conn);
        return;
    case CL_CONN_BODY:
        read_body(conn);
        return;
    case CL_CONN_BEHIND:
    case CL_CONN_CALL:
    case CL_CONN_FLUSH:
        cl_input_watch_for_end(conn);
        return;
    case CL_CONN_LINGER:
        cl_linger_read(conn);
        return;
    }
}
