/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cloched without its processes, for tests of what lies between them.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/daemon_rig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/reap.h"
#include "tests/support/unit.h"

struct rig rig;

/* ------------------------------------------------------------- what cloched.c would define */

void cl_daemon_check_ready(struct cl_daemon *daemon)
{
    (void)daemon;
}

void cl_daemon_stop(struct cl_daemon *daemon, const char *why)
{
    (void)daemon, (void)why;
    rig.stops++;
}

/* --------------------------------------------------------------------------- cgroups of air */

static int slot_limit(struct cl_slot *slot, uint64_t memory, uint32_t processes,
                      struct cl_err *err)
{
    (void)slot, (void)err;
    rig.limit_memory = memory;
    rig.limit_processes = processes;
    return 0;
}

static int slot_prepare(struct cl_slot *slot, struct cl_err *err)
{
    (void)err;
    for (size_t i = 0; i < CL_CG_COUNTERS; i++)
        slot->counters[i] = dup(rig.counters[i]);
    return 0;
}

void rig_count(enum cl_cgroup_counter counter, const char *text)
{
    const ssize_t length = (ssize_t)strlen(text);

    assert_int_equal(ftruncate(rig.counters[counter], 0), 0);
    assert_int_equal(pwrite(rig.counters[counter], text, (size_t)length, 0), length);
}

void rig_fill_slots(bool is_empty)
{
    rig_count(CL_CG_TASKS, is_empty ? "0\n" : "1\n");
}

static int slot_reset(struct cl_slot *slot)
{
    (void)slot;
    return 0;
}

static const struct cl_cgroup_ops air = {
    .slot_prepare = slot_prepare,
    .slot_limit = slot_limit,
    .slot_reset = slot_reset,
    .memory_now = "none", /* no such file: nothing is held */
};

/* --------------------------------------------------------------------------------- the rest */

static void on_signal(struct cl_watch *watch, uint32_t events)
{
    struct signalfd_siginfo info;

    (void)events;
    while (read(watch->fd, &info, sizeof(info)) > 0)
        cl_child_reap(&rig.daemon.children);
}

static void setup_front(struct cl_err *err)
{
    struct cl_front *front = &rig.daemon.front;
    int pair[2];

    cl_front_init(front, &rig.daemon);
    assert_works(cl_fdpass_pair(SOCK_SEQPACKET, pair, err), err);
    rig.api = pair[1];
    assert_works(cl_peer_adopt(&front->peer, &pair[0], err), err);
}

static void on_tick(struct cl_timer *timer)
{
    (void)timer;
}

static void setup_pool(struct cl_err *err)
{
    struct cl_zygote *zygote = &rig.zygote;
    int pair[2];

    rig.policy = (struct cl_policy){
        .wall_ms = 5000,
        .cpu_ms = 2000,
        .memory_bytes = 64 << 20,
        .processes = 4,
        .pool_max = 8,
        .recycle_calls = 1000,
        .recycle_after_ms = 60000,
    };
    strcpy(rig.policy.name, "test");
    rig.ruling = (struct cl_ruling){ &rig.policy, -1, 1 };
    rig.pool = cl_pool_new(&rig.daemon, "local", &rig.ruling);
    rig.pool->is_kept = rig.pool->brood->is_kept = true;
    assert_works(cl_fdpass_pair(SOCK_SEQPACKET, pair, err), err);
    rig.zygote_end = pair[1];
    *zygote = (struct cl_zygote){
        .peer = { .daemon = &rig.daemon, .watch = { pair[0], EPOLLIN, NULL } },
        .brood = rig.pool->brood,
        .state = CL_ZYGOTE_UP,
        .cgroup = CL_CGROUP_INIT,
    };
    cl_list_init(&zygote->spares);
    cl_list_init(&zygote->slots_free);
    cl_timer_init(&zygote->timer, on_tick);
    rig.pool->brood->zygote = zygote;
    rig.daemon.zygotes[0] = zygote;
}

int rig_setup(void **state)
{
    struct cl_daemon *daemon = &rig.daemon;
    struct cl_err err = CL_ERR_INIT;
    sigset_t mask;

    (void)state;
    memset(&rig, 0, sizeof(rig));
    for (size_t i = 0; i < CL_CG_COUNTERS; i++)
        rig.counters[i] = memfd_create("counter", 0);
    rig_fill_slots(true);
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    assert_works(cl_loop_open(&daemon->loop, &mask, &err), &err);
    rig.on_signal = (struct cl_watch){ daemon->loop.signals, EPOLLIN, on_signal };
    assert_works(cl_loop_add(&daemon->loop, &rig.on_signal, &err), &err);
    cl_list_init(&daemon->pools);
    cl_list_init(&daemon->tenants);
    cl_brood_init_waiting(daemon);
    cl_index_init(&daemon->spares);
    cl_index_init(&daemon->children);
    daemon->cgroups = (struct cl_cgroup_host){
        .ops = &air,
        .own = CL_CGROUP_INIT,
        .base = CL_CGROUP_INIT,
    };
    daemon->spares_max = 64;
    daemon->cores = 2;
    daemon->generation = 1;
    daemon->is_ready = true;
    daemon->is_proved = true;
    daemon->load.loader.watch.fd = -1;
    setup_front(&err);
    setup_pool(&err);
    daemon->front.is_greeted = true;
    return 0;
}

