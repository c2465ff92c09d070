/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation is one HTTP call on a connection that is kept. An answer that is not 200 with the
 * verdict "ok" is an error.
 * Runs in: the bench, outside the service.
 * Trusts: the service under test to frame its answers with Content-Length.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"
#include "tests/bench/load.h"

static int init(struct cl_load *load, int argc, char **argv, struct cl_err *err)
{
    char token[512];
    char body[8192];

    if (argc != 4)
        return cl_fail(err, CL_E_INPUT, "http wants ADDRESS PORT TOKEN_FILE BODY_FILE");
    if (inet_pton(AF_INET, argv[0], &load->address) != 1)
        return cl_fail(err, CL_E_INPUT, "%s is no IPv4 address", argv[0]);
    load->port = (uint16_t)atoi(argv[1]);
    if (cl_file_get(AT_FDCWD, argv[2], token, sizeof(token), err) < 0 ||
        cl_file_get(AT_FDCWD, argv[3], body, sizeof(body), err) < 0)
        return -1;
    token[strcspn(token, "\r\n")] = '\0';
    return cl_buf_format(
        &load->request, err,
        "POST /v1/calls HTTP/1.1\r\nHost: %s:%u\r\nAuthorization: Bearer %s\r\n"
        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
        argv[0], load->port, token, strlen(body), body);
}

static void hang_up(struct cl_load_client *client)
{
    cl_own_close(&client->fd);
    cl_buf_clear(&client->answer);
}

static int dial(struct cl_load_client *client, struct cl_err *err)
{
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_port = htons(client->load->port),
                                    .sin_addr.s_addr = client->load->address };
    const int on = 1;

    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        return cl_fail(err, CL_E_SYS, "socket");
    if (connect(client->fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
        return cl_fail(err, CL_E_SYS, "connect");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (fcntl(client->fd, F_SETFL, O_NONBLOCK) < 0)
        return cl_fail(err, CL_E_SYS, "fcntl");
    return 0;
}

static enum cl_load_step send_more(struct cl_load_client *client)
{
    const struct cl_buf *request = &client->load->request;
    struct cl_err err = CL_ERR_INIT;

    while (client->sent < request->length) {
        ssize_t length = send(client->fd, request->bytes + client->sent,
                              request->length - client->sent, MSG_NOSIGNAL);

        if (length < 0 && errno != EAGAIN)
            return CL_LOAD_FAILED;
        if (length < 0)
            return cl_load_watch(client, true, &err) < 0 ? CL_LOAD_FAILED : CL_LOAD_MORE;
        client->sent += (size_t)length;
    }
    return cl_load_watch(client, false, &err) < 0 ? CL_LOAD_FAILED : CL_LOAD_MORE;
}

static int start(struct cl_load_client *client, struct cl_err *err)
{
    if (client->fd < 0 && dial(client, err) < 0)
        return -1;
    client->sent = 0;
    cl_buf_clear(&client->answer);
    /* A connection that the service closed meanwhile shows up as an event right after. */
    if (send_more(client) == CL_LOAD_FAILED)
        shutdown(client->fd, SHUT_RDWR);
    return 0;
}

static enum cl_load_step judge(struct cl_load_client *client)
{
    const char *text = (const char *)client->answer.bytes;
    const bool is_good =
        strncmp(text, "HTTP/1.1 200", 12) == 0 && strstr(text, "\"verdict\":\"ok\"") != NULL;

    return is_good ? CL_LOAD_DONE : CL_LOAD_FAILED;
}

/* The answer is terminated for the text functions; its NUL is not part of it. */
static enum cl_load_step look(struct cl_load_client *client)
{
    struct cl_err err = CL_ERR_INIT;
    const char *text;
    const char *end;
    const char *length;
    uint8_t *nul = cl_buf_room(&client->answer, 1, &err);

    if (!nul)
        return CL_LOAD_FAILED;
    *nul = '\0';
    text = (const char *)client->answer.bytes;
    end = strstr(text, "\r\n\r\n");
    if (!end)
        return CL_LOAD_MORE;
    length = strcasestr(text, "\r\ncontent-length:");
    if (!length || length > end)
        return CL_LOAD_FAILED;
    if (client->answer.length < (size_t)(end - text) + 4 + strtoul(length + 17, NULL, 10))
        return CL_LOAD_MORE;
    return judge(client);
}

static enum cl_load_step on_event(struct cl_load_client *client)
{
    struct cl_err err = CL_ERR_INIT;
    enum cl_load_step step = CL_LOAD_MORE;
    uint8_t *room = cl_buf_room(&client->answer, 16384, &err);
    ssize_t length = room ? recv(client->fd, room, 16384, 0) : -1;

    if (length > 0) {
        client->answer.length += (size_t)length;
        step = look(client);
    } else if (length == 0 || errno != EAGAIN) {
        step = CL_LOAD_FAILED;
    }
    if (step == CL_LOAD_MORE && client->is_busy && client->sent < client->load->request.length)
        step = send_more(client);
    if (step == CL_LOAD_FAILED)
        hang_up(client);
    return step;
}

const struct cl_load_driver cl_load_http = { "http", init, start, on_event, hang_up };
