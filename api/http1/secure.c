/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS under one connection: its handshake, the certificate that the client showed, its end.
 * Runs in: cloche-api.
 * Trusts: OpenSSL and libevent's use of it; of the client what the handshake proved.
 */
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "api/http1/conn.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"

struct bufferevent *cl_secure_open(struct cl_conn *conn, int fd)
{
    SSL *session = cl_tls_session(conn->server->tls);

    if (!session)
        return NULL;
    struct bufferevent *stream = bufferevent_openssl_socket_new(
        conn->server->base, fd, session, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    /* Depending on where memory ran out and on its version, libevent has freed the session and closed
     * the descriptor by then, or not: there is no telling whose they are. */
    CL_CHECK(stream);
    return stream;
}

static int64_t end_of(const X509 *certificate)
{
    struct tm parts;

    return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1
               ? (int64_t)timegm(&parts)
               : 0;
}

static void take_certificate(struct cl_conn *conn)
{
    SSL *session = bufferevent_openssl_get_ssl(conn->stream);
    const X509 *certificate = SSL_get0_peer_certificate(session);
    unsigned length = CL_TLS_DIGEST;

    if (!certificate || SSL_get_verify_result(session) != X509_V_OK)
        return;
    conn->certificate = cl_own_new(sizeof(*conn->certificate));
    conn->certificate->until = end_of(certificate);
    CL_CHECK(X509_digest(certificate, EVP_sha256(), conn->certificate->digest, &length) == 1);
}

/* Some of the request is read and gone; what is left is read, too, or the RST for it would take
 * the answer along. */
static void answer_plain(struct cl_conn *conn)
{
    static const char sorry[] =
        "HTTP/1.1 400 Bad Request\r\nServer: cloche\r\nContent-Type: text/plain\r\n"
        "Content-Length: 35\r\nConnection: close\r\n\r\nthis port speaks TLS: use https://\n";
    char rest[4096];

    send(conn->fd, sorry, sizeof(sorry) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(conn->fd, SHUT_WR);
    (void)!recv(conn->fd, rest, sizeof(rest), MSG_DONTWAIT);
}

bool cl_secure_on_event(struct cl_conn *conn, short what)
{
    const int now = 1;
    unsigned long code;

    if (what & BEV_EVENT_CONNECTED) {
        /* The last word of the handshake was the client's. One that does not set TCP_NODELAY keeps
         * its request back until that is acknowledged, which the kernel puts off for 40 ms. */
        setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &now, sizeof(now));
        take_certificate(conn);
        return true;
    }
    if (!(what & BEV_EVENT_ERROR))
        return false;
    code = bufferevent_get_openssl_error(conn->stream);
    if (ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST)
        answer_plain(conn);
    if (code)
        cl_log(CL_DEBUG, "tls.refused", "peer=%s why=\"%s\"", conn->peer,
               ERR_reason_error_string(code));
    return false;
}

void cl_secure_say_end(struct cl_conn *conn)
{
    SSL *session =
        conn->is_secure && conn->stream ? bufferevent_openssl_get_ssl(conn->stream) : NULL;

    if (!session || !SSL_is_init_finished(session) || conn->is_broken)
        return;
    SSL_shutdown(session); /* one write; whether the client answers in kind is its matter */
    ERR_clear_error();
}

const uint8_t *cl_exchange_certificate(const struct cl_exchange *x)
{
    const struct cl_conn_certificate *certificate = x->conn->certificate;

    return certificate && certificate->until > (int64_t)time(NULL) ? certificate->digest : NULL;
}
