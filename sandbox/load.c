/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens policy files, has them compiled by a process of no privilege, puts the outcome in force.
 * Runs in: cloched.
 * Trusts: owner and mode of an opened file; of policyc nothing but what passes policyview.
 */
#include "sandbox/load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "sandbox/binds.h"
#include "sandbox/daemon.h"
#include "sandbox/pool.h"

enum { LOAD_US = 5000000 };

static const char *const embedded[] = { "default", "strict" };
/* Of later versions: ignoring what an admin wrote would be worse than not starting. */
static const char *const unsupported[] = { "cloche.yaml", "tenants.yaml" };

struct compiled {
    const struct cl_policy *policy; /* mapped */
    int fd;
};

struct cl_load {
    struct cl_daemon *daemon;
    struct cl_child child;
    struct cl_watch watch; /* the control socket, owned */
    struct cl_timer timer;
    struct compiled policies[CL_DAEMON_POOLS_MAX];
    char names[CL_DAEMON_POOLS_MAX][CL_NAME_MAX]; /* asked for */
    size_t count, asked;
    uint32_t refused;
    bool is_done;
    bool is_again; /* another reload was asked for meanwhile */
};

/* ---------------------------------------------------------------------------------- sources */

int cl_load_check_name(const char *name, size_t length)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

    if (length == 0 || length >= CL_NAME_MAX || !memchr(first, name[0], sizeof(first) - 1))
        return -1;
    for (size_t i = 1; i < length; i++) {
        if (!memchr(rest, name[i], sizeof(rest) - 1))
            return -1;
    }
    return 0;
}

static int check_owner(int fd, const char *name, mode_t kind, struct cl_err *err)
{
    struct stat found;

    if (fstat(fd, &found) < 0)
        return cl_fail(err, CL_E_SYS, "%s", name);
    if ((found.st_mode & S_IFMT) != kind)
        return cl_fail(err, CL_E_DENIED, "%s is not a regular %s", name,
                       kind == S_IFDIR ? "directory" : "file");
    if (found.st_uid != geteuid())
        return cl_fail(err, CL_E_DENIED, "%s belongs to uid %u, not to root", name,
                       (unsigned)found.st_uid);
    if (found.st_mode & 022)
        return cl_fail(err, CL_E_DENIED, "%s is writable by its group or by others", name);
    return 0;
}

static int open_dir(int above, const char *name, struct cl_err *err)
{
    cl_close_auto int dir = openat(above, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0)
        return cl_fail(err, CL_E_SYS, "open %s", name);
    if (check_owner(dir, name, S_IFDIR, err) < 0)
        return -1;
    return cl_take_fd(&dir);
}

static bool is_asked(const struct cl_load *load, const char *name)
{
    for (size_t i = 0; i < load->asked; i++) {
        if (strcmp(load->names[i], name) == 0)
            return true;
    }
    return false;
}

/* fd -1: the shipped policy of that name. */
static int ask(struct cl_load *load, const char *name, int fd, struct cl_err *err)
{
    struct cl_msg_source source = { .embedded = fd < 0 };

    if (load->asked == CL_DAEMON_POOLS_MAX)
        return cl_fail(err, CL_E_LIMIT, "more than %d policies", CL_DAEMON_POOLS_MAX);
    snprintf(source.name, sizeof(source.name), "%s", name);
    memcpy(load->names[load->asked++], source.name, sizeof(source.name));
    return cl_msg_send(load->watch.fd, CL_M_SOURCE, &source, &fd, fd >= 0, err);
}

static int ask_file(struct cl_load *load, int dir, const char *file, struct cl_err *err)
{
    const char *dot = strrchr(file, '.');
    char name[CL_NAME_MAX];

    if (file[0] == '.' || !dot || (strcmp(dot, ".yaml") != 0 && strcmp(dot, ".yml") != 0))
        return 0; /* an editor's leftovers, a README */
    if (strcmp(dot, ".yaml") != 0 || cl_load_check_name(file, (size_t)(dot - file)) < 0)
        return cl_fail(err, CL_E_INPUT,
                       "policies/%s: a policy file is named <name>.yaml, the "
                       "name of a-z 0-9 _ -",
                       file);
    snprintf(name, sizeof(name), "%.*s", (int)(dot - file), file);

    cl_close_auto int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cl_fail(err, CL_E_SYS, "open policies/%s", file);
    if (check_owner(fd, file, S_IFREG, err) < 0)
        return -1;
    return ask(load, name, fd, err);
}

static void close_folder(DIR **folder)
{
    if (*folder)
        closedir(*folder);
}

