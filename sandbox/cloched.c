/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail manager: starts and supervises the rest of Cloche, owns every deadline and cgroup.
 * Runs in: cloched, root bounded to six capabilities; it never sees a caller's byte.
 * Trusts: cloche-begin for a checked command line, and the files of root that it names.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/daemon.h"
#include "sandbox/pool.h"
#include "sandbox/sweep.h"

enum {
    LEFTOVER_WAIT_MS = 2000,
    SPARE_BYTES = 2 << 20, /* of a parked worker, generously */
    FDS_PER_SPARE = 12,    /* ten of a slot, the job socket, one to spare */
};

static struct cl_daemon daemon_;

/* -------------------------------------------------------------------------------- options */

#define PLACE(member) offsetof(struct cl_options, member)

/* As cloche-begin spells them out: each is there, or has no value. */
static const struct option {
    const char *name;
    size_t place;
} options[] = {
    { "--begun", PLACE(tls) },
    { "--config", PLACE(config) },
    { "--state", PLACE(state) },
    { "--listen", PLACE(listen) },
    { "--drain", PLACE(drain) },
    { "--log", PLACE(log) },
    { "--audit", PLACE(audit) },
    { "--jails", PLACE(jails) },
    { "--queue-wait", PLACE(queue_wait) },
    { "--buffers", PLACE(buffers) },
    { "--keep", PLACE(keep) },
    { "--store", PLACE(store) },
    { "--self-test", PLACE(self_test) },
    { "--prove", PLACE(proved) },
    { "--learn", PLACE(learn) },
};

static bool set_named(const char *name, const char *value)
{
    for (size_t i = 0; i < CL_COUNT(options); i++) {
        if (strcmp(options[i].name, name) == 0) {
            *(const char **)(void *)((char *)&daemon_.options + options[i].place) = value;
            return true;
        }
    }
    return false;
}

/* cloche-begin reads what people write, then starts this program again. Returns only if it could
 * not be started; where to come back to it learns from its own name. */
static int begin(char **args, struct cl_err *err)
{
    const int own = open("/proc/self/exe", O_PATH);

    CL_CHECK(asprintf(&args[0], "%d", own) > 0);
    if (cl_program_open(daemon_.programs, err) < 0)
        return -1;
    execveat(daemon_.programs[CL_PROGRAM_BEGIN], "", args, environ, AT_EMPTY_PATH);
    return cl_fail(err, CL_E_SYS, "start cloche-begin");
}

static int take_options(int count, char **args, struct cl_err *err)
{
    if (count < 3 || strcmp(args[1], "--begun") != 0)
        return begin(args, err);
    for (int i = 1; i < count; i += 2) {
        if (!args[i + 1] || !set_named(args[i], args[i + 1]))
            return cl_fail(err, CL_E_INPUT, "cloche-begin is of another version: %s", args[i]);
    }
    daemon_.options.drain_ms = strtoull(daemon_.options.drain, NULL, 10);
    return 0;
}

/* ------------------------------------------------------------------------------- readiness */

static bool has_spare(void)
{
    const struct cl_pool *pool = cl_pool_named(&daemon_, CL_TENANT_LOCAL_NAME, "default");

    return pool && pool->brood->zygote &&
           (pool->now.ready > pool->now.spawning || pool->policy->pool_min == 0);
}

void cl_daemon_check_ready(struct cl_daemon *daemon)
{
    if (daemon->is_ready || !daemon->is_proved || !daemon->front.is_greeted ||
        daemon->generation == 0 || !has_spare())
        return;
    daemon->is_ready = true;
    cl_log_say(CL_INFO, "ready on http%s://%s",
               strcmp(daemon->options.tls, "on") == 0 ? "s" : "", daemon->options.listen);
    cl_state_notify("READY=1");
}

