/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts connections, counts them against the caps, survives running out of descriptors.
 * Runs in: cloche-api.
 * Trusts: the listening socket it was given; no client.
 */
#include "api/http1/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "api/http1/conn.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

enum {
    RESUME_US = 100000, /* pause of accepting after descriptors ran out */
    ACCEPTS_MAX = 64,   /* in one turn of the loop */
    UNSENT_BYTES = 128 << 10,
    UNREAD_BYTES = 128 << 10, /* the kernel doubles it, for what it keeps beside the bytes */
    EVICT_LOOKS = 16,         /* idle connections looked at for one that may be closed */
};

const struct cl_http_caps cl_http_caps_default = {
    .connections = 1024,
    .connections_per_address = 64,
    .connections_local = 768,
    .memory_bytes = 256 << 20,
    .head_bytes = 16 << 10,
    .fields = 64,
    .head_ms = 10000,
    .body_ms = 30000,
    .body_grace_ms = 5000,
    .body_rate = 1024,
    .idle_ms = 30000,
    .write_ms = 30000,
    .write_rate = 4096,
    .output_bytes = 1 << 20,
};

/* ------------------------------------------------------------------------------- accepting */

/* A short last word for a connection that gets no struct of its own. Best effort. When there is no
 * descriptor in reserve, this one becomes it: once the filter is loaded nothing else can be opened
 * for that. */
