/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes spares: takes a slot, makes the job socket pair, asks the zygote; and gives slots back.
 * Runs in: cloched.
 * Trusts: nothing about a slot until its cgroup is seen to be empty.
 */
#include "sandbox/spare.h"

#include <string.h>
#include <sys/socket.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/daemon.h"
#include "sandbox/pool.h"
#include "sandbox/reap.h"
#include "sandbox/zygote.h"

enum { EMPTY_RETRY_US = 2000 };

struct cl_spare *cl_spare_find(struct cl_daemon *daemon, uint64_t id)
{
    cl_list_for (struct cl_spare, spare, by_id, cl_index_bucket(&daemon->spares, id)) {
        if (spare->id == id)
            return spare;
    }
    return NULL;
}

void cl_spare_each(struct cl_daemon *daemon, void (*visit)(struct cl_spare *spare))
{
    for (size_t i = 0; i < CL_INDEX_BUCKETS; i++) {
        cl_list_for (struct cl_spare, spare, by_id, &daemon->spares.buckets[i])
            visit(spare);
    }
}

/* ---------------------------------------------------------------------------------- slots */

static struct cl_slot *make_slot(struct cl_zygote *zygote, struct cl_err *err)
{
    cl_free_auto struct cl_slot *slot = cl_own_new(sizeof(*slot));

    if (zygote->slots == CL_POLICY_SLOTS_MAX) {
        cl_fail(err, CL_E_BUSY, "all slots of the zygote are in use");
        return NULL;
    }
    cl_list_init(&slot->node);
    slot->number = zygote->slots;
    slot->owner = cl_idmap_zygote(zygote->peer.daemon->uid_base, zygote->k);
    slot->policy = zygote->brood->ruling->policy;
    if (cl_cgroup_slot_open(&zygote->peer.daemon->cgroups, &zygote->cgroup, slot, err) < 0)
        return NULL;
    zygote->slots++;
    return cl_take_ptr(&slot);
}

void cl_slot_free(struct cl_slot *slot)
{
    cl_cgroup_slot_close(slot);
    free(slot);
}

/* In turn, and made clean only now: pages of the last worker may leave its group late. */
static struct cl_slot *take_slot(struct cl_zygote *zygote, struct cl_err *err)
{
    const struct cl_cgroup_host *host = &zygote->peer.daemon->cgroups;

    while (!cl_list_is_empty(&zygote->slots_free)) {
        struct cl_slot *slot = cl_list_entry(zygote->slots_free.next, struct cl_slot, node);
        cl_list_unlink(&slot->node);
        if (cl_cgroup_slot_recycle(host, &zygote->cgroup, slot, err) == 0)
            return slot;
        cl_log(CL_WARN, "slot.lost", "zygote=%u slot=%u error=\"%s\"", zygote->k, slot->number,
               err->text);
        cl_slot_free(slot); /* its number is not used again; the group goes with the zygote's */
    }
    return make_slot(zygote, err);
}

static void free_slot(struct cl_zygote *zygote, struct cl_slot *slot)
{
    if (zygote->state == CL_ZYGOTE_DEAD)
        cl_slot_free(slot);
    else
        cl_list_append(&zygote->slots_free, &slot->node);
}

/* --------------------------------------------------------------------------------- spares */

static int send_spawn(const struct cl_zygote *zygote, const struct cl_slot *slot, int job,
                      struct cl_err *err)
{
    const struct cl_daemon *daemon = zygote->peer.daemon;
    const bool is_v2 = daemon->cgroups.ops == &cl_cgroup_v2;
    const struct cl_cgroup *group = is_v2 ? &slot->group : &slot->procs;
    struct cl_msg_spawn spawn = { .spare = daemon->spare_last + 1,
                                  .slot = slot->number,
                                  .cgroup_v2 = is_v2 };
    int fds[1 + CL_CG_COUNT] = { job };

    memcpy(&fds[1], group->dirs, sizeof(group->dirs));
    return cl_msg_send(zygote->peer.watch.fd, CL_M_SPAWN, &spawn, fds,
                       1 + daemon->cgroups.dir_count, err);
}

