/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What handlers call: reading the request, making the answer.
 * Runs in: cloche-api.
 * Trusts: handlers to keep an exchange only until on_end; no text that they put into a header.
 */
#include "api/http1/exchange.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "api/http1/conn.h"
#include "api/status.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

const struct cl_http_head *cl_exchange_head(const struct cl_exchange *x)
{
    return &x->head;
}

const char *cl_exchange_field(const struct cl_exchange *x, const char *name)
{
    return cl_head_field(&x->head, name);
}

const char *cl_exchange_peer(const struct cl_exchange *x)
{
    return x->conn->peer;
}

uint64_t cl_exchange_id(const struct cl_exchange *x)
{
    return x->id;
}

void cl_exchange_want_body(struct cl_exchange *x, size_t most_bytes)
{
    x->body_most = most_bytes;
}

bool cl_exchange_reserve(struct cl_exchange *x, size_t bytes)
{
    if (bytes > x->reserved && !cl_charge_fits(x->conn, bytes - x->reserved))
        return false;
    x->reserved = bytes;
    cl_charge_settle(x->conn);
    return true;
}

void cl_exchange_set_user(struct cl_exchange *x, void *user)
{
    x->user = user;
}

void *cl_exchange_user(const struct cl_exchange *x)
{
    return x->user;
}

void cl_exchange_reset(struct cl_exchange *x)
{
    struct cl_buf extra = x->extra;
    struct cl_conn *conn = x->conn;

    cl_buf_clear(&extra);
    *x = (struct cl_exchange){ .conn = conn, .extra = extra };
}

/* -------------------------------------------------------------------------------- the head */

/* Fields that only this file may write: they are the framing. */
static const char *const framing[] = { "connection", "content-length", "transfer-encoding",
                                       "date", "content-type" };

static bool is_framing(const char *name)
{
    for (size_t i = 0; i < CL_COUNT(framing); i++) {
        if (strcasecmp(framing[i], name) == 0)
            return true;
    }
    return false;
}

void cl_exchange_header(struct cl_exchange *x, const char *name, const char *value)
{
    struct cl_err err = CL_ERR_INIT;

    if (x->answer != CL_ANSWER_NONE)
        return;
    if (!cl_head_is_token(name) || !cl_head_is_value(value) || is_framing(name)) {
        cl_log(CL_WARN, "http.header",
               "request=%llu what=\"dropped a header that may not be sent\"",
               (unsigned long long)x->id);
        return;
    }
    if (cl_buf_format(&x->extra, &err, "%s: %s\r\n", name, value) < 0)
        cl_log(CL_WARN, "http.header", "request=%llu what=\"%s\"", (unsigned long long)x->id,
               err.text);
    if (strcasecmp(name, "retry-after") == 0)
        x->has_retry_after = true;
}

static const char *date_of(struct cl_http_server *server)
{
    time_t now = time(NULL);
    struct tm calendar;

    if (now != server->date_second) {
        gmtime_r(&now, &calendar);
        strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT", &calendar);
        server->date_second = now;
    }
    return server->date;
}

