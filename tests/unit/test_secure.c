/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pairs of certificate and key that are served and that are not, and handshakes that never end.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/http1/tls.h"
#include "sandbox/base/clock.h"
#include "tests/support/http_peer.h"

enum { HEAD_MS = 300, DAY = 86400, PEM_SIZE = 4096 };

struct made {
    char certificate[PEM_SIZE];
    char key[PEM_SIZE];
};

static void put_pem(BIO *bio, char *text)
{
    const int length = BIO_read(bio, text, PEM_SIZE - 1);

    assert_true(length > 0);
    text[length] = '\0';
    BIO_free(bio);
}

/* Valid from and until so many seconds from now. */
static struct made make(long from, long until)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    X509 *x = X509_new();
    struct made made;

    X509_gmtime_adj(X509_getm_notBefore(x), from);
    X509_gmtime_adj(X509_getm_notAfter(x), until);
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, x), 1);
    put_pem(bio, made.certificate);
    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    put_pem(bio, made.key);
    X509_free(x);
    EVP_PKEY_free(key);
    return made;
}

static struct cl_tls *serve(const char *certificate, const char *key, const char *ca,
                            struct cl_err *err)
{
    const struct cl_tls_pair pair = {
        { certificate, strlen(certificate) },
        { key, strlen(key) },
        { ca, strlen(ca) },
    };

    *err = (struct cl_err)CL_ERR_INIT;
    return cl_tls_new(&pair, err);
}

static void refuses(const char *certificate, const char *key, const char *ca, const char *says)
{
    struct cl_err err;

    assert_null(serve(certificate, key, ca, &err));
    assert_int_equal(err.kind, CL_E_INPUT);
    if (!strstr(err.text, says))
        fail_msg("\"%s\" is not \"%s\"", err.text, says);
    assert_int_equal(ERR_peek_error(), 0); /* or the next connection would be blamed for it */
}

static void pair_is_served_if_it_is_one_and_valid_now(void **state)
{
    const struct made good = make(-DAY, DAY), other = make(-DAY, DAY);
    const struct made old = make(-2 * DAY, -1), young = make(DAY, 2 * DAY);
    struct cl_err err;
    struct cl_tls *tls = serve(good.certificate, good.key, "", &err);

    (void)state;
    assert_non_null(tls);
    cl_tls_free(tls);
    tls = serve(good.certificate, good.key, other.certificate, &err);
    assert_non_null(tls);
    cl_tls_free(tls);
    refuses(good.certificate, other.key, "", "tls.key: it does not belong to tls.certificate");
    refuses(old.certificate, old.key, "", "tls.certificate: it expired on");
    refuses(young.certificate, young.key, "", "tls.certificate: it is not valid before");
    refuses("", good.key, "", "tls.certificate: no certificate in PEM");
    refuses(good.key, good.key, "", "tls.certificate: no certificate in PEM");
    refuses(good.certificate, good.certificate, "", "tls.key: no private key in PEM");
    refuses(good.certificate, good.key, "x", "tls.client_ca: no certificate in PEM");
}

static void broken_pem_is_refused(void **state)
{
    struct made good = make(-DAY, DAY);
    char cut[PEM_SIZE + 128];

    (void)state;
    snprintf(cut, sizeof(cut), "%.100s", good.certificate);
    refuses(cut, good.key, "", "tls.certificate: ");
    snprintf(cut, sizeof(cut), "%.60s", good.key);
    refuses(good.certificate, cut, "", "tls.key: no private key");
    snprintf(cut, sizeof(cut), "%s%.100s", good.certificate, good.certificate);
    refuses(cut, good.key, "", "tls.certificate: ");
}

static void chain_longer_than_any_is_refused(void **state)
{
    const struct made good = make(-DAY, DAY);
    static char chain[10 * PEM_SIZE];

    (void)state;
    chain[0] = '\0';
    for (int i = 0; i < 9; i++)
        strcat(chain, good.certificate);
    refuses(chain, good.key, "", "tls.certificate: more than 8");
}

static void open_secure(struct peer_server *peer)
{
    const struct made good = make(-DAY, DAY);
    struct cl_http_caps caps = cl_http_caps_default;
    struct cl_err err;
    struct cl_tls *tls = serve(good.certificate, good.key, "", &err);

    assert_non_null(tls);
    caps.head_ms = HEAD_MS;
    peer_open(peer, &caps);
    cl_http_server_take_tls(peer->server, &tls);
}

/* Each byte is progress, and none of them buys time. */
static void handshake_that_trickles_ends_with_the_time_of_a_head(void **state)
{
    struct peer_server peer;

    (void)state;
    open_secure(&peer);
    struct peer_client client = peer_connect(&peer);
    const uint64_t began_us = cl_clock_us();
    peer_send(&client, "\x16\x03\x01\x02\x00", 5);
    while (!client.saw_end && cl_clock_us() < began_us + 10000000) {
        (void)!write(client.fd, "\x01", 1);
        peer_turn_for(&peer, 10);
        peer_read(&client);
    }
    assert_true(client.saw_end);
    assert_true(cl_clock_us() - began_us >= HEAD_MS * 1000 / 2);
    assert_true(cl_clock_us() - began_us < 5000000);
    assert_int_equal(peer.heads, 0);
    assert_int_equal(cl_http_server_connections(peer.server), 0);
    peer_hang_up(&client);
    peer_close(&peer);
}

static void plain_text_is_answered_in_plain_text_and_goes_no_further(void **state)
{
    struct peer_server peer;

    (void)state;
    open_secure(&peer);
    struct peer_client client = peer_connect(&peer);
    peer_say(&client, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(peer_hears_end(&client));
    assert_int_equal(peer_status(&client), 400);
    assert_int_equal(peer.heads, 0);
    peer_hang_up(&client);
    peer_close(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pair_is_served_if_it_is_one_and_valid_now),
        cmocka_unit_test(broken_pem_is_refused),
        cmocka_unit_test(chain_longer_than_any_is_refused),
        cmocka_unit_test(handshake_that_trickles_ends_with_the_time_of_a_head),
        cmocka_unit_test(plain_text_is_answered_in_plain_text_and_goes_no_further),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
