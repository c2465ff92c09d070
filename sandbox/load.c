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
#include <stdio.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/file.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "sandbox/base/tenantview.h"
#include "sandbox/daemon.h"
#include "sandbox/owned.h"
#include "sandbox/pool.h"

enum { LOAD_US = 5000000 };

static const char *const embedded[] = { "default", "strict" };
/* Of a later version: ignoring what an admin wrote would be worse than not starting. */
#define UNSUPPORTED "cloche.yaml"
#define TENANTS     "tenants.yaml"

struct source {
    char name[CL_NAME_MAX];
    struct cl_ruling *ruling; /* NULL until it is compiled */
};

struct cl_load {
    struct cl_peer peer; /* policyc */
    struct cl_timer timer;
    struct source sources[CL_DAEMON_POLICIES_MAX];
    struct cl_list tenants; /* `local` first */
    size_t tenant_count;
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

static struct source *find(struct cl_load *load, const char *name)
{
    for (size_t i = 0; i < load->asked; i++) {
        if (strcmp(load->sources[i].name, name) == 0)
            return &load->sources[i];
    }
    return NULL;
}

static struct cl_tenant *find_tenant(struct cl_load *load, const char *name)
{
    cl_list_for (struct cl_tenant, tenant, node, &load->tenants) {
        if (strcmp(cl_tenant_name(tenant), name) == 0)
            return tenant;
    }
    return NULL;
}

static void add_tenant(struct cl_load *load, const struct cl_tenant_file *file, int *fd)
{
    struct cl_tenant *tenant = cl_tenant_new(file, fd);

    tenant->number = (uint32_t)load->tenant_count++;
    cl_list_append(&load->tenants, &tenant->node);
}

/* fd -1: the shipped policy of that name. */
static int ask(struct cl_load *load, const char *name, int fd, struct cl_err *err)
{
    struct cl_msg_source source = { .embedded = fd < 0 };

    if (load->asked == CL_DAEMON_POLICIES_MAX)
        return cl_fail(err, CL_E_LIMIT, "more than %d policies", CL_DAEMON_POLICIES_MAX);
    snprintf(source.name, sizeof(source.name), "%s", name);
    memcpy(load->sources[load->asked++].name, source.name, sizeof(source.name));
    return cl_msg_send(load->peer.watch.fd, CL_M_SOURCE, &source, &fd, fd >= 0, err);
}

static int ask_file(struct cl_load *load, int dir, const char *file, struct cl_err *err)
{
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

    cl_close_auto int fd = cl_owned_file(dir, "policies", file, &found, err);
    if (fd < 0)
        return -1;
    return ask(load, name, fd, err);
}

static int ask_folder(struct cl_load *load, int config, struct cl_err *err)
{
    cl_closedir_auto DIR *folder = NULL;
    cl_close_auto int dir = cl_owned_dir(config, "policies", err);
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

static int ask_tenants(struct cl_load *load, int config, struct cl_err *err)
{
    struct cl_msg_source source = { .kind = CL_SOURCE_TENANTS, .name = "tenants" };
    struct stat found;

    if (faccessat(config, TENANTS, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return 0;
    cl_close_auto int fd = cl_owned_file(config, "the configuration", TENANTS, &found, err);
    if (fd < 0)
        return -1;
    return cl_msg_send(load->peer.watch.fd, CL_M_SOURCE, &source, &fd, 1, err);
}

static int ask_config(struct cl_load *load, const char *path, struct cl_err *err)
{
    cl_close_auto int config = cl_owned_dir(AT_FDCWD, path, err);

    if (config < 0)
        return -1;
    if (faccessat(config, UNSUPPORTED, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return cl_fail(err, CL_E_INPUT,
                       "%s/%s is not supported by this version: take it away "
                       "or it would be ignored",
                       path, UNSUPPORTED);
    if (ask_tenants(load, config, err) < 0)
        return -1;
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
        if (load->sources[i].ruling)
            cl_ruling_put(load->sources[i].ruling);
    }
    cl_list_for (struct cl_tenant, tenant, node, &load->tenants)
        cl_tenant_free(tenant);
    free(load);
}

static void note_problem(struct cl_load *load, const char *text)
{
    if (load->problem.count++ == 0)
        snprintf(load->problem.text, sizeof(load->problem.text), "%s", text);
    cl_log(CL_ERROR, "load.problem", "%s", text);
}

/* Whether a pool stays as it is, with its zygotes and spares. */
static bool is_unchanged(struct cl_load *load, struct cl_pool *pool)
{
    struct cl_tenant *tenant = find_tenant(load, pool->tenant);
    const struct source *same = find(load, pool->policy->name);

    if (!tenant || !same || !cl_tenant_may_use(tenant, same->name) ||
        memcmp(same->ruling->policy->digest, pool->policy->digest,
               sizeof(pool->policy->digest)) != 0)
        return false;
    tenant->has_pool |= UINT64_C(1) << (same - load->sources);
    pool->tenant_place = tenant->number;
    return true;
}

/* Each tenant, each of its policies. Pools of `local` under the policy that tells whether the
 * service is ready are kept warm; others start when a call wants them. */
static void make_pools(struct cl_load *load, struct cl_tenant *tenant)
{
    for (size_t i = 0; i < load->asked; i++) {
        struct source *source = &load->sources[i];
        if ((tenant->has_pool & UINT64_C(1) << i) || !cl_tenant_may_use(tenant, source->name))
            continue;
        struct cl_pool *pool =
            cl_pool_new(load->peer.daemon, cl_tenant_name(tenant), source->ruling);
        pool->tenant_place = tenant->number;
        pool->is_kept = !tenant->file && strcmp(source->name, "default") == 0;
    }
}

/* All at once. */
static void put_in_force(struct cl_load *load)
{
    struct cl_daemon *daemon = load->peer.daemon;
    const char *proved = daemon->options.proved ? daemon->options.proved : "default";
    uint32_t kept = 0;

    cl_list_for (struct cl_pool, pool, node, &daemon->pools) {
        if (!pool->is_retired && is_unchanged(load, pool))
            kept++;
        else if (!pool->is_retired)
            cl_pool_retire(pool);
    }
    cl_list_for (struct cl_tenant, old, node, &daemon->tenants)
        cl_tenant_free(old);
    cl_list_for (struct cl_tenant, tenant, node, &load->tenants) {
        make_pools(load, tenant);
        cl_list_unlink(&tenant->node);
        cl_list_append(&daemon->tenants, &tenant->node);
    }
    daemon->generation++;
    daemon->refused.count = 0;
    cl_log(CL_INFO, "load.done", "generation=%u policies=%zu tenants=%zu unchanged=%u",
           daemon->generation, load->asked, load->tenant_count, kept);
    cl_front_tell(&daemon->front);
    struct cl_pool *first = cl_pool_named(daemon, CL_TENANT_LOCAL_NAME, proved);
    if (first)
        cl_brood_start(first->brood);
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

/* Only cloched sees whose the sources of files.read_only are. */
static void check_binds(struct cl_load *load, const struct cl_policy *policy)
{
    const char *source = NULL, *target = NULL;
    struct cl_err err = CL_ERR_INIT;

    while (cl_policyview_bind(policy, &source, &target)) {
        if (cl_owned_check(source, &err) < 0) {
            cl_err_context(&err, "policy %s: files.read_only", policy->name);
            note_problem(load, err.text);
            return;
        }
    }
}

static int keep_policy(struct cl_load *load, const char *name, int *fd, struct cl_err *err)
{
    struct source *source = find(load, name);
    const struct cl_policy *policy = cl_policyview_open(*fd, err);

    if (!policy)
        return cl_err_context(err, "policyc made a broken policy %s", name);
    if (!source || source->ruling || strcmp(policy->name, name) != 0 ||
        policy->pool_max > CL_POLICY_SLOTS_MAX ||
        !(policy->flags & CL_POLICY_LEARN) == load->peer.daemon->options.learn) {
        cl_policyview_close(policy);
        return cl_fail(err, CL_E_LOST, "policyc answered with policy %s", name);
    }
    check_binds(load, policy);
    source->ruling = malloc(sizeof(*source->ruling));
    CL_CHECK(source->ruling);
    *source->ruling = (struct cl_ruling){ policy, cl_take_fd(fd), 1 };
    load->compiled++;
    return 0;
}

static int keep_tenant(struct cl_load *load, const char *name, int *fd, struct cl_err *err)
{
    const struct cl_tenant_file *file = cl_tenantview_open(*fd, err);

    if (!file)
        return cl_err_context(err, "policyc made a broken tenant %s", name);
    if (find_tenant(load, file->name) || strcmp(file->name, name) != 0 ||
        load->tenant_count > CL_TENANT_FILE_MAX) {
        cl_tenantview_close(file);
        return cl_fail(err, CL_E_LOST, "policyc answered with tenant %s", name);
    }
    add_tenant(load, file, fd);
    return 0;
}

/* Policies that tenants name are there, and not too many pools. */
static int check_tenants(struct cl_load *load, struct cl_err *err)
{
    size_t pools = load->asked;

    cl_list_for (struct cl_tenant, tenant, node, &load->tenants) {
        for (uint32_t i = 0; tenant->file && i < tenant->file->policy_count; i++, pools++) {
            if (!find(load, tenant->file->policies[i]))
                return cl_fail(err, CL_E_INPUT, TENANTS ": tenant %s: there is no policy %s",
                               tenant->file->name, tenant->file->policies[i]);
        }
    }
    if (pools > CL_DAEMON_POOLS_MAX)
        return cl_fail(err, CL_E_LIMIT, "all tenants together have %zu policies, at most %d",
                       pools, CL_DAEMON_POOLS_MAX);
    return 0;
}

static int on_message(struct cl_peer *peer, union cl_msg_any *msg, int *fds, struct cl_err *err)
{
    struct cl_load *load = cl_list_entry(peer, struct cl_load, peer);

    if (msg->head.type == CL_M_COMPILED)
        return (msg->compiled.kind == CL_SOURCE_TENANTS ? keep_tenant : keep_policy)(
            load, msg->compiled.name, &fds[0], err);
    if (msg->head.type == CL_M_REFUSED) {
        note_problem(load, msg->refused.text);
        return 0;
    }
    if (load->problem.count > 0 || load->compiled != load->asked)
        return cl_fail(err, CL_E_INPUT, "%u problems in the policies", load->problem.count);
    if (check_tenants(load, err) < 0)
        return -1;
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
    int token = daemon->state.token; /* the state's; only lent */

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
    cl_list_init(&load->tenants);
    add_tenant(load, NULL, &token);
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
