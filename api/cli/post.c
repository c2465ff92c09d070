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

static int show_envelope(const struct cl_answer *answer, bool as_json)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_json envelope;

    if (answer->status != 200)
        return cl_service_problem(answer);
    if (cl_json_root(&answer->body, &envelope, &err) < 0)
        return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
    if (!as_json)
        return cl_outcome_show(envelope, false);
    fwrite(envelope.text, 1, envelope.length, stdout);
    fputc('\n', stdout);
    return cl_outcome_exit(envelope);
}

int cl_post_whole(struct cl_service *service, const char *path, const struct cl_buf *body,
                  bool as_json)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_err err = CL_ERR_INIT;

    if (cl_service_post(service, path, body, NULL, &answer, &err) < 0)
        return cl_post_fail(&err);
    return show_envelope(&answer, as_json);
}

/* Accepted: its id, or all of it as it came. */
static int show_id(const struct cl_answer *answer, bool as_json)
{
    struct cl_buf CL_AUTO(cl_buf_fini) id = CL_BUF_INIT(1024);
    struct cl_err err = CL_ERR_INIT;
    struct cl_json root;

    if (cl_json_root(&answer->body, &root, &err) < 0)
        return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
    if (as_json)
        cl_buf_put(&id, root.text, root.length, &err);
    else
        cl_json_plain(cl_json_member(root, "id"), &id);
    cl_json_show((const char *)id.bytes, id.length, stdout);
    fputc('\n', stdout);
    return CL_EXIT_OK;
}

static int call_streamed(struct cl_service *service, const struct cl_sending *sending,
                         bool as_json)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_follow CL_AUTO(cl_follow_fini) follow = CL_FOLLOW_INIT(as_json);
    const struct cl_sink sink = { cl_follow_take, &follow };
    struct cl_err err = CL_ERR_INIT;

    if (cl_service_send(service, sending, &sink, &answer, &err) < 0)
        return cl_post_fail(&err);
    if (answer.status != 200)
        return cl_service_problem(&answer);
    if (!follow.has_ended)
        return cl_verb_fail(CL_EXIT_UNREACHABLE, "the stream broke off before the call's end");
    return follow.code;
}

int cl_post_call(struct cl_service *service, const char *path, const struct cl_buf *body,
                 const struct cl_args *args)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_sending sending = { .method = "POST", .path = path, .body = body };
    struct cl_err err = CL_ERR_INIT;
    const bool as_json = cl_verb_wants_json(args, &err) > 0;
    size_t count = 0;

    if (args->is_async && args->is_streamed)
        return cl_verb_fail(CL_EXIT_USAGE, "--async and --stream do not go together");
    if (args->is_async) {
        sending.fields[count].name = "Prefer";
        sending.fields[count++].value = "respond-async";
    }
    if (args->idempotency_key) {
        sending.fields[count].name = "Idempotency-Key";
        sending.fields[count++].value = args->idempotency_key;
    }
    if (args->session) {
        sending.fields[count].name = "Cloche-Session";
        sending.fields[count].value = args->session;
    }
    if (args->is_streamed)
        return call_streamed(service, &sending, as_json);
    if (cl_service_send(service, &sending, NULL, &answer, &err) < 0)
        return cl_post_fail(&err);
    return answer.status == 202 ? show_id(&answer, as_json) : show_envelope(&answer, as_json);
}
