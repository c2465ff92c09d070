/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers every request with what the server understood of it, as JSON: method, path, query,
 * fields and body, the last two in hex. Serves on a free port of 127.0.0.1, which it prints,
 * until standard input ends.
 * Runs in: tests/integration/test_http_differential.py.
 * Trusts: nothing; it is api/http1 that is looked at.
 */
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/http1/server.h"
#include "sandbox/base/buf.h"
#include "sandbox/base/own.h"

/* A request that stays incomplete ends soon: thousands of them are tried. */
enum { WAIT_MS = 200, LOCAL_MOST = 256 };
enum { BODY_MOST = 1 << 20, ANSWER_MOST = 4 << 20 };

static int put_hex(struct cl_buf *out, const char *bytes, size_t length, struct cl_err *err)
{
    for (size_t i = 0; i < length; i++) {
        if (cl_buf_format(out, err, "%02x", (unsigned char)bytes[i]) < 0)
            return -1;
    }
    return 0;
}

static int put_texts(struct cl_buf *out, const struct cl_http_head *head, struct cl_err *err)
{
    const struct {
        const char *name, *text;
    } rows[] = { { "{\"method\":\"", head->method },
                 { "\",\"path\":\"", head->path },
                 { "\",\"query\":\"", head->query } };

    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (cl_buf_put_text(out, rows[i].name, err) < 0 ||
            put_hex(out, rows[i].text, strlen(rows[i].text), err) < 0)
            return -1;
    }
    return cl_buf_put_text(out, "\",\"fields\":[", err);
}

static int put_fields(struct cl_buf *out, const struct cl_http_head *head, struct cl_err *err)
{
    for (size_t i = 0; i < head->field_count; i++) {
        const struct cl_http_field *field = &head->fields[i];

        if (cl_buf_format(out, err, "%s[\"%s\",\"", i > 0 ? "," : "", field->name) < 0 ||
            put_hex(out, field->value, strlen(field->value), err) < 0 ||
            cl_buf_put_text(out, "\"]", err) < 0)
            return -1;
    }
    return 0;
}

static void on_head(struct cl_exchange *exchange, void *server)
{
    (void)server;
    cl_exchange_want_body(exchange, BODY_MOST);
}

static void on_body(struct cl_exchange *exchange, const char *body, size_t length)
{
    const struct cl_http_head *head = cl_exchange_head(exchange);
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(ANSWER_MOST);
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(put_texts(&out, head, &err) == 0 && put_fields(&out, head, &err) == 0 &&
             cl_buf_put_text(&out, "],\"body\":\"", &err) == 0 &&
             put_hex(&out, body, length, &err) == 0 &&
             cl_buf_put_text(&out, "\"}\n", &err) == 0);
    cl_exchange_answer(exchange, 200, "application/json", out.bytes, out.length);
}

static void on_drained(struct cl_exchange *exchange)
{
    (void)exchange;
}

static void on_end(struct cl_exchange *exchange, bool complete)
{
    (void)exchange;
    (void)complete;
}

static const struct cl_exchange_calls calls = {
    .on_head = on_head, .on_body = on_body, .on_drained = on_drained, .on_end = on_end
};

static int listen_somewhere(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof(at);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 128) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &length) < 0) {
        perror("listen");
        return -1;
    }
    printf("%u\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static void on_input(evutil_socket_t fd, short what, void *base)
{
    char byte;

    (void)what;
    if (read(fd, &byte, 1) <= 0)
        event_base_loopbreak(base);
}

int main(void)
{
    struct event_base *base = event_base_new();
    cl_close_auto int listener = listen_somewhere();
    struct cl_http_caps caps = cl_http_caps_default;
    struct cl_err err = CL_ERR_INIT;
    struct cl_http_server *server;
    struct event *input;

    if (!base || listener < 0)
        return 1;
    caps.head_ms = caps.body_ms = caps.idle_ms = WAIT_MS;
    caps.connections_local = LOCAL_MOST;
    server = cl_http_server_new(base, listener, &caps, &calls, NULL, &err);
    input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, base);
    if (!server || !input || event_add(input, NULL) < 0) {
        fprintf(stderr, "http-echo: %s\n", err.text);
        return 1;
    }
    event_base_dispatch(base);
    event_free(input);
    cl_http_server_free(server);
    event_base_free(base);
    return 0;
}
