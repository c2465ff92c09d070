/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloche-policyc: checks policy files and compiles them.
 * Runs in: cloche-policyc; `serve` as its own uid under cloched, the rest as the admin.
 * Trusts: nothing of the files.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "policies/confine.h"
#include "policies/pack.h"
#include "policies/serve.h"
#include "policies/verbs.h"
#include "sandbox/base/fdpass.h"
#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/wire.h"

#ifdef CL_ASAN
/* Nobody may be traced here to look for leaks. */
const char *__asan_default_options(void) __attribute__((visibility("default")));

const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

static int serve(int count, char **args)
{
    struct cl_err err = CL_ERR_INIT;

    const int level = count > 0 ? cl_log_level_parse(args[0]) : CL_INFO;

    if (count == 2 && strcmp(args[1], "--learn") == 0)
        cl_pack_learn();
    else if (count > 1 || level < 0)
        return CL_VERB_USAGE;
    cl_log_open("policyc", (enum cl_log_level)level);
    if (cl_fdpass_check(CL_CONTROL_FD, SOCK_SEQPACKET, &err) < 0 || cl_confine_run(&err) < 0 ||
        cl_serve_run(CL_CONTROL_FD, &err) < 0) {
        cl_log(CL_ERROR, "policyc.serve", "error=\"%s\"", err.text);
        return CL_VERB_FAILED;
    }
    return CL_VERB_OK;
}

static const struct verb {
    const char *name;
    int (*run)(int count, char **args);
    const char *usage;
    const char *option; /* the one that it has */
    const char *does;
} verbs[] = {
    { "check", cl_verb_check, " FILE... | --oci FILE", "--oci",
      "say what is wrong, like a compiler; exit 0 or 2" },
    { "compile", cl_verb_compile, " NAME|FILE [FILE...] -o OUT", "-o",
      "write the compiled first policy" },
    { "explain", cl_verb_explain, " NAME|FILE [FILE...] [--syscalls]", "--syscalls",
      "show the effective policy and where each value comes from" },
    { "diff", cl_verb_diff, " A B [FILE...]", NULL,
      "say what B opens and closes, compared with A; exit 0 when nothing, 1, or 2" },
    { "list", cl_verb_list, "", NULL, "name the policies that are built in" },
    { "reference", cl_verb_reference, "", NULL, "print the reference of all keys as markdown" },
    { "tokens", cl_verb_tokens, " list|add|revoke|rotate FILE ...", "--json",
      "the tokens of a tenants file; `cloche token` speaks to it" },
    { "serve", serve, " [LEVEL]", "--learn", "compile for cloched, on descriptor 3" },
};

static int usage(const char *program, FILE *out)
{
    const char *slash = strrchr(program, '/');

    fprintf(out, "usage: %s VERB ...\n", slash ? slash + 1 : program);
    for (size_t i = 0; i < CL_COUNT(verbs); i++)
        fprintf(out, "  %-9s%-34s %s\n", verbs[i].name, verbs[i].usage, verbs[i].does);
    return out == stdout ? CL_VERB_OK : CL_VERB_REFUSED;
}

static int usage_of(const char *program, const struct verb *verb, FILE *out)
{
    const char *slash = strrchr(program, '/');

    fprintf(out, "usage: %s %s%s\n", slash ? slash + 1 : program, verb->name, verb->usage);
    return out == stdout ? CL_VERB_OK : CL_VERB_REFUSED;
}

/* Before a verb takes it for a name. A file that is called so is written ./-x.yaml. */
static const char *find_option(int count, char **args, const char *known)
{
    for (int i = 0; i < count; i++) {
        if (args[i][0] == '-' && (!known || strcmp(args[i], known) != 0))
            return args[i];
    }
    return NULL;
}

static int run(const char *program, const struct verb *verb, int count, char **args)
{
    const char *option = find_option(count, args, verb->option);
    int status = CL_VERB_USAGE;

    if (option && (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0))
        return usage_of(program, verb, stdout);
    if (option)
        fprintf(stderr, "there is no option %s\n", option);
    else
        status = verb->run(count, args);
    return status == CL_VERB_USAGE ? usage_of(program, verb, stderr) : status;
}

static int start(int count, char **args)
{
    if (count == 2 && (strcmp(args[1], "--help") == 0 || strcmp(args[1], "-h") == 0))
        return usage(args[0], stdout);
    for (size_t i = 0; count > 1 && i < CL_COUNT(verbs); i++) {
        if (strcmp(args[1], verbs[i].name) == 0)
            return run(args[0], &verbs[i], count - 2, args + 2);
    }
    return usage(count > 0 ? args[0] : "cloche-policyc", stderr);
}

int main(int count, char **args)
{
    const int status = start(count, args);

    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fputs("standard output: write failed\n", stderr);
    return CL_VERB_REFUSED;
}
