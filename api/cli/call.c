/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche call`: one call of a function that is kept.
 * Runs in: cloche.
 * Trusts: nothing that the service sends.
 */
#include "api/cli/body.h"
#include "api/cli/callopts.h"
#include "api/cli/post.h"
#include "sandbox/base/own.h"

#define PATH_CALLS "/v1/calls"

static const struct cl_option options[] = {
    CL_OPTION_ARG,
    CL_OPTION_KWARG,
    CL_OPTION_POLICY("the module's"),
    { "version", "VERSION", "an older version of the module (`cloche modules versions`)",
      offsetof(struct cl_args, version), CL_OPTION_TEXT, 0 },
    CL_OPTION_STDIN,
    CL_OPTION_LIMIT,
    CL_OPTION_STREAM,
    CL_OPTION_ASYNC,
    CL_OPTION_PRIORITY,
    CL_OPTION_KEY,
    CL_OPTION_SESSION,
    CL_OPTION_OUTPUT,
    CL_OPTION_URL,
    CL_OPTION_TOKEN_FILE,
};

static int run(const struct cl_args *args)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(CL_BODY_MAX);
    struct cl_err err = CL_ERR_INIT;
    const int as_json = cl_verb_wants_json(args, &err);

    if (as_json < 0 || cl_body_make_function(&body, args, &err) < 0 ||
        cl_service_open(&service, args, &err) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    return cl_post_call(&service, PATH_CALLS, &body, args);
}

const struct cl_verb cl_verb_call = {
    .name = "call",
    .operands = "MODULE.NAME",
    .summary = "Call a function that was pushed; MODULE alone means its main.",
    .options = options,
    .option_count = CL_COUNT(options),
    .run = run,
    .needs_operand = true,
};
