/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the cgroup hierarchies and does what is the same on v1 and v2.
 * Runs in: cloched.
 * Trusts: the kernel's /proc/self/mountinfo, /proc/self/cgroup and cgroup files.
 */
#include "sandbox/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

static const char *const controllers[CL_CG_COUNT] = {
    [CL_CG_MEMORY] = "memory",
    [CL_CG_PIDS] = "pids",
    [CL_CG_CPU] = "cpu",
};

/* mountinfo: id parent major:minor root point options [optional...] - type source superoptions */
bool cl_cgroup_parse_mount(const char *line, struct cl_cgroup_mount *mount)
{
    char type[16];
    const char *rest = strstr(line, " - ");

    memset(mount, 0, sizeof(*mount));
    if (!rest || sscanf(line, "%*u %*u %*s %255s %255s ", mount->root, mount->point) != 2 ||
        sscanf(rest, " - %15s %*s %127s", type, mount->options) != 2)
        return false;
    mount->v2 = strcmp(type, "cgroup2") == 0;
    return mount->v2 || strcmp(type, "cgroup") == 0;
}

/* Whether `list`, separated by commas or spaces, has `word`. */
static bool list_has(const char *list, const char *word)
{
    size_t size = strlen(word);

    for (const char *at = list; (at = strstr(at, word)); at += size) {
        if ((at == list || strchr(", ", at[-1])) && strchr(", \n", at[size]))
            return true;
    }
    return false;
}

bool cl_cgroup_mount_has(const struct cl_cgroup_mount *mount, const char *controller)
{
    return !mount->v2 && list_has(mount->options, controller);
}

/* Lines of "7:cpu,cpuacct:/path"; v2's is "0::/path". */
int cl_cgroup_parse_own(const char *text, const char *controller, char *path, size_t size)
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        char list[128] = "", found[256];
        line += *line == '\n';
        bool is_it = sscanf(line, "0::%255[^\n]", found) == 1
                         ? !controller
                         : controller &&
                               sscanf(line, "%*u:%127[^:\n]:%255[^\n]", list, found) == 2 &&
                               list_has(list, controller);
        if (is_it && strlen(found) < size) {
            strcpy(path, found);
            return 0;
        }
    }
    return -1;
}

int cl_cgroup_path(const struct cl_cgroup_mount *mount, const char *path, char *out,
                   size_t size)
{
    size_t root = strcmp(mount->root, "/") == 0 ? 0 : strlen(mount->root);

    if (strncmp(path, mount->root, root) != 0 || (path[root] != '/' && path[root] != '\0'))
        return -1;
    int length = snprintf(out, size, "%s%s", mount->point, path + root);
    return length > 0 && (size_t)length < size ? 0 : -1;
}

