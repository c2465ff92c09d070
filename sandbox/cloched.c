/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail manager: starts and supervises the rest of Cloche, owns every deadline and cgroup.
 * Runs in: cloched, root bounded to six capabilities; it never sees a caller's byte.
 * Trusts: its command line and the files of root that it names.
 */
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

#ifndef CL_VERSION
#define CL_VERSION "0.1.0"
#endif

enum {
    LEFTOVER_WAIT_MS = 2000,
    SPARE_BYTES = 2 << 20, /* of a parked worker, generously */
    FDS_PER_SPARE = 12,    /* ten of a slot, the job socket, one to spare */
};

static struct cl_daemon daemon_;

/* -------------------------------------------------------------------------------- options */

#define PLACE(member) offsetof(struct cl_options, member)

static const struct option {
    const char *name;
    const char *value; /* what it is called; NULL: it wants none */
    const char *otherwise;
    const char *does;
    size_t place;
} options[] = {
    { "--config", "DIR", NULL, "policies/*.yaml of this directory, not the shipped ones",
      PLACE(config) },
    { "--state", "DIR", "/var/lib/cloche", "lock, store and local token", PLACE(state) },
    { "--listen", "ADDR:PORT", "127.0.0.1:8420", "port 0 picks one", PLACE(listen) },
    { "--drain", "TIME", "30s", "what running calls get after SIGTERM", PLACE(drain) },
    { "--log", "LEVEL", "info", "error, warn, info, debug; or as info,json", PLACE(log) },
    { "--buffers", "SIZE", "256Mi", "for bodies and answers of all requests", PLACE(buffers) },
    { "--keep", "TIME,CALLS", "168h,100000", "how long, and how many, ended calls",
      PLACE(keep) },
    { "--store", "SIZE,SIZE", "16Gi,4Gi", "what may be stored, in all and of one tenant",
      PLACE(store) },
    { "--audit", "MODE", "on", "of the audit log: on, required or off", PLACE(audit) },
    { "--self-test", NULL, NULL, "prove the jail, print what was seen, exit",
      PLACE(self_test) },
    { "--prove", "POLICY", NULL, "with --self-test: of this policy, every system call",
      PLACE(proved) },
    { "--learn", NULL, NULL, "workers note what is refused (cloche policy learn uses it)",
      PLACE(learn) },
    { "--version", NULL, NULL, "print the version", PLACE(version) },
    { "--help", NULL, NULL, "print this", PLACE(help) },
};

static const char **place_of(const struct option *option)
{
    return (const char **)(void *)((char *)&daemon_.options + option->place);
}

static void print_usage(void)
{
    puts("usage: cloched [OPTION [VALUE]]...");
    for (size_t i = 0; i < CL_COUNT(options); i++)
        printf("  %-11s %-10s  %s%s%s\n", options[i].name,
               options[i].value ? options[i].value : "", options[i].does,
               options[i].otherwise ? "; default " : "",
               options[i].otherwise ? options[i].otherwise : "");
}

/* "30s": a number and ms, s, m or h. */
static int parse_time(const char *text, uint64_t *ms)
{
    static const struct unit {
        const char *name;
        uint64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    size_t digits = strspn(text, "0123456789");

    for (size_t i = 0; digits > 0 && digits <= 9 && i < CL_COUNT(units); i++) {
        if (strcmp(text + digits, units[i].name) == 0) {
            *ms = strtoull(text, NULL, 10) * units[i].ms;
            return 0;
        }
    }
    return -1;
}

/* Returns how many words that took. */
static int set_named(const char *name, const char *value, struct cl_err *err)
{
    for (size_t i = 0; i < CL_COUNT(options); i++) {
        const struct option *option = &options[i];
        if (strcmp(option->name, name) != 0)
            continue;
        if (option->value && (!value || value[0] == '\0'))
            return cl_fail(err, CL_E_INPUT, "%s wants %s", name, option->value);
        *place_of(option) = option->value ? value : name;
        return option->value ? 2 : 1;
    }
    return cl_fail(err, CL_E_INPUT, "there is no option %s (--help names them)", name);
}

static int parse_options(int count, char **args, struct cl_err *err)
{
    struct cl_options *set = &daemon_.options;

    for (size_t i = 0; i < CL_COUNT(options); i++)
        *place_of(&options[i]) = options[i].otherwise;
    for (int i = 1, words; i < count; i += words) {
        words = set_named(args[i], args[i + 1], err);
        if (words < 0)
            return -1;
    }
    if (parse_time(set->drain, &set->drain_ms) < 0)
        return cl_fail(err, CL_E_INPUT, "--drain %s: a time like 30s or 500ms is wanted",
                       set->drain);
    if (cl_log_level_parse(set->log) < 0)
        return cl_fail(err, CL_E_INPUT, "--log %s: error, warn, info, debug, or info,json", set->log);
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
    cl_log_say(CL_INFO, "ready on http://%s", daemon->state.address);
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
        cl_log(CL_WARN, "start.landlock", "what=\"this kernel has none: a third layer is missing\"");
    return 0;
}

/* As many spares as a quarter of memory and all descriptors allow, over all pools. */
static uint32_t count_spares(void)
{
    struct sysinfo system;
    struct rlimit files;

    if (sysinfo(&system) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 64;
    uint64_t by_memory = system.totalram * system.mem_unit / 4 / SPARE_BYTES;
    uint64_t by_files = files.rlim_cur / FDS_PER_SPARE;
    uint64_t most = by_memory < by_files ? by_memory : by_files;
    return most > 4096 ? 4096 : (uint32_t)most;
}

/* A reload opens it again, long after chdir. Links stay: they may lead elsewhere by then. */
static const char *absolute(const char *path, struct cl_err *err)
{
    cl_free_auto char *here = getcwd(NULL, 0);
    char *full = NULL;

    if (!here || access(path, F_OK) < 0) {
        cl_fail(err, CL_E_SYS, "--config %s", path);
        return NULL;
    }
    CL_CHECK(asprintf(&full, "%s/%s", path[0] == '/' ? "" : here, path + strspn(path, "/")) >
             0);
    for (size_t end = strlen(full); end > 1 && full[end - 1] == '/'; end--)
        full[end - 1] = '\0';
    return full;
}

/* What needs more than cloched keeps, or may block. */
static int prepare(struct cl_daemon *daemon, struct cl_err *err)
{
    struct cl_state *state = &daemon->state;

    if (daemon->options.config &&
        (daemon->options.config = absolute(daemon->options.config, err)) == NULL)
        return -1;
    if (cl_state_process(err) < 0 || check_kernel(err) < 0 ||
        cl_program_open(daemon->programs, err) < 0 ||
        cl_state_open(state, daemon->options.state, err) < 0 ||
        (state->range = cl_idmap_claim(&daemon->uid_base, err)) < 0)
        return -1;
    if (!daemon->options.self_test &&
        (cl_state_listen(state, daemon->options.listen, err) < 0 ||
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
    daemon->spares_max = count_spares();
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

    if (parse_options(count, args, &err) < 0) {
        fprintf(stderr, "cloched: %s\n", err.text);
        return 2;
    }
    if (set->help)
        print_usage();
    if (set->version)
        puts("cloched " CL_VERSION);
    if (set->help || set->version)
        return 0;
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
