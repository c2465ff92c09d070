/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche policy learn`: widens a policy of its own by what the program was seen to ask for, and
 * proposes it. System calls stay refused unless --dangerously grants what they ask for.
 * Runs in: cloche, as root.
 * Trusts: the service that it starts; nothing that the program says.
 */
#include "api/cli/learn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/cli/body.h"
#include "api/cli/callopts.h"
#include "api/cli/options.h"
#include "sandbox/base/file.h"
#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"

enum { ROUNDS_MAX = 40, TEXT_MAX = 1 << 20 };

struct learn {
    struct cl_private own;
    struct cl_words modules; /* that the next run may import */
    struct cl_learned seen;
    uint8_t opens[CL_LEARN_SYSCALLS];
    uint32_t tiers;
    bool is_dangerous;
};

/* ---------------------------------------------------------------------------------- policies */

static int write_text(const char *path, const struct cl_buf *text, struct cl_err *err)
{
    cl_close_auto int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0)
        return cl_fail(err, CL_E_INPUT, "%.150s: %s", path, strerrordesc_np(errno));
    return cl_file_write_all(fd, text->bytes, text->length, err);
}

/* Ceilings: a limit is learned from what a run used, not by ending it. */
static int put_policy(const struct learn *learn, uint32_t tiers, struct cl_buf *out,
                      struct cl_err *err)
{
    if (cl_buf_put_text(out, "version: 1\npython:\n  modules: [", err) < 0)
        return -1;
    for (size_t i = 0; i < learn->modules.count; i++) {
        if (cl_buf_format(out, err, "%s%s", i ? ", " : "", learn->modules.items[i]) < 0)
            return -1;
    }
    if (cl_buf_format(out, err,
                      "]\n  builtins: {remove: []}\nlimits:\n  wall: 60s\n  cpu: 60s\n  "
                      "memory: 1Gi\n  output: 16Mi\n"
                      "  result: 16Mi\n  request: 16Mi\n%s%spool: {min: 1, max: 4}\n"
                      "syscalls:\n  tiers: [compute",
                      tiers & CL_TIER_THREADS ? "  processes: 16\n" : "",
                      tiers & CL_TIER_TMP_FILES ? "  files: 64Mi\n" : "") < 0)
        return -1;
    for (unsigned tier = 1; tier < CL_LEARN_TIERS; tier++) {
        if ((tiers & 1u << tier) && cl_buf_format(out, err, ", %s", cl_learn_tiers[tier]) < 0)
            return -1;
    }
    return cl_buf_put_text(out, "]\n", err);
}

static int take_text(struct learn *learn, const char *name, const struct cl_buf *text,
                     struct cl_err *err)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s.yaml", learn->own.dir, name);
    if (write_text(path, text, err) < 0)
        return -1;
    return cl_private_take(&learn->own, path, err);
}

static int take_policy(struct learn *learn, uint32_t tiers, struct cl_err *err)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(TEXT_MAX);

    if (put_policy(learn, tiers, &text, err) < 0)
        return -1;
    return take_text(learn, "learning", &text, err);
}

/* Which tier opens which system call is read off compiled policies: there is no second table. */
static int find_tiers(struct learn *learn, struct cl_err *err)
{
    for (unsigned tier = 0; tier < CL_LEARN_TIERS; tier++) {
        if (take_policy(learn, 1u | 1u << tier, err) < 0)
            return -1;
        const struct cl_policy *policy = cl_private_policy(&learn->own);
        const uint32_t *numbers = cl_policyview_records(policy, &policy->syscalls);
        for (uint32_t i = 0; i < policy->syscalls.count; i++) {
            if (numbers[i] < CL_LEARN_SYSCALLS)
                learn->opens[numbers[i]] |= (uint8_t)(1u << tier);
        }
    }
    return 0;
}

/* -------------------------------------------------------------------------------------- runs */

static int run_once(struct learn *learn, const struct cl_buf *body, struct cl_err *err)
{
    int done;

    if (take_policy(learn, learn->tiers, err) < 0 || cl_private_serve(&learn->own, err) < 0)
        return -1;
    done = cl_learn_watch(&learn->own, body, &learn->seen, err);
    cl_private_stop(&learn->own);
    return done;
}

/* Whether there is something new to let the program import. */
static bool add_modules(struct learn *learn)
{
    const size_t before = learn->modules.count;

    for (size_t i = 0; i < learn->seen.refused.count; i++) {
        const char *name = learn->seen.refused.items[i];
        if (cl_learn_exists(name))
            cl_words_add(&learn->modules, name, strlen(name));
    }
    return learn->modules.count > before;
}

/* The import statements, found in a jail by Python itself, so that one run mostly is enough. */
static int scan_imports(struct learn *learn, const struct cl_args *args, struct cl_err *err)
{
    static const char scan[] =
        "import ast, cloche\n"
        "def main(source):\n"
        "    for node in ast.walk(ast.parse(source)):\n"
        "        if isinstance(node, ast.Import):\n"
        "            for name in node.names: cloche.log('learn refused ' + name.name)\n"
        "        if isinstance(node, ast.ImportFrom) and node.module and not node.level:\n"
        "            cloche.log('learn refused ' + node.module)\n";
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(CL_BODY_MAX);
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(CL_BODY_MAX);
    cl_close_auto int fd = open(args->operand, O_RDONLY | O_CLOEXEC);
    uint8_t *room;
    ssize_t got = 1;

    while (fd >= 0 && got > 0) {
        room = cl_buf_room(&text, 1 << 16, err);
        if (!room)
            return -1;
        got = read(fd, room, 1 << 16);
        text.length += got > 0 ? (size_t)got : 0;
    }
    if (fd < 0 || got < 0)
        return cl_fail(err, CL_E_INPUT, "%.150s: %s", args->operand, strerrordesc_np(errno));
    cl_words_add(&learn->modules, "ast", 3);
    if (cl_buf_put_text(&body, "{\"policy\":\"learning\",\"source\":", err) < 0 ||
        cl_json_put_string(&body, scan, strlen(scan), err) < 0 ||
        cl_buf_put_text(&body, ",\"args\":[", err) < 0 ||
        cl_json_put_string(&body, (const char *)text.bytes, text.length, err) < 0 ||
        cl_buf_put_text(&body, "]}", err) < 0 || run_once(learn, &body, err) < 0)
        return -1;
    if (strcmp(learn->seen.verdict, "ok") != 0)
        return cl_fail(err, CL_E_INPUT, "%.100s is no Python: %s", args->operand,
                       learn->seen.why);
    cl_words_fini(&learn->modules);
    add_modules(learn);
    cl_learned_fini(&learn->seen);
    learn->seen = (struct cl_learned){ .wall_ms = 0 };
    return 0;
}

/* It is read more than once, which a pipe bears badly. */
static int check_file(const char *path, struct cl_err *err)
{
    struct stat seen;

    if (stat(path, &seen) < 0)
        return cl_fail(err, CL_E_INPUT, "%.150s: %s", path, strerrordesc_np(errno));
    if (!S_ISREG(seen.st_mode))
        return cl_fail(err, CL_E_INPUT, "%.150s: not a regular file", path);
    return 0;
}

static int run_all(struct learn *learn, const struct cl_args *args, struct cl_err *err)
{
    struct cl_args call = *args;
    struct cl_buf CL_AUTO(cl_buf_fini) body = CL_BUF_INIT(CL_BODY_MAX);

    call.policy = "learning";
    if (cl_body_make(&body, &call, err) < 0 || scan_imports(learn, args, err) < 0)
        return -1;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        uint32_t needed;
        if (run_once(learn, &body, err) < 0)
            return -1;
        needed = cl_learn_needed(&learn->seen, learn->opens, learn->tiers);
        const bool has_more = add_modules(learn);
        const bool is_wider = learn->is_dangerous && needed != learn->tiers &&
                              strcmp(learn->seen.verdict, "ok") != 0;
        if (is_wider || !has_more)
            learn->tiers = learn->is_dangerous && !is_wider ? learn->tiers : needed;
        if (!has_more && !is_wider)
            return 0;
        if (!learn->is_dangerous)
            learn->tiers = CL_TIER_COMPUTE;
    }
    return 0;
}

/* --------------------------------------------------------------------------------------- verb */

static int propose(struct learn *learn, const struct cl_args *args, struct cl_err *err)
{
    const struct cl_proposal proposal = {
        .file = strrchr(args->operand, '/') ? strrchr(args->operand, '/') + 1 : args->operand,
        .seen = &learn->seen,
        .tiers = cl_learn_needed(&learn->seen, learn->opens, learn->tiers),
        .is_dangerous = learn->is_dangerous,
    };
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(TEXT_MAX);

    if (cl_learn_write(&proposal, learn->opens, &text, err) < 0)
        return -1;
    if (take_text(learn, "proposal", &text, err) < 0)
        return err->text[0] ? -1 : cl_fail(err, CL_E_LOST, "the proposal does not compile");
    if (args->output)
        return write_text(args->output, &text, err);
    fwrite(text.bytes, 1, text.length, stdout);
    return 0;
}

static void fini(struct learn *learn)
{
    cl_private_fini(&learn->own);
    cl_words_fini(&learn->modules);
    cl_learned_fini(&learn->seen);
}

static int run(const struct cl_args *args)
{
    struct learn CL_AUTO(fini) learn = { .own = CL_PRIVATE_INIT,
                                         .tiers = CL_TIER_COMPUTE,
                                         .is_dangerous = args->is_dangerous };
    struct cl_err err = CL_ERR_INIT;

    learn.own.served.learns = true;
    if (cl_private_open(&learn.own, &err) < 0 || check_file(args->operand, &err) < 0 ||
        find_tiers(&learn, &err) < 0 || run_all(&learn, args, &err) < 0 ||
        propose(&learn, args, &err) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    if (strcmp(learn.seen.verdict, "ok") != 0)
        fprintf(stderr, "cloche: the run ended with %s: %s\n", learn.seen.verdict,
                learn.seen.why);
    return CL_EXIT_OK;
}

static const struct cl_option options[] = {
    CL_OPTION_ENTRY,
    CL_OPTION_ARG,
    CL_OPTION_KWARG,
    { "dangerously", NULL, "grant, step by step, the tiers that it asks for",
      offsetof(struct cl_args, is_dangerous), CL_OPTION_FLAG, 0 },
    { "output", "FILE", "where the proposal goes (standard output)",
      offsetof(struct cl_args, output), CL_OPTION_TEXT, 'o' },
};

static const struct cl_verb verb = {
    .name = "policy learn",
    .operands = "FILE.py",
    .summary =
        "Run a file in a jail that writes down what it refuses; propose a policy for it.",
    .options = options,
    .option_count = CL_COUNT(options),
    .run = run,
    .needs_operand = true,
};

int cl_learn_run(int argc, char **argv)
{
    struct cl_args args = { 0 };
    struct cl_err err = CL_ERR_INIT;
    const int parsed = cl_options_parse(&verb, argc, argv, &args, &err);

    if (parsed < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "policy learn: %s", err.text);
    if (parsed == 0)
        return run(&args);
    printf("usage: cloche %s %s [OPTION]...\n%s\n\n", verb.name, verb.operands, verb.summary);
    cl_options_print(&verb, stdout);
    return CL_EXIT_OK;
}
