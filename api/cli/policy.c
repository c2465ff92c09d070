/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche policy`: finds the second verb. What only reads files is done by cloche-policyc in this
 * process' place, so that its output and exit status are the answer.
 * Runs in: cloche.
 * Trusts: the user, and the cloche-policyc that was installed with this program.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/cli/install.h"
#include "api/cli/learn.h"
#include "api/cli/prove.h"
#include "api/cli/verb.h"
#include "sandbox/base/own.h"

static const char compiler[] = "cloche-policyc";

static const struct row {
    const char *name;
    int (*run)(int argc, char **argv); /* NULL: cloche-policyc has a verb of this name */
    const char *operands;
    const char *summary;
} rows[] = {
    { "check", NULL, "FILE... | --oci FILE",
      "say what is wrong in policy files, like a compiler" },
    { "explain", NULL, "NAME|FILE [--syscalls]",
      "what it grants, and where each value is from" },
    { "diff", NULL, "A B [FILE...]", "what B opens and closes, compared with A" },
    { "test", cl_prove_run, "NAME|FILE [--json]", "prove each grant and refusal (needs root)" },
    { "learn", cl_learn_run, "FILE.py [OPTION]...",
      "run a file, propose a policy for it (needs root)" },
    { "list", NULL, "", "the policies that are built in" },
    { "reference", NULL, "", "all keys, as markdown" },
};

static int print_rows(FILE *to)
{
    fputs("usage: cloche policy VERB ...\n\n", to);
    for (size_t i = 0; i < CL_COUNT(rows); i++)
        fprintf(to, "  %-9s %-23s %s\n", rows[i].name, rows[i].operands, rows[i].summary);
    return to == stdout ? CL_EXIT_OK : CL_EXIT_USAGE;
}

/* The words go on as they are; the first tells it what to call itself in a usage line. */
static int become_compiler(char **argv)
{
    static char name[] = "cloche policy";
    char path[PATH_MAX];

    if (cl_install_find(compiler, path) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s is neither beside this program nor installed",
                            compiler);
    argv[0] = name;
    execv(path, argv);
    return cl_verb_fail(CL_EXIT_USAGE, "start %s: %s", path, strerror(errno));
}

static int run(int argc, char **argv)
{
    if (argc < 2)
        return print_rows(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_rows(stdout);
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (strcmp(argv[1], rows[i].name) == 0)
            return rows[i].run ? rows[i].run(argc - 1, argv + 1) : become_compiler(argv);
    }
    return cl_verb_fail(CL_EXIT_USAGE,
                        "there is no verb \"policy %s\" (`cloche policy --help` lists them)",
                        argv[1]);
}

const struct cl_verb cl_verb_policy = {
    .name = "policy",
    .operands = "VERB",
    .summary = "Check, explain and compare policies (`cloche policy --help`).",
    .run_words = run,
};
