/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/sessions: opens, shows, lists and ends sessions of the key that asks.
 * Runs in: cloche-api.
 * Trusts: nothing of the request.
 */
#include <inttypes.h>
#include <string.h>

#include "api/calls/member.h"
#include "api/http1/exchange.h"
#include "api/sessions/impl.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

enum { BODY_MAX = CL_SESSIONS_TENANT_MAX * 1024 + 256 };

/* ---------------------------------------------------------------------------------------- shown */

static const char *state_of(const struct cl_session *session)
{
    if (session->is_ending || session->state == CL_SESSION_CLOSING)
        return "ending";
    if (session->running_count > 0)
        return "running";
    if (session->waiting_count > 0 || session->opener)
        return "waiting";
    return session->state == CL_SESSION_EMPTY ? "empty" : "idle";
}

/* Of a moment of the monotonic clock: the date is when it is due if no clock is set. */
static int put_deadline(const struct cl_session *session, const char *name, uint64_t at_us,
                        struct cl_buf *out, struct cl_err *err)
{
    char text[CL_UTC_SIZE];

    if (at_us == UINT64_MAX)
        return cl_buf_format(out, err, ",\"%s\":null", name);
    cl_utc_text(session->created_unix_us + (int64_t)(at_us - session->created_us), 0, text);
    return cl_buf_format(out, err, ",\"%s\":\"%sZ\"", name, text);
}

static int put_session(const struct cl_session *session, struct cl_buf *out, struct cl_err *err)
{
    char created[CL_UTC_SIZE];

    if (cl_buf_format(out, err,
                      "{\"session\":\"%s\",\"policy\":\"%s\",\"default\":%s,\"state\":\"%s\""
                      ",\"calls\":%" PRIu64 ",\"running\":%u,\"waiting\":%u,\"restarts\":%u"
                      ",\"memory_bytes\":%" PRIu64 ",\"memory_peak_bytes\":%" PRIu64
                      ",\"cpu_us\":%" PRIu64 ",\"created\":\"%sZ\"",
                      session->id, session->policy, session->is_default ? "true" : "false",
                      state_of(session), session->calls, session->running_count,
                      session->waiting_count, session->restarts, session->memory_now_bytes,
                      session->memory_peak_bytes, session->cpu_lost_us + session->cpu_us,
                      cl_utc_text(session->created_unix_us, 0, created)) < 0 ||
        put_deadline(session, "idle_ends", cl_session_idles_us(session), out, err) < 0 ||
        put_deadline(session, "ends", cl_session_ends_us(session), out, err) < 0)
        return -1;
    return cl_buf_put(out, "}", 1, err);
}

static int answer(struct cl_visit *visit, int status, const struct cl_session *session)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(BODY_MAX);
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(put_session(session, &out, &err) == 0);
    cl_exchange_answer(visit->exchange, status, "application/json", out.bytes, out.length);
    return 0;
}

static struct cl_session *find(struct cl_visit *visit, struct cl_refusal *refusal)
{
    struct cl_session *session =
        cl_session_find(visit->app, visit->tenant, cl_visit_key(visit), visit->param);

    if (!session)
        cl_refusal_set(refusal, CL_R_SESSION_NOT_FOUND, "you have no session \"%s\"",
                       visit->param);
    return session;
}

/* --------------------------------------------------------------------------------------- handlers */

static const struct cl_member members[] = {
    { "policy", CL_JSON_STRING, cl_member_policy },
    { "limits", CL_JSON_OBJECT, cl_member_limits },
};

/* What a session has for all its calls; the other limits are each call's own. */
static int check_limits(const struct cl_request *request, struct cl_refusal *refusal)
{
    for (uint32_t limit = CL_LIMIT_WALL; limit < CL_LIMIT_COUNT_; limit++) {
        if (!request->is_asked[limit] || limit == CL_LIMIT_MEMORY ||
            limit == CL_LIMIT_PROCESSES)
            continue;
        cl_refusal_point(refusal, "limits", strlen("limits"));
        cl_refusal_point(refusal, cl_limit_name(limit), strlen(cl_limit_name(limit)));
        return cl_refusal_set(refusal, CL_R_MALFORMED,
                              "a session has memory and processes; %s is each call's own",
                              cl_limit_name(limit));
    }
    return 0;
}

