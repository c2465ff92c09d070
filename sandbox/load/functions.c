/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows the files of each tenant's functions_dir to the API, by way of cloched.
 * Runs in: cloche-loader. It never reads a byte of those files.
 * Trusts: the owner and mode of each directory and file as opened.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/load/loader.h"
#include "sandbox/load/owned.h"

enum { FILE_BYTES_MAX = 1 << 20, NAMED_MAX = 50 /* lines of the log for one set */ };

void cl_functions_add(struct cl_loader *loader, const struct cl_tenant_file *file)
{
    if (!file->functions_dir[0])
        return;
    struct cl_loader_tenant *tenant = cl_own_new(sizeof(*tenant));
    memcpy(tenant->name, file->name, sizeof(tenant->name));
    memcpy(tenant->path, file->functions_dir, sizeof(tenant->path));
    tenant->place = -1;
    cl_list_append(&loader->loaded, &tenant->node);
}

void cl_functions_forget(struct cl_list *tenants, struct cl_edits *edits)
{
    cl_list_for (struct cl_loader_tenant, tenant, node, tenants) {
        cl_edits_leave(edits, tenant->place);
        cl_list_unlink(&tenant->node);
        free(tenant);
    }
}

static void note(struct cl_msg_functions *set, const char *text)
{
    snprintf(set->text, sizeof(set->text), "%s", text);
    if (set->refused++ < NAMED_MAX)
        cl_log(CL_WARN, "functions.left_out", "tenant=%s what=\"%s\"", set->tenant, text);
}

static void show_file(int dir, const char *name, struct cl_msg_functions *set)
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
    else if (fd >= 0 && set->count == CL_LOADER_FUNCTIONS_MAX)
        cl_fail(&err, CL_E_LIMIT, "%s: more than %d files", name, CL_LOADER_FUNCTIONS_MAX);
    if (err.kind) {
        note(set, err.text);
        return;
    }
    memcpy(msg.tenant, set->tenant, sizeof(msg.tenant));
    memcpy(msg.name, name, (size_t)(dot - name));
    cl_loader_tell(CL_M_FILE, &msg, fd);
    set->count++;
}

static void show(struct cl_loader *loader, struct cl_loader_tenant *tenant)
{
    struct cl_msg_functions set = { .count = 0 };
    struct cl_err err = CL_ERR_INIT;
    struct dirent *entry;

    /* Before it is read: what comes after is heard of. */
    tenant->place = cl_edits_watch(&loader->edits, tenant->path, tenant->place);
    memcpy(set.tenant, tenant->name, sizeof(set.tenant));
    int dir = cl_owned_check(tenant->path, &err) < 0
                  ? -1
                  : cl_owned_dir(AT_FDCWD, tenant->path, &err);
    cl_closedir_auto DIR *folder = dir < 0 ? NULL : fdopendir(dir);
    if (!folder)
        note(&set, err.text);
    while (folder && (entry = readdir(folder)))
        show_file(dir, entry->d_name, &set);
    cl_loader_tell(CL_M_FILES, &set, -1);
}

void cl_functions_show(struct cl_loader *loader, bool all)
{
    cl_list_for (struct cl_loader_tenant, tenant, node, &loader->in_force) {
        if (tenant->is_stale || all)
            show(loader, tenant);
        tenant->is_stale = false;
    }
}

bool cl_functions_on_edit(struct cl_loader *loader, int place)
{
    bool is_one = false;

    cl_list_for (struct cl_loader_tenant, tenant, node, &loader->in_force) {
        if (tenant->place == place)
            is_one = tenant->is_stale = true;
    }
    return is_one;
}
