/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory, kernel and libevent refuse the server something once: one connection ends or is answered,
 * its exchange ends once, and the server goes on. And the kernel takes answers in small pieces.
 * Runs in: tests only.
 * Trusts: -
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/status.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "tests/support/http_peer.h"

enum { CALLS_MAX = 400, FORMAT_MAX = 4096, OF_THE_HANDLERS = 64 };

/* The call with this number fails, counted from 1 within the loop of the server. */
static int due;
static int made;
static bool is_turning;
/* At most so many bytes are taken by the kernel at once, all if negative; at 0 it says why not. */
static ssize_t taken_at_once = -1;
static int full_errno = EAGAIN;

static bool is_due(void)
{
    if (!is_turning || ++made != due)
        return false;
    errno = ECONNRESET;
    return true;
}

static int refuse(struct cl_err *err)
{
    return cl_fail(err, CL_E_LIMIT, "no memory");
}

/* ---------------------------------------------- what the linker puts in their place (--wrap) */

#pragma GCC visibility push(default) /* libevent's own libraries ask for some of them */

#define WRAP(type, name, takes, passes, fails)                                                 \
    type __real_##name takes;                                                                  \
    type __wrap_##name takes;                                                                  \
    type __wrap_##name takes                                                                   \
    {                                                                                          \
        return is_due() ? (fails) : __real_##name passes;                                      \
    }

WRAP(int, cl_buf_put,
     (struct cl_buf * buf, const void *bytes, size_t length, struct cl_err *err),
     (buf, bytes, length, err), refuse(err))
WRAP(int, cl_buf_put_text, (struct cl_buf * buf, const char *text, struct cl_err *err),
     (buf, text, err), refuse(err))
WRAP(int, bufferevent_write, (struct bufferevent * stream, const void *bytes, size_t length),
     (stream, bytes, length), -1)
WRAP(int, bufferevent_write_buffer, (struct bufferevent * stream, struct evbuffer *from),
     (stream, from), -1)
WRAP(int, bufferevent_enable, (struct bufferevent * stream, short events), (stream, events), -1)
WRAP(struct bufferevent *, bufferevent_socket_new,
     (struct event_base * base, evutil_socket_t fd, int options), (base, fd, options), NULL)
WRAP(struct evconnlistener *, evconnlistener_new,
     (struct event_base * base, evconnlistener_cb cb, void *user, unsigned flags, int backlog,
      evutil_socket_t fd),
     (base, cb, user, flags, backlog, fd), NULL)
WRAP(ssize_t, getrandom, (void *bytes, size_t length, unsigned flags), (bytes, length, flags),
     -1)
WRAP(int, cl_status_format,
     (struct cl_buf * out, const struct cl_problem *problem, struct cl_err *err),
     (out, problem, err), refuse(err))
WRAP(unsigned char *, evbuffer_pullup, (struct evbuffer * from, ev_ssize_t length),
     (from, length), NULL)

/* Not what the handlers of the test ask for. */
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return count * size > OF_THE_HANDLERS && is_due() ? NULL : __real_calloc(count, size);
}

int __wrap_cl_buf_format(struct cl_buf *buf, struct cl_err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int __wrap_cl_buf_format(struct cl_buf *buf, struct cl_err *err, const char *format, ...)
{
    char text[FORMAT_MAX];
    va_list args;

    if (is_due())
        return refuse(err);
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return __real_cl_buf_put_text(buf, text, err);
}

ssize_t __real_writev(int fd, const struct iovec *pieces, int count);
ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count);
ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count)
{
    if (is_due())
        return -1;
    if (!is_turning || taken_at_once < 0)
        return __real_writev(fd, pieces, count);
    if (taken_at_once == 0) {
        errno = full_errno;
        return -1;
    }
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > 0)
            return write(fd, pieces[i].iov_base,
                         pieces[i].iov_len < (size_t)taken_at_once ? pieces[i].iov_len
                                                                   : (size_t)taken_at_once);
    }
    return 0;
}

int __real_evbuffer_write(struct evbuffer *from, evutil_socket_t fd);
int __wrap_evbuffer_write(struct evbuffer *from, evutil_socket_t fd);
int __wrap_evbuffer_write(struct evbuffer *from, evutil_socket_t fd)
{
    if (is_due())
        return -1;
    if (!is_turning || taken_at_once < 0)
        return __real_evbuffer_write(from, fd);
    if (taken_at_once == 0)
        errno = full_errno;
    return taken_at_once == 0 ? -1 : evbuffer_write_atmost(from, fd, taken_at_once);
}

int __real_event_base_loop(struct event_base *base, int flags);
int __wrap_event_base_loop(struct event_base *base, int flags);
int __wrap_event_base_loop(struct event_base *base, int flags)
{
    is_turning = true;
    const int result = __real_event_base_loop(base, flags);
    is_turning = false;
    return result;
}

#pragma GCC visibility pop

/* --------------------------------------------------------------------------------- exchanges */

