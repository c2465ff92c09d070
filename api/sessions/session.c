/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which sessions there are, whose they are, and how long they last.
 * Runs in: cloche-api.
 * Trusts: nothing of callers; ids are found only together with tenant and key.
 */
#include "api/sessions/session.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/pythonv1/names.h"
#include "api/sessions/impl.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

static struct cl_sessions *sessions_of(struct cl_app *app)
{
    if (!app->sessions) {
        app->sessions = calloc(1, sizeof(*app->sessions));
        CL_CHECK(app->sessions);
        cl_list_init(&app->sessions->all);
    }
    return app->sessions;
}

const char *cl_session_id(const struct cl_session *session)
{
    return session->id;
}

/* ------------------------------------------------------------------------------------ deadlines */

const struct cl_policy *cl_session_policy(const struct cl_session *session)
{
    const struct cl_pool *pool = session->spare ? session->spare->pool : NULL;

    if (!pool)
        pool = cl_tenancy_find(session->app->tenancy, session->tenant, session->policy);
    return pool ? pool->policy : NULL;
}

uint64_t cl_session_ends_us(const struct cl_session *session)
{
    const struct cl_policy *policy = cl_session_policy(session);

    return policy ? session->created_us + policy->session_max_ms * 1000 : session->created_us;
}