static int open_own(const struct cl_cgroup_mount *mount, const char *own,
                    const char *controller)
{
    char path[256], full[512];

    if (cl_cgroup_parse_own(own, controller, path, sizeof(path)) < 0 ||
        cl_cgroup_path(mount, path, full, sizeof(full)) < 0)
        return -1;
    return open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* v2 counts only if every controller is there: hybrid hosts keep them on v1. */
static bool has_all(int dir)
{
    struct cl_err err;
    char text[512];
    ssize_t length = cl_file_get(dir, "cgroup.controllers", text, sizeof(text), &err);

    for (size_t i = 0; i < CL_CG_COUNT; i++) {
        if (length <= 0 || !list_has(text, controllers[i]))
            return false;
    }
    return true;
}

static void find_mount(struct cl_cgroup_host *v1, int *v2, const struct cl_cgroup_mount *mount,
                       const char *own)
{
    if (mount->v2) {
        cl_close_auto int dir = open_own(mount, own, NULL);
        if (dir >= 0 && *v2 < 0 && has_all(dir))
            *v2 = cl_take_fd(&dir);
        return;
    }
    for (size_t i = 0; i < CL_CG_COUNT; i++) {
        if (v1->own.dirs[i] < 0 && cl_cgroup_mount_has(mount, controllers[i]))
            v1->own.dirs[i] = open_own(mount, own, controllers[i]);
    }
}

static int settle_on(struct cl_cgroup_host *host, int v2, struct cl_err *err)
{
    host->ops = v2 >= 0 ? &cl_cgroup_v2 : &cl_cgroup_v1;
    host->dir_count = v2 >= 0 ? 1 : CL_CG_COUNT;
    if (v2 >= 0) {
        cl_cgroup_close(&host->own);
        host->own.dirs[CL_CG_V2] = v2;
    }
    for (size_t i = 0; i < host->dir_count; i++) {
        if (host->own.dirs[i] < 0)
            return cl_fail(err, CL_E_DENIED, "this host has no cgroup controller %s",
                           controllers[i]);
    }
    return host->ops->own_open ? host->ops->own_open(host, err) : 0;
}

int cl_cgroup_find(struct cl_cgroup_host *host, const char *instance, struct cl_err *err)
{
    cl_fclose_auto FILE *mounts = fopen("/proc/self/mountinfo", "re");
    cl_free_auto char *line = NULL;
    struct cl_cgroup_mount mount;
    char own[4096];
    size_t size = 0;
    int v2 = -1;

    *host = (struct cl_cgroup_host){ .own = CL_CGROUP_INIT, .base = CL_CGROUP_INIT };
    snprintf(host->name, sizeof(host->name), "cloche.%s", instance);
    if (!mounts)
        return cl_fail(err, CL_E_SYS, "open /proc/self/mountinfo");
    if (cl_file_get(AT_FDCWD, "/proc/self/cgroup", own, sizeof(own), err) < 0)
        return -1;
    while (getline(&line, &size, mounts) > 0) {
        if (cl_cgroup_parse_mount(line, &mount))
            find_mount(host, &v2, &mount, own);
    }

    return settle_on(host, v2, err);
}

void cl_cgroup_close(struct cl_cgroup *group)
{
    for (size_t i = 0; i < CL_CG_COUNT; i++)
        cl_own_close(&group->dirs[i]);
}

static int open_below(const struct cl_cgroup_host *host, const struct cl_cgroup *above,
                      const char *name, struct cl_cgroup *group, struct cl_err *err)
{
    *group = (struct cl_cgroup)CL_CGROUP_INIT;
    for (size_t i = 0; i < host->dir_count; i++) {
        group->dirs[i] = cl_file_dir(above->dirs[i], name, 0755, err);
        if (group->dirs[i] < 0) {
            cl_cgroup_close(group);
            return cl_err_context(err, "cgroup");
        }
    }
    return 0;
}

int cl_cgroup_delegate(const struct cl_cgroup_ops *ops, int dir, struct cl_err *err)
{
    return ops->delegated ? cl_file_put(dir, "cgroup.subtree_control", ops->delegated, err) : 0;
}

int cl_cgroup_base_open(struct cl_cgroup_host *host, struct cl_err *err)
{
    if (open_below(host, &host->own, host->name, &host->base, err) < 0)
        return -1;
    return cl_cgroup_delegate(host->ops, host->base.dirs[0], err);
}

int cl_cgroup_zygote_open(const struct cl_cgroup_host *host, unsigned k,
                          struct cl_cgroup *zygote, struct cl_err *err)
{
    char name[16];

    snprintf(name, sizeof(name), "z%u", k);
    return open_below(host, &host->base, name, zygote, err);
}

int cl_cgroup_zygote_enter(const struct cl_cgroup_host *host, const struct cl_cgroup *zygote,
                           struct cl_err *err)
{
    for (size_t i = 0; i < host->dir_count; i++) {
        cl_close_auto int leaf = cl_file_dir(zygote->dirs[i], "zygote", 0755, err);
        /* On v2 its cgroup namespace has to be rooted above the slots, for it to clone into
         * them. */
        int first = host->ops == &cl_cgroup_v2 ? zygote->dirs[i] : leaf;
        if (leaf < 0 || cl_file_put(first, "cgroup.procs", "0", err) < 0)
            return cl_err_context(err, "enter the zygote's cgroup");
    }
    return 0;
}

uint64_t cl_cgroup_counter(int fd, const char *key)
{
    char text[256];
    uint64_t value = 0;
    ssize_t length = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

    if (length <= 0)
        return 0;
    text[length] = '\0';
    if (!key)
        return strtoull(text, NULL, 10);
    return cl_file_keyed_u64(text, key, &value) < 0 ? 0 : value;
}

void cl_cgroup_slot_usage(const struct cl_slot *slot, struct cl_cgroup_usage *usage)
{
    const struct cl_cgroup_usage *base = &slot->base;
    const int *from = slot->counters;

    usage->memory_peak_bytes = cl_cgroup_counter(from[CL_CG_PEAK], NULL);
    usage->oom_kills =
        (uint32_t)cl_cgroup_counter(from[CL_CG_OOM], "oom_kill") - base->oom_kills;
    usage->pids_refused =
        (uint32_t)cl_cgroup_counter(from[CL_CG_PIDS_EVENTS], "max") - base->pids_refused;
}

/* From here on they count anew. */
static void set_base(struct cl_slot *slot)
{
    slot->base = (struct cl_cgroup_usage){ 0 };
    cl_cgroup_slot_usage(slot, &slot->base);
}

int cl_cgroup_slot_open(const struct cl_cgroup_host *host, const struct cl_cgroup *zygote,
                        struct cl_slot *slot, struct cl_err *err)
{
    const struct cl_policy *policy = slot->policy;
    char name[16];

    slot->procs = (struct cl_cgroup)CL_CGROUP_INIT;
    for (size_t i = 0; i < CL_CG_COUNTERS; i++)
        slot->counters[i] = -1;
    slot->narrowed = false;
    snprintf(name, sizeof(name), "s%u", slot->number);
    if (open_below(host, zygote, name, &slot->group, err) < 0)
        return -1;
    if (host->ops->slot_prepare(slot, err) < 0 ||
        host->ops->slot_limit(slot, policy->memory_bytes, policy->processes, err) < 0) {
        cl_cgroup_slot_close(slot);
        return -1;
    }
    set_base(slot);
    return 0;
}

void cl_cgroup_slot_close(struct cl_slot *slot)
{
    cl_cgroup_close(&slot->group);
    cl_cgroup_close(&slot->procs);
    for (size_t i = 0; i < CL_CG_COUNTERS; i++)
        cl_own_close(&slot->counters[i]);
}

/* Whatever cannot be read is in use. */
bool cl_cgroup_slot_is_empty(const struct cl_slot *slot)
{
    char text[8];

    return pread(slot->counters[CL_CG_TASKS], text, sizeof(text), 0) == 2 &&
           memcmp(text, "0\n", 2) == 0;
}

int cl_cgroup_kill(const struct cl_cgroup *group)
{
    struct cl_err err;

    return cl_file_put(group->dirs[CL_CG_V2], "cgroup.kill", "1", &err);
}

static int remake(const struct cl_cgroup_host *host, const struct cl_cgroup *zygote,
                  struct cl_slot *slot, struct cl_err *err)
{
    char name[16];

    cl_cgroup_slot_close(slot);
    snprintf(name, sizeof(name), "s%u", slot->number);
    for (size_t i = 0; i < host->dir_count; i++) {
        if (unlinkat(zygote->dirs[i], name, AT_REMOVEDIR) < 0)
            return cl_fail(err, CL_E_SYS, "remove cgroup %s", name);
    }
    return cl_cgroup_slot_open(host, zygote, slot, err);
}

uint64_t cl_cgroup_slot_memory(const struct cl_cgroup_host *host, const struct cl_slot *slot)
{
    struct cl_err err;
    uint64_t bytes = 0;

    cl_file_get_u64(slot->group.dirs[CL_CG_MEMORY], host->ops->memory_now, &bytes, &err);
    return bytes;
}

int cl_cgroup_slot_recycle(const struct cl_cgroup_host *host, const struct cl_cgroup *zygote,
                           struct cl_slot *slot, struct cl_err *err)
{
    const struct cl_policy *policy = slot->policy;

    if (slot->narrowed &&
        host->ops->slot_limit(slot, policy->memory_bytes, policy->processes, err) < 0)
        return -1;
    slot->narrowed = false;
    if (host->ops->slot_reset(slot) < 0)
        return remake(host, zygote, slot, err);
    set_base(slot);
    return 0;
}
