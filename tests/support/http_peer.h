/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real server on 127.0.0.1 with small handlers, and clients on plain sockets, in one thread:
 * a client's wait turns the server's loop. What the handlers saw is counted.
 *
 *   /hello   "hello"                      /echo    the body, at most 1 MiB
 *   /early   401 from on_head             /hold    nothing, the test answers `held`
 *   /stream?N  N pieces of 64 KiB         /buffer  "buffer" through an evbuffer
 *   /small   takes at most 8 bytes        /header  tries to send forbidden headers
 *   /break   begins, writes, aborts       /flood   writes far more than it may
 */
#ifndef CL_TESTS_HTTP_PEER_H
#define CL_TESTS_HTTP_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "api/http1/server.h"
#include "sandbox/base/buf.h"

enum { PEER_PIECE = 64 << 10, PEER_WAIT_MS = 10000 };

struct peer_server {
    struct event_base *base;
    struct cl_http_server *server;
    int listener;
    unsigned short port;
    unsigned heads, bodies, drains, ends_complete, ends_gone;
    struct cl_exchange *held; /* the exchange of /hold, NULL when it ended */
    size_t most_unsent;       /* seen while streaming */
};

struct peer_client {
    struct peer_server *server;
    int fd;
    bool saw_end; /* EOF or RST */
    bool saw_reset;
    struct cl_buf in;
};

void peer_open(struct peer_server *peer, const struct cl_http_caps *caps);
void peer_close(struct peer_server *peer);
/* One turn of the server's loop without waiting. */
void peer_turn(struct peer_server *peer);
void peer_turn_for(struct peer_server *peer, unsigned ms);

struct peer_client peer_connect(struct peer_server *peer);
void peer_hang_up(struct peer_client *client);
void peer_reset(struct peer_client *client); /* RST instead of FIN */
void peer_send(struct peer_client *client, const char *bytes, size_t length);
void peer_say(struct peer_client *client, const char *text);
/* Reads what is there; false when nothing was. */
bool peer_read(struct peer_client *client);
/* Turns the loop until the input holds `text` (how often: `times`); false after PEER_WAIT_MS or
 * at the end of the connection. */
bool peer_hears(struct peer_client *client, const char *text, unsigned times);
/* Turns the loop until the connection has ended. */
bool peer_hears_end(struct peer_client *client);
unsigned peer_count(const struct peer_client *client, const char *text);
/* The status of the first answer in the input, 0 when there is none. */
int peer_status(const struct peer_client *client);

/* A server with one client, for cmocka's setup and teardown. Closing checks that no connection
 * is left behind and that every exchange ended exactly once. */
struct peer_fixture {
    struct peer_server peer;
    struct peer_client client;
};

int peer_fixture_open(void **state, const struct cl_http_caps *caps);
int peer_fixture_close(void **state);
void peer_assert_hears(struct peer_client *client, const char *text);

#endif
