/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts zygotes, asks them for workers, and buries them with everything they made.
 * Runs in: cloched; in the forked child until it execs.
 * Trusts: nothing a zygote says: a spare's pidfd is checked to be a child of cloched.
 */
#include "sandbox/zygote.h"

#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/daemon.h"
#include "sandbox/pool.h"
#include "sandbox/reap.h"
#include "sandbox/sweep.h"

enum {
    START_US = 180 * 1000000, /* all that a policy preloads, on a slow machine */
    BURY_US = 20 * 1000,
    ANSWER_US = 2 * 1000000,
};

static const uint64_t zygote_memory_bytes = UINT64_C(512) << 20;

/* In the child, until it becomes the program. */
static int enter(const struct cl_peer *peer, int control, struct cl_err *err)
{
    const int spaces =
        CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    const struct cl_zygote *zygote = cl_list_entry(peer, struct cl_zygote, peer);
    struct cl_msg_up up = { 0 };
    char byte;

    if (cl_cgroup_zygote_enter(&peer->daemon->cgroups, &zygote->cgroup, err) < 0)
        return -1;
    /* Before the user namespace, so that it stays the host's: nothing inside can change it. */
    if (cl_netns_enter(err) < 0)
        return -1;
    if (unshare(spaces) < 0)
        return cl_fail(err, CL_E_SYS, "make the jail's namespaces");
    /* Its ids are mapped from outside. */
    if (cl_msg_send(control, CL_M_UP, &up, NULL, 0, err) < 0)
        return -1;
    if (recv(control, &byte, 1, 0) != 1)
        return cl_fail(err, CL_E_LOST, "cloched is gone");
    return 0;
}

/* ------------------------------------------------------------------------------ its messages */

static void on_failed(struct cl_zygote *zygote, struct cl_msg_failed *failed)
{
    struct cl_spare *spare = cl_spare_find(zygote->peer.daemon, failed->spare);

    cl_err_distrust(&failed->err);
    cl_log(CL_ERROR, "zygote.failed", "zygote=%u policy=%s error=\"%s\" errno=%d", zygote->k,
           zygote->brood->ruling->policy->name, failed->err.text, failed->err.sys);
    const bool is_known = spare && spare->zygote == zygote && spare->state == CL_SPARE_SPAWNING;
    if (is_known)
        cl_reap_abandon(spare);
    if (is_known || failed->spare == 0)
        cl_brood_on_failure(zygote->brood, failed->err.text);
}

static void on_spawned(struct cl_zygote *zygote, const struct cl_msg_spawned *spawned,
                       int pidfd)
{
    struct cl_spare *spare = cl_spare_find(zygote->peer.daemon, spawned->spare);
    struct cl_err err = CL_ERR_INIT;

    if (!spare || spare->zygote != zygote || spare->state != CL_SPARE_SPAWNING)
        return; /* it failed on its way in, and said so first */
    if (cl_reap_adopt(spare, spawned->pid, pidfd, &err) < 0) {
        cl_log(CL_WARN, "zygote.spawned", "spare=%llu error=\"%s\"",
               (unsigned long long)spawned->spare, err.text);
        cl_reap_abandon(spare);
        cl_brood_recycle(zygote->brood); /* what tells of workers that are none is replaced */
        cl_brood_on_failure(zygote->brood, err.text);
        return;
    }
    cl_pool_tally(spare)->spawning--;
    cl_pool_on_spawned(spare->pool, spare);
}

static void on_up(struct cl_zygote *zygote, const struct cl_msg_up *up)
{
    cl_timer_stop(&zygote->timer);
    zygote->state = CL_ZYGOTE_UP;
    zygote->up_us = cl_clock_us();
    cl_log(
        CL_INFO, "zygote.up", "zygote=%u pid=%d policy=%s start_ms=%llu preloaded=%u mapped=%u",
        zygote->k, (int)zygote->peer.child.pid, zygote->brood->ruling->policy->name,
        (unsigned long long)(up->start_us / 1000), up->modules_preloaded, up->modules_mapped);
    cl_brood_on_up(zygote->brood, zygote);
}