/* Ends every spare the way cloched would, then frees what a zygote's burial frees. */
static void end_spares(void)
{
    struct cl_err err = CL_ERR_INIT;

    rig.pool->is_kept = rig.pool->brood->is_kept = false; /* no new ones meanwhile */
    rig.daemon.spares_max = 0;
    rig_fill_slots(true);
    for (size_t k = 0; k < CL_IDMAP_ZYGOTES_MAX; k++) {
        struct cl_zygote *zygote = rig.daemon.zygotes[k];
        if (!zygote)
            continue;
        zygote->state = CL_ZYGOTE_UP;
        cl_list_each (node, keep, &zygote->spares)
            cl_reap_kill(cl_list_entry(node, struct cl_spare, in_zygote), CL_END_LOST,
                         CL_LIMIT_NONE, 0);
        while (zygote->live > 0)
            assert_works(cl_loop_once(&rig.daemon.loop, &err), &err);
        cl_list_each (node, keep, &zygote->slots_free) {
            cl_list_unlink(node);
            cl_slot_free(cl_list_entry(node, struct cl_slot, node));
        }
    }
}

int rig_teardown(void **state)
{
    (void)state;
    end_spares();
    close(rig.api);
    for (size_t i = 0; i < CL_CG_COUNTERS; i++)
        close(rig.counters[i]);
    close(rig.zygote_end);
    close(rig.zygote.peer.watch.fd);
    if (rig.daemon.front.peer.watch.fd >= 0)
        close(rig.daemon.front.peer.watch.fd);
    close(rig.daemon.loop.clock);
    close(rig.daemon.loop.signals);
    close(rig.daemon.loop.epoll);
    free(rig.pool->brood); /* its policy is part of the rig */
    free(rig.pool);
    return 0;
}

void rig_sleep(void)
{
    for (;;)
        pause();
}

void rig_spin(void)
{
    for (;;)
        __asm__ volatile("");
}

uint64_t rig_spare(void (*work)(void))
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_spare *spare = cl_spare_spawn(rig.pool, &err);
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t fd_count;

    assert_non_null(spare);
    assert_int_equal(
        cl_msg_recv(rig.zygote_end, CL_WAY_CLOCHED_TO_ZYGOTE, &msg, fds, &fd_count, &err), 1);
    assert_true(msg.spawn.spare == spare->id);
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    pid_t pid = fork();
    if (pid == 0) {
        work();
        _exit(0);
    }
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    assert_works(cl_reap_adopt(spare, pid, pidfd, &err), &err);
    close(pidfd);
    rig.pool->now.spawning--;
    cl_pool_on_spawned(rig.pool, spare);
    assert_int_equal(rig_next(&msg), CL_M_SPARE);
    assert_true(msg.offer.spare == spare->id);
    return spare->id;
}

static void serve(void)
{
    struct cl_err err = CL_ERR_INIT;

    assert_works(cl_loop_once(&rig.daemon.loop, &err), &err);
}

uint32_t rig_next(union cl_msg_any *msg)
{
    uint64_t until = cl_clock_us() + 5000000;
    struct cl_err err = CL_ERR_INIT;
    struct cl_timer tick;
    int fds[CL_FDPASS_MAX];
    size_t fd_count = 0;
    uint32_t type = 0;

    cl_timer_init(&tick, on_tick);
    fcntl(rig.api, F_SETFL, O_NONBLOCK);
    while (type == 0 && cl_clock_us() < until) {
        int got = cl_msg_recv(rig.api, CL_WAY_CLOCHED_TO_API, msg, fds, &fd_count, &err);
        for (size_t i = 0; got == 1 && i < fd_count; i++)
            close(fds[i]);
        if (got == 1 && msg->head.type != CL_M_COUNTS) /* those come at any time */
            type = msg->head.type;
        else if (got == 1)
            continue;
        else if (got == 0 || err.kind != CL_E_BUSY)
            break;
        cl_timer_start(&rig.daemon.loop, &tick, cl_clock_us() + 2000);
        if (type == 0)
            serve();
        cl_timer_stop(&tick);
    }
    return type;
}

void rig_send(enum cl_msg_type type, void *msg)
{
    struct cl_err err = CL_ERR_INIT;

    assert_works(cl_msg_send(rig.api, type, msg, NULL, 0, &err), &err);
    serve();
}
