/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections each address has open. One key per host: an IPv4 address mapped into IPv6,
 * the first half of an IPv6 address (a host has the other half to itself), and one for everything
 * on this machine: 127.0.0.0/8, ::1, local sockets.
 */
#ifndef CL_HTTP1_PEERS_H
#define CL_HTTP1_PEERS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "sandbox/base/err.h"
#include "sandbox/base/list.h"

struct sockaddr;

enum { CL_PEER_BUCKETS = 256 };

struct cl_peers {
    struct cl_list buckets[CL_PEER_BUCKETS];
    uint64_t seed; /* which bucket an address falls into is not for clients to choose */
};

int cl_peers_init(struct cl_peers *peers, struct cl_err *err);
void cl_peers_fini(struct cl_peers *peers);

struct in6_addr cl_peers_key(const struct sockaddr *address);
bool cl_peers_is_local(const struct in6_addr *key);

/* Counts one more connection of this host, if it has fewer than `most` (0: no cap). */
bool cl_peers_add(struct cl_peers *peers, const struct in6_addr *key, uint32_t most);
void cl_peers_remove(struct cl_peers *peers, const struct in6_addr *key);

#endif
