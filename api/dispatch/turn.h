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

/* Whether this call may begin now; if not, its tenant is held. */
bool cl_turn_take(struct cl_dispatch *dispatch, struct cl_job *job);

/* A call begins and ends to count; the end gives the held ones their turns. */
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
