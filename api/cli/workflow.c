/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche workflow`: documents submitted, watched, looked at, stopped.
 * Runs in: cloche.
 * Trusts: the user's file only to be the user's; it goes to the service as it is, or with its
 * `${params.x}` replaced.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/flow.h"
#include "api/workflow/document.h"
#include "api/workflow/references.h"
#include "sandbox/base/own.h"

enum { FILE_MAX_BYTES = 4 << 20, PROGRAM_DEPTH = 4 /* workflow, tasks, task, params */ };

/* ---------------------------------------------------------------------------------- document */

static int read_file(const char *path, struct cl_buf *out, struct cl_err *err)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    cl_close_auto int fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    char part[65536];
    ssize_t got = 0;

    if (fd < 0)
        return cl_fail(err, CL_E_SYS, "open %s", path);
    while ((got = read(fd, part, sizeof(part))) > 0) {
        if (cl_buf_put(out, part, (size_t)got, err) < 0)
            return cl_err_context(err, "%s", path);
    }
    return got < 0 ? cl_fail(err, CL_E_SYS, "read %s", path) : 0;
}

static bool is_json(const struct cl_buf *text)
{
    size_t at = 0;

    while (at < text->length && strchr(" \t\r\n", text->bytes[at]))
        at++;
    return at < text->length && text->bytes[at] == '{';
}

static struct cl_reference_value params_value(void *self, int task)
{
    (void)task;
    return (struct cl_reference_value){ *(struct cl_json *)self, { "", 0 } };
}

/* Puts the members of --params where the document says ${params.x}; it is JSON then. */
static int put_params(struct cl_buf *document, const char *params, struct cl_err *err)
{
    static const struct cl_json_caps caps = CL_JSON_CAPS(FILE_MAX_BYTES);
    struct cl_wtree CL_AUTO(cl_wtree_fini) tree = CL_WTREE_INIT;
    struct cl_names CL_AUTO(cl_names_fini) names = CL_NAMES_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(2 * FILE_MAX_BYTES);
    struct cl_json values;
    const struct cl_references references = { &names, params_value, &values, PROGRAM_DEPTH,
                                              true };

    if (cl_json_check(params, strlen(params), &caps, &values, NULL, err) < 0)
        return cl_err_context(err, "--params");
    if (cl_json_kind(values) != CL_JSON_OBJECT)
        return cl_fail(err, CL_E_INPUT, "--params is a JSON object");
    if ((is_json(document) ? cl_document_parse_json : cl_document_parse_yaml)(
            &tree, (const char *)document->bytes, document->length, err) < 0 ||
        cl_wnode_format(tree.root, &text, err) < 0)
        return -1;
    cl_names_init(&names, 1);
    cl_names_add(&names, "params", "params");
    cl_names_sort(&names);
    cl_buf_clear(document);
    return cl_references_put(&references, (struct cl_json){ (char *)text.bytes, text.length },
                             document, err);
}

static int make_document(const struct cl_args *args, struct cl_buf *document,
                         struct cl_err *err)
{
    if (read_file(args->operand, document, err) < 0)
        return -1;
    return args->params ? put_params(document, args->params, err) : 0;
}

/* ------------------------------------------------------------------------------------ submit */

static void show_end(struct cl_json record)
{
    struct cl_buf CL_AUTO(cl_buf_fini) status = CL_BUF_INIT(1 << 12);
    struct cl_json key, task;
    size_t cursor = 0, count = 0, completed = 0;

    while (cl_json_next(cl_json_member(record, "tasks"), &cursor, &key, &task)) {
        count++;
        completed += cl_json_has_text(cl_json_member(task, "status"), "completed");
    }
    cl_json_plain(cl_json_member(record, "status"), &status);
    printf("Workflow completed with status: %.*s\n", (int)status.length, (char *)status.bytes);
    printf("Tasks: %zu/%zu completed\n", completed, count);
    fflush(stdout);
    cl_flow_show_failures(record);
}

static int wait_for(struct cl_service *service, const struct cl_args *args, const char *id,
                    unsigned total)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    const bool shows = args->is_watching || (args->is_waiting && isatty(STDERR_FILENO));
    struct cl_json record;
    int code = cl_flow_follow(service, id, shows && !args->is_json, total);

    if (code == 0)
        code = cl_flow_get(service, "/v1/workflows/", id, &answer, &record);
    if (code)
        return code;
    if (args->is_json)
        cl_flow_print(record);
    else
        show_end(record);
    return cl_flow_exit(record);
}

/* The record came with the answer: the document said wait_for_completion. */
static int show_whole(const struct cl_args *args, struct cl_json record)
{
    if (args->is_json)
        cl_flow_print(record);
    else
        show_end(record);
    return cl_flow_exit(record);
}

static int show_accepted(struct cl_service *service, const struct cl_args *args,
                         const struct cl_answer *answer)
{
    struct cl_buf CL_AUTO(cl_buf_fini) id = CL_BUF_INIT(1 << 12);
    struct cl_err err = CL_ERR_INIT;
    struct cl_json root, key, warning;
    size_t cursor = 0;
    const bool waits = args->is_waiting || args->is_watching;

    if (cl_json_root(&answer->body, &root, &err) < 0)
        return cl_flow_fail(&err);
    cl_json_plain(cl_json_member(root, "workflow_id"), &id);
    if (cl_buf_put(&id, "", 1, &err) < 0)
        return cl_flow_fail(&err);
    const unsigned total = (unsigned)cl_json_number(cl_json_member(root, "task_count"));
    if (!args->is_json)
        printf("Submitting workflow %s with %u tasks...\n", (char *)id.bytes, total);
    fflush(stdout);
    while (cl_json_next(cl_json_member(root, "warnings"), &cursor, &key, &warning)) {
        struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(1 << 16);
        cl_json_plain(warning, &text);
        fputs("cloche: warning: ", stderr);
        cl_json_show((const char *)text.bytes, text.length, stderr);
        fputc('\n', stderr);
    }
    if (answer->status == 200)
        return show_whole(args, root);
    if (waits)
        return wait_for(service, args, (char *)id.bytes, total);
    return args->is_json ? cl_flow_print(root) : CL_FLOW_COMPLETED;
}

static int submit(const struct cl_args *args)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) document = CL_BUF_INIT(FILE_MAX_BYTES);
    struct cl_err err = CL_ERR_INIT;
    struct cl_json root;

    if (make_document(args, &document, &err) < 0 || cl_service_open(&service, args, &err) < 0)
        return cl_verb_fail(CL_FLOW_REFUSED, "%s", err.text);
    struct cl_sending sending = {
        .method = "POST",
        .path = args->is_dry ? "/v1/workflows:validate" : "/v1/workflows",
        .body = &document,
        .type = is_json(&document) ? "application/json" : "application/yaml",
    };
    if (args->policy) {
        sending.fields[0].name = "Cloche-Policy";
        sending.fields[0].value = args->policy;
    }
    if (cl_service_send(&service, &sending, NULL, &answer, &err) < 0)
        return cl_flow_fail(&err);
    if (answer.status >= 300)
        return cl_flow_problem(&answer);
    if (!args->is_dry)
        return show_accepted(&service, args, &answer);
    return cl_json_root(&answer.body, &root, &err) < 0 ? cl_flow_fail(&err)
                                                       : cl_flow_print(root);
}

/* ------------------------------------------------------------------------ records, list, stop */

static int show_record(const struct cl_args *args, const char *path, const char *id)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_err err = CL_ERR_INIT;
    struct cl_json record;

    if (cl_service_open(&service, args, &err) < 0)
        return cl_verb_fail(CL_FLOW_REFUSED, "%s", err.text);
    const int code = cl_flow_get(&service, path, id, &answer, &record);
    return code ? code : cl_flow_print(record);
}

static int status(const struct cl_args *args)
{
    return show_record(args, "/v1/workflows/", args->operand);
}

static int list_active(const struct cl_args *args)
{
    return show_record(args, "/v1/workflows?status=active&limit=1000", NULL);
}

static int cancel(const struct cl_args *args)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) path = CL_BUF_INIT(1 << 12);
    struct cl_err err = CL_ERR_INIT;
    struct cl_sending sending = { .method = "POST" };
    struct cl_json record;

    if (cl_service_open(&service, args, &err) < 0 ||
        cl_buf_put_text(&path, "/v1/workflows/", &err) < 0 ||
        cl_service_escape(&path, args->operand, &err) < 0 ||
        cl_buf_put_text(&path, ":cancel", &err) < 0 || cl_buf_put(&path, "", 1, &err) < 0)
        return cl_verb_fail(CL_FLOW_REFUSED, "%s", err.text);
    sending.path = (const char *)path.bytes;
    if (cl_service_send(&service, &sending, NULL, &answer, &err) < 0)
        return cl_flow_fail(&err);
    if (answer.status >= 300)
        return cl_flow_problem(&answer);
    return cl_json_root(&answer.body, &record, &err) < 0 ? cl_flow_fail(&err)
                                                         : cl_flow_print(record);
}

/* ------------------------------------------------------------------------------------- verbs */

static const struct cl_option submit_options[] = {
    { "params", "JSON", "an object: its members replace ${params.NAME}",
      offsetof(struct cl_args, params), CL_OPTION_TEXT, 0 },
    { "policy", "NAME", "the policy to run under", offsetof(struct cl_args, policy),
      CL_OPTION_TEXT, 'p' },
    { "wait", NULL, "until it is over", offsetof(struct cl_args, is_waiting), CL_OPTION_FLAG,
      'w' },
    { "watch", NULL, "the same, showing each task", offsetof(struct cl_args, is_watching),
      CL_OPTION_FLAG, 0 },
    { "dry-run", NULL, "check it, print it normalised, run nothing",
      offsetof(struct cl_args, is_dry), CL_OPTION_FLAG, 0 },
    { "json", NULL, "print records as JSON", offsetof(struct cl_args, is_json), CL_OPTION_FLAG,
      0 },
    CL_FLOW_OPTIONS_SERVICE,
};

static const struct cl_option options[] = { CL_FLOW_OPTIONS_SERVICE };

static const struct cl_verb verb_submit = {
    .name = "workflow submit",
    .operands = "FILE|-",
    .summary = "Submit a workflow document, YAML or JSON.\n"
               "Exit codes: 0 completed, 1 failed, 2 refused, 3 service not reachable.",
    .options = submit_options,
    .option_count = CL_COUNT(submit_options),
    .run = submit,
    .needs_operand = true,
};
static const struct cl_verb verb_status = {
    .name = "workflow status",
    .operands = "ID",
    .summary = "Print a workflow's record.",
    .options = options,
    .option_count = CL_COUNT(options),
    .run = status,
    .needs_operand = true,
};
static const struct cl_verb verb_list_active = {
    .name = "workflow list-active",
    .operands = "",
    .summary = "Print the workflows that are not over, the newest first.",
    .options = options,
    .option_count = CL_COUNT(options),
    .run = list_active,
};
static const struct cl_verb verb_cancel = {
    .name = "workflow cancel",
    .operands = "ID",
    .summary = "Stop a workflow and print its record.",
    .options = options,
    .option_count = CL_COUNT(options),
    .run = cancel,
    .needs_operand = true,
};

static const struct cl_verb *const verbs[] = { &verb_submit, &verb_status, &verb_list_active,
                                               &verb_cancel };

static int run(int argc, char **argv)
{
    return cl_verb_of_verbs(&cl_verb_workflow, verbs, CL_COUNT(verbs), argc, argv);
}

const struct cl_verb cl_verb_workflow = {
    .name = "workflow",
    .operands = "VERB",
    .summary = "Submit, follow and stop workflows (`cloche workflow --help`).",
    .run_words = run,
};
