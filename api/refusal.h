/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a request was refused: one row of the table of refusals, and what is particular about it.
 * Pure; visit.c turns it into an RFC 9457 answer.
 */
#ifndef CL_API_REFUSAL_H
#define CL_API_REFUSAL_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/err.h"

enum cl_refusal_kind {
    CL_R_NONE = 0,
    CL_R_MALFORMED,
    CL_R_UNAUTHORIZED,
    CL_R_POLICY_NOT_ALLOWED,
    CL_R_LIMIT_WIDENED,
    CL_R_FILES_NOT_GRANTED,
    CL_R_NOT_FOUND,
    CL_R_FUNCTION_NOT_FOUND,
    CL_R_POLICY_NOT_FOUND,
    CL_R_CALL_NOT_FOUND,
    CL_R_SESSION_NOT_ALLOWED,
    CL_R_SESSION_NOT_FOUND,
    CL_R_SESSION_ENDED,
    CL_R_SESSIONS_FULL,
    CL_R_METHOD_NOT_ALLOWED,
    CL_R_LENGTH_REQUIRED,
    CL_R_TOO_LARGE,
    CL_R_MEDIA_TYPE,
    CL_R_KEY_REUSED,
    CL_R_TOO_MANY_FAILURES,
    CL_R_SCOPE_MISSING,
    CL_R_QUOTA_RATE,
    CL_R_QUOTA_CPU,
    CL_R_QUOTA_QUEUE,
    CL_R_QUOTA_MEMORY,
    CL_R_NOT_IMPLEMENTED,
    CL_R_QUEUE_FULL,
    CL_R_QUEUE_TIMEOUT,
    CL_R_POLICY_RELOADED,
    CL_R_NO_MEMORY,
    CL_R_NOT_READY,
    CL_R_STORE_FULL,
    CL_R_STORE_BUSY,
    CL_R_STORE_FAILED,
    CL_R_MODULE_NOT_FOUND,
    CL_R_MODULE_SERVED,
    CL_R_MODULE_INVALID,
    CL_R_COUNT_
};

struct cl_refusal_row {
    const char *slug; /* behind "urn:cloche:problem:" */
    const char *title;
    int status;
};

struct cl_refusal {
    enum cl_refusal_kind kind;
    uint32_t retry_after_s; /* 0: no Retry-After */
    uint64_t limit;         /* 0: none */
    char allow[64];         /* for 405 */
    char pointer[192];      /* JSON Pointer to the field, "" for the whole body */
    char detail[256];
    char extra[256]; /* more members of the answer: JSON without braces; "": none */
};

/* clang-format off */
#define CL_REFUSAL_INIT { .kind = CL_R_NONE }
/* clang-format on */

const struct cl_refusal_row *cl_refusal_row(enum cl_refusal_kind kind);

/* Fills kind and detail; the pointer is kept. Always returns -1. */
int cl_refusal_set(struct cl_refusal *refusal, enum cl_refusal_kind kind, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));

/* What an error of the caller's making means (`kind`): but for CL_E_SYS, which says that there is no
 * memory now and nothing of the request. Always returns -1. */
int cl_refusal_failed(struct cl_refusal *refusal, enum cl_refusal_kind kind,
                      const struct cl_err *err);

/* Appends "/" and a reference token (escaped by RFC 6901) to the pointer; what does not fit is
 * left out whole. */
void cl_refusal_point(struct cl_refusal *refusal, const char *token, size_t length);

/* The entry of `words` (ended by NULL) that is nearest to `text`, NULL when none is near. */
const char *cl_refusal_nearest(const char *const *words, const char *text);

#endif
