/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloche-loader LOG AUDIT [CONFIG]: watches the configuration, opens its files when cloched says so,
 * has them compiled by policyc, and hands cloched what came of it; opens the audit log. It is root,
 * to see what is root's, but has no capability, not even one that it could get.
 * Runs in: cloche-loader, with cloched's control socket at 3 and the state directory at 4.
 * Trusts: cloched; owner and mode of what it opens; of policyc nothing but what passes the checks of
 * policyview and tenantview, which cloched makes again.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "sandbox/base/tenantview.h"
#include "sandbox/load/loader.h"
#include "sandbox/load/owned.h"

enum { LATE_US = 30000000, STATE_FD = CL_CONTROL_FD + 1 };

static struct cl_loader loader_;

void cl_loader_tell(enum cl_msg_type type, void *msg, int fd)
{
    struct cl_err err = CL_ERR_INIT;

    if (cl_msg_send(CL_CONTROL_FD, type, msg, &fd, fd >= 0, &err) < 0)
        _exit(0); /* cloched is gone, and so is everything */
}

/* ------------------------------------------------------------------------------------ a load */

/* `why` NULL: all were answered. */
static void conclude(struct cl_loader *loader, const char *why)
{
    struct cl_msg_ready ready = { .made = (uint32_t)loader->made, .unfit = loader->unfit };
    int fd = loader->compiler.fd;

    cl_timer_stop(&loader->late);
    cl_loop_remove(&loader->loop, &loader->compiler);
    cl_own_close(&fd);
    snprintf(ready.why, sizeof(ready.why), "%s", why ? why : "");
    cl_loader_tell(CL_M_READY, &ready, -1);
}

static void note(struct cl_loader *loader, const char *name, const char *text)
{
    struct cl_msg_refused unfit = { .name = "" };

    loader->unfit++;
    snprintf(unfit.name, sizeof(unfit.name), "%s", name);
    snprintf(unfit.text, sizeof(unfit.text), "%s", text);
    cl_loader_tell(CL_M_UNFIT, &unfit, -1);
}

static bool was_asked(struct cl_loader *loader, const char *name)
{
    for (size_t i = 0; i < loader->asked_count; i++) {
        if (name[0] && strcmp(loader->asked[i], name) == 0) {
            loader->asked[i][0] = '\0';
            return true;
        }
    }
    return false;
}

/* Whose the sources of files.read_only are is seen here only. */
static void check_binds(struct cl_loader *loader, const struct cl_policy *policy)
{
    const char *source = NULL, *target = NULL;
    struct cl_err err = CL_ERR_INIT;

    while (cl_policyview_bind(policy, &source, &target)) {
        if (cl_owned_check(source, &err) < 0) {
            cl_err_context(&err, "policy %s: files.read_only", policy->name);
            note(loader, policy->name, err.text);
            return;
        }
    }
}

static int take_policy(struct cl_loader *loader, struct cl_msg_compiled *msg, int fd,
                       struct cl_err *err)
{
    const struct cl_policy *policy;

    if (msg->kind != CL_SOURCE_POLICY)
        return cl_fail(err, CL_E_LOST, "policyc answered with kind %u", msg->kind);
    policy = cl_policyview_open(fd, err);
    if (!policy)
        return cl_err_context(err, "policyc made a broken policy %s", msg->name);
    const bool is_it = strcmp(policy->name, msg->name) == 0 && was_asked(loader, msg->name);
    if (is_it)
        check_binds(loader, policy);
    cl_policyview_close(policy);
    if (!is_it)
        return cl_fail(err, CL_E_LOST, "policyc answered with policy %s", msg->name);
    loader->made++;
    cl_loader_tell(CL_M_MADE, msg, fd);
    return 0;
}

static int take_tenant(struct cl_loader *loader, struct cl_msg_compiled *msg, int fd,
                       struct cl_err *err)
{
    const struct cl_tenant_file *file = cl_tenantview_open(fd, err);

