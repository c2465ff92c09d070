/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole authority of the API over cloched, as one table.
 * Runs in: cloched.
 * Trusts: nothing of the API but the layout that cl_msg_recv has checked.
 */
#include "sandbox/front.h"

#include <inttypes.h>

#include "sandbox/base/own.h"
#include "sandbox/daemon.h"
#include "sandbox/pool.h"
#include "sandbox/reap.h"

/* ------------------------------------------------------------- messages that name no spare */

static int on_hello(struct cl_daemon *daemon, const union cl_msg_any *msg, struct cl_err *err)
{
    if (daemon->front.is_greeted)
        return cl_fail(err, CL_E_LOST, "a second HELLO");
    if (msg->hello.version != CL_WIRE_VERSION)
        return cl_fail(err, CL_E_LOST, "HELLO of version %u", msg->hello.version);
    daemon->front.is_greeted = true;
    if (daemon->is_proved) /* it is not the prover */
        cl_load_tell(daemon, CL_M_GREETED, -1);
    cl_front_tell(&daemon->front);
    return 0;
}

static int on_want(struct cl_daemon *daemon, const union cl_msg_any *msg, struct cl_err *err)
{
    struct cl_pool *pool = cl_pool_find(daemon, msg->want.pool);

    /* One that a reload took away may have crossed; one that never was may not. */
    if (!pool && (msg->want.pool == 0 || msg->want.pool > daemon->pool_last))
        return cl_fail(err, CL_E_LOST, "WANT of pool %u", msg->want.pool);
    if (pool && !pool->is_retired)
        cl_pool_want(pool, msg->want.queued);
    return 0;
}

/* ------------------------------------------------------------------- messages about a spare */

static int on_take(struct cl_spare *spare, const union cl_msg_any *msg, struct cl_err *err)
{
    const struct cl_policy *policy = spare->pool->policy;
    const struct cl_msg_take *take = &msg->take;
    struct cl_msg_spare taken = { .spare = spare->id };

    if (take->wall_ms > policy->wall_ms || take->cpu_ms > policy->cpu_ms ||
        take->memory_bytes > policy->memory_bytes || take->processes > policy->processes)
        return cl_fail(err, CL_E_LOST, "TAKE wider than policy %s", policy->name);
    if (take->session && !(policy->flags & CL_POLICY_SESSIONS))
        return cl_fail(err, CL_E_LOST, "TAKE of a session under %s", policy->name);
    cl_reap_take(spare, take);
    if (take->acknowledge)
        cl_front_send(&spare->daemon->front, CL_M_TAKEN, &taken, NULL);
    cl_pool_on_take(spare->pool);
    return 0;
}

static bool is_session(const struct cl_spare *spare)
{
    return spare->max_at_us != UINT64_MAX;
}

static int on_next(struct cl_spare *spare, const union cl_msg_any *msg, struct cl_err *err)
{
    const struct cl_policy *policy = spare->pool->policy;
    const struct cl_msg_next *next = &msg->next;

    if (!is_session(spare) || spare->calls >= policy->session_threads ||
        next->wall_ms > policy->wall_ms || next->cpu_ms > policy->cpu_ms)
        return cl_fail(err, CL_E_LOST, "NEXT beside %u calls, or wider than policy %s",
                       spare->calls, policy->name);
    cl_reap_next(spare, next);
    return 0;
}

static int on_rest(struct cl_spare *spare, const union cl_msg_any *msg, struct cl_err *err)
{
    struct cl_msg_usage usage;

    (void)msg;
    if (!is_session(spare) || spare->calls == 0)
        return cl_fail(err, CL_E_LOST, "REST of a jail without a call that could end");
    cl_reap_rest(spare, &usage);
    cl_front_send(&spare->daemon->front, CL_M_USAGE, &usage, NULL);
    return 0;
}

