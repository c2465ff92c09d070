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
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "api/http1/conn.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

enum { RESUME_US = 100000 }; /* pause of accepting after descriptors ran out */

const struct cl_http_caps cl_http_caps_default = {
    .connections = 1024,
    .connections_per_address = 0,
    .head_bytes = 16 << 10,
    .fields = 64,
    .head_ms = 10000,
    .body_ms = 30000,
    .body_grace_ms = 5000,
    .body_rate = 1024,
    .idle_ms = 30000,
    .write_ms = 30000,
    .output_bytes = 1 << 20,
};

/* Connections of one address; lives while there are any. */
struct peer {
    struct cl_list link; /* a bucket of server->peers */
    struct in6_addr key;
    uint32_t count;
};

/* -------------------------------------------------------------------------- counting peers */

/* One key per host: an IPv4 address mapped into IPv6, the first half of an IPv6 address (a host
 * has the other half to itself), or nothing for a local socket. */
static struct in6_addr key_of(const struct sockaddr *address)
{
    struct in6_addr key = IN6ADDR_ANY_INIT;

    if (address->sa_family == AF_INET) {
        key.s6_addr[10] = key.s6_addr[11] = 0xff;
        memcpy(&key.s6_addr[12], &((const struct sockaddr_in *)(const void *)address)->sin_addr,
               4);
    }
    if (address->sa_family == AF_INET6) {
        key = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        if (!IN6_IS_ADDR_V4MAPPED(&key))
            memset(&key.s6_addr[8], 0, 8);
    }
    return key;
}

static struct cl_list *bucket_of(struct cl_http_server *server, const struct in6_addr *key)
{
    uint64_t hash = server->peer_seed;

    for (size_t i = 0; i < sizeof(key->s6_addr); i++)
        hash = (hash ^ key->s6_addr[i]) * 0x9e3779b97f4a7c15u;
    return &server->peers[hash >> 56];
}

static struct peer *find_peer(struct cl_list *bucket, const struct in6_addr *key)
{
    cl_list_each (node, keep, bucket) {
        struct peer *peer = cl_list_entry(node, struct peer, link);
        if (memcmp(&peer->key, key, sizeof(*key)) == 0)
            return peer;
    }
    return NULL;
}

/* Counts one more connection of this address; false when that is one too many. */
static bool count_peer(struct cl_http_server *server, const struct in6_addr *key)
{
    struct cl_list *bucket = bucket_of(server, key);
    struct peer *peer = find_peer(bucket, key);

    if (!peer) {
        peer = calloc(1, sizeof(*peer));
        if (!peer)
            return false;
        peer->key = *key;
        cl_list_append(bucket, &peer->link);
    }
    if (peer->count > 0 && peer->count >= server->caps.connections_per_address)
        return false;
    peer->count++;
    return true;
}

static void uncount_peer(struct cl_http_server *server, const struct in6_addr *key)
{
    struct peer *peer = find_peer(bucket_of(server, key), key);

    if (!peer || --peer->count > 0)
        return;
    cl_list_unlink(&peer->link);
    free(peer);
}

/* ------------------------------------------------------------------------------- accepting */

/* A short last word for a connection that gets no struct of its own. Best effort. */
static void turn_away(int fd)
{
    static const char sorry[] =
        "HTTP/1.1 503 Service Unavailable\r\nServer: cloche\r\n"
        "Retry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    send(fd, sorry, sizeof(sorry) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(fd, SHUT_WR);
    close(fd);
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

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *address, int length, void *user)
{
    struct cl_http_server *server = user;
    struct cl_err err = CL_ERR_INIT;
    bool counts = server->caps.connections_per_address > 0;
    struct in6_addr key = key_of(address);

    (void)listener;
    (void)length;
    if (server->conn_count >= server->caps.connections ||
        (counts && !count_peer(server, &key))) {
        turn_away(fd);
        return;
    }
    struct cl_conn *conn = cl_conn_new(server, fd, &err);
    if (!conn) {
        cl_log(CL_ERROR, "http.accept", "what=\"%s\"", err.text);
        if (counts)
            uncount_peer(server, &key);
        return;
    }
    conn->peer_key = key;
    name_peer(conn, address);
    cl_list_append(&server->conns, &conn->link);
    server->conn_count++;
}

void cl_http_server_forget(struct cl_conn *conn)
{
    struct cl_http_server *server = conn->server;

    cl_list_unlink(&conn->link);
    server->conn_count--;
    if (server->caps.connections_per_address > 0)
        uncount_peer(server, &conn->peer_key);
}

static void on_resume(evutil_socket_t fd, short what, void *user)
{
    struct cl_http_server *server = user;

    (void)fd;
    (void)what;
    if (server->reserve < 0)
        server->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (!server->is_draining)
        evconnlistener_enable(server->listener);
}

/* Out of descriptors: the one in reserve serves to tell the first client in the backlog, then
 * accepting rests, because the socket stays readable and the loop would spin. */
static void on_accept_error(struct evconnlistener *listener, void *user)
{
    struct cl_http_server *server = user;
    int reason = EVUTIL_SOCKET_ERROR();
    struct timeval wait = { 0, RESUME_US };

    cl_log(CL_WARN, "http.accept", "what=\"%s\" connections=%u", strerror(reason),
           server->conn_count);
    if (server->reserve >= 0 && (reason == EMFILE || reason == ENFILE)) {
        close(cl_take_fd(&server->reserve));
        int fd =
            accept4(evconnlistener_get_fd(listener), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            turn_away(fd);
        server->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    evconnlistener_disable(listener);
    event_add(&server->resume, &wait);
}

/* ------------------------------------------------------------------------ life of a server */

static int listen_on(struct cl_http_server *server, int fd, struct cl_err *err)
{
    int on = 1;

    /* Accepted sockets inherit it; on a local socket it fails, and nothing is lost. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    server->listener =
        evconnlistener_new(server->base, on_accept, server, LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!server->listener)
        return cl_fail(err, CL_E_SYS, "watch the listening socket");
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    return 0;
}

static int check_caps(const struct cl_http_caps *caps, struct cl_err *err)
{
    if (caps->fields > CL_HEAD_FIELDS_MAX || caps->head_bytes < 1024 ||
        caps->head_bytes > 1 << 20 || caps->connections == 0)
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
    cl_list_init(&server->conns);
    for (size_t i = 0; i < CL_PEER_BUCKETS; i++)
        cl_list_init(&server->peers[i]);
    event_assign(&server->resume, base, -1, 0, on_resume, server);
    server->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    if (getrandom(&server->peer_seed, sizeof(server->peer_seed), 0) < 0 ||
        listen_on(server, listener, err) < 0) {
        if (!err->kind)
            cl_fail(err, CL_E_SYS, "get random bytes");
        cl_http_server_free(server);
        return NULL;
    }
    return server;
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

void cl_http_server_free(struct cl_http_server *server)
{
    cl_list_each (node, keep, &server->conns)
        cl_conn_free(cl_list_entry(node, struct cl_conn, link));
    if (server->listener)
        evconnlistener_free(server->listener);
    event_del(&server->resume);
    if (server->reserve >= 0)
        close(server->reserve);
    free(server);
}
