/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients may make this process hold, all together: bodies, unsent answers, what handlers
 * keep for their exchanges. The first CL_CONN_FREE_BYTES of a connection cost nothing, since the
 * cap on connections bounds them: so whoever spends the budget stops large requests, never small
 * ones.
 * Runs in: cloche-api.
 * Trusts: nothing; bytes are counted when they have come, not when they are announced.
 */
#include "api/http1/conn.h"

static uint64_t cost_of(uint64_t bytes)
{
    return bytes > CL_CONN_FREE_BYTES ? bytes - CL_CONN_FREE_BYTES : 0;
}

static uint64_t held_by(const struct cl_conn *conn)
{
    return conn->body.capacity + conn->exchange.reserved + cl_output_unsent(conn);
}

bool cl_charge_fits(struct cl_conn *conn, size_t more)
{
    struct cl_http_server *server = conn->server;
    const uint64_t cost = cost_of(held_by(conn) + more);
    const uint64_t others = server->charged - conn->charged;

    /* What this connection has is paid for, even if a buffer's growth went past the budget. */
    if (cost <= conn->charged || others + cost <= server->caps.memory_bytes)
        return true;
    server->counts.over_memory++;
    return false;
}

void cl_charge_settle(struct cl_conn *conn)
{
    const uint64_t cost = cost_of(held_by(conn));

    conn->server->charged += cost - conn->charged;
    conn->charged = cost;
}

void cl_charge_release(struct cl_conn *conn)
{
    conn->server->charged -= conn->charged;
    conn->charged = 0;
}
