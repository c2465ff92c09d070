/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche sessions`: jails that stay for one caller.
 * Runs in: cloche.
 * Trusts: nothing that the service sends.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/callopts.h"
#include "api/cli/json.h"
#include "api/cli/post.h"
#include "sandbox/base/own.h"

enum { PATH_MAX_BYTES = 1024 };

#define COMMON CL_OPTION_OUTPUT, CL_OPTION_URL, CL_OPTION_TOKEN_FILE

/* --------------------------------------------------------------------------------------- asking */

/* The answer as an object, or the exit code of why not. */
static int ask(const struct cl_args *args, const char *method, const struct cl_buf *body,
               struct cl_answer *answer, struct cl_json *root)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_buf CL_AUTO(cl_buf_fini) path = CL_BUF_INIT(PATH_MAX_BYTES);
    struct cl_sending sending = { .method = method, .body = body };
    struct cl_err err = CL_ERR_INIT;

    if (cl_buf_put_text(&path, "/v1/sessions", &err) < 0 ||
        (args->operand && (cl_buf_put_text(&path, "/", &err) < 0 ||
                           cl_service_escape(&path, args->operand, &err) < 0)) ||
        cl_buf_put(&path, "", 1, &err) < 0 || cl_service_open(&service, args, &err) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    sending.path = (const char *)path.bytes;
    if (cl_service_send(&service, &sending, NULL, answer, &err) < 0)
        return cl_post_fail(&err);
    if (answer->status >= 300)
        return cl_service_problem(answer);
    if (cl_json_root(&answer->body, root, &err) < 0)
        return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
    return CL_EXIT_OK;
}

static void show(struct cl_json value, int width)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_ANSWER_MAX);

    cl_json_plain(value, &text);
    cl_json_show((const char *)text.bytes, text.length, stdout);
    for (int i = (int)text.length; i < width; i++)
        fputc(' ', stdout);
}

static int print_json(struct cl_json root)
{
    printf("%.*s\n", (int)root.length, root.text);
    return CL_EXIT_OK;
}

/* -------------------------------------------------------------------------------------- printing */

static const struct {
    const char *key, *title;
    int width;
} columns[] = {
    { "session", "SESSION", 26 },      { "policy", "POLICY", 12 }, { "state", "STATE", 8 },
    { "calls", "CALLS", 6 },           { "running", "RUN", 4 },    { "restarts", "LOST", 5 },
    { "idle_ends", "IDLE UNTIL", 20 },
};

static int print_list(struct cl_json root)
{
    struct cl_json key, session;
    size_t cursor = 0;

    for (size_t i = 0; i < CL_COUNT(columns); i++)
        printf("%-*s%s", columns[i].width, columns[i].title,
               i + 1 < CL_COUNT(columns) ? "  " : "\n");
    while (cl_json_next(cl_json_member(root, "sessions"), &cursor, &key, &session)) {
        for (size_t i = 0; i < CL_COUNT(columns); i++) {
            show(cl_json_member(session, columns[i].key), columns[i].width);
            fputs(i + 1 < CL_COUNT(columns) ? "  " : "\n", stdout);
        }
    }
    return CL_EXIT_OK;
}

static int print_one(struct cl_json root)
{
    struct cl_json key, value;
    size_t cursor = 0;

    while (cl_json_next(root, &cursor, &key, &value)) {
        show(key, 18);
        fputc(' ', stdout);
        show(value, 0);
        fputc('\n', stdout);
    }
    return CL_EXIT_OK;
}

/* The id alone, for a script to keep. */
static int print_id(struct cl_json root)
{
    show(cl_json_member(root, "session"), 0);
    fputc('\n', stdout);
    return CL_EXIT_OK;
}

static int run(const struct cl_args *args, const char *method, const struct cl_buf *body,
               int (*print)(struct cl_json root))
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_err err = CL_ERR_INIT;
    const int as_json = cl_verb_wants_json(args, &err);
    struct cl_json root;
    int code;

    if (as_json < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    code = ask(args, method, body, &answer, &root);
    if (code != CL_EXIT_OK)
        return code;
    return as_json ? print_json(root) : print(root);
}

/* ----------------------------------------------------------------------------------------- verbs */

/* {"policy":"...","limits":{"memory":"64Mi"}}, each where it was given. */
static int make_body(struct cl_buf *body, const struct cl_args *args, struct cl_err *err)
{
    const char *policy = args->policy ? args->policy : "";

    if (cl_buf_put_text(body, "{\"policy\":", err) < 0 ||
        cl_json_put_string(body, policy, strlen(policy), err) < 0 ||
        cl_buf_put_text(body, ",\"limits\":{", err) < 0)
        return -1;
    for (size_t i = 0; i < args->limits.count; i++) {
        const char *text = args->limits.items[i];
        const char *equals = strchr(text, '=');
        const bool is_number = equals && strncmp(text, "processes=", 10) == 0 && equals[1] &&
                               strspn(equals + 1, "0123456789") == strlen(equals + 1);

        if (!equals)
            return cl_fail(err, CL_E_INPUT, "--limit is NAME=VALUE, not \"%s\"", text);
        if ((i > 0 && cl_buf_put(body, ",", 1, err) < 0) ||
            cl_json_put_string(body, text, (size_t)(equals - text), err) < 0 ||
            cl_buf_put(body, ":", 1, err) < 0)
            return -1;
        if (is_number ? cl_buf_put_text(body, equals + 1, err) < 0
                      : cl_json_put_string(body, equals + 1, strlen(equals + 1), err) < 0)
            return -1;
    }
    return cl_buf_put_text(body, "}}", err);
}

static int run_new(const struct cl_args *args)
{
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(64 << 10);
    struct cl_err err = CL_ERR_INIT;

    if (make_body(&body, args, &err) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    return run(args, "POST", &body, print_id);
}

static int run_list(const struct cl_args *args)
{
    return run(args, "GET", NULL, print_list);
}

static int run_show(const struct cl_args *args)
{
    return run(args, "GET", NULL, print_one);
}

static int run_end(const struct cl_args *args)
{
    return run(args, "DELETE", NULL, print_id);
}

static const struct cl_option new_options[] = {
    CL_OPTION_POLICY("the tenant's first"),
    { "limit", "NAME=VALUE", "of the whole jail: memory=64Mi, processes=2; may come again",
      offsetof(struct cl_args, limits), CL_OPTION_TEXTS, 0 },
    COMMON,
};
static const struct cl_option plain_options[] = { COMMON };

#define VERB(name_, operands_, summary_, options_, run_, needs_)                               \
    {                                                                                          \
        .name = (name_), .operands = (operands_), .summary = (summary_),                       \
        .options = (options_), .option_count = CL_COUNT(options_), .run = (run_),              \
        .needs_operand = (needs_)                                                              \
    }

static const struct cl_verb verb_new = VERB(
    "sessions new", "", "Open a session and print its id, for --session of `run` and `call`.",
    new_options, run_new, false);
static const struct cl_verb verb_list =
    VERB("sessions list", "", "Your sessions.", plain_options, run_list, false);
static const struct cl_verb verb_show =
    VERB("sessions show", "ID", "What is known of one session.", plain_options, run_show, true);
static const struct cl_verb verb_end =
    VERB("sessions end", "ID", "End a session, its jail and the calls in it.", plain_options,
         run_end, true);

static const struct cl_verb *const verbs[] = { &verb_new, &verb_list, &verb_show, &verb_end };

static int run_words(int argc, char **argv)
{
    return cl_verb_of_verbs(&cl_verb_sessions, verbs, CL_COUNT(verbs), argc, argv);
}

const struct cl_verb cl_verb_sessions = {
    .name = "sessions",
    .operands = "VERB",
    .summary = "Open, list and end jails that stay (`cloche sessions --help`).",
    .run_words = run_words,
};
