/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts in force what loader and policyc made of the configuration.
 * Runs in: cloched.
 * Trusts: nothing they made but what passes policyview and tenantview.
 */
#include "sandbox/load.h"

#include <stdio.h>
#include <string.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "sandbox/base/tenantview.h"
#include "sandbox/daemon.h"
#include "sandbox/pool.h"

enum { LATE_US = 60000000 }; /* the loader gives policyc half of it */

/* --------------------------------------------------------------------------------- contents */

/* The place of a policy, or -1. */
static int find(const struct cl_load *load, const char *name)
{
    for (size_t i = 0; i < load->count; i++) {
        if (strcmp(load->rulings[i]->policy->name, name) == 0)
            return (int)i;
    }
    return -1;
}

static void empty(struct cl_load *load)
{
    while (load->count > 0)
        cl_ruling_put(load->rulings[--load->count]);
    cl_tenants_free(&load->tenants);
    load->tenant_count = 0;
    load->problem.count = 0;
}

/* ---------------------------------------------------------------------------------- in force */

/* Whether a pool stays as it is, with its zygotes and spares. */
static bool is_unchanged(struct cl_load *load, struct cl_pool *pool)
{
    struct cl_tenant *tenant = cl_tenants_find(&load->tenants, pool->tenant);
    const int same = find(load, pool->policy->name);

    if (!tenant || same < 0 || !cl_tenant_may_use(tenant, pool->policy->name) ||
        memcmp(load->rulings[same]->policy->digest, pool->policy->digest,
               sizeof(pool->policy->digest)) != 0)
        return false;
    tenant->has_pool |= UINT64_C(1) << same;
    pool->tenant_place = tenant->number;
    return true;
}

/* Those of `local` under the policy that tells whether the service is ready are kept warm; others
 * start when a call wants them. */
static void make_pools(struct cl_load *load, struct cl_tenant *tenant)
{
    for (size_t i = 0; i < load->count; i++) {
        const char *name = load->rulings[i]->policy->name;
        if ((tenant->has_pool & UINT64_C(1) << i) || !cl_tenant_may_use(tenant, name))
            continue;
        struct cl_pool *pool =
            cl_pool_new(load->daemon, cl_tenant_name(tenant), load->rulings[i]);
        pool->tenant_place = tenant->number;
        pool->is_kept = !tenant->file && strcmp(name, "default") == 0;
        pool->brood->is_kept |= pool->is_kept;
    }
}

void cl_load_tell(struct cl_daemon *daemon, enum cl_msg_type type, int fd)
{
    struct cl_peer *loader = &daemon->load.loader;
    struct cl_msg msg;
    struct cl_err err = CL_ERR_INIT;

    if (loader->watch.fd >= 0 &&
        cl_msg_send(loader->watch.fd, type, &msg, &fd, fd >= 0, &err) < 0)
        cl_peer_end(loader, err.text);
}

/* All at once. */
static void put_in_force(struct cl_load *load)
{
    struct cl_daemon *daemon = load->daemon;
    const char *proved = daemon->options.proved ? daemon->options.proved : "default";
    uint32_t kept = 0;

    cl_list_for (struct cl_pool, pool, node, &daemon->pools) {
        if (!pool->is_retired && is_unchanged(load, pool))
            kept++;
        else if (!pool->is_retired)
            cl_pool_retire(pool);
    }
    cl_tenants_free(&daemon->tenants);
    cl_list_for (struct cl_tenant, tenant, node, &load->tenants) {
        make_pools(load, tenant);
        cl_list_unlink(&tenant->node);
        cl_list_append(&daemon->tenants, &tenant->node);
    }
    daemon->generation++;
    daemon->refused.count = 0;
    cl_log(CL_INFO, "load.done", "generation=%u policies=%zu tenants=%u unchanged=%u",
           daemon->generation, load->count, load->tenant_count, kept);
    cl_load_tell(daemon, CL_M_IN_FORCE, -1);
    cl_front_tell(&daemon->front);
    struct cl_pool *first = cl_pool_named(daemon, CL_TENANT_LOCAL_NAME, proved);
    if (first)
        cl_brood_start(first->brood);
}

