/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cloched without its processes: the real loop, pool, monitor and reaper, with the test at the
 * far ends of the API's and the zygote's sockets, and forked children that sleep as workers.
 */
#ifndef CL_TESTS_DAEMON_RIG_H
#define CL_TESTS_DAEMON_RIG_H

#include "sandbox/daemon.h"
#include "sandbox/pool.h"
#include "sandbox/zygote.h"

struct rig {
    struct cl_daemon daemon;
    struct cl_watch on_signal;
    struct cl_policy policy;
    struct cl_ruling ruling;
    struct cl_pool *pool;
    struct cl_zygote zygote;
    int api; /* the test speaks as the API here */
    int zygote_end;
    int counters[CL_CG_COUNTERS]; /* of every slot */
    uint64_t limit_memory;        /* last limits written to a slot */
    uint32_t limit_processes;
    uint32_t stops; /* calls of cl_daemon_stop */
};

extern struct rig rig;

int rig_setup(void **state);
int rig_teardown(void **state);
/* A worker: SPAWN is answered as a zygote would, with a forked child that runs `work`. Returns
 * the id of the spare, which the API was offered. */
uint64_t rig_spare(void (*work)(void));
/* Serves events until the API's end has a message, at most a few seconds; its type, 0: none. */
uint32_t rig_next(union cl_msg_any *msg);
/* Sends as the API and serves what follows. */
void rig_send(enum cl_msg_type type, void *msg);
void rig_count(enum cl_cgroup_counter counter, const char *text); /* what it says from now on */
void rig_fill_slots(bool is_empty); /* whether their groups hold no process */
void rig_sleep(void);               /* a worker that waits */
void rig_spin(void);                /* a worker that computes */

#endif