static int on_finish(struct cl_spare *spare, const union cl_msg_any *msg, struct cl_err *err)
{
    (void)msg, (void)err;
    cl_reap_finish(spare);
    return 0;
}

static int on_kill(struct cl_spare *spare, const union cl_msg_any *msg, struct cl_err *err)
{
    const struct cl_msg_kill *kill = &msg->kill;
    bool is_limit = kill->reason == CL_KILL_LIMIT;

    if (kill->reason < CL_KILL_CANCELLED || kill->reason > CL_KILL_PROTOCOL ||
        kill->limit >= CL_LIMIT_COUNT_ || is_limit != (kill->limit != CL_LIMIT_NONE))
        return cl_fail(err, CL_E_LOST, "KILL with reason %u and limit %u", kill->reason,
                       kill->limit);
    cl_reap_kill(spare, CL_END_KILLED, (enum cl_limit)kill->limit, kill->reason);
    return 0;
}

static int on_drop(struct cl_spare *spare, const union cl_msg_any *msg, struct cl_err *err)
{
    (void)msg, (void)err;
    cl_pool_uncount(spare);
    cl_reap_kill(spare, CL_END_LOST, CL_LIMIT_NONE, 0);
    return 0;
}

/* ------------------------------------------------------------------------------------ table */

static const struct rule {
    uint32_t type;             /* enum cl_msg_type */
    enum cl_spare_state needs; /* 0: names no spare */
    int (*on_daemon)(struct cl_daemon *daemon, const union cl_msg_any *msg, struct cl_err *err);
    int (*on_spare)(struct cl_spare *spare, const union cl_msg_any *msg, struct cl_err *err);
} rules[] = {
    { CL_M_HELLO, 0, on_hello, NULL },
    { CL_M_WANT, 0, on_want, NULL },
    { CL_M_TAKE, CL_SPARE_OFFERED, NULL, on_take },
    { CL_M_DROP, CL_SPARE_OFFERED, NULL, on_drop },
    { CL_M_NEXT, CL_SPARE_TAKEN, NULL, on_next },
    { CL_M_REST, CL_SPARE_TAKEN, NULL, on_rest },
    { CL_M_FINISH, CL_SPARE_TAKEN, NULL, on_finish },
    { CL_M_KILL, CL_SPARE_TAKEN, NULL, on_kill },
};

static int apply(struct cl_daemon *daemon, const struct rule *rule, const union cl_msg_any *msg,
                 struct cl_err *err)
{
    uint64_t id = msg->spare.spare;

    if (rule->on_daemon)
        return rule->on_daemon(daemon, msg, err);

    struct cl_spare *spare = cl_spare_find(daemon, id);
    if (spare ? spare->state == CL_SPARE_ENDED : id > 0 && id <= daemon->spare_last)
        return 0; /* it has ended: this crossed with END */
    if (!spare || !spare->is_offered)
        return cl_fail(err, CL_E_LOST, "%s of spare %" PRIu64 ", which was not offered",
                       cl_msg_name(rule->type), id);
    if (spare->state != rule->needs)
        return cl_fail(err, CL_E_LOST, "%s of spare %" PRIu64 " in state %d",
                       cl_msg_name(rule->type), id, (int)spare->state);
    return rule->on_spare(spare, msg, err);
}

int cl_monitor_on_message(struct cl_peer *peer, union cl_msg_any *msg, int *fds,
                          struct cl_err *err)
{
    struct cl_daemon *daemon = peer->daemon;

    (void)fds; /* no message of the API has one */
    if (!daemon->front.is_greeted && msg->head.type != CL_M_HELLO)
        return cl_fail(err, CL_E_LOST, "%s before HELLO", cl_msg_name(msg->head.type));
    for (size_t i = 0; i < CL_COUNT(rules); i++) {
        if (rules[i].type == msg->head.type)
            return apply(daemon, &rules[i], msg, err);
    }
    return cl_fail(err, CL_E_LOST, "message %u is not the API's to send", msg->head.type);
}
