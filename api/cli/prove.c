/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche policy test`: starts a service of its own under one policy, and proves what it grants
 * and what it refuses by calls and by the kernel's answers.
 * Runs in: cloche, as root.
 * Trusts: the service that it starts; the policy's compiled form for what is expected.
 */
#include "api/cli/prove.h"

#include <string.h>
#include <sys/wait.h>

#include "api/cli/outcome.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"

enum { SEEN_MAX = 400, JSON_MAX = 4 << 20, LINE_MAX_ = 1024, TRIES = 3 };

static const char *const kinds[] = {
    [CL_PROOF_GRANT] = "grant",
    [CL_PROOF_REFUSAL] = "refusal",
};

/* ----------------------------------------------------------------------------------- telling */

static void tell_json(struct cl_prove *prove, bool is_good, enum cl_proof kind,
                      const char *what, const char *seen)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_buf *out = &prove->json;

    cl_buf_format(out, &err, "%s{\"ok\":%s,\"kind\":\"%s\",\"what\":", out->length ? "," : "",
                  is_good ? "true" : "false", kinds[kind]);
    cl_json_put_string(out, what, strlen(what), &err);
    cl_buf_put_text(out, ",\"seen\":", &err);
    cl_json_put_string(out, seen, strlen(seen), &err);
    cl_buf_put_text(out, "}", &err);
}

void cl_prove_tell(struct cl_prove *prove, bool is_good, enum cl_proof kind, const char *what,
                   const char *seen)
{
    prove->good += is_good;
    prove->bad += !is_good;
    if (prove->as_json) {
        tell_json(prove, is_good, kind, what, seen);
        return;
    }
    printf("%-5s %-8s %s: ", is_good ? "ok" : "FAIL", kinds[kind], what);
    cl_json_show(seen, strlen(seen), stdout);
    putchar('\n');
    fflush(stdout); /* whoever reads a pipe sees how far it is */
}

static void append(struct cl_buf *out, const char *before, struct cl_json value)
{
    struct cl_err err = CL_ERR_INIT;

    if (cl_json_kind(value) != CL_JSON_STRING)
        return;
    cl_buf_put_text(out, before, &err);
    cl_json_plain(value, out);
}

/* "denied, modules, socket". */
static void describe(struct cl_json envelope, long status, struct cl_buf *out)
{
    static const char *const places[][2] = {
        { "denied", "rule" }, { "denied", "name" },   { "limit", "name" },
        { "error", "type" },  { "error", "message" }, { "crash", "signal" },
    };
    struct cl_err err = CL_ERR_INIT;

    if (status != 200) {
        cl_buf_format(out, &err, "HTTP %ld", status);
        append(out, ", ", cl_json_member(envelope, "title"));
        append(out, ", ", cl_json_member(envelope, "detail"));
    } else {
        append(out, "", cl_json_member(envelope, "verdict"));
        if (cl_json_kind(cl_json_member(envelope, "result")) != CL_JSON_NONE && !out->length)
            cl_buf_put_text(out, "answered", &err);
    }
    for (size_t i = 0; i < CL_COUNT(places); i++)
        append(out, ", ", cl_json_member(cl_json_member(envelope, places[i][0]), places[i][1]));
    if (out->length > SEEN_MAX)
        out->length = SEEN_MAX;
    cl_buf_put(out, "", 1, &err);
}

/* ----------------------------------------------------------------------------------- calling */

static bool is_expected(const struct cl_expected *expected, struct cl_json envelope,
                        long status)
{
    const struct cl_json verdict = cl_json_member(envelope, "verdict");

    static const struct {
        const char *verdict, *member;
        long from, to;
    } others[] = {
        { "refused", NULL, 400, 499 },
        { "made", NULL, 201, 201 },
        { "answered", "result", 200, 200 },
        { "answered not", "error", 200, 200 },
    };

    for (size_t i = 0; i < CL_COUNT(others); i++) {
        if (strcmp(expected->verdict, others[i].verdict) != 0)
            continue;
        return status >= others[i].from && status <= others[i].to &&
               (!others[i].member ||
                cl_json_kind(cl_json_member(envelope, others[i].member)) != CL_JSON_NONE);
    }
    if (status != 200 || !cl_json_has_text(verdict, expected->verdict))
        return false;
    if (!expected->why)
        return true;
    return cl_json_has_text(cl_json_member(cl_json_member(envelope, "denied"), "rule"),
                            expected->why) ||
           cl_json_has_text(cl_json_member(cl_json_member(envelope, "limit"), "name"),
                            expected->why);
}

/* A machine that has other work may let a small program run out of its time, which proves nothing
 * of the policy either way. */
static bool is_out_of_time(struct cl_json envelope)
{
    const struct cl_json name = cl_json_member(cl_json_member(envelope, "limit"), "name");

    return cl_json_has_text(name, "wall") || cl_json_has_text(name, "cpu");
}

int cl_prove_post(struct cl_prove *prove, const struct cl_expected *expected, const char *what,
                  const char *path, const struct cl_buf *body)
{
    struct cl_buf CL_AUTO(cl_buf_fini) seen = CL_BUF_INIT(JSON_MAX);
    struct cl_json envelope;
    struct cl_err err = CL_ERR_INIT;
    bool is_good = false;

    for (int left = TRIES; left > 0; left--) {
        if (cl_private_post(&prove->own, path, body, &prove->answer, &err) < 0 ||
            cl_json_root(&prove->answer.body, &envelope, &err) < 0) {
            cl_prove_tell(prove, false, expected->kind, what, err.text);
            return -1;
        }
        is_good = is_expected(expected, envelope, prove->answer.status);
        if (is_good || !is_out_of_time(envelope))
            break;
    }
    describe(envelope, prove->answer.status, &seen);
    cl_prove_tell(prove, is_good, expected->kind, what, (const char *)seen.bytes);
    return 0;
}

int cl_prove_call(struct cl_prove *prove, const struct cl_expected *expected, const char *what,
                  const char *source, const char *more)
{
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(CL_PRIVATE_CALL_MAX);
    struct cl_err err = CL_ERR_INIT;

    if (cl_buf_format(&body, &err, "{\"policy\":\"%s\",\"source\":", prove->own.name) < 0 ||
        cl_json_put_string(&body, source, strlen(source), &err) < 0 ||
        cl_buf_put_text(&body, more, &err) < 0 || cl_buf_put_text(&body, "}", &err) < 0) {
        cl_prove_tell(prove, false, expected->kind, what, err.text);
        return -1;
    }
    return cl_prove_post(prove, expected, what, "/v1/calls", &body);
}

static bool has_text(const struct cl_prove *prove, const struct cl_policy_span *span,
                     const char *wanted)
{
    const struct cl_policy *policy = cl_private_policy(&prove->own);
    const char *text = NULL;

    while ((text = cl_policyview_text(policy, span, text))) {
        if (strcmp(text, wanted) == 0)
            return true;
    }
    return false;
}

bool cl_prove_lists(const struct cl_prove *prove, const char *module)
{
    return has_text(prove, &cl_private_policy(&prove->own)->modules, module);
}

bool cl_prove_has_builtin(const struct cl_prove *prove, const char *name)
{
    return !has_text(prove, &cl_private_policy(&prove->own)->builtins_removed, name);
}

/* -------------------------------------------------------------------------------------- verb */

static int prove_eval(struct cl_prove *prove)
{
    const bool is_granted = cl_private_policy(&prove->own)->flags & CL_POLICY_EVAL;
    const struct cl_expected granted = { CL_PROOF_GRANT, "ok", NULL };
    const struct cl_expected refused = { CL_PROOF_REFUSAL, "denied", "eval" };
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(1024);
    struct cl_err err = CL_ERR_INIT;

    cl_buf_format(&body, &err, "{\"policy\":\"%s\",\"expression\":\"1 + 1\"}", prove->own.name);
    return cl_prove_post(prove, is_granted ? &granted : &refused, "python.eval", "/v1/eval",
                         &body);
}

/* A jail that can't be made is a finding, not a fault: the policy is what makes it. */
static int prove_all(struct cl_prove *prove, struct cl_err *err)
{
    static const char jail[] = "the jail starts";

    if (cl_prove_jail(prove, err) < 0)
        return -1;
    if (prove->bad > 0 && prove->good == 0)
        return 0; /* it did not start: calls would only wait for it */
    if (cl_private_serve(&prove->own, err) < 0)
        return -1;
    if (cl_prove_call(prove, &(const struct cl_expected){ CL_PROOF_GRANT, "ok", NULL }, jail,
                      "def main(): return 1", "") < 0)
        return 0;
    static int (*const parts[])(struct cl_prove *) = {
        cl_prove_modules, cl_prove_limits,   cl_prove_tiers,
        prove_eval,       cl_prove_register, cl_prove_sessions,
    };
    for (size_t i = 0; i < CL_COUNT(parts) && parts[i](prove) == 0; i++)
        ;
    return 0;
}

static int conclude(struct cl_prove *prove)
{
    if (prove->as_json)
        printf("{\"policy\":\"%s\",\"ok\":%u,\"failed\":%u,\"proved\":[%.*s]}\n",
               prove->own.name, prove->good, prove->bad, (int)prove->json.length,
               prove->json.bytes ? (const char *)prove->json.bytes : "");
    else
        printf("\n%s: %u proved, %u not as the policy says\n", prove->own.name, prove->good,
               prove->bad);
    return prove->bad || !prove->good ? CL_EXIT_FAILED : CL_EXIT_OK;
}

static void fini(struct cl_prove *prove)
{
    cl_private_fini(&prove->own);
    cl_answer_fini(&prove->answer);
    cl_buf_fini(&prove->json);
}

static const char usage[] =
    "usage: cloche policy test NAME|FILE [--json]\n"
    "Start a jail under the policy and prove each grant and each refusal, one line each.\n"
    "Needs root. Exit 0: all as the policy says, 1: not, 2: the policy does not compile.\n";

int cl_prove_run(int argc, char **argv)
{
    struct cl_prove CL_AUTO(fini) prove = { .own = CL_PRIVATE_INIT,
                                            .answer = CL_ANSWER_INIT,
                                            .json = CL_BUF_INIT(JSON_MAX) };
    struct cl_err err = CL_ERR_INIT;
    const char *policy = NULL;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return fputs(usage, stdout), CL_EXIT_OK;
        if (strcmp(argv[i], "--json") == 0)
            prove.as_json = true;
        else if (argv[i][0] == '-' || policy)
            return fputs(usage, stderr), CL_EXIT_USAGE;
        else
            policy = argv[i];
    }
    if (!policy)
        return fputs(usage, stderr), CL_EXIT_USAGE;
    if (cl_private_open(&prove.own, &err) < 0 || cl_private_take(&prove.own, policy, &err) < 0)
        return err.text[0] ? cl_verb_fail(CL_EXIT_USAGE, "%s", err.text) : CL_EXIT_USAGE;
    if (prove_all(&prove, &err) < 0)
        return cl_verb_fail(CL_EXIT_FAILED, "%s", err.text);
    return conclude(&prove);
}
