/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche call`: one call of a function that is kept.
 * Runs in: cloche.
 * Trusts: nothing that the service sends.
 */
#include "api/cli/body.h"
#include "api/cli/callopts.h"
#include "api/cli/json.h"
#include "api/cli/post.h"
#include "sandbox/base/own.h"

#define PATH_CALLS "/v1/calls"

static const struct cl_option options[] = {
    CL_OPTION_ARG,
    CL_OPTION_KWARG,
    CL_OPTION_POLICY("the module's"),
    { "version", "VERSION", "an older version of the module (`cloche modules show`)",
      offsetof(struct cl_args, version), CL_OPTION_TEXT, 0 },
    CL_OPTION_STDIN,
    CL_OPTION_LIMIT,
    CL_OPTION_STREAM,
    { "async", NULL, "do not wait: print the call's id (`cloche calls show ID`)",
      offsetof(struct cl_args, is_async), CL_OPTION_FLAG, 0 },
    CL_OPTION_OUTPUT,
    CL_OPTION_URL,
    CL_OPTION_TOKEN_FILE,
};

static int call_later(struct cl_service *service, const struct cl_buf *body, bool as_json)
{
    const struct cl_sending sending = { .method = "POST",
                                        .path = PATH_CALLS,
                                        .body = body,
                                        .fields = { { "Prefer", "respond-async" } } };
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) id = CL_BUF_INIT(1024);
    struct cl_err err = CL_ERR_INIT;
    struct cl_json root;

    if (cl_service_send(service, &sending, NULL, &answer, &err) < 0)
        return cl_post_fail(&err);
    if (answer.status != 202)
        return cl_service_problem(&answer);
    if (cl_json_root(&answer.body, &root, &err) < 0)
        return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
    if (as_json)
        cl_buf_put(&id, root.text, root.length, &err);
    else
        cl_json_plain(cl_json_member(root, "id"), &id);
    cl_json_show((const char *)id.bytes, id.length, stdout);
    fputc('\n', stdout);
    return CL_EXIT_OK;
}

static int run(const struct cl_args *args)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(CL_BODY_MAX);
    struct cl_err err = CL_ERR_INIT;
    const int as_json = cl_verb_wants_json(args, &err);

    if (args->is_async && args->is_streamed)
        return cl_verb_fail(CL_EXIT_USAGE, "--async and --stream do not go together");
    if (as_json < 0 || cl_body_make_function(&body, args, &err) < 0 ||
        cl_service_open(&service, args, &err) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    if (args->is_async)
        return call_later(&service, &body, as_json);
    if (args->is_streamed)
        return cl_post_streamed(&service, PATH_CALLS, &body, as_json);
    return cl_post_whole(&service, PATH_CALLS, &body, as_json);
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
