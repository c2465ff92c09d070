/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From PEM text to what OpenSSL serves connections with.
 * Runs in: cloche-api.
 * Trusts: the admin's files, which may still be wrong; OpenSSL.
 */
#include "api/http1/tls.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/sealed.h"

enum {
    HEAP_PIECE = 32,
    CHAIN_MAX = 8,        /* certificates of a file */
    KEY_UPDATES_MAX = 64, /* of a connection, by its client */
    PAIR_MAX = 1 << 20,
    CLIENT_DEPTH = 4,            /* between a client's certificate and its authority */
    CLIENT_CHAIN_MAX = 32 << 10, /* bytes that a client may send of them */
};

/* With forward secrecy and authenticated only; those of TLS 1.3 all are. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char groups[] = "X25519:P-256:P-384";
static const unsigned char http11[] = "\x08http/1.1";

struct cl_tls {
    SSL_CTX *context; /* owned; each connection holds it too */
    int64_t until;
    uint8_t digest[CL_TLS_DIGEST];
};

/* OpenSSL keeps a list of what went wrong; the last line says most. Emptied: what is left would be
 * taken for the next connection's. */
static int refuse(struct cl_err *err, const char *what)
{
    char why[160] = "no reason given";
    const unsigned long code = ERR_peek_last_error();

    if (code && ERR_reason_error_string(code))
        snprintf(why, sizeof(why), "%s", ERR_reason_error_string(code));
    ERR_clear_error();
    return cl_fail(err, CL_E_INPUT, "%s: %s", what, why);
}

int cl_tls_prepare(struct cl_err *err)
{
    const uint64_t want = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
                          OPENSSL_INIT_LOAD_CRYPTO_STRINGS;
    uint8_t chance;

    if (OPENSSL_init_ssl(want, NULL) != 1 || RAND_status() != 1 || RAND_bytes(&chance, 1) != 1)
        return cl_fail(err, CL_E_SYS, "start OpenSSL");
    const int heap = CRYPTO_secure_malloc_init(CL_TLS_HEAP_BYTES, HEAP_PIECE);
    if (heap == 0)
        return cl_fail(err, CL_E_SYS, "make the heap for keys");
    if (heap == 2)
        cl_log(CL_WARN, "tls.heap",
               "what=\"the key can't be locked in memory: raise "
               "LimitMEMLOCK\"");
    return 0;
}

/* ------------------------------------------------------------------------------- what is read */

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static BIO *open_text(const struct cl_tls_text *text)
{
    BIO *bio = BIO_new_mem_buf(text->bytes, (int)text->length);

    CL_CHECK(bio);
    return bio;
}

/* A key with a password can't be served: nobody is there to type it. */
static int no_password(char *text, int size, int is_writing, void *user)
{
    (void)text;
    (void)size;
    (void)is_writing;
    (void)user;
    return -1;
}

/* The next certificate of a file, NULL at its end or (`err` filled) when it is none. */
static X509 *next_certificate(BIO *bio, const char *what, struct cl_err *err)
{
    X509 *certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);

    if (certificate)
        return certificate;
    if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
        ERR_clear_error();
    else
        refuse(err, what);
    return NULL;
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm parts;

    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

static void format_day(int64_t seconds, char *text, size_t size)
{
    const time_t at = (time_t)seconds;
    struct tm parts;

    if (!gmtime_r(&at, &parts) || strftime(text, size, "%Y-%m-%d %H:%M UTC", &parts) == 0)
        snprintf(text, size, "a day unknown");
}

static int check_time(struct cl_tls *tls, const X509 *certificate, struct cl_err *err)
{
    const int64_t now = (int64_t)time(NULL),
                  from = seconds_of(X509_get0_notBefore(certificate));
    char day[64];

    tls->until = seconds_of(X509_get0_notAfter(certificate));
    if (now >= from && now < tls->until)
        return 0;
    format_day(now < from ? from : tls->until, day, sizeof(day));
    return cl_fail(err, CL_E_INPUT, "tls.certificate: %s %s",
                   now < from ? "it is not valid before" : "it expired on", day);
}

static int take_first(struct cl_tls *tls, X509 *certificate, struct cl_err *err)
{
    unsigned length = sizeof(tls->digest);

    if (check_time(tls, certificate, err) < 0)
        return -1;
    if (X509_digest(certificate, EVP_sha256(), tls->digest, &length) != 1 ||
        SSL_CTX_use_certificate(tls->context, certificate) != 1)
        return refuse(err, "tls.certificate");
    return 0;
}

static int take_chain(struct cl_tls *tls, const struct cl_tls_text *text, struct cl_err *err)
{
    BIO *CL_AUTO(free_bio) bio = open_text(text);
    int count = 0, done = 0;
    X509 *certificate;

    while (done == 0 && (certificate = next_certificate(bio, "tls.certificate", err))) {
        if (count++ == 0)
            done = take_first(tls, certificate, err);
        else if (count > CHAIN_MAX)
            done = cl_fail(err, CL_E_INPUT, "tls.certificate: more than %d", CHAIN_MAX);
        else if (SSL_CTX_add1_chain_cert(tls->context, certificate) != 1)
            done = refuse(err, "tls.certificate: its chain");
        X509_free(certificate);
    }
    if (err->kind)
        return -1;
    return count > 0 ? 0 : cl_fail(err, CL_E_INPUT, "tls.certificate: no certificate in PEM");
}