/* The child is in its namespaces and waits for its ids. */
static int settle(struct cl_zygote *zygote, struct cl_err *err)
{
    struct cl_daemon *daemon = zygote->peer.daemon;
    uid_t first = cl_idmap_zygote(daemon->uid_base, zygote->k);
    pid_t pid = zygote->peer.child.pid;

    if (cl_idmap_write(pid, first, err) < 0 ||
        daemon->cgroups.ops->zygote_settle(&zygote->cgroup, pid, first, zygote_memory_bytes,
                                           err) < 0)
        return -1;
    if (send(zygote->peer.watch.fd, "G", 1, MSG_NOSIGNAL) != 1)
        return cl_fail(err, CL_E_LOST, "it is gone");
    zygote->state = CL_ZYGOTE_STARTING;
    return 0;
}

static int on_message(struct cl_peer *peer, union cl_msg_any *msg, int *fds, struct cl_err *err)
{
    struct cl_zygote *zygote = cl_list_entry(peer, struct cl_zygote, peer);

    /* Twice UP; to a SPAWN its own answer, and one of a worker that fails on its way in. */
    if (++zygote->told > 2 + 2 * zygote->spawned)
        return cl_fail(err, CL_E_LOST, "more answers than questions");
    switch (msg->head.type) {
    case CL_M_UP:
        if (zygote->state == CL_ZYGOTE_MAPPING)
            return settle(zygote, err);
        if (zygote->state != CL_ZYGOTE_STARTING)
            return cl_fail(err, CL_E_LOST, "UP out of turn");
        on_up(zygote, &msg->up);
        return 0;
    case CL_M_SPAWNED:
        on_spawned(zygote, &msg->spawned, fds[0]);
        return 0;
    default:
        on_failed(zygote, &msg->failed);
        return 0;
    }
}

/* ---------------------------------------------------------------------------- start and end */

static void bury(struct cl_zygote *zygote)
{
    struct cl_daemon *daemon = zygote->peer.daemon;
    struct cl_err err = CL_ERR_INIT;
    char name[16];

    if (zygote->live > 0)
        return; /* the last one calls again */
    snprintf(name, sizeof(name), "z%u", zygote->k);
    /* Also kills a worker that was cloned but never told of. */
    if (cl_sweep_group(&daemon->cgroups, &daemon->cgroups.base, name, &err) < 0) {
        cl_timer_start(&daemon->loop, &zygote->timer, cl_clock_us() + BURY_US);
        return;
    }

    struct cl_brood *brood = zygote->brood;
    cl_log(CL_INFO, "zygote.gone", "zygote=%u policy=%s spawned=%llu", zygote->k,
           brood->ruling->policy->name, (unsigned long long)zygote->spawned);
    cl_timer_stop(&zygote->timer);
    daemon->zygotes[zygote->k] = NULL; /* its ids may be used again */
    free(zygote);
    cl_front_count(&daemon->front, CL_COUNT_ENDED);
    cl_brood_on_gone(brood);
}

/* By turns of the timer, not by the clock alone: all of a machine may stand still for a while. */
static void check_answers(struct cl_zygote *zygote)
{
    const uint64_t before_us = zygote->checked_us;

    zygote->checked_us = cl_clock_us();
    cl_list_for (struct cl_spare, spare, in_zygote, &zygote->spares) {
        if (spare->state != CL_SPARE_SPAWNING)
            continue;
        cl_zygote_await(zygote);
        if (spare->spawn_us < before_us) {
            cl_peer_end(&zygote->peer, "it makes no workers any more");
            return;
        }
    }
}

static void on_timer(struct cl_timer *timer)
{
    struct cl_zygote *zygote = cl_list_entry(timer, struct cl_zygote, timer);

    if (zygote->state == CL_ZYGOTE_DEAD)
        bury(zygote);
    else if (zygote->state < CL_ZYGOTE_UP)
        cl_peer_end(&zygote->peer, "it did not come up within 180 s");
    else
        check_answers(zygote);
}

void cl_zygote_await(struct cl_zygote *zygote)
{
    if (cl_list_is_empty(&zygote->timer.node))
        cl_timer_start(&zygote->peer.daemon->loop, &zygote->timer, cl_clock_us() + ANSWER_US);
}

