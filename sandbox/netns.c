/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a network namespace and looks at it with the kernel's eyes before anything runs in it.
 * Runs in: the child that becomes a zygote, before its user namespace.
 * Trusts: the kernel's answers on rtnetlink.
 */
#include "sandbox/netns.h"

#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <sched.h>

#include "sandbox/base/own.h"

struct found {
    size_t links, up, addresses;
};

static void count_link(struct nl_object *object, void *context)
{
    struct found *found = context;

    found->links++;
    if (rtnl_link_get_flags((struct rtnl_link *)object) & IFF_UP)
        found->up++;
}

static void free_socket(struct nl_sock **socket)
{
    nl_socket_free(*socket);
}

static void free_cache(struct nl_cache **cache)
{
    if (*cache)
        nl_cache_free(*cache);
}

static int look(struct found *found, struct cl_err *err)
{
    CL_AUTO(free_socket) struct nl_sock *socket = nl_socket_alloc();
    CL_AUTO(free_cache) struct nl_cache *links = NULL;
    CL_AUTO(free_cache) struct nl_cache *addresses = NULL;

    CL_CHECK(socket);
    int failed = nl_connect(socket, NETLINK_ROUTE);
    if (failed == 0)
        failed = rtnl_link_alloc_cache(socket, AF_UNSPEC, &links);
    if (failed == 0)
        failed = rtnl_addr_alloc_cache(socket, &addresses);
    if (failed != 0)
        return cl_fail(err, CL_E_LOST, "rtnetlink: %s", nl_geterror(failed));

    nl_cache_foreach(links, count_link, found);
    found->addresses = (size_t)nl_cache_nitems(addresses);
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
    struct found found = { 0, 0, 0 };

    if (unshare(CLONE_NEWNET) < 0)
        return cl_fail(err, CL_E_SYS, "make a network namespace");
    if (look(&found, err) < 0)
        return -1;
    return cl_netns_judge(found.links, found.up, found.addresses, err);
}
