/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `cloche` command: finds the verb in a table, reads its options, runs it.
 * Runs in: cloche, as whoever started it.
 * Trusts: the user; nothing that the service sends.
 */
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/json.h"
#include "api/cli/options.h"
#include "sandbox/base/own.h"

static int run_help(const struct cl_args *args);

static const struct cl_verb verb_help = {
    .name = "help", .operands = "[VERB]", .summary = "Tell how to use a verb.", .run = run_help
};

static const struct cl_verb *const verbs[] = {
    &cl_verb_run,     &cl_verb_eval,      &cl_verb_calls,    &cl_verb_call,     &cl_verb_push,
    &cl_verb_modules, &cl_verb_functions, &cl_verb_sessions, &cl_verb_workflow, &cl_verb_task,
    &cl_verb_policy,  &cl_verb_token,     &cl_verb_audit,    &cl_verb_doctor,   &cl_verb_tour,
    &cl_verb_version, &verb_help,
};

static const struct {
    const char *word, *verb;
} spellings[] = {
    { "--help", "help" },
    { "-h", "help" },
    { "--version", "version" },
    { "-V", "version" },
};

static const char *const exit_lines[] = {
    "0 ok",
    "1 the code failed",
    "2 usage or bad input",
    "3 denied",
    "4 a limit ended it",
    "5 crashed or lost",
    "6 service not reachable",
};

int cl_verb_fail(int code, const char *format, ...)
{
    cl_free_auto char *text = NULL;
    va_list args;

    fflush(stdout);
    fputs("cloche: ", stderr);
    va_start(args, format);
    CL_CHECK(vasprintf(&text, format, args) >= 0);
    va_end(args);
    cl_json_show(text, strlen(text), stderr); /* a service's words may be in it */
    fputc('\n', stderr);
    return code;
}

int cl_verb_wants_json(const struct cl_args *args, struct cl_err *err)
{
    if (!args->output || strcmp(args->output, "text") == 0)
        return 0;
    if (strcmp(args->output, "json") == 0)
        return 1;
    return cl_fail(err, CL_E_INPUT, "--output is json or text, not \"%s\"", args->output);
}

static const struct cl_verb *find_verb(const char *word)
{
    for (size_t i = 0; i < CL_COUNT(spellings); i++) {
        if (strcmp(word, spellings[i].word) == 0)
            word = spellings[i].verb;
    }
    for (size_t i = 0; i < CL_COUNT(verbs); i++) {
        if (strcmp(word, verbs[i]->name) == 0)
            return verbs[i];
    }
    return NULL;
}

static void print_verb(const struct cl_verb *verb, FILE *to)
{
    fprintf(to, "usage: cloche %s%s%s%s\n%s\n", verb->name, *verb->operands ? " " : "",
            verb->operands, verb->option_count ? " [OPTION]..." : "", verb->summary);
    if (verb->option_count)
        fputc('\n', to);
    cl_options_print(verb, to);
}

/* A row each, "NAME OPERANDS  SUMMARY", its first `skip` bytes left out; of a summary its first
 * line. */
static void print_rows(const struct cl_verb *const *rows, size_t count, size_t skip, FILE *to)
{
    size_t width = 0;

    for (size_t i = 0; i < count; i++) {
        const size_t row = strlen(rows[i]->name) - skip + 1 + strlen(rows[i]->operands);
        width = row > width && !rows[i]->is_hidden ? row : width;
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = rows[i]->name + skip;
        if (!rows[i]->is_hidden)
            fprintf(to, "  %s %-*s  %.*s\n", name, (int)(width - strlen(name) - 1),
                    rows[i]->operands, (int)strcspn(rows[i]->summary, "\n"), rows[i]->summary);
    }
}

static void print_all(FILE *to)
{
    fputs("usage: cloche VERB [OPTION]...\n\n", to);
    print_rows(verbs, CL_COUNT(verbs), 0, to);
    fputs("\n`cloche help VERB` tells more. Exit codes, but for `workflow` and `task`:\n", to);
    for (size_t i = 0; i < CL_COUNT(exit_lines); i++)
        fprintf(to, "  %s\n", exit_lines[i]);
}

static int run_help(const struct cl_args *args)
{
    const struct cl_verb *verb = args->operand ? find_verb(args->operand) : NULL;

    if (args->operand && !verb)
        return cl_verb_fail(CL_EXIT_USAGE, "there is no verb \"%s\"", args->operand);
    if (verb && verb->run_words) {
        char name[32], help[] = "--help", *words[] = { name, help, NULL };
        snprintf(name, sizeof(name), "%s", verb->name);
        return verb->run_words(2, words);
    }
    if (verb)
        print_verb(verb, stdout);
    else
        print_all(stdout);
    return CL_EXIT_OK;
}

static int run_verb(const struct cl_verb *verb, int argc, char **argv)
{
    struct cl_args args = { 0 };
    struct cl_err err = CL_ERR_INIT;

    if (verb->run_words)
        return verb->run_words(argc, argv);
    const int parsed = cl_options_parse(verb, argc, argv, &args, &err);
    if (parsed < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s: %s (`cloche help %s` shows its options)",
                            verb->name, err.text, verb->name);
    if (parsed == 1) {
        print_verb(verb, stdout);
        return CL_EXIT_OK;
    }
    return verb->run(&args);
}

static int list_verbs(const struct cl_verb *parent, const struct cl_verb *const *sub,
                      size_t count, FILE *to)
{
    fprintf(to, "usage: cloche %s VERB [OPTION]...\n\n", parent->name);
    print_rows(sub, count, strlen(parent->name) + 1, to);
    fprintf(to, "\n`cloche %s VERB --help` tells more.\n", parent->name);
    return to == stdout ? CL_EXIT_OK : CL_EXIT_USAGE;
}

int cl_verb_of_verbs(const struct cl_verb *parent, const struct cl_verb *const *sub,
                     size_t count, int argc, char **argv)
{
    if (argc < 2)
        return list_verbs(parent, sub, count, stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return list_verbs(parent, sub, count, stdout);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(argv[1], sub[i]->name + strlen(parent->name) + 1) == 0)
            return run_verb(sub[i], argc - 1, argv + 1);
    }
    return cl_verb_fail(CL_EXIT_USAGE,
                        "there is no verb \"%s %s\" (`cloche %s --help` lists them)",
                        parent->name, argv[1], parent->name);
}

int main(int argc, char **argv)
{
    const struct cl_verb *verb;
    int code;

    setlocale(LC_CTYPE,
              "C.UTF-8"); /* sources are checked as UTF-8 whatever the user's locale */
    if (argc < 2) {
        print_all(stderr);
        return CL_EXIT_USAGE;
    }
    verb = find_verb(argv[1]);
    if (!verb)
        return cl_verb_fail(CL_EXIT_USAGE, "there is no verb \"%s\" (`cloche help` lists them)",
                            argv[1]);
    code = run_verb(verb, argc - 1, argv + 1);
    /* A flush that failed on the way has emptied the buffer. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == CL_EXIT_OK)
        code = cl_verb_fail(CL_EXIT_USAGE, "standard output: write failed");
    return code;
}