    if (!file)
        return cl_err_context(err, "policyc made a broken tenant %s", msg->name);
    cl_functions_add(loader, file);
    cl_tenantview_close(file);
    cl_loader_tell(CL_M_MADE, msg, fd);
    return 0;
}

/* Certificate and key may change while the service runs, whether there is any may not. */
static int take_settings(struct cl_loader *loader, int fd, struct cl_err *err)
{
    const struct cl_settings_file *settings = cl_settings_open(fd, err);
    struct cl_err unfit = CL_ERR_INIT;

    if (!settings)
        return -1;
    if (loader->is_begun) {
        cl_settings_compare(loader->begun, settings);
    } else {
        cl_settings_close(loader->begun);
        loader->begun = settings;
    }
    if (cl_settings_has_tls(loader->begun) && cl_settings_has_tls(settings) &&
        cl_pair_load(&loader->pair_loaded, settings, &loader->edits, &unfit) < 0)
        note(loader, "cloche", unfit.text);
    if (settings != loader->begun)
        cl_settings_close(settings);
    return 0;
}

/* 1: that was the last. */
static int take(struct cl_loader *loader, union cl_msg_any *msg, int fd, struct cl_err *err)
{
    if (msg->head.type == CL_M_COMPILED && msg->compiled.kind == CL_SOURCE_SETTINGS)
        return take_settings(loader, fd, err);
    if (msg->head.type == CL_M_COMPILED)
        return msg->compiled.kind == CL_SOURCE_TENANTS
                   ? take_tenant(loader, &msg->compiled, fd, err)
                   : take_policy(loader, &msg->compiled, fd, err);
    if (msg->head.type == CL_M_REFUSED) {
        note(loader, msg->refused.name, msg->refused.text);
        return 0;
    }
    return loader->unfit == 0 && loader->made < loader->asked_count
               ? cl_fail(err, CL_E_LOST, "policyc answered with %zu policies of %zu",
                         loader->made, loader->asked_count)
               : 1;
}

static void on_compiler(struct cl_watch *watch, uint32_t events)
{
    struct cl_loader *loader = cl_list_entry(watch, struct cl_loader, compiler);
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t fd_count = 0;
    struct cl_err err = CL_ERR_INIT;
    int got = cl_msg_recv(watch->fd, CL_WAY_POLICYC_TO_LOADER, &msg, fds, &fd_count, &err);

    (void)events;
    if (got < 0 && err.kind == CL_E_BUSY)
        return;
    int done = got == 1 ? take(loader, &msg, fds[0], &err) : 0;
    for (size_t i = 0; i < fd_count; i++)
        cl_own_close(&fds[i]);
    if (got == 0)
        conclude(loader, "cloche-policyc ended before it was done");
    else if (got < 0 || done != 0)
        conclude(loader, done > 0 ? NULL : err.text);
}

static void on_late(struct cl_timer *timer)
{
    conclude(cl_list_entry(timer, struct cl_loader, late),
             "cloche-policyc took longer than 30 s");
}

static int tell_token(struct cl_err *err)
{
    struct cl_msg_compiled local = { .kind = CL_SOURCE_LOCAL, .name = CL_TENANT_LOCAL_NAME };
    cl_close_auto int token = cl_sources_open_token(STATE_FD, err);

    if (token < 0)
        return -1;
    cl_loader_tell(CL_M_MADE, &local, token);
    return 0;
}

static void load(struct cl_loader *loader, int *compiler)
{
    struct cl_err err = CL_ERR_INIT;

    cl_functions_forget(&loader->loaded, &loader->edits);
    cl_pair_fini(&loader->pair_loaded);
    loader->asked_count = loader->made = loader->unfit = 0;
    loader->compiler = (struct cl_watch){ cl_take_fd(compiler), EPOLLIN, on_compiler };
    cl_timer_start(&loader->loop, &loader->late, cl_clock_us() + LATE_US);
    CL_CHECK(cl_loop_add(&loader->loop, &loader->compiler, &err) == 0);
    if ((!loader->has_loaded && cl_auditlog_check(loader, &err) < 0) || tell_token(&err) < 0 ||
        cl_sources_ask(loader, &err) < 0)
        conclude(loader, err.text);
    loader->has_loaded = true;
}

