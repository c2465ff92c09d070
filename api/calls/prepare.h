/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a caller sent to a sealed request and the pool that serves it: the one way for calls
 * that are answered at once and for those that are stored and prepared again when they start.
 */
#ifndef CL_API_PREPARE_H
#define CL_API_PREPARE_H

#include "api/calls/request.h"
#include "api/modules/modules.h"
#include "api/refusal.h"

struct cl_app;
struct cl_pool;
struct cl_session;
struct cl_tenant;

enum cl_call_kind { CL_CALL_KIND_CALL = 0, CL_CALL_KIND_EVAL };

/* A call as sent; views. */
struct cl_call_sent {
    enum cl_call_kind kind;
    const char *function; /* named by the path; "": the body names it, or has the source */
    const char *trace;    /* of trace.h; NULL or "": none */
    const char *key;      /* id of the token; NULL or "": none */
    const char *peer;     /* address; NULL or "": not known */
    const char *body;
    size_t length;
    struct cl_session *session; /* NULL: a jail of its own. The job still has to join it. */
};

struct cl_prepared {
    struct cl_request request; /* sealed; fini it in every case, unless it was taken */
    struct cl_pool *pool;
    uint32_t flags;              /* enum cl_call_flags, as sealed */
    struct cl_modules_want want; /* of CL_MODULES_LATER; views into the request */
};

/* `prepared` must be zeroed but for `flags`, to which those of the call's kind are added. Returns
 * 0; CL_MODULES_LATER: cl_modules_fetch(prepared->want), fini, and all of it again when that is
 * ready; -1 refused. */
int cl_prepare(const struct cl_app *app, const struct cl_tenant *tenant,
               const struct cl_call_sent *sent, struct cl_prepared *prepared,
               struct cl_refusal *refusal);

/* Its first step, which asks nobody: what was sent, parsed, and the flags of its kind. */
int cl_prepare_parse(const struct cl_call_sent *sent, struct cl_prepared *prepared,
                     struct cl_refusal *refusal);

/* What the worker is told of a trace, and what log lines name of it. NULL or "": nothing. */
int cl_prepare_trace(struct cl_request *request, const char *trace, struct cl_refusal *refusal);

/* Who asks, for the audit log; NULL is nobody known. */
void cl_prepare_caller(struct cl_request *request, const char *key, const char *peer);

void cl_prepared_fini(struct cl_prepared *prepared);

#endif