void cl_daemon_stop(struct cl_daemon *daemon, const char *why)
{
    if (why && daemon->exit_status == 0) {
        cl_log_say(CL_ERROR, "%s", why);
        daemon->exit_status = 1;
    }
    daemon->loop.stop = true;
}

/* --------------------------------------------------------------------------------- signals */

static struct cl_timer drain_timer, sweeper_timer;

static void on_drained(struct cl_timer *timer)
{
    (void)timer;
    cl_log(CL_WARN, "drain.over", "live=%u", daemon_.spares_live);
    cl_daemon_stop(&daemon_, NULL);
}

static void drain(void)
{
    struct cl_msg_drain msg = { .grace_ms = daemon_.options.drain_ms };

    if (daemon_.is_draining || !daemon_.is_ready || !daemon_.front.is_greeted) {
        cl_daemon_stop(&daemon_, NULL);
        return;
    }
    cl_log(CL_INFO, "drain", "grace_ms=%" PRIu64, msg.grace_ms);
    cl_state_notify("STOPPING=1");
    daemon_.is_draining = true;
    cl_timer_init(&drain_timer, on_drained);
    /* The API ends when its last answer is sent; this is for one that does not. */
    cl_timer_start(&daemon_.loop, &drain_timer, cl_clock_us() + (msg.grace_ms + 1000) * 1000);
    cl_front_send(&daemon_.front, CL_M_DRAIN, &msg, NULL);
}

static void on_signal(struct cl_watch *watch, uint32_t events)
{
    struct signalfd_siginfo info;

    (void)events;
    while (read(watch->fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            cl_child_reap(&daemon_.children);
        else if (info.ssi_signo == SIGHUP)
            cl_load_start(&daemon_);
        else
            drain();
    }
}

/* ----------------------------------------------------------------------------------- start */

static void start_sweeper(struct cl_timer *again)
{
    struct cl_err err = CL_ERR_INIT;
    pid_t pid = cl_sweep_start(&daemon_.cgroups, daemon_.state.lock, daemon_.state.range, &err);

    if (pid > 0) {
        cl_child_add(&daemon_.children, &daemon_.sweeper, pid);
        return;
    }
    cl_log(CL_ERROR, "sweeper.start", "error=\"%s\"", err.text);
    cl_timer_start(&daemon_.loop, again, cl_clock_us() + CL_TIMER_PATIENCE_US);
}

static void on_exit_sweeper(struct cl_child *child, const struct cl_exit *how)
{
    (void)child;
    cl_log(CL_WARN, "sweeper.exit", "code=%d status=%d", how->code, how->status);
    start_sweeper(&sweeper_timer);
}

static int check_kernel(struct cl_err *err)
{
    uint32_t action = SECCOMP_RET_KILL_PROCESS;

    if (access("/proc/self/ns/user", F_OK) < 0 || access("/proc/self/ns/cgroup", F_OK) < 0 ||
        access("/proc/self/ns/pid", F_OK) < 0)
        return cl_fail(err, CL_E_DENIED, "this kernel lacks namespaces: user, pid or cgroup");
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
        return cl_fail(err, CL_E_DENIED, "this kernel has no seccomp filters");
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1)
        cl_log(CL_WARN, "start.landlock",
               "what=\"this kernel has none: a third layer is missing\"");
    return 0;
}

