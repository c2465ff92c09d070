/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims a range of host ids and maps parts of it into user namespaces; makes a network namespace and
 * looks at it with the kernel's eyes before anything runs in it.
 * Runs in: cloched; the network part in the child that becomes a zygote, before its user namespace.
 * Trusts: /run/cloche, which only root may write; the kernel's answers on rtnetlink.
 */
#include "sandbox/spaces.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/base/file.h"
#include "sandbox/base/own.h"

enum { BASE = 1879048192, INSTANCES_MAX = 1024 };

int cl_idmap_claim(uid_t *base, struct cl_err *err)
{
    cl_close_auto int dir = cl_file_dir(AT_FDCWD, "/run/cloche", 0700, err);

    if (dir < 0)
        return cl_err_context(err, "/run/cloche holds the locks of uid ranges");
    for (unsigned n = 0; n < INSTANCES_MAX; n++) {
        char name[32];
        snprintf(name, sizeof(name), "range-%u", n);
        cl_close_auto int lock =
            openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0) {
            *base = (uid_t)BASE + n * CL_IDMAP_INSTANCE_IDS;
            return cl_take_fd(&lock);
        }
        if (lock < 0 || errno != EWOULDBLOCK)
            return cl_fail(err, CL_E_SYS, "cannot write or lock /run/cloche/%s", name);
    }
    return cl_fail(err, CL_E_BUSY, "all %d uid ranges are in use", INSTANCES_MAX);
}

uid_t cl_idmap_zygote(uid_t base, unsigned k)
{
    CL_CHECK(k < CL_IDMAP_ZYGOTES_MAX);
    return base + (k + 1) * CL_IDMAP_ZYGOTE_IDS;
}

int cl_idmap_write(pid_t pid, uid_t first, struct cl_err *err)
{
    char path[64], line[64];

    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    snprintf(line, sizeof(line), "0 %u %d\n", (unsigned)first, CL_IDMAP_ZYGOTE_IDS);
    cl_close_auto int dir = cl_file_dir(AT_FDCWD, path, 0, err);
    if (dir < 0)
        return -1;
    /* With setgroups denied nothing inside can give a group back that was taken away. */
    if (cl_file_put(dir, "setgroups", "deny", err) < 0 ||
        cl_file_put(dir, "uid_map", line, err) < 0 ||
        cl_file_put(dir, "gid_map", line, err) < 0)
        return cl_err_context(err, "map ids of %d", (int)pid);
    return 0;
}

int cl_netns_judge(size_t links, size_t links_up, size_t addresses, struct cl_err *err)
{
    if (links >= 1 && links_up == 0 && addresses == 0)
        return 0;
    return cl_fail(err, CL_E_DENIED,
                   "the jail's network is not empty: %zu interfaces, %zu up, %zu addresses",
                   links, links_up, addresses);
}

int cl_netns_enter(struct cl_err *err)
{
    struct ifaddrs *all = NULL;
    size_t links = 0, up = 0, addresses = 0;

    if (unshare(CLONE_NEWNET) < 0)
        return cl_fail(err, CL_E_SYS, "make a network namespace");
    if (getifaddrs(&all) < 0)
        return cl_fail(err, CL_E_SYS, "look at the network namespace");
    /* Each link has one entry of its own, of AF_PACKET; each address has one. */
    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        bool is_link = !at->ifa_addr || at->ifa_addr->sa_family == AF_PACKET;
        links += is_link;
        up += is_link && (at->ifa_flags & IFF_UP);
        addresses += !is_link;
    }
    freeifaddrs(all);
    return cl_netns_judge(links, up, addresses, err);
}
