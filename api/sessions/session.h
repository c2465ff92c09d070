/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: one jail that stays for one caller. The globals of its modules last from call to
 * call; calls that do not fit beside those that run wait in the session's own queue. A limit, a
 * crash, a cancelled call and a broken protocol end the jail, never the session: the next call
 * makes another one, and its envelope says so.
 *
 * A session belongs to a key of a tenant; nobody else ever finds it. Everything here runs on the
 * event loop. A pointer is good until the loop turns: keep the id.
 */
#ifndef CL_API_SESSION_H
#define CL_API_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "api/calls/request.h"
#include "api/errand.h"
#include "api/refusal.h"
#include "api/ulid.h"
#include "sandbox/base/wire.h"

struct cl_app;
struct cl_job;
struct cl_pool;
struct cl_session;
struct cl_tenant;

struct cl_session_ask {
    struct cl_tenant *tenant;
    const char *key;    /* the token's id; "" is the tenant's own token */
    const char *policy; /* "": the tenant's first */
    /* Of the jail, 0: the policy's. Calls in a session may not narrow these two any more. */
    uint64_t memory_bytes;
    uint32_t processes;
    bool
        outlives_key; /* else its key's end is its own: a token of the same id is another one's */
};

/* A new one; its jail is made by the first call. NULL: not permitted by the policy (403), wider
 * than it, or more than the tenant may have (503). */
struct cl_session *cl_session_open(struct cl_app *app, const struct cl_session_ask *ask,
                                   struct cl_refusal *refusal);
/* NULL: there is none of this key with this id. */
struct cl_session *cl_session_find(struct cl_app *app, const struct cl_tenant *tenant,
                                   const char *key, const char *id);
/* The key's own session under this policy ("": the tenant's first), made when there is none yet.
 * Where the policy says `sessions.default: none`: NULL with refusal->kind CL_R_NONE. */
struct cl_session *cl_session_default(struct cl_app *app, struct cl_tenant *tenant,
                                      const char *key, const char *policy,
                                      struct cl_refusal *refusal);

const char *cl_session_id(const struct cl_session *session);
/* Under whose policy a request for it is sealed, with CL_CALL_SESSION among the flags. NULL: the
 * policy is gone, and with it the session. */
struct cl_pool *cl_session_pool(struct cl_session *session, struct cl_refusal *refusal);
/* Whether this sealed request may run in it; -1 and why. */
int cl_session_check(const struct cl_session *session, const struct cl_request *request,
                     struct cl_refusal *refusal);

/* An errand in a session: as cl_errand_start, cancelled by cl_errand_cancel. CL_CALL_SESSION is
 * added to `flags`. */
uint64_t cl_session_call(struct cl_session *session, struct cl_request *request, uint32_t flags,
                         const struct cl_errand_calls *calls, void *self);
/* The same for a job that somebody else made and has yet to submit. */
void cl_session_join(struct cl_session *session, struct cl_job *job);

/* The store holds something of this session, if there is one: it goes when that ends. */
void cl_session_keeps(struct cl_app *app, const char *id);

/* Calls that wait are refused, those that run end as cancelled. */
void cl_session_end(struct cl_session *session);

uint32_t cl_sessions_count(const struct cl_app *app);
/* A reload: sessions whose policy is gone end, the others run on under theirs. */
void cl_sessions_on_loaded(struct cl_app *app);
/* Sessions end as soon as they have nothing to do. */
void cl_sessions_drain(struct cl_app *app);
void cl_sessions_free(struct cl_app *app); /* after the dispatcher */

#endif
