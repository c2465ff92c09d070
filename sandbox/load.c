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
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/file.h"
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

struct source {
    char name[CL_NAME_MAX];
    const struct cl_policy *policy; /* mapped; NULL until it is compiled */
    int fd;
};

struct cl_load {
    struct cl_peer peer; /* policyc */
    struct cl_timer timer;
    struct source sources[CL_DAEMON_POOLS_MAX];
    size_t asked, compiled;
    struct cl_msg_problem problem; /* the first of them */
    bool is_again;                 /* another reload was asked for meanwhile */
};

/* ---------------------------------------------------------------------------------- sources */

int cl_load_check_name(const char *name, size_t length)
{
    static const char allowed[] = "_-abcdefghijklmnopqrstuvwxyz0123456789";

    return length == 0 || length >= CL_NAME_MAX || strspn(name, allowed) < length ||
                   name[0] == '_' || name[0] == '-'
               ? -1
               : 0;
}

static int open_dir(int above, const char *name, struct cl_err *err)
{
    cl_close_auto int dir = openat(above, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat found;

    if (dir < 0)
        return cl_fail(err, CL_E_SYS, "open %s", name);
    if (cl_file_check_owner(dir, name, false, &found, err) < 0)
        return -1;
    return cl_take_fd(&dir);
}

static struct source *find(struct cl_load *load, const char *name)
{
    for (size_t i = 0; i < load->asked; i++) {
        if (strcmp(load->sources[i].name, name) == 0)
            return &load->sources[i];
    }
    return NULL;
}

/* fd -1: the shipped policy of that name. */
static int ask(struct cl_load *load, const char *name, int fd, struct cl_err *err)
{
    struct cl_msg_source source = { .embedded = fd < 0 };

    if (load->asked == CL_DAEMON_POOLS_MAX)
        return cl_fail(err, CL_E_LIMIT, "more than %d policies", CL_DAEMON_POOLS_MAX);
    snprintf(source.name, sizeof(source.name), "%s", name);
    memcpy(load->sources[load->asked].name, source.name, sizeof(source.name));
    load->sources[load->asked++].fd = -1;
    return cl_msg_send(load->peer.watch.fd, CL_M_SOURCE, &source, &fd, fd >= 0, err);
}

static int ask_file(struct cl_load *load, int dir, const char *file, struct cl_err *err)
{
    /* A link may lead to a file below (a ConfigMap of Kubernetes is made of them), not out. */
    const struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    const char *dot = strrchr(file, '.');
    char name[CL_NAME_MAX];
    struct stat found;

    if (file[0] == '.' || !dot || (strcmp(dot, ".yaml") != 0 && strcmp(dot, ".yml") != 0))
        return 0; /* an editor's leftovers, a README */
    if (strcmp(dot, ".yaml") != 0 || cl_load_check_name(file, (size_t)(dot - file)) < 0)
        return cl_fail(err, CL_E_INPUT,
                       "policies/%s: a policy file is named <name>.yaml, the "
                       "name of a-z 0-9 _ -",
                       file);
    snprintf(name, sizeof(name), "%.*s", (int)(dot - file), file);

    cl_close_auto int fd = (int)syscall(SYS_openat2, dir, file, &how, sizeof(how));
    if (fd < 0)
        return cl_fail(err, CL_E_SYS, "open policies/%s", file);
    if (cl_file_check_owner(fd, file, false, &found, err) < 0)
        return -1;
    if (!S_ISREG(found.st_mode))
        return cl_fail(err, CL_E_DENIED, "%s is not a regular file", file);
    return ask(load, name, fd, err);
}

static int ask_folder(struct cl_load *load, int config, struct cl_err *err)
{
    cl_closedir_auto DIR *folder = NULL;
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
    const char *config = load->peer.daemon->options.config;
    struct cl_msg compile;

    if (config && ask_config(load, config, err) < 0)
        return -1;
    for (size_t i = 0; i < CL_COUNT(embedded); i++) {
        if (!find(load, embedded[i]) && ask(load, embedded[i], -1, err) < 0)
            return -1;
    }
    return cl_msg_send(load->peer.watch.fd, CL_M_COMPILE, &compile, NULL, 0, err);
}

/* ----------------------------------------------------------------------------------- outcome */

static void free_load(struct cl_load *load)
{
    cl_child_kill(&load->peer.child);
    cl_list_unlink(&load->peer.child.node); /* waited for as a stranger */
    cl_peer_hang_up(&load->peer);
    cl_timer_stop(&load->timer);
    for (size_t i = 0; i < load->asked; i++) {
        if (load->sources[i].policy)
            cl_policyview_close(load->sources[i].policy);
        cl_own_close(&load->sources[i].fd);
    }
    free(load);
}

/* All at once: pools of unchanged digests stay, with their zygotes and spares. */
static void put_in_force(struct cl_load *load)
{
    struct cl_daemon *daemon = load->peer.daemon;
    uint32_t kept = 0;

    cl_list_each (node, keep, &daemon->pools) {
        struct cl_pool *pool = cl_list_entry(node, struct cl_pool, node);
        struct source *same = pool->is_retired ? NULL : find(load, pool->name);
        if (pool->is_retired)
            continue;
        if (!same || memcmp(same->policy->digest, pool->policy->digest,
                            sizeof(same->policy->digest)) != 0) {
            cl_pool_retire(pool);
            continue;
        }
        cl_policyview_close(cl_take_ptr(&same->policy));
        kept++;
    }
    for (size_t i = 0; i < load->asked; i++) {
        if (load->sources[i].policy)
            cl_pool_new(daemon, cl_take_ptr(&load->sources[i].policy), &load->sources[i].fd);
    }
    daemon->generation++;
    daemon->refused.count = 0;
    cl_log(CL_INFO, "load.done", "generation=%u policies=%zu unchanged=%u", daemon->generation,
           load->asked, kept);
    cl_front_tell(&daemon->front);
    const char *proved = daemon->options.proved;
    struct cl_pool *first = cl_pool_named(daemon, proved ? proved : "default");
    if (first)
        cl_pool_start(first); /* others when a call wants them */
}

static void note_problem(struct cl_load *load, const char *text)
{
    if (load->problem.count++ == 0)
        snprintf(load->problem.text, sizeof(load->problem.text), "%s", text);
    cl_log(CL_ERROR, "load.problem", "%s", text);
}

/* What was in force stays. */
static void refuse(struct cl_load *load, const char *why)
{
    struct cl_daemon *daemon = load->peer.daemon;

    if (daemon->generation == 0) {
        cl_daemon_stop(daemon, why);
        return;
    }
    cl_log(CL_ERROR, "load.refused", "generation=%u stays error=\"%s\"", daemon->generation,
           why);
    daemon->refused = load->problem;
    if (load->problem.count == 0)
        snprintf(daemon->refused.text, sizeof(daemon->refused.text), "%s", why);
    daemon->refused.count += load->problem.count == 0;
    daemon->refused.generation = daemon->generation;
    cl_front_send(&daemon->front, CL_M_PROBLEM, &daemon->refused, NULL);
}

/* `why` NULL: all were compiled. */
static void conclude(struct cl_load *load, const char *why)
{
    struct cl_daemon *daemon = load->peer.daemon;
    bool is_again = load->is_again;

    if (why)
        refuse(load, why);
    else
        put_in_force(load);
    daemon->load = NULL;
    free_load(load);
    if (is_again)
        cl_load_start(daemon);
}

static int keep_policy(struct cl_load *load, const struct cl_msg_compiled *msg, int *fd,
                       struct cl_err *err)
{
    struct source *source = find(load, msg->name);
    const struct cl_policy *policy = cl_policyview_open(*fd, err);
    struct cl_err unfit = CL_ERR_INIT;

    if (!policy)
        return cl_err_context(err, "policyc made a broken policy %s", msg->name);
    if (!source || source->policy || strcmp(policy->name, msg->name) != 0 ||
        policy->pool_max > CL_POLICY_SLOTS_MAX ||
        !(policy->flags & CL_POLICY_LEARN) == load->peer.daemon->options.learn) {
        cl_policyview_close(policy);
        return cl_fail(err, CL_E_LOST, "policyc answered with policy %s", msg->name);
    }
    if (cl_binds_check_all(policy, &unfit) < 0)
        note_problem(load, unfit.text);
    source->policy = policy;
    source->fd = cl_take_fd(fd);
    load->compiled++;
    return 0;
}

static int on_message(struct cl_peer *peer, union cl_msg_any *msg, int *fds, struct cl_err *err)
{
    struct cl_load *load = cl_list_entry(peer, struct cl_load, peer);

    if (msg->head.type == CL_M_COMPILED)
        return keep_policy(load, &msg->compiled, &fds[0], err);
    if (msg->head.type == CL_M_REFUSED) {
        note_problem(load, msg->refused.text);
        return 0;
    }
    if (load->problem.count > 0 || load->compiled != load->asked)
        return cl_fail(err, CL_E_INPUT, "%u problems in the policies", load->problem.count);
    conclude(load, NULL);
    return 1;
}

static void on_lost(struct cl_peer *peer, const char *why)
{
    conclude(cl_list_entry(peer, struct cl_load, peer),
             why ? why : "cloche-policyc ended before it was done");
}

static void on_late(struct cl_timer *timer)
{
    conclude(cl_list_entry(timer, struct cl_load, timer),
             "cloche-policyc took longer than 5 s");
}

/* The socket tells of its end; this only empties the place in the table. */
static void on_exit_policyc(struct cl_child *child, const struct cl_exit *how)
{
    (void)child;
    if (how->status != 0)
        cl_log(CL_WARN, "load.exit", "code=%d status=%d", how->code, how->status);
}

static struct cl_load *new_load(struct cl_daemon *daemon)
{
    struct cl_load *load = calloc(1, sizeof(*load));

    CL_CHECK(load);
    load->peer = (struct cl_peer){
        .daemon = daemon,
        .child.on_exit = on_exit_policyc,
        .watch = { -1, 0, cl_peer_on_event },
        .way = CL_WAY_POLICYC_TO_CLOCHED,
        .on_message = on_message,
        .on_lost = on_lost,
    };
    cl_list_init(&load->peer.child.node);
    cl_timer_init(&load->timer, on_late);
    return load;
}

void cl_load_start(struct cl_daemon *daemon)
{
    const char *const arguments[] = { "cloche-policyc", "serve",
                                      daemon->options.learn ? "--learn" : NULL, NULL };
    const struct cl_start start = {
        .program = CL_PROGRAM_POLICYC,
        .arguments = arguments,
        .fd = -1,
        .uid = daemon->uid_base + 2,
    };
    struct cl_err err = CL_ERR_INIT;

    if (daemon->load) {
        daemon->load->is_again = true;
        return;
    }
    struct cl_load *load = new_load(daemon);
    if (cl_peer_start(&load->peer, &start, &err) < 0 || ask_all(load, &err) < 0) {
        refuse(load, err.text);
        free_load(load);
        return;
    }
    daemon->load = load;
    cl_timer_start(&daemon->loop, &load->timer, cl_clock_us() + LOAD_US);
}
