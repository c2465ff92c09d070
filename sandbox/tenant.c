/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the tenants in force, and shows the files of their functions_dir to the API.
 * Runs in: cloched. It never reads a byte of those files.
 * Trusts: what passed tenantview; the owner and mode of each directory and file as opened.
 */
#include "sandbox/tenant.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "sandbox/base/own.h"
#include "sandbox/base/tenantview.h"
#include "sandbox/daemon.h"
#include "sandbox/owned.h"

enum { FILES_MAX = 512, FILE_BYTES_MAX = 1 << 20 };

struct cl_tenant *cl_tenant_new(const struct cl_tenant_file *file, int *fd)
{
    struct cl_tenant *tenant = calloc(1, sizeof(*tenant));

    CL_CHECK(tenant);
    cl_list_init(&tenant->node);
    tenant->file = file;
    tenant->fd = cl_take_fd(fd);
    tenant->place = -1;
    return tenant;
}

void cl_tenant_free(struct cl_tenant *tenant)
{
    cl_list_unlink(&tenant->node);
    if (tenant->file) {
        cl_tenantview_close(tenant->file);
        cl_own_close(&tenant->fd);
    }
    free(tenant);
}

const char *cl_tenant_name(const struct cl_tenant *tenant)
{
    return tenant->file ? tenant->file->name : CL_TENANT_LOCAL_NAME;
}

bool cl_tenant_may_use(const struct cl_tenant *tenant, const char *policy)
{
    for (uint32_t i = 0; tenant->file && i < tenant->file->policy_count; i++) {
        if (strcmp(tenant->file->policies[i], policy) == 0)
            return true;
    }
    return !tenant->file;
}

/* -------------------------------------------------------------------------------- functions */

static void note(struct cl_msg_functions *set, const char *text)
{
    if (set->refused++ == 0)
        snprintf(set->text, sizeof(set->text), "%s", text);
}

static void tell_file(struct cl_daemon *daemon, int dir, const char *name,
                      struct cl_msg_functions *set)
{
    const char *dot = strrchr(name, '.');
    struct cl_msg_function msg = { .name = "" };
    struct cl_err err = CL_ERR_INIT;
    struct stat found = { .st_size = 0 };

    if (name[0] == '.' || !dot || strcmp(dot, ".py") != 0)
        return;
    cl_close_auto int fd = cl_owned_file(dir, "functions_dir", name, &found, &err);
    if (fd >= 0 && (dot - name >= CL_NAME_MAX || found.st_size > FILE_BYTES_MAX))
        cl_fail(&err, CL_E_LIMIT, "%s: its name or content is too long", name);
    if (fd >= 0 && set->count == FILES_MAX)
        cl_fail(&err, CL_E_LIMIT, "%s: more than %d files", name, FILES_MAX);
    if (err.kind) {
        note(set, err.text);
        return;
    }
    memcpy(msg.tenant, set->tenant, sizeof(msg.tenant));
    memcpy(msg.name, name, (size_t)(dot - name));
    cl_front_send(&daemon->front, CL_M_FUNCTION, &msg, &fd);
    set->count++;
}

static void tell(struct cl_daemon *daemon, struct cl_tenant *tenant)
{
    const char *path = tenant->file->functions_dir;
    struct cl_msg_functions set = { .count = 0 };
    struct cl_err err = CL_ERR_INIT;
    struct dirent *entry;

    /* Before it is read: what comes after is heard of. */
    tenant->place = cl_edits_watch(&daemon->edits, path, tenant->place);
    memcpy(set.tenant, tenant->file->name, sizeof(set.tenant));
    int dir = cl_owned_check(path, &err) < 0 ? -1 : cl_owned_dir(AT_FDCWD, path, &err);
    cl_closedir_auto DIR *folder = dir < 0 ? NULL : fdopendir(dir);
    if (!folder)
        note(&set, err.text);
    while (folder && (entry = readdir(folder)))
        tell_file(daemon, dir, entry->d_name, &set);
    cl_front_send(&daemon->front, CL_M_FUNCTIONS, &set, NULL);
}

void cl_tenant_tell_next(struct cl_daemon *daemon)
{
    cl_list_for (struct cl_tenant, tenant, node, &daemon->tenants) {
        if (!daemon->front.is_greeted || daemon->front.queued > 0)
            return; /* called again when the API has read what there is */
        if (tenant->is_stale) {
            tenant->is_stale = false;
            tell(daemon, tenant);
        }
    }
}

void cl_tenant_tell_all(struct cl_daemon *daemon)
{
    cl_list_for (struct cl_tenant, tenant, node, &daemon->tenants)
        tenant->is_stale = tenant->file && tenant->file->functions_dir[0];
    cl_tenant_tell_next(daemon);
}

bool cl_tenant_on_edit(struct cl_daemon *daemon, int place)
{
    bool is_one = false;

    cl_list_for (struct cl_tenant, tenant, node, &daemon->tenants) {
        if (tenant->place == place)
            is_one = tenant->is_stale = true;
    }
    return is_one;
}
