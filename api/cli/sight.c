/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a jail off the host's /proc and cgroup files.
 * Runs in: cloche, as root, for the demonstration of `make run`.
 * Trusts: the kernel; a worker can't change any of this but its name.
 */
#include "api/cli/sight.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

enum { PROC_TEXT = 64 << 10 };

/* cgroup v1 says "no limit" with a number of about this size. */
#define NO_LIMIT (UINT64_C(1) << 60)

/* A file of /proc/PID as text; "" when it can't be read. The caller frees it. */
static char *proc_text(pid_t pid, const char *name)
{
    struct cl_err err = CL_ERR_INIT;
    char path[64];
    char *text = calloc(1, PROC_TEXT);

    CL_CHECK(text);
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    if (cl_file_get(AT_FDCWD, path, text, PROC_TEXT, &err) < 0)
        text[0] = '\0';
    return text;
}

/* What follows `key` at the start of a line; "" when there is no such line. */
static const char *after(const char *text, const char *key)
{
    const size_t length = strlen(key);

    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0)
            return line + length;
    }
    return "";
}

static uint64_t number_after(const char *text, const char *key, int base)
{
    return strtoull(after(text, key), NULL, base);
}

static unsigned count_lines(const char *text)
{
    unsigned count = 0;

    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void see_pids(struct cl_sight *sight, const char *status)
{
    const char *at = after(status, "NSpid:");
    char *end = NULL;

    for (unsigned long pid = strtoul(at, &end, 10); end != at; pid = strtoul(at, &end, 10)) {
        sight->pid_inside = (unsigned)pid;
        sight->levels++;
        at = end;
        if (*at == '\n')
            break;
    }
    sight->levels -= sight->levels > 0;
}

static void see_status(struct cl_sight *sight)
{
    static const char *const sets[] = { "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:" };
    cl_free_auto char *status = proc_text(sight->pid, "status");

    sight->uid = (unsigned)number_after(status, "Uid:", 10);
    sight->gid = (unsigned)number_after(status, "Gid:", 10);
    sight->seccomp = (unsigned)number_after(status, "Seccomp:", 10);
    sight->filters = (unsigned)number_after(status, "Seccomp_filters:", 10);
    sight->no_new_privs = (unsigned)number_after(status, "NoNewPrivs:", 10);
    for (size_t i = 0; i < CL_COUNT(sets); i++)
        sight->capabilities |= number_after(status, sets[i], 16);
    see_pids(sight, status);
}

static void see_namespaces(struct cl_sight *sight)
{
    static const char *const names[] = { "user", "mnt", "pid",    "net",
                                         "ipc",  "uts", "cgroup", "time" };

    for (size_t i = 0; i < CL_COUNT(names); i++) {
        char path[64];
        char theirs[64] = "";
        char ours[64] = "";
        char *list;

        snprintf(path, sizeof(path), "/proc/%d/ns/%s", sight->pid, names[i]);
        if (readlink(path, theirs, sizeof(theirs) - 1) < 0)
            continue;
        snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
        if (readlink(path, ours, sizeof(ours) - 1) < 0)
            continue;
        list = strcmp(theirs, ours) == 0 ? sight->shared : sight->own;
        snprintf(list + strlen(list), sizeof(sight->own) - strlen(list), "%s%s",
                 *list ? " " : "", names[i]);
    }
}

/* The id inside that belongs to a host id, from "inside outside count" lines. */
static unsigned see_inside(pid_t pid, unsigned id)
{
    cl_free_auto char *map = proc_text(pid, "uid_map");
    const char *at = map;
    unsigned inside, outside, count;

    while (sscanf(at, "%u %u %u", &inside, &outside, &count) == 3) {
        if (id >= outside && id - outside < count)
            return inside + (id - outside);
        at = strchr(at, '\n');
        if (!at)
            break;
        at++;
    }
    return id;
}

/* One file of the group that a process is in. Lines of `groups` are "id:controllers:/path"; v2 has
 * the id 0 and no controllers. 0 when there is none or it says "max". */
static uint64_t cgroup_number(const char *groups, const char *controller, const char *v1_file,
                              const char *v2_file)
{
    struct cl_err err = CL_ERR_INIT;
    char key[32];
    char path[512];
    uint64_t value = 0;
    const char *group;

    snprintf(key, sizeof(key), ":%s:", controller);
    group = strstr(groups, key);
    if (group) {
        group += strlen(key);
        snprintf(path, sizeof(path), "/sys/fs/cgroup/%s%.*s/%s", controller,
                 (int)strcspn(group, "\n"), group, v1_file);
    } else {
        group = after(groups, "0::");
        snprintf(path, sizeof(path), "/sys/fs/cgroup%.*s/%s", (int)strcspn(group, "\n"), group,
                 v2_file);
    }
    if (cl_file_get_u64(AT_FDCWD, path, &value, &err) < 0 || value >= NO_LIMIT)
        return 0;
    return value;
}

static void see_cgroup(struct cl_sight *sight)
{
    cl_free_auto char *groups = proc_text(sight->pid, "cgroup");
    const char *name = strstr(groups, "/cloche.");

    if (name)
        snprintf(sight->cgroup, sizeof(sight->cgroup), "%.*s", (int)strcspn(name, "\n"), name);
    sight->memory_bytes =
        cgroup_number(groups, "memory", "memory.limit_in_bytes", "memory.max");
    sight->processes = cgroup_number(groups, "pids", "pids.max", "pids.max");
}

static unsigned count_fds(pid_t pid)
{
    char path[64];
    unsigned count = 0;
    DIR *directory;

    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    if (directory)
        closedir(directory);
    return count;
}

static void see(struct cl_sight *sight)
{
    cl_free_auto char *mounts = proc_text(sight->pid, "mountinfo");
    cl_free_auto char *limits = proc_text(sight->pid, "limits");
    cl_free_auto char *memory = proc_text(sight->pid, "smaps_rollup");
    unsigned long soft = 0;
    unsigned long hard = 0;

    see_status(sight);
    see_namespaces(sight);
    see_cgroup(sight);
    sight->uid_inside = see_inside(sight->pid, sight->uid);
    sight->mounts = count_lines(mounts);
    sight->fds = count_fds(sight->pid);
    sight->own_kib =
        number_after(memory, "Private_Clean:", 10) + number_after(memory, "Private_Dirty:", 10);
    if (sscanf(after(limits, "Max cpu time"), "%lu %lu", &soft, &hard) >= 1)
        sight->cpu_seconds = soft;
}

/* Who is about to end has given its memory back; who has ended keeps a row in /proc until somebody
 * waits for it. Neither has much to show. */
static bool is_alive(const struct cl_sight *sight)
{
    struct pollfd gone = { sight->pidfd, POLLIN, 0 };

    return sight->own_kib > 0 && poll(&gone, 1, 0) == 0;
}

size_t cl_sight_jails(pid_t parent, struct cl_sight sights[CL_SIGHTS_MAX])
{
    char file[64];
    size_t count = 0;

    snprintf(file, sizeof(file), "task/%d/children", parent);
    cl_free_auto char *children = proc_text(parent, file);
    const char *at = children;
    char *end = NULL;

    for (long pid = strtol(at, &end, 10); end != at && count < CL_SIGHTS_MAX;
         pid = strtol(at, &end, 10)) {
        struct cl_sight sight = { .pid = (pid_t)pid, .pidfd = -1 };

        at = end;
        sight.pidfd = (int)syscall(SYS_pidfd_open, sight.pid, 0);
        if (sight.pidfd < 0)
            continue;
        see(&sight);
        if (sight.levels > 0 && sight.seccomp == 2 && is_alive(&sight))
            sights[count++] = sight;
        else
            close(sight.pidfd);
    }
    return count;
}

void cl_sight_free(struct cl_sight *sights, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cl_own_close(&sights[i].pidfd);
}

const struct cl_sight *cl_sight_wait_gone(const struct cl_sight *sights, size_t count,
                                          int wait_ms)
{
    struct pollfd polls[CL_SIGHTS_MAX];

    CL_CHECK(count <= CL_SIGHTS_MAX);
    for (size_t i = 0; i < count; i++)
        polls[i] = (struct pollfd){ sights[i].pidfd, POLLIN, 0 };
    if (poll(polls, count, wait_ms) <= 0)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (polls[i].revents)
            return &sights[i];
    }
    return NULL;
}
