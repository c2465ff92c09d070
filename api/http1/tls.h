/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS as this server speaks it: 1.2 and 1.3, ciphers with forward secrecy, HTTP/1.1 as the only
 * protocol. No compression, no renegotiation and nothing that resumes a session: a resumed one
 * would outlive the certificate that a client showed, and the key of its ticket the connection.
 *
 * One struct is one pair of certificate and key. Connections keep what they began with, so it may
 * be freed, and another one take its place, while they live.
 */
#ifndef CL_HTTP1_TLS_H
#define CL_HTTP1_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/wire.h"

enum {
    CL_TLS_DIGEST = 32,            /* SHA-256 of a certificate */
    CL_TLS_HEAP_BYTES = 256 << 10, /* locked, for keys; one of RSA takes 4 KiB */
};

struct cl_tls;

/* PEM text; `client_ca` of no bytes: clients are not asked for a certificate. */
struct cl_tls_text {
    const char *bytes;
    size_t length;
};

struct cl_tls_pair {
    struct cl_tls_text certificate; /* the server's, then those that lead to its issuer's */
    struct cl_tls_text key;
    struct cl_tls_text client_ca;
};

/* Once, before files are given up: what OpenSSL wants to read, and the locked heap for keys. */
int cl_tls_prepare(struct cl_err *err);

/* CL_E_INPUT with a sentence for the admin when the pair can't be served: not a pair, not valid
 * now, not readable. Copies what it keeps, keys into the locked heap. */
struct cl_tls *cl_tls_new(const struct cl_tls_pair *pair, struct cl_err *err);
/* The same from the sealed file that cl_msg_tls comes with, which stays the caller's. */
struct cl_tls *cl_tls_open(const struct cl_msg_tls *sizes, int fd, struct cl_err *err);
void cl_tls_free(struct cl_tls *tls);

/* The certificate's end, in seconds since 1970, and its SHA-256 in hexadecimal digits. */
int64_t cl_tls_until(const struct cl_tls *tls);
void cl_tls_put_digest(const struct cl_tls *tls, char text[2 * CL_TLS_DIGEST + 1]);

/* A new SSL of this pair, for one connection; NULL: no memory. */
struct ssl_st *cl_tls_session(const struct cl_tls *tls);

#endif