int cl_session_check(const struct cl_session *session, const struct cl_request *request,
                     struct cl_refusal *refusal)
{
    static const struct {
        enum cl_limit limit;
        const char *name;
    } fixed[] = { { CL_LIMIT_MEMORY, "memory" }, { CL_LIMIT_PROCESSES, "processes" } };

    for (size_t i = 0; i < CL_COUNT(fixed); i++) {
        if (!request->is_asked[fixed[i].limit])
            continue;
        cl_refusal_point(refusal, "limits", strlen("limits"));
        cl_refusal_point(refusal, fixed[i].name, strlen(fixed[i].name));
        return cl_refusal_set(refusal, CL_R_MALFORMED,
                              "%s belongs to the session: give it to POST /v1/sessions",
                              fixed[i].name);
    }
    if (request->policy[0] && strcmp(request->policy, session->policy) != 0) {
        cl_refusal_point(refusal, "policy", strlen("policy"));
        return cl_refusal_set(refusal, CL_R_MALFORMED, "session %s has policy \"%s\"",
                              session->id, session->policy);
    }
    return 0;
}

int cl_sessions_open(struct cl_visit *visit, const char *body, size_t length,
                     struct cl_refusal *refusal)
{
    struct cl_request CL_AUTO(cl_request_fini) request = { 0 };
    struct cl_member_parse parse = { .request = &request, .refusal = refusal };
    struct cl_session_ask ask = { .tenant = visit->tenant, .key = cl_visit_key(visit) };
    struct cl_session *session;
    char place[64] = "/v1/sessions/";

    if (length > 0 && (cl_member_body(&parse, body, length, members, CL_COUNT(members)) < 0 ||
                       check_limits(&request, refusal) < 0))
        return -1;
    ask.policy = request.policy;
    ask.memory_bytes = request.asked[CL_LIMIT_MEMORY];
    ask.processes = (uint32_t)request.asked[CL_LIMIT_PROCESSES];
    session = cl_session_open(visit->app, &ask, refusal);
    if (!session)
        return -1;
    strcat(place, cl_session_id(session));
    cl_exchange_header(visit->exchange, "Location", place);
    return answer(visit, 201, session);
}

int cl_sessions_list(struct cl_visit *visit, const char *body, size_t length,
                     struct cl_refusal *refusal)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(BODY_MAX);
    struct cl_err err = CL_ERR_INIT;
    const char *before = "{\"sessions\":[";

    (void)body, (void)length, (void)refusal;
    for (struct cl_session *session = cl_session_each(visit, NULL); session;
         session = cl_session_each(visit, session)) {
        CL_CHECK(cl_buf_put_text(&out, before, &err) == 0 &&
                 put_session(session, &out, &err) == 0);
        before = ",";
    }
    CL_CHECK(cl_buf_put_text(&out, out.length ? "]}" : "{\"sessions\":[]}", &err) == 0);
    cl_visit_answer(visit, "application/json", &out);
    return 0;
}

int cl_sessions_get(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal)
{
    struct cl_session *session = find(visit, refusal);

    (void)body, (void)length;
    return session ? answer(visit, 200, session) : -1;
}

int cl_sessions_end(struct cl_visit *visit, const char *body, size_t length,
                    struct cl_refusal *refusal)
{
    struct cl_session *session = find(visit, refusal);

    (void)body, (void)length;
    if (!session)
        return -1;
    cl_session_end(session);
    return answer(visit, 200, session);
}

uint32_t cl_sessions_count(const struct cl_app *app)
{
    return app->sessions ? app->sessions->count : 0;
}