static const struct {
    const char *request;
    const char *end; /* of the whole answer */
} exchanges[] = {
    { "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", "hello" },
    { "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "hello" },
    { "GET /hello HTTP/1.0\r\n\r\n", "hello" },
    { "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n" },
    { "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", "body" },
    { "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
      "body" },
    { "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
      "body" },
    { "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789", "}" },
    { "GET /buffer HTTP/1.1\r\nHost: a\r\n\r\n", "buffer" },
    { "HEAD /buffer HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n" },
    { "GET /break HTTP/1.1\r\nHost: a\r\n\r\n", "half" },
    { "GET /stream?1 HTTP/1.0\r\n\r\n", "\r\n\r\n" },
    { "GET /header HTTP/1.1\r\nHost: a\r\n\r\n", "headers" },
    { "GET /stream?2 HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n0\r\n\r\n" },
    { "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "}" },
    { "NONSENSE\r\n\r\n", "}" },
};

static int open_server(void **state)
{
    return peer_fixture_open(state, &cl_http_caps_default);
}

static bool is_answered(struct peer_client *client, const char *end)
{
    return peer_status(client) > 0 && peer_hears(client, end, 1);
}

/* An exchange in which call `due` fails. False when it had fewer calls. What came, if anything,
 * begins like an answer; either it is whole or the connection has ended. */
static bool fails_alone(struct peer_fixture *f, size_t i)
{
    made = 0;
    struct peer_client client = peer_connect(&f->peer);
    peer_say(&client, exchanges[i].request);
    if (!peer_hears(&client, exchanges[i].end, 1))
        assert_true(client.saw_end);
    if (client.in.length > 0)
        assert_memory_equal(client.in.bytes, "HTTP/1.1 ",
                            client.in.length < 9 ? client.in.length : 9);
    const bool was_due = made >= due;

    due = 0;
    peer_hang_up(&client);
    struct peer_client next = peer_connect(&f->peer);
    peer_say(&next, exchanges[0].request);
    peer_assert_hears(&next, "hello");
    peer_hang_up(&next);
    return was_due;
}

/* `taken`: what the kernel takes of an answer at once, before and after. */
static void refuse_each(struct peer_fixture *f, size_t i, ssize_t taken)
{
    int n = 1;

    for (;; n++) {
        due = n;
        taken_at_once = taken;
        const bool was_due = fails_alone(f, i);
        taken_at_once = -1;
        if (!was_due)
            break;
        assert_in_range(n, 1, CALLS_MAX);
    }
    assert_in_range(n, 3, CALLS_MAX); /* there was something to refuse */
}

static void a_refusal_ends_its_connection_at_most(void **state)
{
    static const ssize_t sizes[] = { -1, 0, 1 };

    for (size_t s = 0; s < CL_COUNT(sizes); s++) {
        for (size_t i = 0; i < CL_COUNT(exchanges); i++)
            refuse_each(*state, i, sizes[s]);
    }
}

static void no_server_comes_of_a_refusal(void **state)
{
    static const struct cl_exchange_calls calls = { .on_head = NULL };
    struct event_base *base = event_base_new();
    struct cl_http_server *server = NULL;

    (void)state;
    for (due = 1; !server; due++) {
        struct cl_err err = CL_ERR_INIT;
        const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_int_equal(listen(listener, 1), 0);
        made = 0;
        is_turning = true;
        server = cl_http_server_new(base, listener, &cl_http_caps_default, &calls, NULL, &err);
        is_turning = false;
        assert_true(server ? made < due : err.kind == CL_E_SYS);
        if (server)
            cl_http_server_free(server);
        close(listener);
    }
    assert_in_range(due, 4, CALLS_MAX);
    due = 0;
    event_base_free(base);
}

static void an_answer_is_whole_however_little_the_kernel_takes(void **state)
{
    static const struct {
        ssize_t size;
        int error;
    } kernels[] = { { 0, EAGAIN }, { 0, EINTR }, { 0, ENOBUFS },
                    { 1, 0 },      { 20, 0 },    { 1000, 0 } };
    struct peer_fixture *f = *state;

    for (size_t k = 0; k < CL_COUNT(kernels); k++) {
        for (size_t i = 0; i < CL_COUNT(exchanges); i++) {
            if (strcmp(exchanges[i].end, "half") == 0)
                continue; /* it is broken off, and the rest with it */
            taken_at_once = kernels[k].size;
            full_errno = kernels[k].error;
            struct peer_client client = peer_connect(&f->peer);
            peer_say(&client, exchanges[i].request);
            peer_assert_hears(&client, exchanges[i].end);
            assert_true(is_answered(&client, exchanges[i].end));
            peer_hang_up(&client);
            taken_at_once = -1;
            full_errno = EAGAIN;
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_refusal_ends_its_connection_at_most, open_server,
                                        peer_fixture_close),
        cmocka_unit_test(no_server_comes_of_a_refusal),
        cmocka_unit_test_setup_teardown(an_answer_is_whole_however_little_the_kernel_takes,
                                        open_server, peer_fixture_close),
    };

    cl_log_open("test", CL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