/* What was in force stays. */
static void refuse(struct cl_load *load, const char *why)
{
    struct cl_daemon *daemon = load->daemon;

    if (daemon->generation == 0) {
        cl_daemon_stop(daemon, why);
        return;
    }
    cl_log(CL_ERROR, "load.refused", "generation=%u error=\"%s\"", daemon->generation, why);
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
    bool is_again = load->is_again;

    if (why)
        refuse(load, why);
    else
        put_in_force(load);
    cl_timer_stop(&load->late);
    cl_child_kill(&load->compiler.child);
    cl_list_unlink(&load->compiler.child.node); /* waited for as a stranger */
    empty(load);
    load->is_loading = load->is_again = false;
    if (is_again)
        cl_load_start(load->daemon);
}

/* ---------------------------------------------------------------------------------- messages */

static int keep_policy(struct cl_load *load, const char *name, int *fd, struct cl_err *err)
{
    const struct cl_policy *policy = cl_policyview_open(*fd, err);

    if (!policy)
        return cl_err_context(err, "a broken policy %s", name);
    if (load->count == CL_LOAD_POLICIES_MAX || find(load, policy->name) >= 0 ||
        !(policy->flags & CL_POLICY_LEARN) != !load->daemon->options.learn) {
        cl_policyview_close(policy);
        return cl_fail(err, CL_E_LOST, "an unfit policy %s", name);
    }
    struct cl_ruling *ruling = cl_own_new(sizeof(*ruling));
    *ruling = (struct cl_ruling){ policy, cl_take_fd(fd), 1 };
    load->rulings[load->count++] = ruling;
    return 0;
}

static int keep_tenant(struct cl_load *load, const char *name, int *fd, struct cl_err *err)
{
    const struct cl_tenant_file *file = cl_tenantview_open(*fd, err);

    if (!file)
        return cl_err_context(err, "a broken tenant %s", name);
    if (cl_tenants_find(&load->tenants, file->name) ||
        load->tenant_count > CL_TENANT_FILE_MAX) {
        cl_tenantview_close(file);
        return cl_fail(err, CL_E_LOST, "an unfit tenant %s", name);
    }
    cl_tenants_add(&load->tenants, load->tenant_count++, file, cl_take_fd(fd));
    return 0;
}

static int keep(struct cl_load *load, const struct cl_msg_compiled *made, int *fd,
                struct cl_err *err)
{
    if (made->kind == CL_SOURCE_POLICY)
        return keep_policy(load, made->name, fd, err);
    if ((made->kind == CL_SOURCE_LOCAL) != (load->tenant_count == 0))
        return cl_fail(err, CL_E_LOST, "the tenant local comes first, and once");
    if (made->kind == CL_SOURCE_TENANTS)
        return keep_tenant(load, made->name, fd, err);
    if (made->kind != CL_SOURCE_LOCAL)
        return cl_fail(err, CL_E_LOST, "made what is neither policy nor tenant: %u",
                       made->kind);
    cl_tenants_add(&load->tenants, load->tenant_count++, NULL, cl_take_fd(fd));
    return 0;
}

static void note_problem(struct cl_load *load, const char *text)
{
    if (load->problem.count++ == 0)
        snprintf(load->problem.text, sizeof(load->problem.text), "%s", text);
    cl_log(CL_ERROR, "load.problem", "error=\"%s\"", text);
}

static void on_ready(struct cl_load *load, const struct cl_msg_ready *ready)
{
    struct cl_err err = CL_ERR_INIT;

    if (load->problem.count > 0)
        cl_fail(&err, CL_E_INPUT, "%u problems in the policies", load->problem.count);
    else if (ready->why[0] || ready->made != load->count)
        cl_fail(&err, CL_E_LOST, "%s", ready->why);
    conclude(load, err.kind ? err.text : NULL);
}

