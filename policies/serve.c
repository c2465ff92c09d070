/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers cloched: takes SOURCE messages, compiles at COMPILE, sends every policy, every
 * tenant and every problem, then DONE.
 * Runs in: cloche-policyc serve, confined.
 * Trusts: cloched for who may edit the files; nothing that is in them.
 */
#include "policies/serve.h"

#include <stdio.h>
#include <string.h>

#include "policies/input.h"
#include "policies/pack.h"
#include "policies/policy.h"
#include "policies/report.h"
#include "policies/set.h"
#include "policies/settings.h"
#include "policies/tenants.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/own.h"
#include "sandbox/base/tenantview.h"
#include "sandbox/base/wire.h"

enum { REFUSED_MAX = 512 }; /* what is told of one set, however much is wrong */

struct serve {
    int socket;
    struct cl_set *set;           /* owned */
    struct cl_tenants *tenants;   /* owned; NULL: none were sent */
    struct cl_settings *settings; /* likewise */
    struct cl_report report;
    uint32_t compiled, refused;
};

static int send_refused(struct serve *serve, const char *name, const char *text,
                        struct cl_err *err)
{
    union cl_msg_any msg;

    memset(&msg, 0, sizeof(msg));
    snprintf(msg.refused.name, sizeof(msg.refused.name), "%s", name);
    snprintf(msg.refused.text, sizeof(msg.refused.text), "%s", text);
    serve->refused++;
    return cl_msg_send(serve->socket, CL_M_REFUSED, &msg, NULL, 0, err);
}

static int take_tenants(struct serve *serve, int fd, struct cl_err *err)
{
    struct cl_err unread = CL_ERR_INIT;

    if (fd < 0 || serve->tenants)
        return cl_fail(err, CL_E_LOST, "tenants without a file, or twice");
    serve->tenants = cl_input_tenants("tenants.yaml", fd, &serve->report, &unread);
    return serve->tenants ? 0 : send_refused(serve, "tenants", unread.text, err);
}

static int take_settings(struct serve *serve, int fd, struct cl_err *err)
{
    struct cl_err unread = CL_ERR_INIT;

    if (fd < 0 || serve->settings)
        return cl_fail(err, CL_E_LOST, "settings without a file, or twice");
    serve->settings = cl_input_settings("cloche.yaml", fd, &serve->report, &unread);
    return serve->settings ? 0 : send_refused(serve, "cloche", unread.text, err);
}

static int take_source(struct serve *serve, const struct cl_msg_source *source, int fd,
                       struct cl_err *err)
{
    struct cl_err unread = CL_ERR_INIT;
    char path[CL_NAME_MAX + 8];

    if (source->kind == CL_SOURCE_TENANTS)
        return take_tenants(serve, fd, err);
    if (source->kind == CL_SOURCE_SETTINGS)
        return take_settings(serve, fd, err);
    if (source->embedded) {
        cl_set_add_embedded(serve->set, source->name, &serve->report);
        return 0;
    }
    snprintf(path, sizeof(path), "%s.yaml", source->name);
    if (cl_input_fd(serve->set, source->name, path, fd, &serve->report, &unread) < 0)
        return send_refused(serve, source->name, unread.text, err);
    return 0;
}

static int send_compiled(struct serve *serve, const struct cl_spec *spec, struct cl_err *err)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(CL_POLICY_BYTES_MAX);
    struct cl_err fault = CL_ERR_INIT;
    union cl_msg_any msg;

    cl_close_auto int file =
        cl_pack_make(spec, &buf, &fault) < 0 ? -1 : cl_pack_seal(&buf, &fault);
    if (file < 0)
        return send_refused(serve, spec->name, fault.text, err);

    memset(&msg, 0, sizeof(msg));
    memcpy(msg.compiled.name, spec->name, sizeof(msg.compiled.name));
    serve->compiled++;
    return cl_msg_send(serve->socket, CL_M_COMPILED, &msg, &file, 1, err);
}

static int send_tenant(struct serve *serve, const struct cl_tenant_file *tenant,
                       struct cl_err *err)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(sizeof(*tenant));
    struct cl_err fault = CL_ERR_INIT;
    union cl_msg_any msg;
    cl_close_auto int file = -1;

    if (cl_tenantview_check(tenant, sizeof(*tenant), &fault) == 0 &&
        cl_buf_put(&buf, tenant, sizeof(*tenant), &fault) == 0)
        file = cl_pack_seal(&buf, &fault);
    if (file < 0)
        return send_refused(serve, tenant->name, fault.text, err);

    memset(&msg, 0, sizeof(msg));
    msg.compiled.kind = CL_SOURCE_TENANTS;
    memcpy(msg.compiled.name, tenant->name, sizeof(msg.compiled.name));
    serve->compiled++;
    return cl_msg_send(serve->socket, CL_M_COMPILED, &msg, &file, 1, err);
}