static int take_key(struct cl_tls *tls, const struct cl_tls_text *text, struct cl_err *err)
{
    BIO *CL_AUTO(free_bio) bio = open_text(text);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    int done = 0;

    if (!key) {
        ERR_clear_error();
        return cl_fail(err, CL_E_INPUT, "tls.key: no private key in PEM without a password");
    }
    if (SSL_CTX_use_PrivateKey(tls->context, key) != 1 ||
        SSL_CTX_check_private_key(tls->context) != 1) {
        ERR_clear_error();
        done = cl_fail(err, CL_E_INPUT, "tls.key: it does not belong to tls.certificate");
    }
    EVP_PKEY_free(key);
    return done;
}

/* Whose clients are asked for a certificate; one that shows none may still have a token. */
static int take_authorities(struct cl_tls *tls, const struct cl_tls_text *text,
                            struct cl_err *err)
{
    BIO *CL_AUTO(free_bio) bio = open_text(text);
    X509_STORE *store = SSL_CTX_get_cert_store(tls->context);
    int count = 0, done = 0;
    X509 *certificate;

    while (done == 0 && (certificate = next_certificate(bio, "tls.client_ca", err))) {
        count++;
        if (X509_STORE_add_cert(store, certificate) != 1 ||
            SSL_CTX_add_client_CA(tls->context, certificate) != 1)
            done = refuse(err, "tls.client_ca");
        X509_free(certificate);
    }
    if (err->kind)
        return -1;
    if (count == 0)
        return cl_fail(err, CL_E_INPUT, "tls.client_ca: no certificate in PEM");
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_verify_depth(tls->context, CLIENT_DEPTH);
    SSL_CTX_set_max_cert_list(tls->context, CLIENT_CHAIN_MAX);
    return 0;
}

/* ---------------------------------------------------------------------------- what is offered */

/* Who names protocols and not this one would not understand the answer. */
static int on_alpn(SSL *session, const unsigned char **chosen, unsigned char *length,
                   const unsigned char *offered, unsigned offered_length, void *user)
{
    unsigned char *at = NULL;

    (void)session;
    (void)user;
    if (SSL_select_next_proto(&at, length, http11, sizeof(http11) - 1, offered,
                              offered_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = at;
    return SSL_TLSEXT_ERR_OK;
}

/* RFC 8446 (4.6.3) lets a client change its key as often as it likes, in 27 bytes that cost 30 us.
 * Who does so more often than terabytes need is taken for gone. */
static void on_message(int is_sent, int version, int kind, const void *bytes, size_t length,
                       SSL *session, void *user)
{
    uintptr_t updates = (uintptr_t)SSL_get_app_data(session);

    (void)version;
    (void)user;
    if (is_sent || kind != SSL3_RT_HANDSHAKE || length == 0 ||
        *(const uint8_t *)bytes != SSL3_MT_KEY_UPDATE)
        return;
    SSL_set_app_data(session, (void *)++updates);
    if (updates > KEY_UPDATES_MAX)
        SSL_set_shutdown(session, SSL_RECEIVED_SHUTDOWN);
}

static int set_rules(SSL_CTX *context, struct cl_err *err)
{
    SSL_CTX_set_security_level(context, 2);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    /* An idle connection gives its buffers of 17 KiB each back. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    /* Or one read would go on for as long as records without data come, and no clock with it. */
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_msg_callback(context, on_message);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, ciphers) != 1 ||
        SSL_CTX_set1_groups_list(context, groups) != 1)
        return refuse(err, "TLS");
    return 0;
}

struct cl_tls *cl_tls_new(const struct cl_tls_pair *pair, struct cl_err *err)
{
    struct cl_tls *tls = cl_own_new(sizeof(*tls));

    err->kind = CL_E_NONE; /* the lists of certificates tell their end from a fault by it */
    tls->context = SSL_CTX_new(TLS_server_method());
    CL_CHECK(tls->context);
    if (set_rules(tls->context, err) < 0 || take_chain(tls, &pair->certificate, err) < 0 ||
        take_key(tls, &pair->key, err) < 0 ||
        (pair->client_ca.length > 0 && take_authorities(tls, &pair->client_ca, err) < 0)) {
        cl_tls_free(tls);
        return NULL;
    }
    return tls;
}

struct cl_tls *cl_tls_open(const struct cl_msg_tls *sizes, int fd, struct cl_err *err)
{
    const size_t certificate = sizes->certificate_bytes, key = sizes->key_bytes;
    size_t length = 0;
    const char *text = cl_sealed_map(fd, "TLS pair", 1, PAIR_MAX, &length, err);
    struct cl_tls *tls = NULL;

    if (!text)
        return NULL;
    const struct cl_tls_pair pair = {
        { text, certificate },
        { text + certificate, key },
        { text + certificate + key, sizes->client_ca_bytes },
    };
    if (certificate + key + sizes->client_ca_bytes == length)
        tls = cl_tls_new(&pair, err);
    else
        cl_fail(err, CL_E_LOST, "a TLS pair of %zu bytes is not what was announced", length);
    cl_sealed_unmap(text, length);
    return tls;
}

void cl_tls_free(struct cl_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

int64_t cl_tls_until(const struct cl_tls *tls)
{
    return tls->until;
}

void cl_tls_put_digest(const struct cl_tls *tls, char text[2 * CL_TLS_DIGEST + 1])
{
    for (size_t i = 0; i < CL_TLS_DIGEST; i++)
        snprintf(text + 2 * i, 3, "%02x", tls->digest[i]);
}

SSL *cl_tls_session(const struct cl_tls *tls)
{
    return SSL_new(tls->context);
}
