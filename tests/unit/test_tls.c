/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pairs of certificate and key are served, and what a client of the server may be.
 * Runs in: tests only.
 * Trusts: -
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "api/http1/tls.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "tests/support/http_peer.h"
#include "tests/support/tls_pair.h"

enum { BIG = 10 * TLS_PAIR_TEXT, DAY = 86400 };

static struct tls_pair authority, server, other, expired, early, client, stranger;

static struct cl_tls_text text_of(const char *text)
{
    return (struct cl_tls_text){ text, strlen(text) };
}

static struct cl_tls_pair pair_of(const char *certificate, const char *key, const char *ca)
{
    return (struct cl_tls_pair){ text_of(certificate), text_of(key), text_of(ca) };
}

static int make_pairs(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_int_equal(cl_tls_prepare(&err), 0);
    tls_pair_make(&authority, "authority", -2, 30, NULL);
    tls_pair_make(&server, "server", -1, 10, &authority);
    tls_pair_make(&other, "other", -1, 10, &authority);
    tls_pair_make(&expired, "expired", -3, -1, &authority);
    tls_pair_make(&early, "early", 1, 3, &authority);
    tls_pair_make(&client, "client", -1, 10, &authority);
    tls_pair_make(&stranger, "stranger", -1, 10, NULL);
    return 0;
}

static int free_pairs(void **state)
{
    struct tls_pair *all[] = {
        &authority, &server, &other, &expired, &early, &client, &stranger
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(all); i++)
        tls_pair_fini(all[i]);
    return 0;
}

/* ------------------------------------------------------------------------------------- pairs */

static void tls_takes_a_pair_and_tells_its_end_and_digest(void **state)
{
    const struct cl_tls_pair pair =
        pair_of(server.certificate_text, server.key_text, authority.certificate_text);
    struct cl_err err = CL_ERR_INIT;
    char digits[2 * CL_TLS_DIGEST + 1], expected[sizeof(digits)];
    uint8_t digest[CL_TLS_DIGEST];
    unsigned length = 0;

    (void)state;
    struct cl_tls *tls = cl_tls_new(&pair, &err);
    assert_non_null(tls);
    const int64_t left = cl_tls_until(tls) - (int64_t)time(NULL);
    assert_in_range(left, 10 * DAY - 100, 10 * DAY);
    X509_digest(server.certificate, EVP_sha256(), digest, &length);
    for (size_t i = 0; i < CL_TLS_DIGEST; i++)
        snprintf(expected + 2 * i, 3, "%02x", digest[i]);
    cl_tls_put_digest(tls, digits);
    assert_string_equal(digits, expected);
    cl_tls_free(tls);
    cl_tls_free(NULL);
}

static void assert_refused(const char *certificate, const char *key, const char *ca,
                           const char *why)
{
    const struct cl_tls_pair pair = pair_of(certificate, key, ca);
    struct cl_err err = CL_ERR_INIT;

    assert_null(cl_tls_new(&pair, &err));
    assert_int_equal(err.kind, CL_E_INPUT);
    if (!strstr(err.text, why))
        fail_msg("'%s' is not in: %s", why, err.text);
    assert_int_equal(ERR_peek_error(), 0); /* or it were the next connection's */
}

static void tls_refuses_what_it_can_not_serve_and_says_why(void **state)
{
    static const char damaged[] =
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const char *good = server.certificate_text, *key = server.key_text;
    char chain[BIG];

    (void)state;
    assert_refused("", key, "", "no certificate in PEM");
    assert_refused("hello", key, "", "no certificate in PEM");
    assert_refused(damaged, key, "", "tls.certificate: ");
    assert_refused(expired.certificate_text, expired.key_text, "", "it expired on");
    assert_refused(early.certificate_text, early.key_text, "", "it is not valid before");
    assert_refused(good, "", "", "no private key");
    assert_refused(good, good, "", "no private key");
    assert_refused(good, other.key_text, "", "does not belong");
    assert_refused(good, key, "hello", "tls.client_ca: no certificate");
    assert_refused(good, key, damaged, "tls.client_ca: ");
    snprintf(chain, sizeof(chain), "%s%s", good, damaged);
    assert_refused(chain, key, "", "tls.certificate: ");
    chain[0] = '\0';
    for (int i = 0; i < 9; i++)
        strcat(chain, good);
    assert_refused(chain, key, "", "more than 8");
}

