/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Posts a body and shows the envelope that comes back.
 * Runs in: cloche.
 * Trusts: nothing that the service sends.
 */
#include "api/cli/post.h"

#include "api/cli/follow.h"
#include "api/cli/outcome.h"
#include "sandbox/base/own.h"

int cl_post_fail(const struct cl_err *err)
{
    return cl_verb_fail(err->kind == CL_E_LOST ? CL_EXIT_UNREACHABLE : CL_EXIT_USAGE, "%s",
                        err->text);
}

int cl_post_whole(struct cl_service *service, const char *path, const struct cl_buf *body,
                  bool as_json)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_err err = CL_ERR_INIT;
    struct cl_json envelope;

    if (cl_service_post(service, path, body, NULL, &answer, &err) < 0)
        return cl_post_fail(&err);
    if (answer.status != 200)
        return cl_service_problem(&answer);
    if (cl_json_root(&answer.body, &envelope, &err) < 0)
        return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
    if (!as_json)
        return cl_outcome_show(envelope, false);
    fwrite(envelope.text, 1, envelope.length, stdout);
    fputc('\n', stdout);
    return cl_outcome_exit(envelope);
}

int cl_post_streamed(struct cl_service *service, const char *path, const struct cl_buf *body,
                     bool as_json)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_follow CL_AUTO(cl_follow_fini) follow = CL_FOLLOW_INIT(as_json);
    const struct cl_sink sink = { cl_follow_take, &follow };
    struct cl_err err = CL_ERR_INIT;

    if (cl_service_post(service, path, body, &sink, &answer, &err) < 0)
        return cl_post_fail(&err);
    if (answer.status != 200)
        return cl_service_problem(&answer);
    if (!follow.has_ended)
        return cl_verb_fail(CL_EXIT_UNREACHABLE, "the stream broke off before the call's end");
    return follow.code;
}
