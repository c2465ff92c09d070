/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts zygotes, asks them for workers, and buries them with everything they made.
 * Runs in: cloched; in the forked child until it execs.
 * Trusts: nothing a zygote says: a spare's pidfd is checked to be a child of cloched.
 */
#include "sandbox/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/daemon.h"
#include "sandbox/netns.h"
#include "sandbox/reap.h"
#include "sandbox/sweep.h"

enum {
    START_US = 60 * 1000000,
    BURY_US = 20 * 1000,
    MESSAGES_PER_EVENT = 32,
};

static const uint64_t zygote_memory_bytes = UINT64_C(512) << 20;

/* ------------------------------------------------------------------------------- the child */

static int handshake(int control, struct cl_err *err)
{
    char byte = 'M';

    if (send(control, &byte, 1, MSG_NOSIGNAL) != 1 || recv(control, &byte, 1, 0) != 1)
        return cl_fail(err, CL_E_LOST, "cloched is gone");
    return 0;
}

static int become(const struct cl_zygote *zygote, const struct cl_start *start,
                  struct cl_err *err)
{
    const int spaces =
        CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

    setsid();
    if (cl_cgroup_zygote_enter(&zygote->daemon->cgroups, &zygote->cgroup, err) < 0)
        return -1;
    /* Before the user namespace, so that it stays the host's: nothing inside can change it. */
    if (cl_netns_enter(err) < 0)
        return -1;
    if (unshare(spaces) < 0)
        return cl_fail(err, CL_E_SYS, "make the jail's namespaces");
    if (handshake(start->fds[0], err) < 0)
        return -1;
    return cl_child_exec(start, err);
}

static _Noreturn void run_child(const struct cl_zygote *zygote, int control, pid_t parent)
{
    static const char *const arguments[] = { "cloche-zygote", NULL };
    static const char *const environment[] = {
        "LD_BIND_NOW=1", /* lazy binding would dirty pages in every worker anew */
        "OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1", "LC_ALL=C.UTF-8", NULL,
    };
    const struct cl_start start = {
        .program = zygote->daemon->programs[CL_PROGRAM_ZYGOTE],
        .arguments = arguments,
        .environment = environment,
        .fds = { control, zygote->pool->policy_fd },
        .uid = 0, /* inside */
        .parent = parent,
    };
    struct cl_msg_failed failed = { .err = CL_ERR_INIT };
    struct cl_err ignored = CL_ERR_INIT;

    become(zygote, &start, &failed.err);
    cl_msg_send(control, CL_M_FAILED, &failed, NULL, 0, &ignored);
    _exit(127);
}

/* ------------------------------------------------------------------------------ its messages */

static void on_failed(struct cl_zygote *zygote, struct cl_msg_failed *failed)
{
    struct cl_spare *spare =
        failed->spare ? cl_spare_find(zygote->daemon, failed->spare) : NULL;

    cl_err_distrust(&failed->err);
    cl_log(CL_ERROR, "zygote.failed", "zygote=%u policy=%s error=\"%s\" errno=%d", zygote->k,
           zygote->pool->name, failed->err.text, failed->err.sys);
    if (spare && spare->zygote == zygote && spare->state == CL_SPARE_SPAWNING) {
        cl_reap_abandon(spare);
        cl_pool_on_failure(zygote->pool, &failed->err);
    } else if (!failed->spare) {
        cl_pool_on_failure(zygote->pool, &failed->err);
    }
}

static void on_spawned(struct cl_zygote *zygote, const struct cl_msg_spawned *spawned,
                       int *pidfd)
{
    struct cl_spare *spare = cl_spare_find(zygote->daemon, spawned->spare);
    struct cl_err err = CL_ERR_INIT;

    if (!spare || spare->zygote != zygote || spare->state != CL_SPARE_SPAWNING)
        return; /* it failed on its way in, and said so first */
    if (cl_reap_adopt(spare, spawned->pid, pidfd, &err) < 0) {
        cl_log(CL_WARN, "zygote.spawned", "spare=%llu error=\"%s\"",
               (unsigned long long)spawned->spare, err.text);
        if (err.kind != CL_E_LOST) /* a worker of ours all the same */
            syscall(SYS_pidfd_send_signal, *pidfd, SIGKILL, NULL, 0);
        cl_reap_abandon(spare);
        cl_pool_on_failure(zygote->pool, &err);
        return;
    }
    zygote->spawning--;
    cl_pool_on_spawned(zygote->pool, spare);
}