static int ask_folder(struct cl_load *load, int config, struct cl_err *err)
{
    CL_AUTO(close_folder) DIR *folder = NULL;
    cl_close_auto int dir = open_dir(config, "policies", err);
    struct dirent *entry;

    if (dir < 0 && errno == ENOENT)
        return 0;
    folder = dir < 0 ? NULL : fdopendir(dup(dir));
    if (!folder)
        return err->kind ? -1 : cl_fail(err, CL_E_SYS, "read policies");
    while ((entry = readdir(folder))) {
        if (ask_file(load, dir, entry->d_name, err) < 0)
            return -1;
    }
    return 0;
}

static int ask_config(struct cl_load *load, const char *path, struct cl_err *err)
{
    cl_close_auto int config = open_dir(AT_FDCWD, path, err);

    if (config < 0)
        return -1;
    for (size_t i = 0; i < CL_COUNT(unsupported); i++) {
        if (faccessat(config, unsupported[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return cl_fail(err, CL_E_INPUT,
                           "%s/%s is not supported by this version: take it away "
                           "or it would be ignored",
                           path, unsupported[i]);
    }
    return ask_folder(load, config, err);
}

static int ask_all(struct cl_load *load, struct cl_err *err)
{
    const char *config = load->daemon->options.config;
    struct cl_msg compile;

    if (config && ask_config(load, config, err) < 0)
        return -1;
    for (size_t i = 0; i < CL_COUNT(embedded); i++) {
        if (!is_asked(load, embedded[i]) && ask(load, embedded[i], -1, err) < 0)
            return -1;
    }
    return cl_msg_send(load->watch.fd, CL_M_COMPILE, &compile, NULL, 0, err);
}

/* ----------------------------------------------------------------------------------- outcome */

static void free_load(struct cl_load *load)
{
    int fd = load->watch.fd;

    cl_loop_remove(&load->daemon->loop, &load->watch);
    cl_own_close(&fd);
    cl_timer_stop(&load->timer);
    for (size_t i = 0; i < load->count; i++) {
        if (load->policies[i].policy)
            cl_policyview_close(load->policies[i].policy);
        cl_own_close(&load->policies[i].fd);
    }
    free(load);
}

/* All at once: pools of unchanged digests stay, with their zygotes and spares. */
static void put_in_force(struct cl_load *load)
{
    struct cl_daemon *daemon = load->daemon;
    uint32_t kept = 0;

    cl_list_each (node, keep, &daemon->pools) {
        struct cl_pool *pool = cl_list_entry(node, struct cl_pool, node);
        struct compiled *same = NULL;
        for (size_t i = 0; i < load->count && !pool->is_retired; i++) {
            const struct cl_policy *policy = load->policies[i].policy;
            if (policy && strcmp(policy->name, pool->name) == 0 &&
                memcmp(policy->digest, pool->policy->digest, sizeof(policy->digest)) == 0)
                same = &load->policies[i];
        }
        if (same) {
            cl_policyview_close(same->policy);
            same->policy = NULL;
            kept++;
        } else if (!pool->is_retired) {
            cl_pool_retire(pool);
        }
    }
    for (size_t i = 0; i < load->count; i++) {
        if (load->policies[i].policy)
            cl_pool_new(daemon, load->policies[i].policy, &load->policies[i].fd);
        load->policies[i].policy = NULL;
    }
    daemon->generation++;
    cl_log(CL_INFO, "load.done", "generation=%u policies=%zu unchanged=%u", daemon->generation,
           load->count, kept);
    cl_front_tell(&daemon->front);
    cl_pool_start(cl_pool_named(daemon, "default")); /* others when a call wants them */
}

static void conclude(struct cl_load *load, struct cl_err *why)
{
    struct cl_daemon *daemon = load->daemon;
    bool is_again = load->is_again;
    struct cl_err err = CL_ERR_INIT;

    cl_child_kill(&load->child);
    if (!why && (load->refused > 0 || load->count != load->asked))
        cl_fail(why = &err, CL_E_INPUT, "%u problems in the policies", load->refused);
    if (!why)
        put_in_force(load);
    else if (daemon->generation == 0)
        cl_daemon_stop(daemon, why);
    else
        cl_log(CL_ERROR, "load.refused", "generation=%u stays error=\"%s\"", daemon->generation,
               why->text);
    daemon->load = NULL;
    cl_list_unlink(&load->child.node); /* waited for as a stranger */
    free_load(load);
    if (is_again && cl_load_start(daemon, &err) < 0)
        cl_log(CL_ERROR, "load.refused", "error=\"%s\"", err.text);
}

static int keep_policy(struct cl_load *load, const struct cl_msg_compiled *msg, int *fd,
                       struct cl_err *err)
{
    const struct cl_policy *policy = cl_policyview_open(*fd, err);

    if (!policy)
        return cl_err_context(err, "policyc made a broken policy %s", msg->name);
    if (load->count == load->asked || strcmp(policy->name, msg->name) != 0 ||
        !is_asked(load, msg->name) || policy->pool_max > CL_POLICY_SLOTS_MAX) {
        cl_policyview_close(policy);
        return cl_fail(err, CL_E_LOST, "policyc answered with policy %s", msg->name);
    }
    load->refused += !cl_binds_are_fit(policy);
    load->policies[load->count++] = (struct compiled){ policy, cl_take_fd(fd) };
    return 0;
}

static int on_message(struct cl_load *load, union cl_msg_any *msg, int *fd, struct cl_err *err)
{
    switch (msg->head.type) {
    case CL_M_COMPILED:
        return keep_policy(load, &msg->compiled, fd, err);
    case CL_M_REFUSED:
        load->refused++;
        cl_log(CL_ERROR, "load.problem", "%s", msg->refused.text);
        return 0;
    default:
        load->is_done = true;
        return 0;
    }
}

static void on_control(struct cl_watch *watch, uint32_t events)
{
    struct cl_load *load = cl_list_entry(watch, struct cl_load, watch);
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t fd_count = 0;

    (void)events;
    while (!load->is_done) {
        struct cl_err err = CL_ERR_INIT;
        int got = cl_msg_recv(watch->fd, CL_WAY_POLICYC_TO_CLOCHED, &msg, fds, &fd_count, &err);
        if (got < 0 && err.kind == CL_E_BUSY)
            return;
        if (got == 0)
            cl_fail(&err, CL_E_LOST, "cloche-policyc ended before it was done");
        if (got == 1)
            got = on_message(load, &msg, &fds[0], &err) < 0 ? -1 : 1;
        for (size_t i = 0; i < fd_count; i++)
            cl_own_close(&fds[i]);
        if (got <= 0) {
            conclude(load, &err);
            return;
        }
    }
    conclude(load, NULL);
}

static void on_late(struct cl_timer *timer)
{
    struct cl_load *load = cl_list_entry(timer, struct cl_load, timer);
    struct cl_err err = CL_ERR_INIT;

    cl_fail(&err, CL_E_LIMIT, "cloche-policyc took longer than %d s", LOAD_US / 1000000);
    conclude(load, &err);
}

/* The socket tells of its end; this only empties the place in the table. */
static void on_exit_policyc(struct cl_child *child, const siginfo_t *how,
                            const struct rusage *usage)
{
    (void)child, (void)usage;
    if (how->si_status != 0)
        cl_log(CL_WARN, "load.exit", "code=%d status=%d", how->si_code, how->si_status);
}

static int start_policyc(struct cl_load *load, struct cl_err *err)
{
    static const char *const arguments[] = { "cloche-policyc", "serve", NULL };
    static const char *const environment[] = { "LC_ALL=C.UTF-8", NULL };
    struct cl_daemon *daemon = load->daemon;
    int pair[2];

    if (cl_fdpass_pair(SOCK_SEQPACKET, pair, err) < 0)
        return -1;
    cl_close_auto int near = pair[0];
    cl_close_auto int far = pair[1];
    const struct cl_start start = {
        .program = daemon->programs[CL_PROGRAM_POLICYC],
        .arguments = arguments,
        .environment = environment,
        .fds = { far, -1 },
        .uid = daemon->uid_base + 2,
        .parent = getpid(),
    };
    if (fcntl(near, F_SETFL, O_NONBLOCK) < 0)
        return cl_fail(err, CL_E_SYS, "control socket");
    pid_t pid = cl_child_start(&start, err);
    if (pid < 0)
        return -1;
    cl_child_add(&daemon->children, &load->child, pid);
    load->watch.fd = near;
    if (cl_loop_add(&daemon->loop, &load->watch, err) < 0) {
        load->watch.fd = -1;
        return -1;
    }
    cl_take_fd(&near);
    return 0;
}

int cl_load_start(struct cl_daemon *daemon, struct cl_err *err)
{
    if (daemon->load) {
        daemon->load->is_again = true;
        return 0;
    }

    struct cl_load *load = calloc(1, sizeof(*load));
    CL_CHECK(load);
    load->daemon = daemon;
    load->child.on_exit = on_exit_policyc;
    cl_list_init(&load->child.node);
    load->watch = (struct cl_watch){ -1, EPOLLIN, on_control };
    cl_timer_init(&load->timer, on_late);
    if (start_policyc(load, err) < 0 || ask_all(load, err) < 0) {
        cl_child_kill(&load->child);
        cl_list_unlink(&load->child.node);
        free_load(load);
        return -1;
    }
    daemon->load = load;
    cl_timer_start(&daemon->loop, &load->timer, cl_clock_us() + LOAD_US);
    return 0;
}
