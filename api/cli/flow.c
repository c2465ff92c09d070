/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of workflows and tasks: fetched, printed, and what went wrong in them.
 * Runs in: cloche.
 * Trusts: nothing that the service sends; texts of tasks are shown, not interpreted.
 */
#include "api/cli/flow.h"

#include <string.h>

#include "sandbox/base/own.h"

int cl_flow_fail(const struct cl_err *err)
{
    return cl_verb_fail(err->kind == CL_E_LOST ? CL_FLOW_UNREACHABLE : CL_FLOW_REFUSED, "%s",
                        err->text);
}

static bool has_errors(const struct cl_answer *answer, struct cl_json *errors)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_json root;

    if (cl_json_root(&answer->body, &root, &err) < 0)
        return false;
    *errors = cl_json_member(cl_json_member(cl_json_member(root, "error"), "data"), "errors");
    return cl_json_kind(*errors) == CL_JSON_ARRAY;
}

int cl_flow_problem(const struct cl_answer *answer)
{
    struct cl_json errors, key, value;
    size_t cursor = 0;

    if (!has_errors(answer, &errors)) {
        const int code = cl_service_problem(answer);
        return code == CL_EXIT_UNREACHABLE ? CL_FLOW_UNREACHABLE : CL_FLOW_REFUSED;
    }
    while (cl_json_next(errors, &cursor, &key, &value)) {
        struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_ANSWER_MAX);

        cl_json_plain(value, &text);
        fputs("cloche: refused: ", stderr);
        cl_json_show((const char *)text.bytes, text.length, stderr);
        fputc('\n', stderr);
    }
    return CL_FLOW_REFUSED;
}

int cl_flow_get(struct cl_service *service, const char *path, const char *id,
                struct cl_answer *answer, struct cl_json *record)
{
    struct cl_buf CL_AUTO(cl_buf_fini) whole = CL_BUF_INIT(1 << 16);
    struct cl_err err = CL_ERR_INIT;
    struct cl_sending sending = { .method = "GET" };

    if (cl_buf_put_text(&whole, path, &err) < 0 ||
        (id && cl_service_escape(&whole, id, &err) < 0) || cl_buf_put(&whole, "", 1, &err) < 0)
        return cl_flow_fail(&err);
    sending.path = (const char *)whole.bytes;
    cl_answer_fini(answer);
    if (cl_service_send(service, &sending, NULL, answer, &err) < 0)
        return cl_flow_fail(&err);
    if (answer->status != 200)
        return cl_flow_problem(answer);
    if (cl_json_root(&answer->body, record, &err) < 0)
        return cl_flow_fail(&err);
    return 0;
}

/* --------------------------------------------------------------------------------- printing */

static int put_indented(struct cl_json value, unsigned depth, struct cl_buf *out,
                        struct cl_err *err);

static int put_line(struct cl_buf *out, unsigned depth, struct cl_err *err)
{
    return cl_buf_format(out, err, "\n%*s", (int)(2 * depth), "");
}

static int put_members(struct cl_json value, unsigned depth, struct cl_buf *out,
                       struct cl_err *err)
{
    struct cl_json key, item;
    size_t cursor = 0;
    bool is_first = true;

    while (cl_json_next(value, &cursor, &key, &item)) {
        if ((!is_first && cl_buf_put(out, ",", 1, err) < 0) ||
            put_line(out, depth + 1, err) < 0)
            return -1;
        is_first = false;
        if (key.length > 0 && (cl_buf_put(out, key.text, key.length, err) < 0 ||
                               cl_buf_put(out, ": ", 2, err) < 0))
            return -1;
        if (put_indented(item, depth + 1, out, err) < 0)
            return -1;
    }
    return is_first ? 0 : put_line(out, depth, err);
}

/* As deep as the validator lets a value be. */
static int put_indented(struct cl_json value, unsigned depth, struct cl_buf *out,
                        struct cl_err *err)
{
    const enum cl_json_kind kind = cl_json_kind(value);

    if (kind != CL_JSON_ARRAY && kind != CL_JSON_OBJECT)
        return cl_buf_put(out, value.text, value.length, err);
    if (cl_buf_put(out, kind == CL_JSON_ARRAY ? "[" : "{", 1, err) < 0 ||
        put_members(value, depth, out, err) < 0)
        return -1;
    return cl_buf_put(out, kind == CL_JSON_ARRAY ? "]" : "}", 1, err);
}

int cl_flow_print(struct cl_json value)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_ANSWER_MAX);
    struct cl_err err = CL_ERR_INIT;

    if (value.length == 0)
        value = (struct cl_json){ "null", 4 };
    if (put_indented(value, 0, &text, &err) < 0)
        return cl_flow_fail(&err);
    cl_json_show((const char *)text.bytes, text.length, stdout);
    fputc('\n', stdout);
    return 0;
}

/* --------------------------------------------------------------------------------- failures */

static void show(struct cl_json value)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_ANSWER_MAX);

    cl_json_plain(value, &text);
    while (text.length > 0 && text.bytes[text.length - 1] == '\n')
        text.length--;
    cl_json_show((const char *)text.bytes, text.length, stderr);
}

static bool is_text(struct cl_json value)
{
    return cl_json_kind(value) == CL_JSON_STRING && value.length > 2;
}

void cl_flow_show_failure(struct cl_json task)
{
    const struct cl_json envelope = cl_json_member(task, "result");
    const struct cl_json error = cl_json_member(task, "error");
    struct cl_json traceback = cl_json_member(envelope, "traceback");
    /* The error of a piece of code is its traceback: it goes below, like any other. */
    const bool has_lines = memmem(error.text, error.length, "\\n", 2) != NULL;

    if (!is_text(traceback))
        traceback = cl_json_member(cl_json_member(task, "error_data"), "traceback");
    fputs("Task ", stderr);
    show(cl_json_member(task, "task_id"));
    fputs(" ", stderr);
    show(cl_json_member(task, "status"));
    if (is_text(error) && !has_lines) {
        fputs(": ", stderr);
        show(error);
    }
    if (is_text(cl_json_member(task, "error_code"))) {
        fputs(" (", stderr);
        show(cl_json_member(task, "error_code"));
        fputs(")", stderr);
    }
    fputc('\n', stderr);
    if (has_lines) {
        show(error);
        fputc('\n', stderr);
    }
    if (is_text(traceback)) {
        show(traceback);
        fputc('\n', stderr);
    }
}

void cl_flow_show_failures(struct cl_json record)
{
    struct cl_json key, task;
    size_t cursor = 0;

    while (cl_json_next(cl_json_member(record, "tasks"), &cursor, &key, &task)) {
        if (!cl_json_has_text(cl_json_member(task, "status"), "completed"))
            cl_flow_show_failure(task);
    }
}

int cl_flow_exit(struct cl_json record)
{
    return cl_json_has_text(cl_json_member(record, "status"), "completed") ? CL_FLOW_COMPLETED
                                                                           : CL_FLOW_FAILED;
}