static void on_up(struct cl_zygote *zygote, const struct cl_msg_up *up)
{
    cl_timer_stop(&zygote->timer);
    zygote->state = CL_ZYGOTE_UP;
    cl_log(
        CL_INFO, "zygote.up", "zygote=%u pid=%d policy=%s start_ms=%llu preloaded=%u mapped=%u",
        zygote->k, (int)zygote->child.pid, zygote->pool->name,
        (unsigned long long)(up->start_us / 1000), up->modules_preloaded, up->modules_mapped);
    cl_pool_on_up(zygote->pool, zygote);
}

static int on_message(struct cl_zygote *zygote, union cl_msg_any *msg, int *fds,
                      struct cl_err *err)
{
    switch (msg->head.type) {
    case CL_M_UP:
        if (zygote->state != CL_ZYGOTE_STARTING)
            return cl_fail(err, CL_E_LOST, "UP out of turn");
        on_up(zygote, &msg->up);
        return 0;
    case CL_M_SPAWNED:
        on_spawned(zygote, &msg->spawned, &fds[0]);
        return 0;
    default:
        on_failed(zygote, &msg->failed);
        return 0;
    }
}

static void hang_up(struct cl_zygote *zygote, const struct cl_err *why)
{
    if (why)
        cl_log(CL_ERROR, "zygote.protocol", "zygote=%u error=\"%s\"", zygote->k, why->text);
    cl_child_kill(&zygote->child);
}

/* The child is in its namespaces and waits for its ids. */
static int settle(struct cl_zygote *zygote, struct cl_err *err)
{
    struct cl_daemon *daemon = zygote->daemon;
    uid_t first = cl_idmap_zygote(daemon->uid_base, zygote->k);
    const struct cl_cgroup_ops *ops = daemon->cgroups.ops;

    if (cl_idmap_write(zygote->child.pid, first, err) < 0 ||
        ops->zygote_settle(&zygote->cgroup, zygote->child.pid, first, err) < 0 ||
        ops->zygote_limit(&zygote->cgroup, zygote_memory_bytes, err) < 0)
        return -1;
    if (send(zygote->watch.fd, "G", 1, MSG_NOSIGNAL) != 1)
        return cl_fail(err, CL_E_LOST, "it is gone");
    zygote->state = CL_ZYGOTE_STARTING;
    return 0;
}

static int receive(struct cl_zygote *zygote, union cl_msg_any *msg, struct cl_err *err)
{
    int fds[CL_FDPASS_MAX];
    size_t fd_count = 0;
    char byte;
    int got;

    if (zygote->state == CL_ZYGOTE_MAPPING &&
        recv(zygote->watch.fd, &byte, 1, MSG_PEEK | MSG_TRUNC) == 1) {
        got = recv(zygote->watch.fd, &byte, 1, 0) == 1 ? settle(zygote, err) : -1;
        return got < 0 ? -1 : 1;
    }
    got = cl_msg_recv(zygote->watch.fd, CL_WAY_ZYGOTE_TO_CLOCHED, msg, fds, &fd_count, err);
    if (got == 1)
        got = on_message(zygote, msg, fds, err) < 0 ? -1 : 1;
    for (size_t i = 0; i < fd_count; i++)
        cl_own_close(&fds[i]);
    return got;
}

static void close_control(struct cl_zygote *zygote)
{
    int fd = zygote->watch.fd;

    cl_loop_remove(&zygote->daemon->loop, &zygote->watch);
    cl_own_close(&fd);
}

static void on_control(struct cl_watch *watch, uint32_t events)
{
    struct cl_zygote *zygote = cl_list_entry(watch, struct cl_zygote, watch);
    union cl_msg_any msg;

    (void)events;
    for (int i = 0; i < MESSAGES_PER_EVENT && zygote->watch.fd >= 0; i++) {
        struct cl_err err = CL_ERR_INIT;
        int got = receive(zygote, &msg, &err);
        if (got < 0 && err.kind == CL_E_BUSY)
            return;
        if (got <= 0) {
            close_control(zygote);
            hang_up(zygote, got < 0 ? &err : NULL);
            return;
        }
    }
}

/* ---------------------------------------------------------------------------- start and end */

static void bury(struct cl_zygote *zygote)
{
    struct cl_daemon *daemon = zygote->daemon;
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

    struct cl_pool *pool = zygote->pool;
    cl_log(CL_INFO, "zygote.gone", "zygote=%u policy=%s spawned=%llu", zygote->k, pool->name,
           (unsigned long long)zygote->spawned);
    cl_timer_stop(&zygote->timer);
    daemon->zygotes[zygote->k] = NULL; /* its ids may be used again */
    free(zygote);
    cl_pool_on_gone(pool);
}

