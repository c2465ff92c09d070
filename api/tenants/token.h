/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens are kept as digests only (BLAKE2b-256, unkeyed: a token is random enough not to be
 * guessed). Comparing digests takes the same time whatever they are.
 */
#ifndef CL_API_TOKEN_H
#define CL_API_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/err.h"

enum { CL_TOKEN_MIN = 16, CL_TOKEN_MAX = 256, CL_TOKEN_DIGEST = 32 };

struct cl_token_digest {
    uint8_t bytes[CL_TOKEN_DIGEST];
};

struct cl_token_digest cl_token_digest(const char *token, size_t length);
bool cl_token_is_equal(const struct cl_token_digest *a, const struct cl_token_digest *b);

/* Reads the one line of a token file (borrowed fd) into memory that is locked, guarded and wiped,
 * and leaves its digest. CL_E_INPUT when it holds no token. */
int cl_token_read(int fd, struct cl_token_digest *digest, struct cl_err *err);

#endif