static int on_message(struct cl_peer *peer, union cl_msg_any *msg, int *fds, struct cl_err *err)
{
    struct cl_load *load = cl_list_entry(peer, struct cl_load, loader);
    const uint32_t type = msg->head.type;

    if (type >= CL_M_FILE) /* to be passed on; the API's names for them have the same order */
        cl_front_send(&load->daemon->front, type - CL_M_FILE + CL_M_FUNCTION, msg,
                      type == CL_M_FILES ? NULL : &fds[0]);
    else if (type == CL_M_EDITED)
        cl_load_start(load->daemon);
    else if (!load->is_loading)
        return cl_fail(err, CL_E_LOST, "%s unasked", cl_msg_name(type));
    else if (type == CL_M_MADE)
        return keep(load, &msg->compiled, &fds[0], err);
    else if (type == CL_M_UNFIT)
        note_problem(load, msg->refused.text);
    else
        on_ready(load, &msg->ready);
    return 0;
}

/* ------------------------------------------------------------------------------ the processes */

static void on_exit_loader(struct cl_child *child, const struct cl_exit *how)
{
    struct cl_load *load = cl_list_entry(child, struct cl_load, loader.child);

    cl_log(CL_ERROR, "loader.exit", "code=%d status=%d", how->code, how->status);
    cl_peer_hang_up(&load->loader);
    load->is_again = false;
    if (load->is_loading)
        conclude(load, "cloche-loader ended before it was done");
    cl_retry_later(&load->daemon->loop, &load->restart);
}

/* What changed while there was none was heard by nobody. */
static int start_loader(struct cl_load *load, struct cl_err *err)
{
    const struct cl_options *set = &load->daemon->options;
    const char *const arguments[] = { "cloche-loader", set->log, set->audit, set->config,
                                      NULL };
    const struct cl_start start = { .program = CL_PROGRAM_LOADER,
                                    .arguments = arguments,
                                    .fd = load->daemon->state.dir };

    if (cl_peer_start(&load->loader, &start, err) < 0)
        return -1;
    cl_load_start(load->daemon);
    return 0;
}

static void on_restart(struct cl_timer *timer)
{
    struct cl_load *load = cl_list_entry(timer, struct cl_load, restart.timer);
    struct cl_err err = CL_ERR_INIT;

    if (start_loader(load, &err) == 0)
        return;
    cl_log(CL_ERROR, "loader.start", "error=\"%s\"", err.text);
    cl_retry_later(&load->daemon->loop, &load->restart);
}

static void on_late(struct cl_timer *timer)
{
    cl_peer_end(&cl_list_entry(timer, struct cl_load, late)->loader,
                "it took longer than 60 s");
}

void cl_load_start(struct cl_daemon *daemon)
{
    struct cl_load *load = &daemon->load;
    const char *const arguments[] = { "cloche-policyc", "serve", daemon->options.log,
                                      daemon->options.learn ? "--learn" : NULL, NULL };
    const struct cl_start start = {
        .program = CL_PROGRAM_POLICYC,
        .arguments = arguments,
        .fd = -1,
    };
    struct cl_err err = CL_ERR_INIT;

    load->is_again = load->is_loading;
    if (load->is_loading || load->loader.watch.fd < 0)
        return; /* a loader that is on its way begins with a load */
    if (cl_peer_start(&load->compiler, &start, &err) < 0) {
        refuse(load, err.text);
        return;
    }
    load->is_loading = true;
    cl_timer_start(&daemon->loop, &load->late, cl_clock_us() + LATE_US);
    cl_load_tell(daemon, CL_M_LOAD, load->compiler.watch.fd);
    cl_peer_hang_up(&load->compiler); /* the loader has that end now */
}

void cl_load_pace(struct cl_daemon *daemon, bool may_talk)
{
    cl_loop_change(&daemon->loop, &daemon->load.loader.watch, may_talk ? EPOLLIN : 0);
}

int cl_load_open(struct cl_daemon *daemon, struct cl_err *err)
{
    struct cl_load *load = &daemon->load;

    *load = (struct cl_load){
        .daemon = daemon,
        .loader = {
            .daemon = daemon,
            .child.on_exit = on_exit_loader,
            .watch = { -1, 0, cl_peer_on_event },
            .on_message = on_message,
        },
        .compiler = { .daemon = daemon, .watch = { -1, 0, NULL } },
    };
    cl_list_init(&load->tenants);
    cl_list_init(&load->compiler.child.node);
    cl_timer_init(&load->late, on_late);
    cl_timer_init(&load->restart.timer, on_restart);
    return start_loader(load, err);
}
