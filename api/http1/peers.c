/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts open connections by host.
 * Runs in: cloche-api.
 * Trusts: the kernel's word about who is at the other end, and nothing that end says.
 */
#include "api/http1/peers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

/* Lives while the host has connections. */
struct peer {
    struct cl_list link; /* a bucket */
    struct in6_addr key;
    uint32_t count;
};

int cl_peers_init(struct cl_peers *peers, struct cl_err *err)
{
    for (size_t i = 0; i < CL_PEER_BUCKETS; i++)
        cl_list_init(&peers->buckets[i]);
    if (getrandom(&peers->seed, sizeof(peers->seed), 0) != (ssize_t)sizeof(peers->seed))
        return cl_fail(err, CL_E_SYS, "get random bytes");
    return 0;
}

void cl_peers_fini(struct cl_peers *peers)
{
    for (size_t i = 0; i < CL_PEER_BUCKETS; i++) {
        cl_list_each (node, keep, &peers->buckets[i]) {
            cl_list_unlink(node);
            free(cl_list_entry(node, struct peer, link));
        }
    }
}

/* ------------------------------------------------------------------------------------- keys */

static struct in6_addr key_of_ipv6(struct in6_addr key)
{
    if (IN6_IS_ADDR_V4MAPPED(&key))
        return key.s6_addr[12] == IN_LOOPBACKNET ? in6addr_loopback : key;
    if (!IN6_IS_ADDR_LOOPBACK(&key))
        memset(&key.s6_addr[8], 0, 8);
    return key;
}

struct in6_addr cl_peers_key(const struct sockaddr *address)
{
    struct in6_addr mapped = IN6ADDR_ANY_INIT;

    if (address->sa_family == AF_INET6)
        return key_of_ipv6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    if (address->sa_family != AF_INET)
        return in6addr_loopback;
    mapped.s6_addr[10] = mapped.s6_addr[11] = 0xff;
    memcpy(&mapped.s6_addr[12], &((const struct sockaddr_in *)(const void *)address)->sin_addr,
           4);
    return key_of_ipv6(mapped);
}

bool cl_peers_is_local(const struct in6_addr *key)
{
    return IN6_IS_ADDR_LOOPBACK(key);
}

/* --------------------------------------------------------------------------------- counting */

static struct cl_list *bucket_of(struct cl_peers *peers, const struct in6_addr *key)
{
    uint64_t hash = peers->seed;

    for (size_t i = 0; i < sizeof(key->s6_addr); i++)
        hash = (hash ^ key->s6_addr[i]) * 0x9e3779b97f4a7c15u;
    return &peers->buckets[hash >> 56];
}

static struct peer *find(struct cl_list *bucket, const struct in6_addr *key)
{
    cl_list_each (node, keep, bucket) {
        struct peer *peer = cl_list_entry(node, struct peer, link);
        if (memcmp(&peer->key, key, sizeof(*key)) == 0)
            return peer;
    }
    return NULL;
}

bool cl_peers_add(struct cl_peers *peers, const struct in6_addr *key, uint32_t most)
{
    struct cl_list *bucket = bucket_of(peers, key);
    struct peer *peer = find(bucket, key);

    if (!peer) {
        peer = calloc(1, sizeof(*peer));
        if (!peer)
            return false;
        peer->key = *key;
        cl_list_append(bucket, &peer->link);
    }
    if (most > 0 && peer->count >= most)
        return false; /* it has some, so it is not left behind empty */
    peer->count++;
    return true;
}

void cl_peers_remove(struct cl_peers *peers, const struct in6_addr *key)
{
    struct peer *peer = find(bucket_of(peers, key), key);

    if (!peer || --peer->count > 0)
        return;
    cl_list_unlink(&peer->link);
    free(peer);
}
