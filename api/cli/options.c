/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One verb's options, by table, on top of getopt_long.
 * Runs in: cloche.
 * Trusts: the tables, which are ours; nothing on the command line.
 */
#include "api/cli/options.h"

#include <getopt.h>
#include <string.h>

#include "sandbox/base/own.h"

enum { LONG_ONLY = 256, HELP = 'h' };

struct getopt_tables {
    struct option longs[CL_OPTIONS_MAX + 2];
    char letters[3 * CL_OPTIONS_MAX + 4];
};

static void build(const struct cl_verb *verb, struct getopt_tables *tables)
{
    size_t used = 0;

    CL_CHECK(verb->option_count <= CL_OPTIONS_MAX);
    memset(tables, 0, sizeof(*tables));
    tables->letters[used++] = ':'; /* a missing value is told apart, messages are ours */
    tables->letters[used++] = HELP;
    for (size_t i = 0; i < verb->option_count; i++) {
        const struct cl_option *option = &verb->options[i];

        tables->longs[i] =
            (struct option){ option->name, option->value ? required_argument : no_argument,
                             NULL, option->letter ? option->letter : LONG_ONLY + (int)i };
        if (!option->letter)
            continue;
        tables->letters[used++] = option->letter;
        if (option->value)
            tables->letters[used++] = ':';
    }
    tables->longs[verb->option_count] = (struct option){ "help", no_argument, NULL, HELP };
}

static const struct cl_option *find(const struct cl_verb *verb, int code)
{
    for (size_t i = 0; i < verb->option_count; i++) {
        if (code == verb->options[i].letter || code == LONG_ONLY + (int)i)
            return &verb->options[i];
    }
    return NULL;
}

static int store(const struct cl_option *option, const char *value, struct cl_args *args,
                 struct cl_err *err)
{
    char *place = (char *)args + option->offset;
    struct cl_texts *texts;

    switch (option->kind) {
    case CL_OPTION_FLAG:
        *(bool *)(void *)place = true;
        return 0;
    case CL_OPTION_TEXT:
        *(const char **)(void *)place = value;
        return 0;
    case CL_OPTION_TEXTS:
        break;
    }
    texts = (struct cl_texts *)(void *)place;
    if (texts->count == CL_TEXTS_MAX)
        return cl_fail(err, CL_E_LIMIT, "--%s may come %d times at most", option->name,
                       CL_TEXTS_MAX);
    texts->items[texts->count++] = value;
    return 0;
}

/* getopt leaves optopt 0 for an unknown long option, and the word itself behind optind. */
static int refuse(int code, char **argv, struct cl_err *err)
{
    const char *word = argv[optind - 1];

    if (optopt > 0 && optopt < LONG_ONLY && strncmp(word, "--", 2) != 0)
        return cl_fail(err, CL_E_INPUT,
                       code == ':' ? "option -%c needs a value" : "unknown option -%c", optopt);
    return cl_fail(err, CL_E_INPUT,
                   code == ':' ? "option %s needs a value" : "unknown or ambiguous option %s",
                   word);
}

static int take_operands(const struct cl_verb *verb, int argc, char **argv,
                         struct cl_args *args, struct cl_err *err)
{
    const bool takes_one = verb->operands[0] != '\0';

    if (optind < argc && takes_one)
        args->operand = argv[optind++];
    if (optind < argc)
        return cl_fail(err, CL_E_INPUT, "unexpected argument \"%s\"", argv[optind]);
    if (verb->needs_operand && !args->operand)
        return cl_fail(err, CL_E_INPUT, "%s is missing", verb->operands);
    return 0;
}

int cl_options_parse(const struct cl_verb *verb, int argc, char **argv, struct cl_args *args,
                     struct cl_err *err)
{
    struct getopt_tables tables;
    int code;

    build(verb, &tables);
    optind = 1;
    opterr = 0;
    while ((code = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
        const struct cl_option *option = find(verb, code);

        if (code == HELP)
            return 1;
        if (!option)
            return refuse(code, argv, err);
        if (store(option, optarg, args, err) < 0)
            return -1;
    }
    return take_operands(verb, argc, argv, args, err);
}

void cl_options_print(const struct cl_verb *verb, FILE *to)
{
    for (size_t i = 0; i < verb->option_count; i++) {
        const struct cl_option *option = &verb->options[i];
        char left[64];
        char letter[5] = "    ";

        if (option->letter)
            snprintf(letter, sizeof(letter), "-%c, ", option->letter);
        snprintf(left, sizeof(left), "%s--%s%s%s", letter, option->name,
                 option->value ? " " : "", option->value ? option->value : "");
        fprintf(to, "  %-28s %s\n", left, option->help);
    }
}
