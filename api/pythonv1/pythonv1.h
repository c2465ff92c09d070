/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of the python/v1 protocol, whoever asks for it: /v1/rpc or a task of a workflow.
 * What needs a jail becomes an errand; what a registration says comes from the store. Everything
 * runs on the event loop.
 *
 * After cl_pythonv1_start comes exactly one on_done, never from inside start or cancel.
 */
#ifndef CL_API_PYTHONV1_H
#define CL_API_PYTHONV1_H

#include <stdbool.h>
#include <stdint.h>

#include "api/json/scan.h"
#include "api/refusal.h"
#include "sandbox/base/wire.h"

struct cl_app;
struct cl_tenant;

/* Codes that are decided here and not by a row of a table (section 8 of the protocol). */
enum cl_v1_code {
    CL_V1_PARSE = -32700,
    CL_V1_REQUEST = -32600,
    CL_V1_METHOD = -32601,
    CL_V1_PARAMS = -32602,
    CL_V1_INTERNAL = -32603,
    CL_V1_RATE = -31005,
    CL_V1_RESOURCES = -31004,
    CL_V1_PROVIDER = -30003,
    CL_V1_OVERLOADED = -30007,
    CL_V1_TASK_FAILED = -29002,
    CL_V1_TASK_TIMEOUT = -29003,
    CL_V1_TASK_CANCELLED = -29004,
    CL_V1_TASK_RESULT = -29007,
    CL_V1_LOST = -25004,
    CL_V1_FORBIDDEN = -25006,
};

enum { CL_V1_SESSION_MAX = 64, CL_V1_TASK_MAX = 200, CL_V1_TIMEOUT_MAX = 3600 };

/* On whose behalf, and where. Copied by start. */
struct cl_v1_caller {
    struct cl_tenant *tenant;
    const char *policy;  /* "": the tenant's default */
    const char *key;     /* id of the token that asks; "": the tenant's own */
    const char *session; /* id; "": none, registrations are refused to nobody but not kept */
    const char *task_id; /* names the call in messages; "": its own id does */
    uint32_t timeout_s;  /* 0: what the policy gives */
    bool isolated;       /* a fresh jail for functions of files, too */
    const char *trace;   /* of trace.h; NULL or "": none */
    const char *peer;    /* address of who asks; NULL: not known */
};

/* Views are valid during the callback only. */
struct cl_v1_answer {
    uint64_t id;
    struct cl_json json; /* of `result`, or of the `error` object */
    bool is_error;       /* json is an error object */
    bool is_failed;      /* an error, or a result that says success: false on its own behalf */
    int32_t code;        /* of the error; 0 for a result */
    bool is_retryable;
    struct cl_json exception; /* name of the exception's type, plain text; may be empty */
    const struct cl_refusal *refusal; /* the service had no room: 429 or 503; else NULL */
    uint64_t duration_ms;
};

struct cl_v1_calls {
    void (*on_done)(void *self, const struct cl_v1_answer *answer);
};

/* `method` is plain text, `params` a checked JSON value (NONE and null are {}); both are copied.
 * Returns the call's id, never 0. `calls` must outlive it. */
uint64_t cl_pythonv1_start(struct cl_app *app, const struct cl_v1_caller *caller,
                           const char *method, struct cl_json params,
                           const struct cl_v1_calls *calls, void *self);

/* It ends with CL_V1_TASK_CANCELLED unless it has another end by then. An unknown id is nothing. */
void cl_pythonv1_cancel(struct cl_app *app, uint64_t id);

/* From here on nobody hears of it; it is cancelled. */
void cl_pythonv1_forget(struct cl_app *app, uint64_t id);

/* Whether python/v1 has a method of this name. */
bool cl_pythonv1_has_method(const char *method);

/* Whether a code means that the same call may well succeed later. */
bool cl_pythonv1_is_retryable(int32_t code);

#endif