static void tls_refuses_a_key_with_a_password(void **state)
{
    struct tls_pair locked;

    (void)state;
    tls_pair_make(&locked, "locked", -1, 1, NULL);
    tls_pair_lock(&locked, "secret");
    assert_refused(locked.certificate_text, locked.key_text, "", "without a password");
    tls_pair_fini(&locked);
}

static int sealed_file(const char *bytes, size_t length, bool is_sealed)
{
    const int fd = memfd_create("pair", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    if (is_sealed)
        assert_int_equal(
            fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
            0);
    return fd;
}

static void tls_opens_a_sealed_file_of_the_announced_sizes(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    char text[2 * TLS_PAIR_TEXT];
    struct cl_msg_tls sizes = { .certificate_bytes = (uint32_t)strlen(server.certificate_text),
                                .key_bytes = (uint32_t)strlen(server.key_text) };

    (void)state;
    snprintf(text, sizeof(text), "%s%s", server.certificate_text, server.key_text);
    cl_close_auto int fd = sealed_file(text, strlen(text), true);
    cl_close_auto int open = sealed_file(text, strlen(text), false);
    struct cl_tls *tls = cl_tls_open(&sizes, fd, &err);
    assert_non_null(tls);
    cl_tls_free(tls);
    assert_null(cl_tls_open(&sizes, open, &err));
    assert_int_equal(err.kind, CL_E_INPUT);
    sizes.key_bytes++;
    assert_null(cl_tls_open(&sizes, fd, &err));
    assert_int_equal(err.kind, CL_E_LOST);
    sizes.certificate_bytes = UINT32_MAX;
    assert_null(cl_tls_open(&sizes, fd, &err));
    assert_int_equal(err.kind, CL_E_LOST);
}

/* --------------------------------------------------------------------------------- connections */

static int open_server(void **state)
{
    const struct cl_tls_pair pair =
        pair_of(server.certificate_text, server.key_text, authority.certificate_text);
    struct cl_err err = CL_ERR_INIT;
    struct peer_fixture *f = calloc(1, sizeof(*f));

    peer_open(&f->peer, &cl_http_caps_default);
    struct cl_tls *tls = cl_tls_new(&pair, &err);
    assert_non_null(tls);
    cl_http_server_take_tls(f->peer.server, &tls);
    f->client = peer_connect(&f->peer);
    *state = f;
    return 0;
}

struct secure {
    SSL_CTX *context;
    SSL *session;
    struct peer_server *peer;
};

static struct secure secure_open(struct peer_fixture *f, const struct tls_pair *shown)
{
    struct secure secure = { SSL_CTX_new(TLS_client_method()), NULL, &f->peer };

    if (shown) {
        assert_int_equal(SSL_CTX_use_certificate(secure.context, shown->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(secure.context, shown->key), 1);
    }
    X509_STORE_add_cert(SSL_CTX_get_cert_store(secure.context), authority.certificate);
    secure.session = SSL_new(secure.context);
    SSL_set_verify(secure.session, SSL_VERIFY_PEER, NULL);
    SSL_set_fd(secure.session, f->client.fd);
    return secure;
}

static void secure_close(struct secure *secure)
{
    SSL_free(secure->session);
    SSL_CTX_free(secure->context);
    ERR_clear_error();
}

enum deed { CONNECT, READ, WRITE };

/* Repeats a call of OpenSSL's while the server turns; its last answer. */
static int until_done(struct secure *secure, enum deed deed, void *bytes, size_t length)
{
    const uint64_t end_us = cl_clock_us() + PEER_WAIT_MS * 1000;

    for (;;) {
        int got, why;

        peer_turn(secure->peer);
        ERR_clear_error();
        if (deed == CONNECT)
            got = SSL_connect(secure->session);
        else if (deed == READ)
            got = SSL_read(secure->session, bytes, (int)length);
        else
            got = SSL_write(secure->session, bytes, (int)length);
        why = SSL_get_error(secure->session, got);
        if ((why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) ||
            cl_clock_us() > end_us)
            return got;
    }
}

static bool connects(struct secure *secure)
{
    return until_done(secure, CONNECT, NULL, 0) == 1;
}

static void assert_answers(struct secure *secure)
{
    char request[] = "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    char text[4096] = "";
    size_t length = 0;
    int got = until_done(secure, WRITE, request, sizeof(request) - 1);

    assert_int_equal(got, sizeof(request) - 1);
    while (got > 0 && length < sizeof(text) - 1) {
        got = until_done(secure, READ, text + length, sizeof(text) - 1 - length);
        length += got > 0 ? (size_t)got : 0;
    }
    assert_memory_equal(text, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(text, "\r\n\r\nhello"));
    /* The end is said, so that nobody else's cut of the connection is taken for it. */
    assert_int_equal(SSL_get_error(secure->session, got), SSL_ERROR_ZERO_RETURN);
}

static void server_speaks_tls(void **state, int version)
{
    struct peer_fixture *f = *state;
    CL_AUTO(secure_close) struct secure secure = secure_open(f, NULL);

    SSL_set_min_proto_version(secure.session, version);
    SSL_set_max_proto_version(secure.session, version);
    assert_true(connects(&secure));
    assert_int_equal(SSL_version(secure.session), version);
    assert_int_equal(SSL_get_verify_result(secure.session), X509_V_OK);
    assert_answers(&secure);
}

static void server_speaks_tls_1_2(void **state)
{
    server_speaks_tls(state, TLS1_2_VERSION);
}

static void server_speaks_tls_1_3(void **state)
{
    server_speaks_tls(state, TLS1_3_VERSION);
}

static void server_speaks_no_older_version(void **state)
{
    struct peer_fixture *f = *state;
    CL_AUTO(secure_close) struct secure secure = secure_open(f, NULL);

    SSL_set_security_level(secure.session, 0);
    SSL_set_min_proto_version(secure.session, TLS1_VERSION);
    SSL_set_max_proto_version(secure.session, TLS1_1_VERSION);
    assert_false(connects(&secure));
    assert_int_equal(f->peer.heads, 0);
}

/* Of 27 bytes each; all of them find room in a socket. */
static void change_keys(struct secure *secure, unsigned times)
{
    while (times-- > 0) {
        assert_int_equal(SSL_key_update(secure->session, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(secure->session), 1);
    }
}

static void client_may_change_its_key(void **state)
{
    CL_AUTO(secure_close) struct secure secure = secure_open(*state, NULL);

    assert_true(connects(&secure));
    change_keys(&secure, 60);
    assert_answers(&secure);
}

static void client_that_changes_its_key_without_end_is_left(void **state)
{
    struct peer_fixture *f = *state;
    CL_AUTO(secure_close) struct secure secure = secure_open(f, NULL);
    char text[16];

    assert_true(connects(&secure));
    change_keys(&secure, 2000);
    assert_true(until_done(&secure, READ, text, sizeof(text)) <= 0);
    assert_int_not_equal(SSL_get_error(secure.session, -1), SSL_ERROR_WANT_READ);
    assert_int_equal(f->peer.heads, 0);

    /* and others are served */
    peer_hang_up(&f->client);
    f->client = peer_connect(&f->peer);
    CL_AUTO(secure_close) struct secure next = secure_open(f, NULL);
    assert_true(connects(&next));
    assert_answers(&next);
}

static void server_speaks_http_1_1_alone(void **state)
{
    static const unsigned char two[] = "\x02h2", both[] = "\x02h2\x08http/1.1";
    struct peer_fixture *f = *state;
    CL_AUTO(secure_close) struct secure secure = secure_open(f, NULL);
    const unsigned char *chosen = NULL;
    unsigned length = 0;

    SSL_set_alpn_protos(secure.session, both, sizeof(both) - 1);
    assert_true(connects(&secure));
    SSL_get0_alpn_selected(secure.session, &chosen, &length);
    assert_int_equal(length, 8);
    assert_memory_equal(chosen, "http/1.1", 8);

    peer_hang_up(&f->client);
    f->client = peer_connect(&f->peer);
    CL_AUTO(secure_close) struct secure again = secure_open(f, NULL);
    SSL_set_alpn_protos(again.session, two, sizeof(two) - 1);
    assert_false(connects(&again));
}

/* Shows a certificate and asks for what the server holds; the digest that a handler is told of. */
static const uint8_t *certificate_seen(struct peer_fixture *f, const struct tls_pair *shown)
{
    static const char request[] = "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n";
    CL_AUTO(secure_close) struct secure secure = secure_open(f, shown);
    static uint8_t kept[CL_TLS_DIGEST];

    f->peer.held = NULL;
    if (!connects(&secure))
        return NULL;
    SSL_write(secure.session, request, sizeof(request) - 1);
    for (int i = 0; i < 1000 && !f->peer.held; i++)
        peer_turn_for(&f->peer, 1);
    if (!f->peer.held)
        return NULL;
    const uint8_t *digest = cl_exchange_certificate(f->peer.held);
    if (digest)
        memcpy(kept, digest, sizeof(kept));
    cl_exchange_problem(f->peer.held, 401, NULL, NULL, "seen", NULL);
    return digest ? kept : NULL;
}

static void handler_is_told_of_a_client_s_certificate(void **state)
{
    struct peer_fixture *f = *state;
    uint8_t expected[CL_TLS_DIGEST];
    unsigned length = 0;

    X509_digest(client.certificate, EVP_sha256(), expected, &length);
    const uint8_t *seen = certificate_seen(f, &client);
    assert_non_null(seen);
    assert_memory_equal(seen, expected, sizeof(expected));
}

static void handler_is_told_of_none_that_was_not_shown(void **state)
{
    struct peer_fixture *f = *state;

    assert_null(certificate_seen(f, NULL));
    assert_int_equal(f->peer.heads, 1); /* it was asked all the same: there are tokens */
}

static void certificate_of_another_authority_ends_the_connection(void **state)
{
    struct peer_fixture *f = *state;

    assert_null(certificate_seen(f, &stranger));
    assert_int_equal(f->peer.heads, 0);
}

static void certificate_that_expired_ends_the_connection(void **state)
{
    struct peer_fixture *f = *state;

    assert_null(certificate_seen(f, &expired));
    assert_int_equal(f->peer.heads, 0);
}

static void plain_http_is_told_to_use_tls(void **state)
{
    struct peer_fixture *f = *state;

    peer_say(&f->client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_status(&f->client), 400);
    assert_int_equal(peer_count(&f->client, "this port speaks TLS"), 1);
    assert_int_equal(f->peer.heads, 0);
}

static void noise_instead_of_a_handshake_gets_no_word_of_http(void **state)
{
    struct peer_fixture *f = *state;

    peer_send(&f->client, "\x80\x01\x02\x03noise and more noise", 24);
    assert_true(peer_hears_end(&f->client));
    assert_int_equal(peer_count(&f->client, "HTTP"), 0);
}

static void connection_outlives_the_pair_that_it_began_with(void **state)
{
    struct peer_fixture *f = *state;
    const struct cl_tls_pair pair = pair_of(other.certificate_text, other.key_text, "");
    struct cl_err err = CL_ERR_INIT;
    CL_AUTO(secure_close) struct secure secure = secure_open(f, NULL);

    assert_true(connects(&secure));
    struct cl_tls *next = cl_tls_new(&pair, &err);
    cl_http_server_take_tls(f->peer.server, &next);
    assert_null(next);
    assert_answers(&secure);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_server, peer_fixture_close)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_takes_a_pair_and_tells_its_end_and_digest),
        cmocka_unit_test(tls_refuses_what_it_can_not_serve_and_says_why),
        cmocka_unit_test(tls_refuses_a_key_with_a_password),
        cmocka_unit_test(tls_opens_a_sealed_file_of_the_announced_sizes),
        CASE(server_speaks_tls_1_2),
        CASE(server_speaks_tls_1_3),
        CASE(server_speaks_no_older_version),
        CASE(client_may_change_its_key),
        CASE(client_that_changes_its_key_without_end_is_left),
        CASE(server_speaks_http_1_1_alone),
        CASE(handler_is_told_of_a_client_s_certificate),
        CASE(handler_is_told_of_none_that_was_not_shown),
        CASE(certificate_of_another_authority_ends_the_connection),
        CASE(certificate_that_expired_ends_the_connection),
        CASE(plain_http_is_told_to_use_tls),
        CASE(noise_instead_of_a_handshake_gets_no_word_of_http),
        CASE(connection_outlives_the_pair_that_it_began_with),
    };

    cl_log_open("test", CL_ERROR);
    return cmocka_run_group_tests(tests, make_pairs, free_pairs);
}
