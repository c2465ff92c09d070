/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche modules` and `cloche functions`: what is kept, and what of it can be called.
 * Runs in: cloche.
 * Trusts: nothing that the service sends; texts of modules are shown, not interpreted.
 */
#include <stdio.h>
#include <string.h>

#include "api/cli/callopts.h"
#include "api/cli/json.h"
#include "api/cli/post.h"
#include "sandbox/base/own.h"

enum { PATH_SIZE = 1024 };

static const struct cl_option options[] = { CL_OPTION_OUTPUT, CL_OPTION_URL,
                                            CL_OPTION_TOKEN_FILE };
static const struct cl_option version_options[] = {
    { "version", "VERSION", "an older version", offsetof(struct cl_args, version),
      CL_OPTION_TEXT, 0 },
    CL_OPTION_OUTPUT,
    CL_OPTION_URL,
    CL_OPTION_TOKEN_FILE,
};

/* ---------------------------------------------------------------------------------- showing */

static void show(struct cl_json value, FILE *to)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_ANSWER_MAX);

    cl_json_plain(value, &text);
    cl_json_show((const char *)text.bytes, text.length, to);
}

static void show_wide(struct cl_json value, int width)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_ANSWER_MAX);

    cl_json_plain(value, &text);
    cl_json_show((const char *)text.bytes, text.length, stdout);
    for (int i = (int)text.length; i < width; i++)
        fputc(' ', stdout);
}

/* The first line of a text, behind two spaces. */
static void show_first_line(struct cl_json value)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_ANSWER_MAX);
    const char *end;

    if (cl_json_kind(value) != CL_JSON_STRING)
        return;
    cl_json_plain(value, &text);
    if (text.length == 0)
        return;
    end = memchr(text.bytes, '\n', text.length);
    fputs("  ", stdout);
    cl_json_show((const char *)text.bytes,
                 end ? (size_t)(end - (const char *)text.bytes) : text.length, stdout);
}

static void show_module_row(struct cl_json module)
{
    const struct cl_json fault = cl_json_member(module, "error");
    struct cl_json key, name;
    size_t cursor = 0, count = 0;

    while (cl_json_next(cl_json_member(module, "functions"), &cursor, &key, &name))
        count++;
    show_wide(cl_json_member(module, "name"), 24);
    fputs("  ", stdout);
    show_wide(cl_json_member(module, "version"), 12);
    if (fault.length)
        show_first_line(fault);
    else
        printf("  %zu function%s", count, count == 1 ? "" : "s");
    if (cl_json_kind(cl_json_member(module, "served")) == CL_JSON_TRUE)
        fputs("  (directory)", stdout);
    show_first_line(cl_json_member(module, "description"));
    fputc('\n', stdout);
}

/* prices.net(gross: float) -> float  Without tax. */
static void show_function_row(struct cl_json function)
{
    const struct cl_json signature = cl_json_member(function, "signature");

    show(cl_json_member(function, "function"), stdout);
    if (!cl_json_has_text(signature, "N/A"))
        show(signature, stdout);
    show_first_line(cl_json_member(function, "doc"));
    fputc('\n', stdout);
}

/* ------------------------------------------------------------------------------------- lists */

/* Asks for page after page until there is no next one; each answer is one JSON line. */
static int list(const struct cl_args *args, const char *path, const char *key,
                void (*show_row)(struct cl_json))
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_err err = CL_ERR_INIT;
    const int as_json = cl_verb_wants_json(args, &err);
    char page[PATH_SIZE];

    snprintf(page, sizeof(page), "%s", path);
    if (as_json < 0 || cl_service_open(&service, args, &err) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    while (*page) {
        const struct cl_sending sending = { .method = "GET", .path = page };
        struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
        struct cl_buf CL_AUTO(cl_buf_fini) next = CL_BUF_INIT(256);
        struct cl_json root, name, row;
        size_t at = 0;

        if (cl_service_send(&service, &sending, NULL, &answer, &err) < 0)
            return cl_post_fail(&err);
        if (answer.status != 200)
            return cl_service_problem(&answer);
        if (cl_json_root(&answer.body, &root, &err) < 0)
            return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
        if (as_json)
            printf("%.*s\n", (int)root.length, root.text);
        while (!as_json && cl_json_next(cl_json_member(root, key), &at, &name, &row))
            show_row(row);
        if (cl_json_kind(cl_json_member(root, "next")) == CL_JSON_STRING)
            cl_json_plain(cl_json_member(root, "next"), &next);
        snprintf(page, sizeof(page), "%s?limit=1000&cursor=%.*s", path, (int)next.length,
                 next.length ? (const char *)next.bytes : "");
        if (next.length == 0)
            *page = '\0';
    }
    return CL_EXIT_OK;
}

static int run_list(const struct cl_args *args)
{
    return list(args, "/v1/modules", "modules", show_module_row);
}

static int run_functions(const struct cl_args *args)
{
    return list(args, "/v1/functions", "functions", show_function_row);
}

/* --------------------------------------------------------------------------------------- one */

static int path_of(const struct cl_args *args, const char *part, char path[PATH_SIZE],
                   struct cl_err *err)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(PATH_SIZE - 1);

    if (cl_buf_put_text(&text, "/v1/modules/", err) < 0 ||
        cl_service_escape(&text, args->operand, err) < 0 ||
        cl_buf_put_text(&text, part, err) < 0)
        return -1;
    if (args->version && (cl_buf_put_text(&text, "?version=", err) < 0 ||
                          cl_service_escape(&text, args->version, err) < 0))
        return -1;
    memcpy(path, text.bytes, text.length);
    path[text.length] = '\0';
    return 0;
}

/* `part` of the module, "" for all; `accept` NULL: JSON. -1 when it failed, which was told. */
static int ask(const struct cl_args *args, const char *method, const char *part,
               const char *accept, struct cl_answer *answer, int *code)
{
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_sending sending = { .method = method };
    struct cl_err err = CL_ERR_INIT;
    char path[PATH_SIZE];

    sending.path = path;
    if (accept) {
        sending.fields[0].name = "Accept";
        sending.fields[0].value = accept;
    }
    if (path_of(args, part, path, &err) < 0 || cl_service_open(&service, args, &err) < 0)
        *code = cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    else if (cl_service_send(&service, &sending, NULL, answer, &err) < 0)
        *code = cl_post_fail(&err);
    else if (answer->status >= 300)
        *code = cl_service_problem(answer);
    else
        return 0;
    return -1;
}

static void show_line(const char *name, struct cl_json value)
{
    if (value.length == 0 || cl_json_kind(value) == CL_JSON_NULL || cl_json_has_text(value, ""))
        return;
    printf("%-12s ", name);
    show(value, stdout);
    fputc('\n', stdout);
}

static void show_module(struct cl_json module)
{
    static const char *const keys[] = { "name",        "version",    "error",
                                        "description", "policy",     "retry",
                                        "bytes",       "created_at", "updated_at" };
    struct cl_json key, function;
    size_t cursor = 0;

    for (size_t i = 0; i < CL_COUNT(keys); i++)
        show_line(keys[i], cl_json_member(module, keys[i]));
    while (cl_json_next(cl_json_member(module, "functions"), &cursor, &key, &function)) {
        fputs("\n  ", stdout);
        show(cl_json_member(function, "name"), stdout);
        if (!cl_json_has_text(cl_json_member(function, "signature"), "N/A"))
            show(cl_json_member(function, "signature"), stdout);
        if (cl_json_kind(cl_json_member(function, "doc")) == CL_JSON_STRING) {
            fputs("\n  ", stdout);
            show_first_line(cl_json_member(function, "doc"));
        }
        fputc('\n', stdout);
    }
}

static int run_show(const struct cl_args *args)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_err err = CL_ERR_INIT;
    const int as_json = cl_verb_wants_json(args, &err);
    struct cl_json root;
    int code;

    if (as_json < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    if (ask(args, "GET", "", NULL, &answer, &code) < 0)
        return code;
    if (cl_json_root(&answer.body, &root, &err) < 0)
        return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
    if (as_json)
        printf("%.*s\n", (int)root.length, root.text);
    else
        show_module(root);
    return CL_EXIT_OK;
}

static int run_source(const struct cl_args *args)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    int code;

    if (ask(args, "GET", "", "text/x-python", &answer, &code) < 0)
        return code;
    cl_json_show((const char *)answer.body.bytes, answer.body.length, stdout);
    return CL_EXIT_OK;
}

static int run_versions(const struct cl_args *args)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    struct cl_err err = CL_ERR_INIT;
    const int as_json = cl_verb_wants_json(args, &err);
    struct cl_json root, key, version;
    size_t cursor = 0;
    int code;

    if (as_json < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    if (ask(args, "GET", "/versions", NULL, &answer, &code) < 0)
        return code;
    if (cl_json_root(&answer.body, &root, &err) < 0)
        return cl_verb_fail(CL_EXIT_LOST, "%s", err.text);
    if (as_json)
        printf("%.*s\n", (int)root.length, root.text);
    while (!as_json &&
           cl_json_next(cl_json_member(root, "versions"), &cursor, &key, &version)) {
        show_wide(cl_json_member(version, "version"), 12);
        fputs("  ", stdout);
        show(cl_json_member(version, "created_at"), stdout);
        if (cl_json_kind(cl_json_member(version, "is_current")) == CL_JSON_TRUE)
            fputs("  current", stdout);
        fputc('\n', stdout);
    }
    return CL_EXIT_OK;
}

static int run_remove(const struct cl_args *args)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    int code;

    return ask(args, "DELETE", "", NULL, &answer, &code) < 0 ? code : CL_EXIT_OK;
}

/* -------------------------------------------------------------------------------------- verbs */

#define VERB(name_, operands_, summary_, options_, run_, needs_)                               \
    {                                                                                          \
        .name = (name_), .operands = (operands_), .summary = (summary_),                       \
        .options = (options_), .option_count = CL_COUNT(options_), .run = (run_),              \
        .needs_operand = (needs_)                                                              \
    }

static const struct cl_verb verb_list =
    VERB("modules list", "", "what is kept", options, run_list, false);
static const struct cl_verb verb_show =
    VERB("modules show", "NAME", "a module and its functions", version_options, run_show, true);
static const struct cl_verb verb_source =
    VERB("modules source", "NAME", "a module's file", version_options, run_source, true);
static const struct cl_verb verb_versions = VERB(
    "modules versions", "NAME", "its versions, the newest first", options, run_versions, true);
static const struct cl_verb verb_remove = VERB(
    "modules remove", "NAME", "forget it, with all its versions", options, run_remove, true);

static int run_modules(int argc, char **argv)
{
    static const struct cl_verb *const verbs[] = { &verb_list, &verb_show, &verb_source,
                                                   &verb_versions, &verb_remove };

    return cl_verb_of_verbs(&cl_verb_modules, verbs, CL_COUNT(verbs), argc, argv);
}

const struct cl_verb cl_verb_modules = {
    .name = "modules",
    .operands = "VERB",
    .summary = "List, show and remove what was pushed (`cloche modules --help`).",
    .run_words = run_modules,
};

const struct cl_verb cl_verb_functions = VERB(
    "functions", "", "List the functions that can be called.", options, run_functions, false);