static struct cl_spare *new_spare(struct cl_pool *pool, struct cl_slot *slot, int job)
{
    struct cl_zygote *zygote = pool->brood->zygote;
    struct cl_daemon *daemon = pool->daemon;
    struct cl_spare *spare = cl_own_new(sizeof(*spare));

    spare->daemon = daemon;
    spare->zygote = zygote;
    spare->pool = pool;
    spare->slot = slot;
    spare->id = ++daemon->spare_last;
    spare->state = CL_SPARE_SPAWNING;
    spare->is_counted = true;
    spare->job = job;
    spare->spawn_us = cl_clock_us();
    cl_timer_init(&spare->timer, NULL);
    cl_list_append(cl_index_bucket(&daemon->spares, spare->id), &spare->by_id);
    cl_list_append(&zygote->spares, &spare->in_zygote);
    pool->now.ready++, pool->now.spawning++, pool->now.active++, pool->now.live++;
    zygote->live++;
    daemon->spares_live++;
    return spare;
}

static void free_spare(struct cl_spare *spare)
{
    struct cl_zygote *zygote = spare->zygote;

    cl_pool_uncount(spare);
    cl_timer_stop(&spare->timer);
    cl_list_unlink(&spare->by_id);
    cl_list_unlink(&spare->in_zygote);
    cl_own_close(&spare->job);
    cl_pool_tally(spare)->live--;
    zygote->live--;
    zygote->peer.daemon->spares_live--;
    free(spare);
}

struct cl_spare *cl_spare_spawn(struct cl_pool *pool, struct cl_err *err)
{
    struct cl_zygote *zygote = pool->brood->zygote;
    int pair[2];

    if (cl_fdpass_pair(SOCK_STREAM, pair, err) < 0)
        return NULL;
    cl_close_auto int near = pair[0];
    cl_close_auto int far = pair[1];
    struct cl_slot *slot = take_slot(zygote, err);
    if (!slot)
        return NULL;
    if (send_spawn(zygote, slot, far, err) < 0) {
        free_slot(zygote, slot);
        return NULL;
    }
    zygote->spawned++;
    cl_zygote_await(zygote);
    return new_spare(pool, slot, cl_take_fd(&near));
}

static void on_retry(struct cl_timer *timer)
{
    cl_spare_put(cl_list_entry(timer, struct cl_spare, timer));
}

void cl_spare_put(struct cl_spare *spare)
{
    struct cl_zygote *zygote = spare->zygote;
    struct cl_pool *pool = spare->pool;
    struct cl_slot *slot = spare->slot;

    CL_CHECK(spare->state == CL_SPARE_ENDED && spare->child.pid == 0);
    if (zygote->state != CL_ZYGOTE_DEAD && !cl_cgroup_slot_is_empty(slot)) {
        /* Only a worker that failed on its way in gets here: it was never adopted. */
        cl_cgroup_kill(&slot->group);
        spare->timer.on_fire = on_retry;
        cl_timer_start(&spare->daemon->loop, &spare->timer, cl_clock_us() + EMPTY_RETRY_US);
        return;
    }
    free_spare(spare);
    free_slot(zygote, slot);
    cl_pool_on_put(pool);
    cl_zygote_on_put(zygote);
}

void cl_spare_retire(struct cl_zygote *zygote, const struct cl_pool *pool, uint32_t most)
{
    cl_list_for (struct cl_spare, spare, in_zygote, &zygote->spares) {
        if (most == 0)
            return;
        if ((pool && spare->pool != pool) || spare->state != CL_SPARE_OFFERED ||
            spare->is_retired)
            continue;
        most--;
        spare->is_retired = true;
        cl_pool_uncount(spare);
        struct cl_msg_spare msg = { .spare = spare->id };
        if (spare->is_offered)
            cl_front_send(&zygote->peer.daemon->front, CL_M_RETIRE, &msg, NULL);
        else
            cl_reap_kill(spare, CL_END_LOST, CL_LIMIT_NONE, 0);
    }
}
