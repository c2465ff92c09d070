/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One zygote: the process, its range of ids, its cgroup and slots, and the spares it made.
 */
#ifndef CL_ZYGOTE_H
#define CL_ZYGOTE_H

#include "sandbox/peer.h"
#include "sandbox/spare.h"

enum cl_zygote_state {
    CL_ZYGOTE_MAPPING = 1, /* waits for its ids */
    CL_ZYGOTE_STARTING,    /* exec'd; preloads */
    CL_ZYGOTE_UP,
    CL_ZYGOTE_DRY,  /* makes no more spares; ends when the last one is gone */
    CL_ZYGOTE_DEAD, /* waits for its cgroup to be empty */
};

struct cl_brood;

struct cl_zygote {
    struct cl_peer peer;
    struct cl_brood *brood; /* lives until its last zygote is buried */
    struct cl_timer timer;  /* of its start, of its answers; later the retry of the burial */
    struct cl_cgroup cgroup;
    struct cl_list spares;
    struct cl_list slots_free;
    unsigned k;          /* which range of ids */
    uint32_t slots;      /* made so far */
    uint32_t live;       /* spares whose slot is not free yet */
    uint64_t up_us;      /* since when it makes spares */
    uint64_t spawned;    /* in its life */
    uint64_t told;       /* messages of it */
    uint64_t checked_us; /* when it was last asked for answers that it owes */
    enum cl_zygote_state state;
};

/* Forks, enters namespaces, execs; cl_brood_on_up tells when it is warm. BUSY: all ranges of ids are
 * in use. */
struct cl_zygote *cl_zygote_start(struct cl_daemon *daemon, struct cl_brood *brood,
                                  struct cl_err *err);
/* A worker was asked for: one that is not made in time ends the zygote. */
void cl_zygote_await(struct cl_zygote *zygote);
/* No more spares from it; the process ends with its last one. */
void cl_zygote_dry(struct cl_zygote *zygote);
/* A spare of it was freed: an empty dry one ends, a dead one can be buried. */
void cl_zygote_on_put(struct cl_zygote *zygote);

#endif