static bool has_content(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

static bool is_head_request(const struct cl_exchange *x)
{
    return x->is_head;
}

/* Framing lines: what ends the body. */
static int put_framing(struct cl_exchange *x, const uint64_t *length, struct cl_buf *out,
                       struct cl_err *err)
{
    if (length)
        return cl_buf_format(out, err, "Content-Length: %llu\r\n", (unsigned long long)*length);
    if (!x->head.is_http10) {
        x->is_chunked = true;
        return cl_buf_put_text(out, "Transfer-Encoding: chunked\r\n", err);
    }
    x->keeps_alive = false; /* the end of the connection is the end of the body */
    return 0;
}

/* Collects the answer's head; `length` is NULL when it is not known yet. */
static int put_head(struct cl_exchange *x, int status, const char *type, const uint64_t *length)
{
    struct cl_http_server *server = x->conn->server;
    struct cl_buf *out = &x->conn->pending;
    struct cl_err err = CL_ERR_INIT;

    x->keeps_alive = x->head.keep_alive && x->body_is_in && !server->is_draining &&
                     (!x->conn->saw_eof || cl_behind_is_any(x->conn));
    if (cl_buf_format(
            out, &err,
            "HTTP/1.1 %d %s\r\nServer: cloche\r\nDate: %s\r\nCache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\n",
            status, cl_status_of(status)->reason, date_of(server)) < 0)
        return -1;
    if (has_content(status) && (cl_buf_format(out, &err, "Content-Type: %s\r\n", type) < 0 ||
                                put_framing(x, length, out, &err) < 0))
        return -1;
    if (!x->keeps_alive && cl_buf_put_text(out, "Connection: close\r\n", &err) < 0)
        return -1;
    if (x->keeps_alive && x->head.is_http10 &&
        cl_buf_put_text(out, "Connection: keep-alive\r\n", &err) < 0)
        return -1;
    if (cl_buf_put(out, x->extra.bytes, x->extra.length, &err) < 0)
        return -1;
    return cl_buf_put_text(out, "\r\n", &err);
}

/* False when an answer was begun before (the first one stands), or memory ran out. */
static bool begin(struct cl_exchange *x, int status, const char *type, const uint64_t *length)
{
    if (x->answer != CL_ANSWER_NONE)
        return false;
    if (!type || !cl_head_is_value(type))
        type = "application/octet-stream";
    if (x->conn->server->calls.on_answer)
        x->conn->server->calls.on_answer(x, status);
    if (put_head(x, status, type, length) < 0) {
        cl_exchange_abort(x);
        return false;
    }
    return true;
}

/* --------------------------------------------------------------------------- whole answers */

void cl_exchange_answer(struct cl_exchange *x, int status, const char *content_type,
                        const void *body, size_t length)
{
    uint64_t announced = length;
    struct iovec piece = { (void *)(uintptr_t)body, length };
    bool sends_body = has_content(status) && !is_head_request(x);

    if (!begin(x, status, content_type, &announced))
        return;
    x->answer = CL_ANSWER_DONE;
    cl_output_put(x->conn, &piece, sends_body ? 1 : 0);
    cl_conn_kick(x->conn);
}

void cl_exchange_answer_buffer(struct cl_exchange *x, int status, const char *content_type,
                               struct evbuffer *body)
{
    uint64_t announced = evbuffer_get_length(body);

    if (!begin(x, status, content_type, &announced))
        return;
    x->answer = CL_ANSWER_DONE;
    if (has_content(status) && !is_head_request(x))
        cl_output_move(x->conn, body);
    else
        cl_output_flush(x->conn);
    cl_conn_kick(x->conn);
}

/* -------------------------------------------------------------------------- piece by piece */

void cl_exchange_begin(struct cl_exchange *x, int status, const char *content_type)
{
    if (!begin(x, status, content_type, NULL))
        return;
    x->answer = CL_ANSWER_STREAM;
    x->owes_drained = true;
    cl_conn_kick_later(x->conn);
}

bool cl_exchange_is_drained(const struct cl_exchange *x)
{
    return cl_output_unsent(x->conn) == 0;
}

void cl_exchange_write(struct cl_exchange *x, const void *bytes, size_t length)
{
    char size[24];
    struct iovec pieces[] = { { size, 0 },
                              { (void *)(uintptr_t)bytes, length },
                              { (void *)(uintptr_t) "\r\n", 2 } };
    size_t unsent = cl_output_unsent(x->conn);

    if (x->answer != CL_ANSWER_STREAM || length == 0)
        return;
    if (unsent > 0 && unsent + length > x->conn->server->caps.output_bytes) {
        cl_log(CL_ERROR, "http.overrun", "request=%llu unsent=%zu", (unsigned long long)x->id,
               unsent);
        cl_exchange_abort(x);
        return;
    }
    pieces[0].iov_len = (size_t)snprintf(size, sizeof(size), "%zx\r\n", length);
    if (!is_head_request(x))
        cl_output_hold(x->conn, x->is_chunked ? pieces : pieces + 1, x->is_chunked ? 3 : 1);
    x->owes_drained = true;
    cl_conn_kick_later(x->conn);
}

void cl_exchange_finish(struct cl_exchange *x)
{
    struct iovec end = { (void *)(uintptr_t) "0\r\n\r\n", 5 };

    if (x->answer != CL_ANSWER_STREAM)
        return;
    x->answer = CL_ANSWER_DONE;
    cl_output_put(x->conn, &end, x->is_chunked && !is_head_request(x) ? 1 : 0);
    cl_conn_kick(x->conn);
}

void cl_exchange_abort(struct cl_exchange *x)
{
    if (x->answer == CL_ANSWER_DONE)
        return;
    x->answer = CL_ANSWER_ABORTED;
    cl_conn_kick(x->conn);
}

/* -------------------------------------------------------------------------------- problems */

static void send_problem(struct cl_exchange *x, const struct cl_problem *problem)
{
    CL_AUTO(cl_buf_fini) struct cl_buf out = CL_BUF_INIT(CL_PROBLEM_BYTES_MAX);
    struct cl_problem bare = { .status = problem->status, .slug = problem->slug };
    struct cl_err err = CL_ERR_INIT;
    unsigned retry_after = cl_status_of(problem->status)->retry_after;
    char seconds[16];

    if (cl_status_format(&out, problem, &err) < 0) {
        cl_buf_clear(&out);
        if (cl_status_format(&out, &bare, &err) < 0) {
            cl_exchange_abort(x);
            return;
        }
    }
    snprintf(seconds, sizeof(seconds), "%u", retry_after);
    if (retry_after > 0 && !x->has_retry_after)
        cl_exchange_header(x, "Retry-After", seconds);
    cl_exchange_answer(x, problem->status, "application/problem+json", out.bytes, out.length);
}

void cl_exchange_problem(struct cl_exchange *x, int status, const char *type, const char *title,
                         const char *detail, const char *extra)
{
    send_problem(x, &(struct cl_problem){ status, type, title, detail, extra });
}

void cl_exchange_fail(struct cl_exchange *x, const struct cl_err *err)
{
    const char *detail = cl_status_may_tell(err->kind) ? err->text : NULL;

    if (!detail)
        cl_log(CL_ERROR, "http.fail", "request=%llu kind=%s what=\"%s\"",
               (unsigned long long)x->id, cl_err_kind_name(err->kind), err->text);
    send_problem(
        x, &(struct cl_problem){ .status = cl_status_of_kind(err->kind), .detail = detail });
}

void cl_exchange_refuse(struct cl_exchange *x, const struct cl_http_fault *fault)
{
    struct cl_problem problem = { .status = fault->status, .detail = fault->detail };
    char limit[40];

    x->head.keep_alive = false;
    if (fault->status == 413 && x->body_most > 0) {
        snprintf(limit, sizeof(limit), "\"limit\":%zu", x->body_most);
        problem.extra = limit;
    }
    send_problem(x, &problem);
}
