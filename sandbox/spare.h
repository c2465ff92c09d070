/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spare is one worker from SPAWN to the moment its slot is free again. A slot is a uid and a
 * cgroup of one zygote's range, pooled, held by at most one spare at a time.
 */
#ifndef CL_SPARE_H
#define CL_SPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/base/wire.h"
#include "sandbox/cgroup.h"
#include "sandbox/child.h"
#include "sandbox/loop.h"

struct cl_daemon;
struct cl_pool;
struct cl_zygote;

enum cl_spare_state {
    CL_SPARE_SPAWNING = 1, /* SPAWN was sent; there may be a process already */
    CL_SPARE_OFFERED,      /* parked; the API has its socket */
    CL_SPARE_TAKEN,        /* a call runs, its deadline is armed */
    CL_SPARE_ENDED,        /* END was sent, or nobody waits for one; not gone yet */
};

struct cl_call_limits {
    uint64_t wall_ms, cpu_ms, memory_bytes;
};

struct cl_spare {
    struct cl_daemon *daemon;
    struct cl_list by_id;
    struct cl_list in_zygote;
    struct cl_child child;
    struct cl_timer timer;
    struct cl_zygote *zygote;
    struct cl_pool *pool;
    struct cl_slot *slot;
    uint64_t id;
    enum cl_spare_state state;
    bool is_counted;                      /* among the pool's ready ones */
    bool is_offered;                      /* this API knows it, and is owed an END */
    bool is_retired;                      /* RETIRE was sent */
    int job;                              /* the API's end until it is offered */
    uint64_t spawn_us, made_us, taken_us; /* SPAWN; how long until it was parked; TAKE */
    uint64_t cpu_base_us; /* what the worker had used when it parked; 0: not read yet */
    uint32_t calls;       /* that run: one, or as many as a session has now */
    uint64_t max_at_us;   /* a session ends; UINT64_MAX: this is none */
    uint64_t idle_at_us;  /* likewise, when it has no call */
    uint64_t cpu_take_us; /* cpu_base_us of its first call */
    uint64_t cpu_end_us;  /* all that it used, once it has ended */
    struct cl_call_limits limits;
    struct cl_msg_end verdict; /* cause 0 until something is decided before the process ends */
};

/* A new spare on its way: slot, socket pair, SPAWN. NULL: err says why not now. */
struct cl_spare *cl_spare_spawn(struct cl_pool *pool, struct cl_err *err);
/* NULL when no spare that lives has this id. */
struct cl_spare *cl_spare_find(struct cl_daemon *daemon, uint64_t id);
/* Visits all; `visit` may end its own. */
void cl_spare_each(struct cl_daemon *daemon, void (*visit)(struct cl_spare *spare));
void cl_slot_free(struct cl_slot *slot);
/* Asks the API for up to `most` untaken spares of a zygote and a pool (NULL: any) back, oldest
 * first. */
void cl_spare_retire(struct cl_zygote *zygote, const struct cl_pool *pool, uint32_t most);
/* It is over and its process waited for: frees it, and its slot once the cgroup is empty. */
void cl_spare_put(struct cl_spare *spare);

#endif
