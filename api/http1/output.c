/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands answer bytes to the kernel: straight from the handler when it takes them, which saves
 * two epoll calls and a turn of the loop per answer, else through the bufferevent.
 * Runs in: cloche-api.
 * Trusts: what the handlers write; not that the client reads.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <sys/socket.h>

#include "api/http1/conn.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"

enum {
    PIECES_MAX = 4,
    HOLD_MAX = 16 << 10, /* larger pieces are not copied once more to be collected */
};

size_t cl_output_unsent(const struct cl_conn *conn)
{
    return conn->pending.length + evbuffer_get_length(bufferevent_get_output(conn->stream));
}

static void mark_broken(struct cl_conn *conn)
{
    conn->is_broken = true;
    cl_conn_kick(conn);
}

/* `length` more bytes wait for the client: each of them prolongs the time that it has for all, so
 * that one byte now and then, which is progress to the bufferevent, is not enough. */
static void expect_drained(struct cl_conn *conn, size_t length)
{
    const struct cl_http_caps *caps = &conn->server->caps;
    const uint64_t now_us = cl_clock_us();

    if (conn->drained_by_us == 0)
        conn->drained_by_us = now_us + (uint64_t)caps->write_ms * 1000;
    conn->drained_by_us += length * 1000000 / caps->write_rate;

    const uint64_t wait_us = conn->drained_by_us > now_us ? conn->drained_by_us - now_us : 0;
    const struct timeval wait = { (time_t)(wait_us / 1000000),
                                  (suseconds_t)(wait_us % 1000000) };
    event_add(&conn->late, &wait);
}

void cl_output_on_drained(struct cl_conn *conn)
{
    if (conn->drained_by_us == 0)
        return;
    conn->drained_by_us = 0;
    event_del(&conn->late);
    cl_charge_settle(conn);
}

void cl_output_on_late(evutil_socket_t fd, short what, void *user)
{
    struct cl_conn *conn = user;

    (void)fd;
    (void)what;
    cl_log(CL_INFO, "http.slow_reader", "request=%llu unsent=%zu",
           (unsigned long long)conn->exchange.id, cl_output_unsent(conn));
    cl_conn_free(conn);
}

/* Whether so much may wait for the client; if not, there is no way left to tell it. */
static bool may_queue(struct cl_conn *conn, size_t length)
{
    if (cl_charge_fits(conn, length))
        return true;
    cl_log(CL_WARN, "http.memory", "request=%llu unsent=%zu what=\"no room for the answer\"",
           (unsigned long long)conn->exchange.id, length);
    mark_broken(conn);
    return false;
}

static size_t length_of(const struct iovec *pieces, size_t count)
{
    size_t length = 0;

    for (size_t i = 0; i < count; i++)
        length += pieces[i].iov_len;
    return length;
}

/* Gives the bufferevent what is left of the pieces after `sent` bytes. */
static void queue_rest(struct cl_conn *conn, const struct iovec *pieces, size_t count,
                       size_t sent)
{
    const size_t rest = length_of(pieces, count) - sent;

    if (rest == 0 || !may_queue(conn, rest))
        return;
    for (size_t i = 0; i < count; i++) {
        size_t skip = sent < pieces[i].iov_len ? sent : pieces[i].iov_len;

        sent -= skip;
        if (skip == pieces[i].iov_len)
            continue;
        if (bufferevent_write(conn->stream, (const char *)pieces[i].iov_base + skip,
                              pieces[i].iov_len - skip) < 0) {
            cl_log(CL_ERROR, "http.output", "what=\"out of memory\"");
            mark_broken(conn);
            return;
        }
    }
    expect_drained(conn, rest);
}

/* How much the kernel took at once; 0 when something is queued before, it is full, or it is not
 * to see the bytes as they are. */
static size_t send_now(struct cl_conn *conn, struct iovec *pieces, size_t count)
{
    if (conn->is_secure || evbuffer_get_length(bufferevent_get_output(conn->stream)) > 0)
        return 0;

    ssize_t sent = writev(conn->fd, pieces, (int)count); /* non-blocking; SIGPIPE is ignored */
    if (sent >= 0)
        return (size_t)sent;
    if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
        mark_broken(conn);
    return 0;
}

void cl_output_put(struct cl_conn *conn, const struct iovec *pieces, size_t count)
{
    struct iovec all[PIECES_MAX + 1] = { { conn->pending.bytes, conn->pending.length } };

    CL_CHECK(count <= PIECES_MAX);
    if (conn->is_broken)
        return;
    for (size_t i = 0; i < count; i++)
        all[i + 1] = pieces[i];

    size_t sent = send_now(conn, all, count + 1);
    if (!conn->is_broken)
        queue_rest(conn, all, count + 1, sent);
    cl_buf_clear(&conn->pending);
    cl_charge_settle(conn);
}

void cl_output_hold(struct cl_conn *conn, const struct iovec *pieces, size_t count)
{
    struct cl_err err = CL_ERR_INIT;
    const size_t length = length_of(pieces, count);

    if (length > HOLD_MAX || conn->pending.length + length > HOLD_MAX) {
        cl_output_put(conn, pieces, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (cl_buf_put(&conn->pending, pieces[i].iov_base, pieces[i].iov_len, &err) < 0) {
            mark_broken(conn);
            return;
        }
    }
}

void cl_output_flush(struct cl_conn *conn)
{
    if (conn->pending.length > 0)
        cl_output_put(conn, NULL, 0);
}

void cl_output_move(struct cl_conn *conn, struct evbuffer *bytes)
{
    cl_output_flush(conn);
    if (conn->is_broken)
        return;
    if (!conn->is_secure && evbuffer_get_length(bufferevent_get_output(conn->stream)) == 0 &&
        evbuffer_write(bytes, conn->fd) < 0 && errno != EAGAIN && errno != EINTR) {
        mark_broken(conn);
        return;
    }

    const size_t rest = evbuffer_get_length(bytes);
    if (rest == 0 || !may_queue(conn, rest))
        return;
    if (bufferevent_write_buffer(conn->stream, bytes) < 0) {
        mark_broken(conn);
        return;
    }
    expect_drained(conn, rest);
    cl_charge_settle(conn);
}
