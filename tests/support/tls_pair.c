/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes keys and certificates.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/tls_pair.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "sandbox/base/own.h"

static void take_text(BIO *bio, char text[TLS_PAIR_TEXT])
{
    char *bytes = NULL;
    const long length = BIO_get_mem_data(bio, &bytes);

    CL_CHECK(length > 0 && length < TLS_PAIR_TEXT);
    memcpy(text, bytes, (size_t)length);
    text[length] = '\0';
    BIO_free(bio);
}

static void put_key_text(struct tls_pair *pair, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = password ? EVP_aes_256_cbc() : NULL;

    CL_CHECK(bio && PEM_write_bio_PrivateKey(bio, pair->key, cipher, NULL, 0, NULL,
                                             (void *)(uintptr_t)password) == 1);
    take_text(bio, pair->key_text);
}

static void mark_authority(X509 *certificate)
{
    X509_EXTENSION *mark =
        X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");

    CL_CHECK(mark && X509_add_ext(certificate, mark, -1) == 1);
    X509_EXTENSION_free(mark);
}

void tls_pair_make(struct tls_pair *pair, const char *name, int from_day, int until_day,
                   const struct tls_pair *by)
{
    X509 *made = X509_new();
    X509_NAME *subject = X509_get_subject_name(made);
    BIO *bio = BIO_new(BIO_s_mem());

    memset(pair, 0, sizeof(*pair));
    pair->key = EVP_EC_gen("P-256");
    pair->certificate = made;
    CL_CHECK(pair->key && made && bio && X509_set_version(made, 2) == 1);
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1 + (long)strlen(name));
    X509_gmtime_adj(X509_getm_notBefore(made), 86400L * from_day);
    X509_gmtime_adj(X509_getm_notAfter(made), 86400L * until_day);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
                               0);
    X509_set_issuer_name(made, by ? X509_get_subject_name(by->certificate) : subject);
    X509_set_pubkey(made, pair->key);
    if (!by)
        mark_authority(made);
    CL_CHECK(X509_sign(made, by ? by->key : pair->key, EVP_sha256()) > 0);
    CL_CHECK(PEM_write_bio_X509(bio, made) == 1);
    take_text(bio, pair->certificate_text);
    put_key_text(pair, NULL);
}

void tls_pair_lock(struct tls_pair *pair, const char *password)
{
    put_key_text(pair, password);
}

void tls_pair_fini(struct tls_pair *pair)
{
    EVP_PKEY_free(pair->key);
    X509_free(pair->certificate);
}
