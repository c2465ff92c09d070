/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose call begins next when not all can. A call begins when its pool has a jail for it, its
 * tenant's quota has room, and its tenant stays within its part of what all share while others
 * wait: parts are by weight. A tenant whose call waits although there is a jail is held; when
 * something ends, the held ones get their turns by stride: each turn moves a tenant back by the
 * inverse of its weight, and the foremost is next. Nobody is held who waits alone, so nothing
 * lies idle that could run.
 */
#ifndef CL_API_TURN_H
#define CL_API_TURN_H

#include "api/dispatch/dispatch.h"

/* Asked again when a call that was admitted has its turn, since calls of a workflow, of a batch
 * and stored ones come without a request of their own: -1 when its tenant's processor time is
 * used up, or it may never run beside nothing, and it is to be refused. */
int cl_turn_check(const struct cl_job *job, struct cl_refusal *why);

/* Whether this call may begin now; if not, its tenant is held. */
bool cl_turn_take(struct cl_dispatch *dispatch, struct cl_job *job);
/* The same of a call that has a jail already, by the quota alone; if not, `room` hears of the
 * tenant's next end, once. */
bool cl_turn_may(const struct cl_job *job, struct cl_turn_room *room);

/* A call begins and ends to count; the end gives the held ones their turns. Each once. */
void cl_turn_begin(struct cl_dispatch *dispatch, struct cl_job *job);
void cl_turn_end(struct cl_dispatch *dispatch, struct cl_job *job);
void cl_turn_serve(struct cl_dispatch *dispatch);

/* A call begins and ends to wait. */
void cl_turn_wait(struct cl_dispatch *dispatch, struct cl_tenant *tenant);
void cl_turn_leave(struct cl_dispatch *dispatch, struct cl_tenant *tenant);

/* The part of `all` that is a tenant's while others wait; at least one. */
uint64_t cl_turn_part(const struct cl_dispatch *dispatch, const struct cl_tenant *tenant,
                      uint64_t all);

/* Asks cloched for jails of a pool: for as many of its calls as the quota lets begin. */
void cl_turn_want(struct cl_dispatch *dispatch, struct cl_pool *pool);

#endif
