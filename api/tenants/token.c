/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token files to digests, and back to yes or no.
 * Runs in: cloche-api.
 * Trusts: cloched, for which file it hands over; not what is written in it.
 */
#include "api/tenants/token.h"

#include <sodium.h>
#include <unistd.h>

_Static_assert(CL_TOKEN_DIGEST == crypto_generichash_BYTES, "one digest");

struct cl_token_digest cl_token_digest(const char *token, size_t length)
{
    struct cl_token_digest digest;

    crypto_generichash(digest.bytes, sizeof(digest.bytes), (const uint8_t *)token, length, NULL,
                       0);
    return digest;
}

bool cl_token_is_equal(const struct cl_token_digest *a, const struct cl_token_digest *b)
{
    return sodium_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    return length >= CL_TOKEN_MIN && length <= CL_TOKEN_MAX;
}

int cl_token_read(int fd, struct cl_token_digest *digest, struct cl_err *err)
{
    const size_t size = CL_TOKEN_MAX + 2; /* a line end, and one byte to see what is too long */
    char *text = sodium_malloc(size);
    ssize_t length;
    int done = 0;

    CL_CHECK(text);
    length = pread(fd, text, size, 0);
    if (length < 0)
        done = cl_fail(err, CL_E_SYS, "read the token file");
    if (length > 0 && text[length - 1] == '\n')
        length--;
    if (done == 0 && !is_token(text, (size_t)length))
        done = cl_fail(err, CL_E_INPUT, "the token file holds no token of %d to %d characters",
                       CL_TOKEN_MIN, CL_TOKEN_MAX);
    if (done == 0)
        *digest = cl_token_digest(text, (size_t)length);
    sodium_free(text);
    return done;
}
