/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates for tests, made when they are needed. */
#ifndef CL_TESTS_TLS_PAIR_H
#define CL_TESTS_TLS_PAIR_H

#include <openssl/evp.h>
#include <openssl/x509.h>

enum { TLS_PAIR_TEXT = 8192 };

struct tls_pair {
    EVP_PKEY *key;
    X509 *certificate;
    char certificate_text[TLS_PAIR_TEXT];
    char key_text[TLS_PAIR_TEXT];
};

/* On the curve P-256, valid between the two days, counted from today; signed by `by`, or by itself
 * if NULL. One that others sign with is marked as an authority. */
void tls_pair_make(struct tls_pair *pair, const char *name, int from_day, int until_day,
                   const struct tls_pair *by);
/* Its key as text under a password. */
void tls_pair_lock(struct tls_pair *pair, const char *password);
void tls_pair_fini(struct tls_pair *pair);

#endif
