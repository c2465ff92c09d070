/* SPDX-License-Identifier: Apache-2.0 */
/* What cloched is made of: one of these, in cloched.c; everything in it is reached through it. */
#ifndef CL_DAEMON_H
#define CL_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/cgroup.h"
#include "sandbox/child.h"
#include "sandbox/front.h"
#include "sandbox/load.h"
#include "sandbox/loop.h"
#include "sandbox/spaces.h"
#include "sandbox/state.h"

/* As cloche-begin wrote them; NULL: not given. */
struct cl_options {
    const char *config, *state, *listen, *log;
    const char *tls;                                 /* on or off */
    const char *jails;                               /* most at once */
    const char *queue_wait, *buffers, *keep, *store; /* which cloche-api reads */
    const char *audit;                               /* which cloche-loader reads */
    const char *drain;
    const char *proved; /* the policy whose jail --self-test proves; NULL: default, briefly */
    const char *self_test;
    const char *learn; /* workers write down what is refused; of `cloche policy learn` alone */
    uint64_t drain_ms;
};

struct cl_daemon {
    struct cl_options options;
    struct cl_loop loop;
    struct cl_index children; /* struct cl_child, by pid */
    struct cl_cgroup_host cgroups;
    struct cl_state state;
    struct cl_front front;
    struct cl_child sweeper;
    struct cl_load load;           /* a generation on its way */
    struct cl_msg_problem refused; /* of the last one; count 0: it is in force */
    struct cl_list pools, tenants;
    struct cl_list waiting; /* struct cl_brood, for a range of ids */
    struct cl_timer evict;
    struct cl_index spares;                          /* struct cl_spare, by id */
    struct cl_zygote *zygotes[CL_IDMAP_ZYGOTES_MAX]; /* by the range of ids they hold */
    int programs[CL_PROGRAM_COUNT];
    uid_t uid_base;
    uint64_t spare_last; /* the highest id given so far */
    uint32_t spares_live, spares_max;
    uint32_t cores;
    uint32_t pool_last;
    uint32_t generation; /* 0 until the first one is loaded */
    bool is_proved;      /* the jail holds: cloche-prover said so */
    bool is_ready, is_draining;
    int exit_status;
};

/* Told by whoever made progress: says "ready" once everything a call needs is there. */
void cl_daemon_check_ready(struct cl_daemon *daemon);
/* Leave the loop; what is still alive ends with it. `why` NULL: an orderly end. */
void cl_daemon_stop(struct cl_daemon *daemon, const char *why);

#endif