/* As many spares as a quarter of memory and all descriptors allow, over all pools, up to `wanted`. */
static uint32_t count_spares(uint32_t wanted)
{
    struct sysinfo system;
    struct rlimit files;

    if (sysinfo(&system) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 64;
    uint64_t by_memory = system.totalram * system.mem_unit / 4 / SPARE_BYTES;
    uint64_t by_files = files.rlim_cur / FDS_PER_SPARE;
    uint64_t most = by_memory < by_files ? by_memory : by_files;
    return most > wanted ? wanted : (uint32_t)most;
}

/* What needs more than cloched keeps, or may block. */
static int prepare(struct cl_daemon *daemon, struct cl_err *err)
{
    struct cl_state *state = &daemon->state;

    if (cl_state_process(err) < 0 || check_kernel(err) < 0 ||
        cl_program_open(daemon->programs, err) < 0 ||
        cl_state_open(state, daemon->options.state, err) < 0 ||
        (state->range = cl_idmap_claim(&daemon->uid_base, err)) < 0)
        return -1;
    if (!daemon->options.self_test && (cl_state_listen(state, err) < 0 ||
                                       cl_state_store(state, daemon->uid_base + 1, err) < 0))
        return -1;
    if (cl_cgroup_find(&daemon->cgroups, state->instance, err) < 0)
        return -1;
    /* A predecessor that was killed together with its sweeper: its groups have our name. */
    if (cl_sweep_base(&daemon->cgroups, LEFTOVER_WAIT_MS, err) < 0)
        return cl_err_context(err, "leftovers of a predecessor");
    return cl_cgroup_base_open(&daemon->cgroups, err);
}

static int start(struct cl_daemon *daemon, struct cl_err *err)
{
    static const int handled[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
    static struct cl_watch signals;
    sigset_t mask;

    cl_list_init(&daemon->pools);
    cl_list_init(&daemon->tenants);
    cl_brood_init_waiting(daemon);
    cl_index_init(&daemon->spares);
    cl_front_init(&daemon->front, daemon);
    daemon->spares_max = count_spares((uint32_t)atoi(daemon->options.jails));
    daemon->cores = (uint32_t)get_nprocs();
    sigemptyset(&mask);
    for (size_t i = 0; i < CL_COUNT(handled); i++)
        sigaddset(&mask, handled[i]);
    if (cl_loop_open(&daemon->loop, &mask, err) < 0)
        return -1;
    signals = (struct cl_watch){ daemon->loop.signals, EPOLLIN, on_signal };
    if (cl_loop_add(&daemon->loop, &signals, err) < 0)
        return -1;

    daemon->sweeper.on_exit = on_exit_sweeper;
    cl_timer_init(&sweeper_timer, start_sweeper);
    start_sweeper(&sweeper_timer);
    if (cl_state_confine(err) < 0 || cl_load_open(daemon, err) < 0)
        return -1;
    return daemon->loop.stop ? 0 : cl_front_start(&daemon->front, err);
}

/* Workers die with their cgroups, which the sweeper removes; it gives up by itself. What it left, or
 * all when there is none just now, is removed here. A child that has not become its program yet is
 * in no cgroup, and holds what the sweeper waits on. */
static void end(struct cl_daemon *daemon, struct cl_err *err)
{
    struct cl_child *const waited[] = { &daemon->front.peer.child, &daemon->sweeper };

    cl_child_kill_all(&daemon->children, &daemon->sweeper);
    cl_sweep_now();
    for (size_t i = 0; i < CL_COUNT(waited); i++) {
        if (waited[i]->pid > 0)
            waitpid(waited[i]->pid, NULL, 0);
    }
    cl_sweep_base(&daemon->cgroups, LEFTOVER_WAIT_MS, err);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ; /* what the sweeper killed */
}

int main(int count, char **args)
{
    struct cl_daemon *daemon = &daemon_;
    const struct cl_options *set = &daemon->options;
    struct cl_err err = CL_ERR_INIT;

    if (take_options(count, args, &err) < 0) {
        fprintf(stderr, "cloched: %s\n", err.text);
        return 1;
    }
    cl_log_open("cloched", (enum cl_log_level)cl_log_level_parse(set->log));
    cl_index_init(&daemon->children);
    daemon->state =
        (struct cl_state){ .dir = -1, .lock = -1, .listener = -1, .range = -1, .store = -1 };
    if (prepare(daemon, &err) < 0 || start(daemon, &err) < 0 ||
        cl_loop_run(&daemon->loop, &err) < 0)
        cl_daemon_stop(daemon, err.text);
    end(daemon, &err);
    return daemon->exit_status;
}