static int send_tenants(struct serve *serve, struct cl_err *err)
{
    struct cl_tenants *tenants = serve->tenants;

    if (!tenants || cl_tenants_check(tenants, serve->set, &serve->report) < 0)
        return 0;
    for (size_t i = 0; i < tenants->count; i++) {
        if (send_tenant(serve, &tenants->entries[i].file, err) < 0)
            return -1;
    }
    return 0;
}

static int send_settings(struct serve *serve, struct cl_err *err)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(sizeof(serve->settings->file));
    struct cl_err fault = CL_ERR_INIT;
    union cl_msg_any msg;
    cl_close_auto int file = -1;

    if (!serve->settings || serve->settings->is_refused)
        return 0;
    if (cl_buf_put(&buf, &serve->settings->file, sizeof(serve->settings->file), &fault) == 0)
        file = cl_pack_seal(&buf, &fault);
    if (file < 0)
        return send_refused(serve, "cloche", fault.text, err);
    memset(&msg, 0, sizeof(msg));
    msg.compiled.kind = CL_SOURCE_SETTINGS;
    snprintf(msg.compiled.name, sizeof(msg.compiled.name), "cloche");
    serve->compiled++;
    return cl_msg_send(serve->socket, CL_M_COMPILED, &msg, &file, 1, err);
}

static int send_problems(struct serve *serve, struct cl_err *err)
{
    char text[sizeof(((struct cl_msg_refused *)0)->text)];

    for (size_t i = 0; i < serve->report.count && serve->refused < REFUSED_MAX; i++) {
        const struct cl_problem *problem = &serve->report.problems[i];
        if (problem->is_warning)
            continue;
        cl_report_format(problem, text, sizeof(text));
        if (send_refused(serve, problem->place.doc ? problem->place.doc->name : "", text, err) <
            0)
            return -1;
    }
    return 0;
}

static int compile(struct serve *serve, struct cl_err *err)
{
    union cl_msg_any msg;

    /* By index: resolving may add embedded parents, which nobody asked for. */
    for (size_t i = 0; i < serve->set->count; i++) {
        struct cl_set_entry *entry = &serve->set->entries[i];
        if (!entry->is_asked)
            continue;
        const struct cl_spec *spec = cl_set_resolve(serve->set, entry, &serve->report);
        if (spec && send_compiled(serve, spec, err) < 0)
            return -1;
    }
    if (send_tenants(serve, err) < 0 || send_settings(serve, err) < 0)
        return -1;
    cl_report_sort(&serve->report);
    if (send_problems(serve, err) < 0)
        return -1;
    memset(&msg, 0, sizeof(msg));
    msg.done.compiled = serve->compiled;
    msg.done.refused = serve->refused;
    return cl_msg_send(serve->socket, CL_M_DONE, &msg, NULL, 0, err);
}

/* Returns 1 to go on, 0 when DONE was sent. */
static int one_message(struct serve *serve, struct cl_err *err)
{
    union cl_msg_any msg;
    int fds[CL_FDPASS_MAX];
    size_t fd_count = 0;
    int got = cl_msg_recv(serve->socket, CL_WAY_LOADER_TO_POLICYC, &msg, fds, &fd_count, err);

    if (got < 0)
        return -1;
    if (got == 0)
        return cl_fail(err, CL_E_LOST, "cloched left before COMPILE");
    if (msg.head.type == CL_M_COMPILE)
        return compile(serve, err);

    cl_close_auto int file = fd_count > 0 ? fds[0] : -1;
    return take_source(serve, &msg.source, file, err) < 0 ? -1 : 1;
}

int cl_serve_run(int socket, struct cl_err *err)
{
    struct serve serve = { .socket = socket, .set = cl_set_new(), .report = CL_REPORT_INIT };
    int go_on = 1;

    while (go_on == 1)
        go_on = one_message(&serve, err);
    cl_set_free(serve.set);
    cl_tenants_free(serve.tenants);
    cl_settings_free(serve.settings);
    cl_report_fini(&serve.report);
    return go_on;
}
