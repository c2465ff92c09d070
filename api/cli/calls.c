/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche calls`: calls that are kept by the service, and what became of them.
 * Runs in: cloche.
 * Trusts: the service for the shape of its answers, checked before use; not what is in them.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "api/cli/callstable.h"
#include "api/cli/follow.h"
#include "api/cli/json.h"
#include "api/cli/outcome.h"
#include "api/cli/post.h"
#include "api/cli/service.h"
#include "api/quantity.h"
#include "sandbox/base/clock.h"
#include "sandbox/base/own.h"

enum { PATH_MAX_BYTES = 1600, WAIT_PIECE_S = 60 };

#define COMMON                                                                                 \
    CL_OPTION_OUTPUT,                                                                          \
        { "url",                                                                               \
          "URL",                                                                               \
          "the service (CLOCHE_URL, or " CL_SERVICE_URL ")",                                   \
          offsetof(struct cl_args, url),                                                       \
          CL_OPTION_TEXT,                                                                      \
          0 },                                                                                 \
    {                                                                                          \
        "token-file", "FILE", "its token (CLOCHE_TOKEN, or " CL_SERVICE_STATE "/local.token)", \
            offsetof(struct cl_args, token_file), CL_OPTION_TEXT, 0                            \
    }

/* ------------------------------------------------------------------------------------ requests */

/* A path, NUL-terminated in `path`. */
static int put_path(struct cl_buf *path, const char *id, const char *tail, struct cl_err *err)
{
    if (cl_buf_put_text(path, "/v1/calls", err) < 0)
        return -1;
    if (id && (cl_buf_put_text(path, "/", err) < 0 || cl_service_escape(path, id, err) < 0))
        return -1;
    return cl_buf_put_text(path, tail, err);
}

static int terminate(struct cl_buf *path, struct cl_err *err)
{
    return cl_buf_put(path, "", 1, err);
}

/* Appends ?name=value or &name=value. */
static int put_query(struct cl_buf *path, const char *name, const char *value,
                     struct cl_err *err)
{
    const char *mark = path->length && memchr(path->bytes, '?', path->length) ? "&" : "?";

    if (!value)
        return 0;
    if (cl_buf_format(path, err, "%s%s=", mark, name) < 0)
        return -1;
    return cl_service_escape(path, value, err);
}

static int send_to(struct cl_service *service, const char *method, const struct cl_buf *path,
                   struct cl_answer *answer)
{
    const struct cl_sending sending = { .method = method, .path = (const char *)path->bytes };
    struct cl_err err = CL_ERR_INIT;

    if (cl_service_send(service, &sending, NULL, answer, &err) < 0)
        return cl_post_fail(&err);
    return answer->status == 200 || answer->status == 202 ? CL_EXIT_OK
                                                          : cl_service_problem(answer);
}

static int open_service(struct cl_service *service, const struct cl_args *args)
{
    struct cl_err err = CL_ERR_INIT;
    const int as_json = cl_verb_wants_json(args, &err);

    if (as_json < 0 || cl_service_open(service, args, &err) < 0)
        return -cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    return as_json;
}

static int print_json(const struct cl_answer *answer)
{
    fwrite(answer->body.bytes, 1, answer->body.length, stdout);
    fputc('\n', stdout);
    return CL_EXIT_OK;
}

static bool is_done(struct cl_json call)
{
    return cl_json_has_text(cl_json_member(call, "status"), "done");
}

/* ---------------------------------------------------------------------------------------- list */

static int run_list(const struct cl_args *args)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) path = CL_BUF_INIT(PATH_MAX_BYTES);
    struct cl_err err = CL_ERR_INIT;
    struct cl_json root;
    const int as_json = open_service(&service, args);
    int code;

    if (as_json < 0)
        return -as_json;
    if (put_path(&path, NULL, "", &err) < 0 ||
        put_query(&path, "status", args->status, &err) < 0 ||
        put_query(&path, "function", args->function, &err) < 0 ||
        put_query(&path, "limit", args->limit, &err) < 0 ||
        put_query(&path, "cursor", args->cursor, &err) < 0 || terminate(&path, &err) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    code = send_to(&service, "GET", &path, &answer);
    if (code != CL_EXIT_OK)
        return code;
    if (as_json)
        return print_json(&answer);
    if (cl_json_root(&answer.body, &root, &err) < 0)
        return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
    cl_callstable_print(root, stdout);
    return CL_EXIT_OK;
}

static const struct cl_option list_options[] = {
    { "status", "queued|running|done", "only those", offsetof(struct cl_args, status),
      CL_OPTION_TEXT, 's' },
    { "function", "MODULE.NAME", "only calls of this function",
      offsetof(struct cl_args, function), CL_OPTION_TEXT, 'f' },
    { "limit", "N", "at most so many (50)", offsetof(struct cl_args, limit), CL_OPTION_TEXT,
      'n' },
    { "cursor", "ID", "those older than this one: the `next` of the list before",
      offsetof(struct cl_args, cursor), CL_OPTION_TEXT, 0 },
    COMMON,
};

static const struct cl_verb verb_list = {
    .name = "calls list",
    .operands = "",
    .summary = "The calls that are kept, the newest first.",
    .options = list_options,
    .option_count = CL_COUNT(list_options),
    .run = run_list,
};

/* -------------------------------------------------------------------------------- show, cancel */

static int ask_one(const struct cl_args *args, const char *method)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) path = CL_BUF_INIT(PATH_MAX_BYTES);
    struct cl_err err = CL_ERR_INIT;
    struct cl_json root;
    const int as_json = open_service(&service, args);
    int code;

    if (as_json < 0)
        return -as_json;
    if (put_path(&path, args->operand, "", &err) < 0 || terminate(&path, &err) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    code = send_to(&service, method, &path, &answer);
    if (code != CL_EXIT_OK)
        return code;
    if (as_json)
        return print_json(&answer);
    if (cl_json_root(&answer.body, &root, &err) < 0)
        return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
    cl_callstable_print_one(root, stdout);
    return CL_EXIT_OK;
}

static int run_show(const struct cl_args *args)
{
    return ask_one(args, "GET");
}

static int run_cancel(const struct cl_args *args)
{
    return ask_one(args, "DELETE");
}

static const struct cl_option plain_options[] = { COMMON };

static const struct cl_verb verb_show = {
    .name = "calls show",
    .operands = "ID",
    .summary = "What is known of one call, as it is now.",
    .options = plain_options,
    .option_count = CL_COUNT(plain_options),
    .run = run_show,
    .needs_operand = true,
};

static const struct cl_verb verb_cancel = {
    .name = "calls cancel",
    .operands = "ID",
    .summary = "End a call that waits or runs; one that is done stays as it is.",
    .options = plain_options,
    .option_count = CL_COUNT(plain_options),
    .run = run_cancel,
    .needs_operand = true,
};

/* ---------------------------------------------------------------------------------------- wait */

/* Asks until it is done; the answer is the last one. */
static int wait_for(struct cl_service *service, const char *id, uint64_t most_ms,
                    struct cl_answer *answer, struct cl_json *root)
{
    const uint64_t until_us = cl_clock_us() + most_ms * 1000;

    for (;;) {
        struct cl_buf CL_AUTO(cl_buf_fini) path = CL_BUF_INIT(PATH_MAX_BYTES);
        const uint64_t now_us = cl_clock_us();
        const uint64_t left_ms = now_us < until_us ? (until_us - now_us) / 1000 : 0;
        char piece[32];
        struct cl_err err = CL_ERR_INIT;
        int code;

        snprintf(piece, sizeof(piece), "?wait=%" PRIu64 "ms",
                 left_ms < WAIT_PIECE_S * 1000 ? left_ms : WAIT_PIECE_S * 1000);
        cl_buf_clear(&answer->body);
        if (put_path(&path, id, piece, &err) < 0 || terminate(&path, &err) < 0)
            return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
        code = send_to(service, "GET", &path, answer);
        if (code != CL_EXIT_OK)
            return code;
        if (cl_json_root(&answer->body, root, &err) < 0)
            return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
        if (is_done(*root) || left_ms == 0)
            return CL_EXIT_OK;
    }
}

static int run_wait(const struct cl_args *args)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    const char *timeout = args->timeout ? args->timeout : "8760h";
    struct cl_err err = CL_ERR_INIT;
    uint64_t most_ms = 0;
    struct cl_json root;
    const int as_json = open_service(&service, args);
    int code;

    if (as_json < 0)
        return -as_json;
    if (cl_quantity_ms(timeout, strlen(timeout), &most_ms, &err) < 0 ||
        most_ms > UINT64_MAX / 4000)
        return cl_verb_fail(CL_EXIT_USAGE, "--timeout is a time such as 30s or 10m");
    code = wait_for(&service, args->operand, most_ms, &answer, &root);
    if (code != CL_EXIT_OK)
        return code;
    if (as_json)
        print_json(&answer);
    if (!is_done(root))
        return cl_verb_fail(CL_EXIT_UNREACHABLE, "it is not done after %s", timeout);
    return as_json ? cl_outcome_exit(root) : cl_outcome_show(root, false);
}

static const struct cl_option wait_options[] = {
    { "timeout", "TIME", "give up after 30s, 10m, ... (exit code 6)",
      offsetof(struct cl_args, timeout), CL_OPTION_TEXT, 't' },
    COMMON,
};

static const struct cl_verb verb_wait = {
    .name = "calls wait",
    .operands = "ID",
    .summary = "Wait for a call's end and show it as `cloche run` does, with its exit code.",
    .options = wait_options,
    .option_count = CL_COUNT(wait_options),
    .run = run_wait,
    .needs_operand = true,
};

/* -------------------------------------------------------------------------------------- events */

static int run_events(const struct cl_args *args)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) path = CL_BUF_INIT(PATH_MAX_BYTES);
    const int as_json = open_service(&service, args);
    struct cl_follow CL_AUTO(cl_follow_fini) follow = CL_FOLLOW_INIT(as_json > 0);
    const struct cl_sink sink = { cl_follow_take, &follow };
    struct cl_sending sending = { .method = "GET" };
    struct cl_err err = CL_ERR_INIT;

    if (as_json < 0)
        return -as_json;
    if (put_path(&path, args->operand, "/events", &err) < 0 ||
        put_query(&path, "after", args->after, &err) < 0 || terminate(&path, &err) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    sending.path = (const char *)path.bytes;
    if (cl_service_send(&service, &sending, &sink, &answer, &err) < 0)
        return cl_post_fail(&err);
    if (answer.status != 200)
        return cl_service_problem(&answer);
    if (!follow.has_ended)
        return cl_verb_fail(CL_EXIT_UNREACHABLE, "the events broke off before the call's end");
    return follow.code;
}

static const struct cl_option events_options[] = {
    { "after", "SEQ", "only what came behind this event", offsetof(struct cl_args, after),
      CL_OPTION_TEXT, 0 },
    COMMON,
};

static const struct cl_verb verb_events = {
    .name = "calls events",
    .operands = "ID",
    .summary = "Show a call's output from its start, and follow it to its end.",
    .options = events_options,
    .option_count = CL_COUNT(events_options),
    .run = run_events,
    .needs_operand = true,
};

/* --------------------------------------------------------------------------------------- verbs */

static const struct cl_verb *const verbs[] = { &verb_list, &verb_show, &verb_wait, &verb_events,
                                               &verb_cancel };

static int run_words(int argc, char **argv)
{
    return cl_verb_of_verbs(&cl_verb_calls, verbs, CL_COUNT(verbs), argc, argv);
}

const struct cl_verb cl_verb_calls = {
    .name = "calls",
    .operands = "VERB",
    .summary = "List, follow and cancel calls that are kept (`cloche calls --help`).",
    .run_words = run_words,
};
