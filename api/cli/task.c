/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche task`: one call of python/v1 as a workflow of one.
 * Runs in: cloche.
 * Trusts: the user; nothing that the service sends.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/flow.h"
#include "sandbox/base/own.h"

enum { BODY_MAX = 4 << 20 };

/* -------------------------------------------------------------------------------------- body */

static int put_text(struct cl_buf *body, const char *key, const char *text, struct cl_err *err)
{
    if (!text)
        return 0;
    if (cl_buf_format(body, err, "%s\"%s\":", body->length > 1 ? "," : "", key) < 0)
        return -1;
    return cl_json_put_string(body, text, strlen(text), err);
}

static int put_json(struct cl_buf *body, const char *key, const char *text, struct cl_err *err)
{
    static const struct cl_json_caps caps = CL_JSON_CAPS(BODY_MAX);
    struct cl_json value;

    if (!text)
        return 0;
    if (cl_json_check(text, strlen(text), &caps, &value, NULL, err) < 0)
        return cl_err_context(err, "--%s", key);
    return cl_buf_format(body, err, "%s\"%s\":%.*s", body->length > 1 ? "," : "", key,
                         (int)value.length, value.text);
}

static int make_body(const struct cl_args *args, struct cl_buf *body, struct cl_err *err)
{
    if (!args->method)
        return cl_fail(err, CL_E_INPUT, "which method? name it with --method");
    if (cl_buf_put(body, "{", 1, err) < 0 || put_text(body, "id", args->id, err) < 0 ||
        put_text(body, "protocol", args->protocol, err) < 0 ||
        put_text(body, "method", args->method, err) < 0 ||
        put_json(body, "params", args->params, err) < 0 ||
        put_text(body, "priority", args->priority, err) < 0 ||
        put_json(body, "timeout", args->timeout, err) < 0)
        return -1;
    return cl_buf_put(body, "}", 1, err);
}

/* ------------------------------------------------------------------------------------ submit */

static int show_end(struct cl_json task)
{
    struct cl_buf CL_AUTO(cl_buf_fini) status = CL_BUF_INIT(1 << 12);
    const int code = cl_flow_exit(task);

    cl_json_plain(cl_json_member(task, "status"), &status);
    printf("Task completed with status: %.*s\nResult: ", (int)status.length,
           (char *)status.bytes);
    cl_flow_print(cl_json_member(task, "result"));
    fflush(stdout);
    if (code != CL_FLOW_COMPLETED)
        cl_flow_show_failure(task);
    return code;
}

static int wait_for(struct cl_service *service, const char *id, struct cl_answer *answer,
                    struct cl_json *task)
{
    const int code = cl_flow_follow(service, id, false, 1);

    return code ? code : cl_flow_get(service, "/v1/tasks/", id, answer, task);
}

/* --depends-on: tasks that were submitted before have to complete first. */
static int wait_for_others(struct cl_service *service, const struct cl_texts *ids)
{
    for (size_t i = 0; i < ids->count; i++) {
        struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
        struct cl_json task;
        const int code = wait_for(service, ids->items[i], &answer, &task);

        if (code)
            return code;
        if (cl_flow_exit(task) != CL_FLOW_COMPLETED)
            return cl_verb_fail(CL_FLOW_FAILED, "task %s did not complete", ids->items[i]);
    }
    return 0;
}

static int show_accepted(struct cl_service *service, const struct cl_args *args,
                         const struct cl_answer *accepted)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) id = CL_BUF_INIT(1 << 12);
    struct cl_err err = CL_ERR_INIT;
    struct cl_json root;

    if (cl_json_root(&accepted->body, &root, &err) < 0)
        return cl_flow_fail(&err);
    cl_json_plain(cl_json_member(root, "task_id"), &id);
    if (cl_buf_put(&id, "", 1, &err) < 0)
        return cl_flow_fail(&err);
    if (args->is_json && !args->is_waiting)
        return cl_flow_print(root);
    if (!args->is_json)
        printf("Submitting task %s...\n", (char *)id.bytes);
    if (!args->is_waiting)
        return CL_FLOW_COMPLETED;
    if (!args->is_json)
        puts("Waiting for completion...");
    fflush(stdout);
    const int code = wait_for(service, (char *)id.bytes, &answer, &root);
    if (code)
        return code;
    if (!args->is_json)
        return show_end(root);
    cl_flow_print(root);
    return cl_flow_exit(root);
}

static int submit(const struct cl_args *args)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(BODY_MAX);
    struct cl_err err = CL_ERR_INIT;

    if (make_body(args, &body, &err) < 0 || cl_service_open(&service, args, &err) < 0)
        return cl_verb_fail(CL_FLOW_REFUSED, "%s", err.text);
    const int code = wait_for_others(&service, &args->depends_on);
    if (code)
        return code;
    struct cl_sending sending = { .method = "POST", .path = "/v1/tasks", .body = &body };
    if (args->policy) {
        sending.fields[0].name = "Cloche-Policy";
        sending.fields[0].value = args->policy;
    }
    if (cl_service_send(&service, &sending, NULL, &answer, &err) < 0)
        return cl_flow_fail(&err);
    return answer.status >= 300 ? cl_flow_problem(&answer)
                                : show_accepted(&service, args, &answer);
}

static int status(const struct cl_args *args)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_err err = CL_ERR_INIT;
    struct cl_json task;

    if (cl_service_open(&service, args, &err) < 0)
        return cl_verb_fail(CL_FLOW_REFUSED, "%s", err.text);
    const int code = cl_flow_get(&service, "/v1/tasks/", args->operand, &answer, &task);
    return code ? code : cl_flow_print(task);
}

/* ------------------------------------------------------------------------------------- verbs */

static const struct cl_option submit_options[] = {
    { "protocol", "NAME", "python/v1", offsetof(struct cl_args, protocol), CL_OPTION_TEXT, 0 },
    { "method", "NAME", "execute, register, eval, ...", offsetof(struct cl_args, method),
      CL_OPTION_TEXT, 'm' },
    { "params", "JSON", "an object: the method's parameters", offsetof(struct cl_args, params),
      CL_OPTION_TEXT, 0 },
    { "id", "ID", "of the task (made up)", offsetof(struct cl_args, id), CL_OPTION_TEXT, 0 },
    { "priority", "WORD", "urgent, high, normal or low", offsetof(struct cl_args, priority),
      CL_OPTION_TEXT, 0 },
    { "timeout", "SECONDS", "1 to 3600", offsetof(struct cl_args, timeout), CL_OPTION_TEXT, 0 },
    { "depends-on", "ID", "a task that has to complete first; may come again",
      offsetof(struct cl_args, depends_on), CL_OPTION_TEXTS, 0 },
    { "policy", "NAME", "the policy to run under", offsetof(struct cl_args, policy),
      CL_OPTION_TEXT, 'p' },
    { "wait", NULL, "until it is over", offsetof(struct cl_args, is_waiting), CL_OPTION_FLAG,
      'w' },
    { "json", NULL, "print the record as JSON", offsetof(struct cl_args, is_json),
      CL_OPTION_FLAG, 0 },
    CL_FLOW_OPTIONS_SERVICE,
};

static const struct cl_option options[] = { CL_FLOW_OPTIONS_SERVICE };

static const struct cl_verb verb_submit = {
    .name = "task submit",
    .operands = "",
    .summary = "Submit one task of the python/v1 protocol.\n"
               "Exit codes: 0 completed, 1 failed, 2 refused, 3 service not reachable.",
    .options = submit_options,
    .option_count = CL_COUNT(submit_options),
    .run = submit,
};
static const struct cl_verb verb_status = {
    .name = "task status",
    .operands = "ID",
    .summary = "Print a task's record.",
    .options = options,
    .option_count = CL_COUNT(options),
    .run = status,
    .needs_operand = true,
};

static const struct cl_verb *const verbs[] = { &verb_submit, &verb_status };

static int run(int argc, char **argv)
{
    return cl_verb_of_verbs(&cl_verb_task, verbs, CL_COUNT(verbs), argc, argv);
}

const struct cl_verb cl_verb_task = {
    .name = "task",
    .operands = "VERB",
    .summary = "Submit one task and look at it (`cloche task --help`).",
    .run_words = run,
};