uint64_t cl_session_idles_us(const struct cl_session *session)
{
    const struct cl_policy *policy = cl_session_policy(session);

    if (!policy || session->running_count + session->waiting_count > 0 || session->opener)
        return UINT64_MAX;
    return session->rested_us + (session->is_orphan ? 0 : policy->session_idle_ms * 1000);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void set_alarm(struct cl_session *session)
{
    uint64_t at = least(cl_session_ends_us(session), cl_session_idles_us(session));
    const uint64_t now = cl_clock_us();

    cl_list_each (node, keep, &session->running)
        at = least(at, cl_list_entry(node, struct cl_seat, node)->wall_at_us);
    at = at > now ? at - now : 0;
    const struct timeval wait = { (time_t)(at / 1000000), (suseconds_t)(at % 1000000) };
    event_add(session->turn, &wait);
}

/* The call that is over its time ends the jail, and only that one is told `limit`. */
static void check_walls(struct cl_session *session, uint64_t now)
{
    cl_list_each (node, keep, &session->running) {
        struct cl_seat *seat = cl_list_entry(node, struct cl_seat, node);
        struct cl_stream *stream = &seat->job->stream;

        if (now < seat->wall_at_us || stream->state != CL_STREAM_OPEN)
            continue;
        seat->wall_at_us = UINT64_MAX;
        session->culprit = session->culprit ? session->culprit : seat->number;
        stream->state = CL_STREAM_OVER;
        stream->over = CL_LIMIT_WALL;
        stream->over_used = (now - seat->job->taken_us) / 1000;
        cl_session_kill(session, CL_KILL_LIMIT, CL_LIMIT_WALL);
        return;
    }
}

static void tell_log(const struct cl_session *session, const char *event)
{
    const struct cl_audit_change change = { event,        session->tenant->name,
                                            session->key, session->id,
                                            "policy",     session->policy };

    cl_audit_change(session->app->audit, &change);
}

static void free_session(struct cl_session *session)
{
    tell_log(session, "session.end");
    cl_log(CL_INFO, "session.end", "session=%s tenant=%s calls=%llu restarts=%u", session->id,
           session->tenant->name, (unsigned long long)session->calls, session->restarts);
    if (session->is_stored)
        cl_v1_names_forget(session->app->storeq, session->tenant->name, session->id);
    cl_list_unlink(&session->node);
    cl_list_unlink(&session->room.node);
    session->app->sessions->count--;
    cl_sessionstream_fini(&session->stream);
    event_free(session->turn);
    free(session);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct cl_session *session = arg;
    const uint64_t now = cl_clock_us();

    (void)fd;
    (void)what;
    if (now >= least(cl_session_ends_us(session), cl_session_idles_us(session)))
        cl_session_end(session);
    check_walls(session, now);
    cl_session_pump(session);
    if (session->is_ending && session->state == CL_SESSION_EMPTY &&
        cl_list_is_empty(&session->waiting) && cl_list_is_empty(&session->running))
        free_session(session);
    else if (!session->is_ending) /* else END wakes it */
        set_alarm(session);
}

static void on_room(struct cl_turn_room *room)
{
    cl_session_wake(cl_list_entry(room, struct cl_session, room));
}

void cl_session_wake(struct cl_session *session)
{
    /* As a timeout it would be forgotten when the next deadline is set. */
    event_active(session->turn, EV_READ, 1);
}

void cl_session_end(struct cl_session *session)
{
    if (session->is_ending)
        return;
    session->is_ending = true;
    session->is_default = false; /* the next one is a new one */
    if (session->spare)
        cl_session_kill(session, CL_KILL_CANCELLED, CL_LIMIT_NONE);
    cl_session_wake(session);
}

/* --------------------------------------------------------------------------------------- opening */

uint32_t cl_session_most(const struct cl_policy *policy)
{
    uint32_t most = policy->session_threads;

    /* One thread reads, one is the loop's. */
    if ((policy->tiers & CL_TIER_THREADS) && policy->processes > 2)
        return most < policy->processes - 2 ? most : policy->processes - 2;
    return policy->tiers & CL_TIER_ASYNCIO ? most : 1;
}

static uint32_t jails_of(const struct cl_sessions *sessions, const struct cl_pool *pool)
{
    uint32_t count = 0;

    cl_list_each (node, keep, &sessions->all) {
        const struct cl_session *session = cl_list_entry(node, struct cl_session, node);

        if (session->spare)
            count += session->spare->pool == pool;
        else if (session->state == CL_SESSION_OPENING)
            count += session->opener->job->pool == pool;
    }
    return count;
}

bool cl_session_has_room(const struct cl_session *session, const struct cl_pool *pool)
{
    return jails_of(session->app->sessions, pool) < pool->policy->pool_max / 2;
}

static int check_policy(const struct cl_session_ask *ask, const struct cl_policy *policy,
                        struct cl_refusal *refusal)
{
    if (!(policy->flags & CL_POLICY_SESSIONS))
        return cl_refusal_set(refusal, CL_R_SESSION_NOT_ALLOWED,
                              "policy \"%s\" does not say sessions.allow", policy->name);
    if (policy->pool_max < 2)
        return cl_refusal_set(refusal, CL_R_SESSION_NOT_ALLOWED,
                              "policy \"%s\" says pool.max: 1, which a session would use up",
                              policy->name);
    if (ask->memory_bytes > policy->memory_bytes || ask->processes > policy->processes)
        return cl_refusal_set(refusal, CL_R_LIMIT_WIDENED,
                              "a session of policy \"%s\" may not have more than it says",
                              policy->name);
    return 0;
}

static int check_count(struct cl_app *app, const struct cl_tenant *tenant,
                       struct cl_refusal *refusal)
{
    struct cl_sessions *sessions = sessions_of(app);
    uint32_t count = 0;

    cl_list_each (node, keep, &sessions->all)
        count += cl_list_entry(node, struct cl_session, node)->tenant == tenant;
    if (count < CL_SESSIONS_TENANT_MAX && sessions->count < CL_SESSIONS_MAX)
        return 0;
    refusal->retry_after_s = 5;
    return cl_refusal_set(refusal, CL_R_SESSIONS_FULL, "there are %u sessions already", count);
}

static struct cl_pool *find_pool(struct cl_app *app, const struct cl_tenant *tenant,
                                 const char *policy, struct cl_refusal *refusal)
{
    struct cl_pool *pool = cl_tenancy_find(app->tenancy, tenant, policy);

    if (!pool)
        cl_refusal_set(refusal, CL_R_POLICY_NOT_ALLOWED, "no policy \"%s\" for this token",
                       policy);
    return pool;
}

static struct cl_session *new_session(struct cl_app *app, const struct cl_session_ask *ask,
                                      const struct cl_policy *policy)
{
    struct cl_session *session = calloc(1, sizeof(*session));

    CL_CHECK(session);
    session->app = app;
    cl_ulid_make(session->id);
    session->tenant = ask->tenant;
    snprintf(session->key, sizeof(session->key), "%s", ask->key);
    snprintf(session->policy, sizeof(session->policy), "%s", policy->name);
    session->memory_bytes = ask->memory_bytes;
    session->processes = ask->processes;
    session->outlives_key = ask->outlives_key;
    session->generation = cl_tenancy_generation(app->tenancy);
    cl_list_init(&session->waiting);
    cl_list_init(&session->running);
    cl_list_init(&session->resting);
    cl_list_init(&session->room.node);
    session->room.on_room = on_room;
    cl_sessionstream_init(&session->stream);
    session->created_unix_us = cl_utc_us();
    session->created_us = session->rested_us = cl_clock_us();
    session->turn = event_new(app->base, -1, 0, on_turn, session);
    CL_CHECK(session->turn);
    cl_list_append(&app->sessions->all, &session->node);
    app->sessions->count++;
    set_alarm(session);
    return session;
}

struct cl_session *cl_session_open(struct cl_app *app, const struct cl_session_ask *ask,
                                   struct cl_refusal *refusal)
{
    const struct cl_pool *pool = find_pool(app, ask->tenant, ask->policy, refusal);
    struct cl_session *session;

    if (!pool || check_policy(ask, pool->policy, refusal) < 0 ||
        check_count(app, ask->tenant, refusal) < 0)
        return NULL;
    session = new_session(app, ask, pool->policy);
    tell_log(session, "session.open");
    cl_log(CL_INFO, "session.open", "session=%s tenant=%s policy=%s", session->id,
           session->tenant->name, session->policy);
    return session;
}

static bool is_of(const struct cl_session *session, const struct cl_tenant *tenant,
                  const char *key)
{
    return session->tenant == tenant && !session->is_ending && !session->is_orphan &&
           strcmp(session->key, key) == 0;
}

struct cl_session *cl_session_find(struct cl_app *app, const struct cl_tenant *tenant,
                                   const char *key, const char *id)
{
    cl_list_each (node, keep, &sessions_of(app)->all) {
        struct cl_session *session = cl_list_entry(node, struct cl_session, node);

        if (is_of(session, tenant, key) && strcmp(session->id, id) == 0)
            return session;
    }
    return NULL;
}

void cl_session_keeps(struct cl_app *app, const char *id)
{
    cl_list_each (node, keep, &sessions_of(app)->all) {
        struct cl_session *session = cl_list_entry(node, struct cl_session, node);

        if (strcmp(session->id, id) == 0)
            session->is_stored = true;
    }
}

struct cl_session *cl_session_each(struct cl_visit *visit, struct cl_session *before)
{
    struct cl_list *all = &sessions_of(visit->app)->all;

    for (struct cl_list *node = before ? before->node.next : all->next; node != all;
         node = node->next) {
        struct cl_session *session = cl_list_entry(node, struct cl_session, node);

        if (is_of(session, visit->tenant, cl_visit_key(visit)))
            return session;
    }
    return NULL;
}

struct cl_session *cl_session_default(struct cl_app *app, struct cl_tenant *tenant,
                                      const char *key, const char *policy,
                                      struct cl_refusal *refusal)
{
    const struct cl_pool *pool = find_pool(app, tenant, policy, refusal);
    struct cl_session_ask ask = { .tenant = tenant, .key = key, .policy = policy };
    struct cl_session *session;

    if (!pool || !(pool->policy->flags & CL_POLICY_SESSIONS_TOKEN))
        return NULL;
    cl_list_each (node, keep, &sessions_of(app)->all) {
        session = cl_list_entry(node, struct cl_session, node);
        if (session->is_default && is_of(session, tenant, key) &&
            strcmp(session->policy, pool->policy->name) == 0)
            return session;
    }
    session = cl_session_open(app, &ask, refusal);
    if (session)
        session->is_default = true;
    return session;
}

/* -------------------------------------------------------------------------------- a reload, the end */

/* Whether the token is revoked, or another one has its id. */
static bool has_lost_key(const struct cl_session *session)
{
    const struct cl_key *key = session->tenant->keys;

    while (key && strcmp(key->id, session->key) != 0)
        key = key->next;
    return key && (!key->is_live || key->since > session->generation);
}

void cl_sessions_on_loaded(struct cl_app *app)
{
    cl_list_each (node, keep, &sessions_of(app)->all) {
        struct cl_session *session = cl_list_entry(node, struct cl_session, node);

        if (!session->tenant->is_live ||
            !cl_tenancy_find(app->tenancy, session->tenant, session->policy))
            cl_session_end(session);
        if (!session->outlives_key && has_lost_key(session)) {
            session->is_orphan = true;
            cl_session_wake(session);
        }
    }
}

void cl_sessions_drain(struct cl_app *app)
{
    cl_list_each (node, keep, &sessions_of(app)->all) {
        struct cl_session *session = cl_list_entry(node, struct cl_session, node);

        if (session->running_count + session->waiting_count == 0 && !session->opener)
            cl_session_end(session);
    }
}

void cl_sessions_free(struct cl_app *app)
{
    struct cl_sessions *sessions = app->sessions;

    if (!sessions)
        return;
    cl_list_each (node, keep, &sessions->all) {
        struct cl_session *session = cl_list_entry(node, struct cl_session, node);

        cl_spare_free(session->spare);
        free_session(session);
    }
    free(sessions);
    app->sessions = NULL;
}