static void turn_away(struct cl_http_server *server, int fd)
{
    static const char sorry[] =
        "HTTP/1.1 503 Service Unavailable\r\nServer: cloche\r\n"
        "Retry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    server->counts.turned_away++;
    if (!server->tls) /* who speaks TLS would not understand it */
        send(fd, sorry, sizeof(sorry) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (server->reserve < 0) {
        shutdown(fd, SHUT_RDWR);
        server->reserve = fd;
        return;
    }
    shutdown(fd, SHUT_WR);
    close(fd);
}

/* Of a request that is on its way already the client would never learn whether it ran. */
static bool is_silent(const struct cl_conn *conn)
{
    char byte;

    return recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* Closes the connection, of one host if `key` is given, that has had no request for the longest
 * time. */
static bool evict(struct cl_http_server *server, const struct in6_addr *key)
{
    int looks = 0;

    cl_list_each (node, keep, &server->idle) {
        struct cl_conn *conn = cl_list_entry(node, struct cl_conn, idle);
        if (key && memcmp(&conn->peer_key, key, sizeof(*key)) != 0)
            continue;
        if (looks++ == EVICT_LOOKS)
            return false;
        if (!is_silent(conn))
            continue;
        server->counts.evicted++;
        cl_conn_free(conn);
        return true;
    }
    return false;
}

/* Accepting goes on with the next turn, or later: the socket stays readable, so the loop would do
 * nothing else. */
static void rest(struct cl_http_server *server, suseconds_t wait_us)
{
    const struct timeval wait = { 0, wait_us };

    evconnlistener_disable(server->listener);
    event_add(&server->resume, &wait);
}

/* Lets clients in again, or a little later when the watch cannot be had just now. */
static void admit(struct cl_http_server *server)
{
    if (!server->is_draining && evconnlistener_enable(server->listener) < 0)
        rest(server, RESUME_US);
}

static uint32_t cap_of(const struct cl_http_server *server, const struct in6_addr *key)
{
    const struct cl_http_caps *caps = &server->caps;

    return cl_peers_is_local(key) ? caps->connections_local : caps->connections_per_address;
}

static void name_peer(struct cl_conn *conn, const struct sockaddr *address)
{
    const void *bytes = NULL;

    if (address->sa_family == AF_INET)
        bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    if (address->sa_family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (!bytes || !inet_ntop(address->sa_family, bytes, conn->peer, sizeof(conn->peer)))
        memcpy(conn->peer, "local", sizeof("local"));
}

/* Counts one more connection of this host, if need be in the place of an idle one. */
static bool has_place(struct cl_http_server *server, const struct in6_addr *key)
{
    const uint32_t most = cap_of(server, key);

    if (!cl_peers_add(&server->peers, key, most) &&
        !(evict(server, key) && cl_peers_add(&server->peers, key, most)))
        return false;
    if (server->conn_count < server->caps.connections || evict(server, NULL))
        return true;
    cl_peers_remove(&server->peers, key);
    return false;
}

static void take(struct cl_http_server *server, int fd, const struct sockaddr *address)
{
    const struct in6_addr key = cl_peers_key(address);
    struct cl_err err = CL_ERR_INIT;

    if (server->reserve < 0 || !has_place(server, &key)) {
        turn_away(server, fd);
        return;
    }
    struct cl_conn *conn = cl_conn_new(server, fd, &err);
    if (!conn) {
        cl_log(CL_ERROR, "http.accept", "what=\"%s\"", err.text);
        cl_peers_remove(&server->peers, &key);
        return;
    }
    conn->peer_key = key;
    name_peer(conn, address);
    cl_list_append(&server->conns, &conn->link);
    server->conn_count++;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *address, int length, void *user)
{
    struct cl_http_server *server = user;

    (void)listener;
    (void)length;
    take(server, fd, address);
    if (--server->accept_left == 0)
        rest(server, 0);
}

void cl_http_server_forget(struct cl_conn *conn)
{
    struct cl_http_server *server = conn->server;

    cl_list_unlink(&conn->link);
    server->conn_count--;
    cl_peers_remove(&server->peers, &conn->peer_key);
}

static void on_resume(evutil_socket_t fd, short what, void *user)
{
    struct cl_http_server *server = user;

    (void)fd;
    (void)what;
    server->accept_left = ACCEPTS_MAX;
    admit(server);
}

void cl_http_server_relieve(struct cl_http_server *server)
{
    evict(server, NULL);
    if (!server->is_draining)
        rest(server, RESUME_US);
}

/* Out of descriptors: the one in reserve serves to tell the first client in the backlog, whose
 * socket takes its place; then accepting rests. */
static void on_accept_error(struct evconnlistener *listener, void *user)
{
    struct cl_http_server *server = user;
    int reason = EVUTIL_SOCKET_ERROR();

    cl_log(CL_WARN, "http.accept", "what=\"%s\" connections=%u", strerror(reason),
           server->conn_count);
    if (server->reserve >= 0 && (reason == EMFILE || reason == ENFILE)) {
        cl_own_close(&server->reserve);
        int fd =
            accept4(evconnlistener_get_fd(listener), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            turn_away(server, fd);
    }
    cl_http_server_relieve(server);
}

/* ------------------------------------------------------------------------ life of a server */

static int listen_on(struct cl_http_server *server, int fd, struct cl_err *err)
{
    const int on = 1, unsent = UNSENT_BYTES, unread = UNREAD_BYTES;

    /* Accepted sockets inherit these; on a local socket some fail, and nothing is lost. The
     * kernel would keep megabytes for each client that does not read, or is not read. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &unread, sizeof(unread));
    server->listener = evconnlistener_new(server->base, on_accept, server,
                                          LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0, fd);
    if (!server->listener || evconnlistener_enable(server->listener) < 0)
        return cl_fail(err, CL_E_SYS, "watch the listening socket");
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    return 0;
}

static int check_caps(const struct cl_http_caps *caps, struct cl_err *err)
{
    if (caps->fields > CL_HEAD_FIELDS_MAX || caps->head_bytes < 1024 ||
        caps->head_bytes > 1 << 20 || caps->connections == 0 || caps->write_rate == 0)
        return cl_fail(err, CL_E_INPUT, "caps of the HTTP server are out of range");
    return 0;
}

struct cl_http_server *cl_http_server_new(struct event_base *base, int listener,
                                          const struct cl_http_caps *caps,
                                          const struct cl_exchange_calls *calls,
                                          void *server_user, struct cl_err *err)
{
    struct cl_http_server *server;

    if (check_caps(caps, err) < 0)
        return NULL;
    server = calloc(1, sizeof(*server));
    if (!server) {
        cl_fail(err, CL_E_SYS, "allocate the HTTP server");
        return NULL;
    }
    server->base = base;
    server->caps = *caps;
    server->calls = *calls;
    server->user = server_user;
    server->date_second = -1;
    server->accept_left = ACCEPTS_MAX;
    cl_list_init(&server->conns);
    cl_list_init(&server->idle);
    cl_behind_init(server);
    cl_linger_init(server);
    event_assign(&server->resume, base, -1, 0, on_resume, server);
    /* No file: those may have been given up already. */
    server->reserve = eventfd(0, EFD_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    if (cl_peers_init(&server->peers, err) < 0 || listen_on(server, listener, err) < 0) {
        cl_http_server_free(server);
        return NULL;
    }
    return server;
}

void cl_http_server_take_tls(struct cl_http_server *server, struct cl_tls **tls)
{
    cl_tls_free(server->tls);
    server->tls = cl_take_ptr(tls);
}

void cl_http_server_hold(struct cl_http_server *server)
{
    evconnlistener_disable(server->listener);
}

void cl_http_server_open(struct cl_http_server *server)
{
    admit(server);
}

void cl_http_server_drain(struct cl_http_server *server)
{
    server->is_draining = true;
    evconnlistener_disable(server->listener);
    event_del(&server->resume);
    cl_list_each (node, keep, &server->conns)
        cl_conn_on_drain(cl_list_entry(node, struct cl_conn, link));
}

uint32_t cl_http_server_connections(const struct cl_http_server *server)
{
    return server->conn_count;
}

uint64_t cl_http_server_charged(const struct cl_http_server *server)
{
    return server->charged;
}

const struct cl_http_counts *cl_http_server_counts(const struct cl_http_server *server)
{
    return &server->counts;
}

void cl_http_server_free(struct cl_http_server *server)
{
    cl_list_each (node, keep, &server->conns)
        cl_conn_free(cl_list_entry(node, struct cl_conn, link));
    if (server->listener)
        evconnlistener_free(server->listener);
    event_del(&server->resume);
    cl_behind_fini(server);
    cl_linger_fini(server);
    cl_own_close(&server->reserve);
    cl_peers_fini(&server->peers);
    cl_tls_free(server->tls);
    free(server);
}
