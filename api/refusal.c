/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of refusals, and what helps a caller to find the mistake.
 * Runs in: cloche-api.
 * Trusts: nothing that came in; text of the caller is cut to fit and escaped by whoever prints
 * it.
 */
#include "api/refusal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/err.h"

static const struct cl_refusal_row rows[CL_R_COUNT_] = {
    [CL_R_MALFORMED] = { "malformed", "The request is malformed", 400 },
    [CL_R_UNAUTHORIZED] = { "unauthorized", "A valid token is required", 401 },
    [CL_R_POLICY_NOT_ALLOWED] = { "policy-not-allowed", "The policy is not allowed", 403 },
    [CL_R_LIMIT_WIDENED] = { "limit-widened", "A limit may only be narrowed", 403 },
    [CL_R_FILES_NOT_GRANTED] = { "files-not-granted", "The policy grants no files", 403 },
    [CL_R_NOT_FOUND] = { "not-found", "There is nothing here", 404 },
    [CL_R_FUNCTION_NOT_FOUND] = { "function-not-found", "There is no such function", 404 },
    [CL_R_POLICY_NOT_FOUND] = { "policy-not-found", "There is no such policy", 404 },
    [CL_R_SESSION_NOT_ALLOWED] = { "session-not-allowed", "The policy allows no sessions",
                                   403 },
    [CL_R_SESSION_NOT_FOUND] = { "session-not-found", "There is no such session", 404 },
    [CL_R_SESSION_ENDED] = { "session-ended", "The session ended while the call waited", 409 },
    [CL_R_SESSIONS_FULL] = { "sessions-full", "There is no room for a session now", 503 },
    [CL_R_CALL_NOT_FOUND] = { "call-not-found", "There is no such call", 404 },
    [CL_R_METHOD_NOT_ALLOWED] = { "method-not-allowed", "The method is not allowed here", 405 },
    [CL_R_LENGTH_REQUIRED] = { "length-required", "The body must announce its length", 411 },
    [CL_R_TOO_LARGE] = { "too-large", "The body is too large", 413 },
    [CL_R_MEDIA_TYPE] = { "media-type", "The body has another type", 415 },
    [CL_R_KEY_REUSED] = { "idempotency-key-reused", "The key belongs to another request", 422 },
    [CL_R_TOO_MANY_FAILURES] = { "too-many-failures", "Too many wrong tokens", 429 },
    [CL_R_SCOPE_MISSING] = { "scope-missing", "The token has not this scope", 403 },
    [CL_R_QUOTA_RATE] = { "quota-rate", "The tenant calls too often", 429 },
    [CL_R_QUOTA_CPU] = { "quota-cpu", "The tenant has used its processor time", 429 },
    [CL_R_QUOTA_QUEUE] = { "quota-queue", "Too many of the tenant's calls wait", 429 },
    [CL_R_QUOTA_MEMORY] = { "quota-memory", "The call asks for more than the tenant has", 403 },
    [CL_R_NOT_IMPLEMENTED] = { "not-implemented", "This is not served yet", 501 },
    [CL_R_QUEUE_FULL] = { "queue-full", "Too many calls are waiting", 503 },
    [CL_R_QUEUE_TIMEOUT] = { "queue-timeout", "The call waited too long", 503 },
    [CL_R_POLICY_RELOADED] = { "policy-reloaded", "The policy changed while the call waited",
                               503 },
    [CL_R_NO_MEMORY] = { "no-memory", "There is no memory for this now", 503 },
    [CL_R_NOT_READY] = { "not-ready", "The service is not ready", 503 },
    [CL_R_STORE_FULL] = { "store-full", "There is no room to keep this", 507 },
    [CL_R_STORE_BUSY] = { "store-busy", "Too much waits to be stored", 503 },
    [CL_R_STORE_FAILED] = { "store-failed", "This could not be stored", 503 },
    [CL_R_MODULE_NOT_FOUND] = { "module-not-found", "There is no such module", 404 },
    [CL_R_MODULE_SERVED] = { "module-served", "The module comes from a directory", 409 },
    [CL_R_MODULE_INVALID] = { "module-invalid", "This can't be a module", 422 },
};

const struct cl_refusal_row *cl_refusal_row(enum cl_refusal_kind kind)
{
    CL_CHECK(kind > CL_R_NONE && kind < CL_R_COUNT_);
    return &rows[kind];
}

int cl_refusal_set(struct cl_refusal *refusal, enum cl_refusal_kind kind, const char *format,
                   ...)
{
    va_list args;

    refusal->kind = kind;
    va_start(args, format);
    vsnprintf(refusal->detail, sizeof(refusal->detail), format, args);
    va_end(args);
    return -1;
}

int cl_refusal_failed(struct cl_refusal *refusal, enum cl_refusal_kind kind,
                      const struct cl_err *err)
{
    return cl_refusal_set(refusal, err->kind == CL_E_SYS ? CL_R_NO_MEMORY : kind, "%s",
                          err->text);
}

void cl_refusal_point(struct cl_refusal *refusal, const char *token, size_t length)
{
    size_t at = strlen(refusal->pointer);
    const size_t start = at;
    const size_t room = sizeof(refusal->pointer) - 3; /* an escape is two bytes, and the NUL */

    if (at >= room)
        return;
    refusal->pointer[at++] = '/';
    for (size_t i = 0; i < length && at < room; i++) {
        if (token[i] == '~' || token[i] == '/') {
            refusal->pointer[at++] = '~';
            refusal->pointer[at++] = token[i] == '~' ? '0' : '1';
        } else {
            refusal->pointer[at++] = token[i];
        }
    }
    refusal->pointer[at < room ? at : start] = '\0';
}

/* Edit distance, for words of up to 31 bytes. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[33];
    const size_t width = strlen(b);

    for (size_t j = 0; j <= width; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i + 1;
        for (size_t j = 1; j <= width; j++) {
            const unsigned change = diagonal + (a[i] != b[j - 1]);
            const unsigned shorter = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

            diagonal = row[j];
            row[j] = change < shorter ? change : shorter;
        }
    }
    return row[width];
}

const char *cl_refusal_nearest(const char *const *words, const char *text)
{
    const char *best = NULL;
    unsigned least = 3;

    if (strlen(text) > 31)
        return NULL;
    for (; *words; words++) {
        const unsigned far = strlen(*words) < 32 ? distance(text, *words) : least;

        if (far < least) {
            least = far;
            best = *words;
        }
    }
    return best;
}