static void on_timer(struct cl_timer *timer)
{
    struct cl_zygote *zygote = cl_list_entry(timer, struct cl_zygote, timer);
    struct cl_err err = CL_ERR_INIT;

    if (zygote->state == CL_ZYGOTE_DEAD) {
        bury(zygote);
        return;
    }
    cl_fail(&err, CL_E_LIMIT, "did not come up within %d s", START_US / 1000000);
    hang_up(zygote, &err);
}

static void free_slots(struct cl_zygote *zygote)
{
    cl_list_each (node, keep, &zygote->slots_free) {
        struct cl_slot *slot = cl_list_entry(node, struct cl_slot, node);
        cl_list_unlink(node);
        cl_cgroup_slot_close(&slot->cgroup);
        free(slot);
    }
    cl_cgroup_close(&zygote->cgroup);
}

static void on_exit_zygote(struct cl_child *child, const siginfo_t *how,
                           const struct rusage *usage)
{
    struct cl_zygote *zygote = cl_list_entry(child, struct cl_zygote, child);
    bool is_expected = zygote->state == CL_ZYGOTE_DRY;

    (void)usage;
    cl_log(is_expected ? CL_INFO : CL_ERROR, "zygote.exit", "zygote=%u code=%d status=%d",
           zygote->k, how->si_code, how->si_status);
    /* What it still said comes first: a spare it told of is adopted before it is killed. */
    if (zygote->watch.fd >= 0)
        on_control(&zygote->watch, EPOLLIN);
    close_control(zygote);
    zygote->state = CL_ZYGOTE_DEAD;
    cl_timer_stop(&zygote->timer);
    free_slots(zygote);
    if (!is_expected)
        cl_pool_on_death(zygote->pool, zygote);

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

static int fork_child(struct cl_zygote *zygote, int control, struct cl_err *err)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid < 0)
        return cl_fail(err, CL_E_SYS, "fork");
    if (pid == 0)
        run_child(zygote, control, parent);
    cl_child_add(&zygote->daemon->children, &zygote->child, pid);
    return 0;
}

static void free_zygote(struct cl_zygote **zygote)
{
    if (*zygote)
        cl_cgroup_close(&(*zygote)->cgroup);
    free(*zygote);
}

struct cl_zygote *cl_zygote_start(struct cl_daemon *daemon, struct cl_pool *pool,
                                  struct cl_err *err)
{
    CL_AUTO(free_zygote) struct cl_zygote *zygote = calloc(1, sizeof(*zygote));
    int pair[2] = { -1, -1 };

    CL_CHECK(zygote);
    zygote->daemon = daemon;
    zygote->pool = pool;
    zygote->state = CL_ZYGOTE_MAPPING;
    zygote->cgroup = (struct cl_cgroup)CL_CGROUP_INIT;
    zygote->child.on_exit = on_exit_zygote;
    cl_list_init(&zygote->spares);
    cl_list_init(&zygote->slots_free);
    cl_timer_init(&zygote->timer, on_timer);
    if (claim_ids(daemon, zygote, err) < 0 || cl_fdpass_pair(SOCK_SEQPACKET, pair, err) < 0)
        return NULL;

    cl_close_auto int far = pair[1];
    cl_close_auto int near = pair[0];
    zygote->watch = (struct cl_watch){ near, EPOLLIN, on_control };
    if (fcntl(near, F_SETFL, O_NONBLOCK) < 0) {
        cl_fail(err, CL_E_SYS, "control socket");
        return NULL;
    }
    if (cl_loop_add(&daemon->loop, &zygote->watch, err) < 0)
        return NULL;
    if (fork_child(zygote, far, err) < 0) {
        cl_loop_remove(&daemon->loop, &zygote->watch);
        return NULL;
    }
    cl_take_fd(&near);
    daemon->zygotes[zygote->k] = zygote;
    cl_timer_start(&daemon->loop, &zygote->timer, cl_clock_us() + START_US);
    return cl_take_ptr(&zygote);
}

void cl_zygote_dry(struct cl_zygote *zygote)
{
    if (zygote->state != CL_ZYGOTE_DEAD)
        zygote->state = CL_ZYGOTE_DRY;
    if (zygote->live == 0)
        cl_child_kill(&zygote->child);
}

void cl_zygote_on_put(struct cl_zygote *zygote)
{
    if (zygote->live > 0)
        return;
    if (zygote->state == CL_ZYGOTE_DEAD)
        bury(zygote);
    else if (zygote->state == CL_ZYGOTE_DRY)
        cl_child_kill(&zygote->child);
}
