/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of `cloche policy test` what lasts longer than a call: sessions, and functions that python/v1
 * callers register.
 * Runs in: cloche, as root.
 * Trusts: the policy's compiled form for what is expected.
 */
#include <string.h>

#include "api/cli/prove.h"
#include "sandbox/base/own.h"

/* Half of a pool's jails are for plain calls, so that a pool of one has none for sessions. */
static bool is_granted(const struct cl_policy *policy)
{
    return (policy->flags & CL_POLICY_SESSIONS) && policy->pool_max > 1;
}

static void set_field(struct cl_prove *prove, const char *name, const char *value,
                      size_t length)
{
    prove->own.field.name = name;
    snprintf(prove->own.field.value, sizeof(prove->own.field.value), "%.*s", (int)length,
             length ? value : "");
}

/* One call leaves something behind that the next one finds. */
static int prove_kept(struct cl_prove *prove)
{
    static const struct cl_expected granted = { CL_PROOF_GRANT, "ok", NULL };

    if (cl_prove_call(prove, &granted, "sessions.allow: a call in one",
                      "def main():\n    global left\n    left = 41\n", "") < 0)
        return -1;
    return cl_prove_call(prove, &granted, "sessions.allow: the next finds what it left",
                         "def main():\n    if left != 41: raise ValueError(left)\n", "");
}

static int take_session(struct cl_prove *prove, struct cl_err *err)
{
    struct cl_buf CL_AUTO(cl_buf_fini) id = CL_BUF_INIT(sizeof(prove->own.field.value) - 1);
    struct cl_json answer;

    if (cl_json_root(&prove->answer.body, &answer, err) < 0)
        return -1;
    cl_json_plain(cl_json_member(answer, "session"), &id);
    set_field(prove, "Cloche-Session", (const char *)id.bytes, id.length);
    return 0;
}

int cl_prove_sessions(struct cl_prove *prove)
{
    const struct cl_expected granted = { CL_PROOF_GRANT, "made", NULL };
    const struct cl_expected refused = { CL_PROOF_REFUSAL, "refused", NULL };
    const bool has_them = is_granted(cl_private_policy(&prove->own));
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(1024);
    struct cl_err err = CL_ERR_INIT;

    cl_buf_format(&body, &err, "{\"policy\":\"%s\"}", prove->own.name);
    if (cl_prove_post(prove, has_them ? &granted : &refused, "sessions.allow", "/v1/sessions",
                      &body) < 0)
        return -1;
    if (!has_them || prove->answer.status != 201)
        return 0;
    if (take_session(prove, &err) < 0)
        return -1;
    const int done = prove_kept(prove);
    prove->own.field.name = NULL;
    return done;
}

int cl_prove_register(struct cl_prove *prove)
{
    const bool is_closed = cl_private_policy(&prove->own)->flags & CL_POLICY_NO_REGISTER;
    const struct cl_expected granted = { CL_PROOF_GRANT, "answered", NULL };
    const struct cl_expected refused = { CL_PROOF_REFUSAL, "answered not", NULL };
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(1024);
    struct cl_err err = CL_ERR_INIT;

    cl_buf_format(&body, &err,
                  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"register\",\"params\":"
                  "{\"name\":\"proof\",\"lambda\":\"lambda: 1\"}}");
    set_field(prove, "Cloche-Policy", prove->own.name, strlen(prove->own.name));
    const int done = cl_prove_post(prove, is_closed ? &refused : &granted, "python.register",
                                   "/v1/rpc", &body);
    prove->own.field.name = NULL;
    return done;
}
