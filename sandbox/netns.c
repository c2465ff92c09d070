/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a network namespace and looks at it with the kernel's eyes before anything runs in it.
 * Runs in: the child that becomes a zygote, before its user namespace.
 * Trusts: the kernel's answers on rtnetlink.
 */
#include "sandbox/netns.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/socket.h>

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