static void free_slots(struct cl_zygote *zygote)
{
    cl_list_each (node, keep, &zygote->slots_free) {
        cl_list_unlink(node);
        cl_slot_free(cl_list_entry(node, struct cl_slot, node));
    }
    cl_cgroup_close(&zygote->cgroup);
}

static void on_exit_zygote(struct cl_child *child, const struct cl_exit *how)
{
    struct cl_zygote *zygote = cl_list_entry(child, struct cl_zygote, peer.child);
    bool is_expected = zygote->state == CL_ZYGOTE_DRY;

    cl_log(is_expected ? CL_INFO : CL_ERROR, "zygote.exit", "zygote=%u code=%d status=%d",
           zygote->k, how->code, how->status);
    /* What it still said comes first: a spare it told of is adopted before it is killed. */
    if (zygote->peer.watch.fd >= 0)
        cl_peer_on_event(&zygote->peer.watch, EPOLLIN);
    cl_peer_hang_up(&zygote->peer);
    zygote->state = CL_ZYGOTE_DEAD;
    cl_timer_stop(&zygote->timer);
    free_slots(zygote);
    if (!is_expected)
        cl_brood_on_death(zygote->brood, zygote);

    zygote->live++; /* not buried while its list is walked */
    cl_list_each (node, keep, &zygote->spares)
        cl_reap_kill(cl_list_entry(node, struct cl_spare, in_zygote), CL_END_LOST,
                     CL_LIMIT_NONE, 0);
    zygote->live--;
    bury(zygote);
}

static int claim_ids(struct cl_daemon *daemon, struct cl_zygote *zygote, struct cl_err *err)
{
    for (unsigned k = 0; k < CL_IDMAP_ZYGOTES_MAX; k++) {
        if (daemon->zygotes[k])
            continue;
        zygote->k = k;
        return cl_cgroup_zygote_open(&daemon->cgroups, k, &zygote->cgroup, err);
    }
    return cl_fail(err, CL_E_BUSY, "all %d ranges of ids are in use", CL_IDMAP_ZYGOTES_MAX);
}

static void free_zygote(struct cl_zygote **zygote)
{
    if (*zygote)
        cl_cgroup_close(&(*zygote)->cgroup);
    free(*zygote);
}

struct cl_zygote *cl_zygote_start(struct cl_daemon *daemon, struct cl_brood *brood,
                                  struct cl_err *err)
{
    const char *const arguments[] = { "cloche-zygote", daemon->options.log, NULL };
    const struct cl_start start = {
        .program = CL_PROGRAM_ZYGOTE,
        .arguments = arguments,
        .fd = brood->ruling->fd,
        .enter = enter,
    };
    CL_AUTO(free_zygote) struct cl_zygote *zygote = cl_own_new(sizeof(*zygote));

    zygote->peer = (struct cl_peer){
        .daemon = daemon,
        .child.on_exit = on_exit_zygote,
        .watch = { -1, 0, cl_peer_on_event },
        .on_message = on_message,
    };
    zygote->brood = brood;
    zygote->state = CL_ZYGOTE_MAPPING;
    zygote->cgroup = (struct cl_cgroup)CL_CGROUP_INIT;
    cl_list_init(&zygote->spares);
    cl_list_init(&zygote->slots_free);
    cl_timer_init(&zygote->timer, on_timer);
    if (claim_ids(daemon, zygote, err) < 0 || cl_peer_start(&zygote->peer, &start, err) < 0)
        return NULL;
    daemon->zygotes[zygote->k] = zygote;
    brood->zygotes++;
    cl_timer_start(&daemon->loop, &zygote->timer, cl_clock_us() + START_US);
    cl_front_count(&daemon->front, CL_COUNT_STARTED);
    return cl_take_ptr(&zygote);
}

void cl_zygote_dry(struct cl_zygote *zygote)
{
    if (zygote->state == CL_ZYGOTE_DEAD)
        return;
    zygote->state = CL_ZYGOTE_DRY;
    cl_zygote_on_put(zygote);
}

void cl_zygote_on_put(struct cl_zygote *zygote)
{
    if (zygote->live > 0)
        return;
    if (zygote->state == CL_ZYGOTE_DEAD)
        bury(zygote);
    else if (zygote->state == CL_ZYGOTE_DRY)
        cl_child_kill(&zygote->peer.child);
}