/* ----------------------------------------------------------------------------------- cloched */

static void put_in_force(struct cl_loader *loader)
{
    cl_functions_forget(&loader->in_force, &loader->edits);
    cl_list_for (struct cl_loader_tenant, tenant, node, &loader->loaded) {
        cl_list_unlink(&tenant->node);
        cl_list_append(&loader->in_force, &tenant->node);
    }
    loader->is_begun = true;
    if (loader->pair_loaded.fd < 0)
        return;
    cl_pair_fini(&loader->pair);
    loader->pair = loader->pair_loaded;
    loader->pair_loaded.fd = -1;
}

static void on_control(struct cl_watch *watch, uint32_t events)
{
    struct cl_loader *loader = cl_list_entry(watch, struct cl_loader, control);
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t fd_count = 0;
    struct cl_err err = CL_ERR_INIT;

    (void)events;
    if (cl_msg_recv(watch->fd, CL_WAY_CLOCHED_TO_LOADER, &msg, fds, &fd_count, &err) <= 0)
        _exit(0);
    switch (msg.head.type) {
    case CL_M_LOAD:
        CL_CHECK(loader->compiler.fd < 0); /* cloched waits for READY */
        if (loader->has_loaded)            /* the first one is before there is an API */
            cl_auditlog_look(loader);
        load(loader, &fds[0]);
        break;
    case CL_M_IN_FORCE:
        put_in_force(loader);
        break;
    case CL_M_GREETED:
        cl_auditlog_greet(loader);
        break;
    default:
        cl_functions_show(loader, true);
        if (loader->pair.fd >= 0)
            cl_loader_tell(CL_M_PAIR, &loader->pair.sizes, loader->pair.fd);
        break;
    }
}

static void on_edit(struct cl_edits *edits)
{
    struct cl_loader *loader = cl_list_entry(edits, struct cl_loader, edits);
    struct cl_msg edited;

    if (edits->is_edited)
        cl_loader_tell(CL_M_EDITED, &edited, -1);
    cl_functions_show(loader, false);
}

static bool on_other(struct cl_edits *edits, int place)
{
    struct cl_loader *loader = cl_list_entry(edits, struct cl_loader, edits);

    if (cl_pair_is_at(&loader->pair, place) || cl_pair_is_at(&loader->pair_loaded, place))
        edits->is_edited = true;
    return cl_functions_on_edit(loader, place) || edits->is_edited;
}

static int start(struct cl_loader *loader, struct cl_err *err)
{
    sigset_t none;

    sigemptyset(&none);
    cl_list_init(&loader->loaded);
    cl_list_init(&loader->in_force);
    loader->pair = loader->pair_loaded = (struct cl_pair)CL_PAIR_INIT;
    cl_timer_init(&loader->late, on_late);
    loader->compiler.fd = -1;
    loader->control = (struct cl_watch){ CL_CONTROL_FD, EPOLLIN, on_control };
    if (cl_fdpass_check(CL_CONTROL_FD, SOCK_SEQPACKET, err) < 0 ||
        cl_loop_open(&loader->loop, &none, err) < 0 ||
        cl_loop_add(&loader->loop, &loader->control, err) < 0)
        return -1;
    if (loader->config &&
        cl_edits_open(&loader->edits, &loader->loop, loader->config, on_edit, err) < 0)
        return -1;
    loader->edits.on_other = on_other;
    return 0;
}

int main(int count, char **args)
{
    struct cl_err err = CL_ERR_INIT;

    cl_log_open("loader", (enum cl_log_level)cl_log_level_parse(count > 1 ? args[1] : "info"));
    loader_.audit = count > 2 ? args[2] : "off";
    loader_.config = count > 3 ? args[3] : NULL;
    loader_.state = STATE_FD;
    if (start(&loader_, &err) < 0 || cl_loop_run(&loader_.loop, &err) < 0) {
        cl_log(CL_ERROR, "loader.lost", "error=\"%s\"", err.text);
        return 1;
    }
    return 0;
}
