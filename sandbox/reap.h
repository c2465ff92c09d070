/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spare from its offer to its end: deadline, kill, counters, and the one END with its cause.
 */
#ifndef CL_REAP_H
#define CL_REAP_H

#include <stdint.h>

#include "sandbox/spare.h"

/* The process exists: the table of children knows it from now on. Fails if `pidfd` is not that of
 * `pid`, no child of ours or known already. */
int cl_reap_adopt(struct cl_spare *spare, pid_t pid, int pidfd, struct cl_err *err);

/* It is ready: once it has parked, what it used until then is read, so that a call which is over
 * before cloched hears of it is counted right. */
void cl_reap_park(struct cl_spare *spare);
/* What a worker of a pool has usually used when it parks, after one more was seen. */
uint64_t cl_reap_park_cpu(uint64_t usual_us, uint64_t seen_us);
void cl_reap_take(struct cl_spare *spare, const struct cl_msg_take *take);
void cl_reap_finish(struct cl_spare *spare);
/* A session's jail gets one more call, or has one less. The calls that run at a time share their
 * deadlines: the jail may run until the last of them has to be over, and use what all of them may
 * together since there was none. */
void cl_reap_next(struct cl_spare *spare, const struct cl_msg_next *next);
void cl_reap_rest(struct cl_spare *spare, struct cl_msg_usage *usage);
/* Kills; END follows when the process is gone. The first cause stays. */
void cl_reap_kill(struct cl_spare *spare, enum cl_end_cause cause, enum cl_limit limit,
                  uint32_t reason);
/* A spare without a process: END lost, slot free. */
void cl_reap_abandon(struct cl_spare *spare);

/* Names the cause of an end; pure. `end` carries the counters and what was decided before (cause,
 * limit, reason); fills the rest. */
void cl_reap_name(const struct cl_exit *how, const struct cl_call_limits *limits,
                  struct cl_msg_end *end);

/* When the CPU limit can be reached at the earliest. */
uint64_t cl_reap_cpu_check(uint64_t now_us, uint64_t used_us, uint64_t cpu_ms, uint32_t cores);

#endif
