/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche run`: one Python file, one call.
 * Runs in: cloche.
 * Trusts: nothing; the file goes to the service as it is, what comes back is checked.
 */
#include "api/cli/body.h"
#include "api/cli/follow.h"
#include "api/cli/post.h"
#include "api/cli/service.h"
#include "sandbox/base/own.h"

#define PATH_CALLS "/v1/calls"

static const struct cl_option options[] = {
    { "entry", "NAME", "the function to call (main)", offsetof(struct cl_args, entry),
      CL_OPTION_TEXT, 'e' },
    { "arg", "JSON", "a positional argument; may come again", offsetof(struct cl_args, args),
      CL_OPTION_TEXTS, 'a' },
    { "kwarg", "NAME=JSON", "a keyword argument; may come again",
      offsetof(struct cl_args, kwargs), CL_OPTION_TEXTS, 'k' },
    { "policy", "NAME", "the policy to run under (the tenant's first)",
      offsetof(struct cl_args, policy), CL_OPTION_TEXT, 'p' },
    { "stdin", "FILE", "what the program reads from its standard input",
      offsetof(struct cl_args, stdin_file), CL_OPTION_TEXT, 0 },
    { "limit", "NAME=VALUE", "narrow a limit (wall=2s, memory=64Mi); may come again",
      offsetof(struct cl_args, limits), CL_OPTION_TEXTS, 0 },
    { "stream", NULL, "show output while it runs", offsetof(struct cl_args, is_streamed),
      CL_OPTION_FLAG, 0 },
    CL_OPTION_OUTPUT,
    { "url", "URL", "the service (CLOCHE_URL, or " CL_SERVICE_URL ")",
      offsetof(struct cl_args, url), CL_OPTION_TEXT, 0 },
    { "token-file", "FILE", "its token (CLOCHE_TOKEN, or " CL_SERVICE_STATE "/local.token)",
      offsetof(struct cl_args, token_file), CL_OPTION_TEXT, 0 },
};

static int run_streamed(struct cl_service *service, const struct cl_buf *body, bool as_json)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_follow CL_AUTO(cl_follow_fini) follow = CL_FOLLOW_INIT(as_json);
    const struct cl_sink sink = { cl_follow_take, &follow };
    struct cl_err err = CL_ERR_INIT;

    if (cl_service_post(service, PATH_CALLS, body, &sink, &answer, &err) < 0)
        return cl_post_fail(&err);
    if (answer.status != 200)
        return cl_service_problem(&answer);
    if (!follow.has_ended)
        return cl_verb_fail(CL_EXIT_UNREACHABLE, "the stream broke off before the call's end");
    return follow.code;
}

static int run(const struct cl_args *args)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(CL_BODY_MAX);
    struct cl_err err = CL_ERR_INIT;
    const int as_json = cl_verb_wants_json(args, &err);

    if (as_json < 0 || cl_body_make(&body, args, &err) < 0 ||
        cl_service_open(&service, args, &err) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    if (args->is_streamed)
        return run_streamed(&service, &body, as_json);
    return cl_post_whole(&service, PATH_CALLS, &body, as_json);
}

const struct cl_verb cl_verb_run = {
    .name = "run",
    .operands = "FILE|-",
    .summary = "Run a Python file in a jail of its own and print what its function returns.",
    .options = options,
    .option_count = CL_COUNT(options),
    .run = run,
    .needs_operand = true,
};
