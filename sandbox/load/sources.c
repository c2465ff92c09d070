/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens the admin's files and hands them to policyc.
 * Runs in: cloche-loader.
 * Trusts: owner and mode of an opened file; nothing of what is in it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/base/own.h"
#include "sandbox/load/loader.h"
#include "sandbox/load/owned.h"

static const char *const embedded[] = { "default", "strict" };
/* Beside the directory of policies; each may be missing. */
static const struct beside {
    const char *file;
    struct cl_msg_source source;
} besides[] = {
    { "tenants.yaml", { .kind = CL_SOURCE_TENANTS, .name = "tenants" } },
    { "cloche.yaml", { .kind = CL_SOURCE_SETTINGS, .name = "cloche" } },
};

int cl_sources_check_name(const char *name, size_t length)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    const size_t first = sizeof("abcdefghijklmnopqrstuvwxyz0123456789") - 1;

    if (length == 0 || length >= CL_NAME_MAX || !memchr(allowed, name[0], first))
        return -1;
    for (size_t i = 1; i < length; i++)
        if (!memchr(allowed, name[i], sizeof(allowed) - 1))
            return -1;
    return 0;
}

/* fd -1: the shipped policy of that name. */
static int ask(struct cl_loader *loader, const char *name, int fd, struct cl_err *err)
{
    struct cl_msg_source source = { .embedded = fd < 0 };

    if (loader->asked_count == CL_LOADER_SOURCES_MAX)
        return cl_fail(err, CL_E_LIMIT, "more than %d policies", CL_LOADER_SOURCES_MAX);
    snprintf(source.name, sizeof(source.name), "%s", name);
    memcpy(loader->asked[loader->asked_count++], source.name, sizeof(source.name));
    return cl_msg_send(loader->compiler.fd, CL_M_SOURCE, &source, &fd, fd >= 0, err);
}

static bool is_asked(const struct cl_loader *loader, const char *name)
{
    for (size_t i = 0; i < loader->asked_count; i++) {
        if (strcmp(loader->asked[i], name) == 0)
            return true;
    }
    return false;
}

static int ask_file(struct cl_loader *loader, int dir, const char *file, struct cl_err *err)
{
    const char *dot = strrchr(file, '.');
    char name[CL_NAME_MAX];
    struct stat found;

    if (file[0] == '.' || !dot || (strcmp(dot, ".yaml") != 0 && strcmp(dot, ".yml") != 0))
        return 0; /* an editor's leftovers, a README */
    if (strcmp(dot, ".yaml") != 0 || cl_sources_check_name(file, (size_t)(dot - file)) < 0)
        return cl_fail(err, CL_E_INPUT,
                       "policies/%s: a policy file is named <name>.yaml, the "
                       "name of a-z 0-9 _ -",
                       file);
    snprintf(name, sizeof(name), "%.*s", (int)(dot - file), file);

    cl_close_auto int fd = cl_owned_file(dir, "policies", file, &found, err);
    if (fd < 0)
        return -1;
    return ask(loader, name, fd, err);
}

static int ask_folder(struct cl_loader *loader, int config, struct cl_err *err)
{
    cl_closedir_auto DIR *folder = NULL;
    cl_close_auto int dir = cl_owned_dir(config, "policies", err);
    struct dirent *entry;

    if (dir < 0)
        return err->kind == CL_E_SYS && err->sys == ENOENT ? 0 : -1;
    folder = fdopendir(dup(dir));
    if (!folder)
        return cl_fail(err, CL_E_SYS, "read policies");
    while ((entry = readdir(folder))) {
        if (ask_file(loader, dir, entry->d_name, err) < 0)
            return -1;
    }
    return 0;
}

static int ask_beside(struct cl_loader *loader, int config, const struct beside *beside,
                      struct cl_err *err)
{
    struct cl_msg_source source = beside->source;
    struct stat found;

    if (faccessat(config, beside->file, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
        if (source.kind == CL_SOURCE_SETTINGS && loader->is_begun)
            cl_settings_compare(loader->begun, NULL);
        return 0;
    }
    cl_close_auto int fd =
        cl_owned_file(config, "the configuration", beside->file, &found, err);
    if (fd < 0)
        return -1;
    return cl_msg_send(loader->compiler.fd, CL_M_SOURCE, &source, &fd, 1, err);
}

static int ask_config(struct cl_loader *loader, const char *path, struct cl_err *err)
{
    cl_close_auto int config = cl_owned_dir(AT_FDCWD, path, err);

    if (config < 0)
        return -1;
    for (size_t i = 0; i < CL_COUNT(besides); i++) {
        if (ask_beside(loader, config, &besides[i], err) < 0)
            return -1;
    }
    return ask_folder(loader, config, err);
}

int cl_sources_ask(struct cl_loader *loader, struct cl_err *err)
{
    struct cl_msg compile;

    if (loader->config && ask_config(loader, loader->config, err) < 0)
        return -1;
    for (size_t i = 0; i < CL_COUNT(embedded); i++) {
        if (!is_asked(loader, embedded[i]) && ask(loader, embedded[i], -1, err) < 0)
            return -1;
    }
    return cl_msg_send(loader->compiler.fd, CL_M_COMPILE, &compile, NULL, 0, err);
}
