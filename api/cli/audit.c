/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche audit`: checks the chain of the audit log, and shows lines of it.
 * Runs in: cloche, as whoever may read the log.
 * Trusts: the user; nothing of what is in the files.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/audit/verify.h"
#include "api/cli/outcome.h"
#include "api/cli/service.h"
#include "api/cli/since.h"
#include "api/json/scan.h"
#include "sandbox/base/own.h"

enum { FILES_MAX = 256, PIECE = 64 << 10, HEAD_CHARS = CL_AUDIT_HEAD - 1 };

/* What was asked for. */
struct asked {
    const char *files[FILES_MAX];
    size_t file_count;
    const char *heads[CL_VERIFY_ANCHORS];
    size_t head_count;
    const char *url, *state, *output;
    const char *tenant, *event, *verdict, *since;
    size_t since_length; /* what of it is compared */
    bool wants_help;
};

struct option {
    const char *name, *value, *help;
    size_t offset;
    bool is_many;
};

#define AT(member) offsetof(struct asked, member)

static const struct option verify_options[] = {
    { "--head", "HASH", "a hash that has to be in the chain; may be given again", AT(heads),
      true },
    { "--url", "URL", "ask this service for its last hash, and look for that", AT(url), false },
    { "--state", "DIR", "whose audit.log is meant (" CL_SERVICE_STATE ")", AT(state), false },
    { "--output", "json|text", "how to print (text)", AT(output), false },
};

static const struct option show_options[] = {
    { "--tenant", "NAME", "of this tenant only", AT(tenant), false },
    { "--event", "NAME", "this event only, such as call", AT(event), false },
    { "--verdict", "NAME", "calls that ended so, such as denied", AT(verdict), false },
    { "--since", "TIME", "from then on: the beginning of 2026-01-31T12:00:00.000Z", AT(since),
      false },
    { "--state", "DIR", "whose audit.log is meant (" CL_SERVICE_STATE ")", AT(state), false },
};

struct verb {
    const char *name, *summary;
    const struct option *options;
    size_t option_count;
};

static const struct verb verify_verb = {
    "verify",
    "Check that no line of an audit log was changed, dropped, added or moved. Files are given "
    "in\n"
    "their order, the oldest first; - is the standard input. Exit code 1: the chain is broken.",
    verify_options, CL_COUNT(verify_options)
};
static const struct verb show_verb = { "show",
                                       "Print lines of an audit log as they are. Text of "
                                       "callers is escaped in it.",
                                       show_options, CL_COUNT(show_options) };

/* ------------------------------------------------------------------------------ the command line */

static void print_usage(const struct verb *verb, FILE *to)
{
    fprintf(to, "usage: cloche audit %s [OPTION]... [FILE]...\n%s\n\n", verb->name,
            verb->summary);
    for (size_t i = 0; i < verb->option_count; i++)
        fprintf(to, "  %-10s %-10s %s\n", verb->options[i].name, verb->options[i].value,
                verb->options[i].help);
}

static const struct option *find(const struct verb *verb, const char *word)
{
    if (strcmp(word, "-o") == 0)
        word = "--output";
    for (size_t i = 0; i < verb->option_count; i++) {
        if (strcmp(verb->options[i].name, word) == 0)
            return &verb->options[i];
    }
    return NULL;
}

static int set(struct asked *asked, const struct option *option, const char *value,
               struct cl_err *err)
{
    if (!value)
        return cl_fail(err, CL_E_INPUT, "%s wants %s", option->name, option->value);
    if (!option->is_many) {
        *(const char **)(void *)((char *)asked + option->offset) = value;
        return 0;
    }
    /* One is kept for what a service says. */
    if (asked->head_count == CL_VERIFY_ANCHORS - 1)
        return cl_fail(err, CL_E_INPUT, "at most %d of %s", CL_VERIFY_ANCHORS - 1,
                       option->name);
    if (strlen(value) != HEAD_CHARS || strspn(value, "0123456789abcdef") != HEAD_CHARS)
        return cl_fail(err, CL_E_INPUT, "%s wants %d hexadecimal digits", option->name,
                       HEAD_CHARS);
    asked->heads[asked->head_count++] = value;
    return 0;
}

/* What no line can match is a slip, not a choice. Events are the log's, which may be of a later
 * version. */
static int check(struct asked *asked, struct cl_err *err)
{
    const int since = asked->since ? cl_since_parse(asked->since, err) : 0;

    if (since < 0)
        return -1;
    asked->since_length = (size_t)since;
    if (asked->verdict && cl_outcome_check(asked->verdict, err) < 0)
        return cl_err_context(err, "--verdict");
    if (asked->output && strcmp(asked->output, "json") != 0 &&
        strcmp(asked->output, "text") != 0)
        return cl_fail(err, CL_E_INPUT, "--output is json or text, not \"%s\"", asked->output);
    return 0;
}

static int read_words(const struct verb *verb, int argc, char **argv, struct asked *asked,
                      struct cl_err *err)
{
    for (int i = 1; i < argc; i++) {
        const struct option *option = find(verb, argv[i]);

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            asked->wants_help = true;
        } else if (option) {
            if (set(asked, option, argv[i + 1], err) < 0)
                return -1;
            i++;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            return cl_fail(err, CL_E_INPUT, "there is no option %s", argv[i]);
        } else if (asked->file_count == FILES_MAX) {
            return cl_fail(err, CL_E_LIMIT, "more than %d files", FILES_MAX);
        } else {
            asked->files[asked->file_count++] = argv[i];
        }
    }
    return check(asked, err);
}

/* ------------------------------------------------------------------------------------- reading */

/* The log of the state directory, and the file before it where that is still there. */
static void use_default_files(struct asked *asked, char before[PATH_MAX], char log[PATH_MAX])
{
    const char *state = asked->state ? asked->state : CL_SERVICE_STATE;

    if (asked->file_count > 0)
        return;
    snprintf(before, PATH_MAX, "%s/audit.log.1", state);
    snprintf(log, PATH_MAX, "%s/audit.log", state);
    if (access(before, F_OK) == 0)
        asked->files[asked->file_count++] = before;
    asked->files[asked->file_count++] = log;
}

/* A line that is just being written is whole a moment later; one that stays so is not. */
static bool may_grow(const struct cl_verify *verify, unsigned *waited)
{
    static const struct timespec moment = { 0, 20 * 1000000 };

    if (cl_verify_pending(verify) == 0 || ++*waited > 25)
        return false;
    nanosleep(&moment, NULL);
    return true;
}

static int read_file(struct cl_verify *verify, const char *name, struct cl_err *err)
{
    static char piece[PIECE];
    const bool is_input = strcmp(name, "-") == 0;
    cl_close_auto int own = is_input ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    const int fd = is_input ? STDIN_FILENO : own;
    unsigned waited = 0;

    for (;;) {
        const ssize_t got = fd < 0 ? -1 : read(fd, piece, sizeof(piece));

        if (got < 0)
            return cl_fail(err, CL_E_SYS, "%s", name);
        if (got == 0 && (is_input || !may_grow(verify, &waited)))
            break;
        if (cl_verify_feed(verify, piece, (size_t)got, err) < 0)
            return -1;
    }
    return cl_verify_end_file(verify, err);
}

/* -------------------------------------------------------------------------------------- verify */

/* The hash that a running service has got to: every file read after that has to have it. */
static int ask_service(const struct asked *asked, char head[CL_AUDIT_HEAD], struct cl_err *err)
{
    static const struct cl_json_caps caps = CL_JSON_CAPS(1 << 16);
    const struct cl_args args = { .url = asked->url };
    struct cl_service CL_AUTO(cl_service_close) service = CL_SERVICE_INIT;
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    const struct cl_sending sending = { .method = "GET", .path = "/readyz" };
    const char *at;

    if (cl_service_open(&service, &args, err) < 0 ||
        cl_service_send(&service, &sending, NULL, &answer, err) < 0)
        return -1;
    if (cl_json_check((const char *)answer.body.bytes, answer.body.length, &caps, NULL,
                      &(size_t){ 0 }, err) < 0)
        return cl_err_context(err, "/readyz");
    at = memmem(answer.body.bytes, answer.body.length, "\"head\":\"", 8);
    if (!at ||
        (size_t)((const char *)answer.body.bytes + answer.body.length - at) < 8 + CL_AUDIT_HEAD)
        return cl_fail(err, CL_E_LOST, "this service keeps no audit log");
    memcpy(head, at + 8, CL_AUDIT_HEAD - 1); /* no text: the answer has no NUL at its end */
    head[CL_AUDIT_HEAD - 1] = '\0';
    return 0;
}

static int check_heads(const struct cl_verify *verify, struct cl_err *err)
{
    for (size_t i = 0; i < CL_VERIFY_ANCHORS; i++) {
        if (verify->anchors[i] && verify->found[i] == 0)
            return cl_fail(err, CL_E_INPUT,
                           "no line has the hash %s: the log was cut off or made anew",
                           verify->anchors[i]);
    }
    return 0;
}

static void print_good(const struct asked *asked, const struct cl_verify *verify)
{
    if (asked->output && strcmp(asked->output, "json") == 0)
        printf("{\"good\":true,\"lines\":%" PRIu64 ",\"first\":%" PRIu64 ",\"last\":%" PRIu64
               ",\"torn\":%" PRIu64 ",\"head\":\"%s\"}\n",
               verify->lines, verify->first_seq, verify->seq, verify->torn_places,
               verify->head);
    else
        printf("good: %" PRIu64 " lines, numbers %" PRIu64 " to %" PRIu64 ", %" PRIu64
               " torn\nhead: %s\n",
               verify->lines, verify->first_seq, verify->seq, verify->torn_places,
               verify->head);
}

static int print_broken(const struct asked *asked, const char *file, const struct cl_err *err)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(1 << 16);
    struct cl_err ignored = CL_ERR_INIT;

    if (err->kind == CL_E_SYS)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err->text);
    if (!asked->output || strcmp(asked->output, "json") != 0)
        return cl_verb_fail(CL_EXIT_FAILED, "%s%s%s", file, *file ? ": " : "", err->text);
    if (cl_buf_put_text(&text, "{\"good\":false,\"file\":", &ignored) == 0 &&
        cl_json_put_string(&text, file, strlen(file), &ignored) == 0 &&
        cl_buf_put_text(&text, ",\"why\":", &ignored) == 0 &&
        cl_json_put_string(&text, err->text, strlen(err->text), &ignored) == 0)
        printf("%.*s}\n", (int)text.length, (const char *)text.bytes);
    return CL_EXIT_FAILED;
}

static int verify_files(struct asked *asked)
{
    char before[PATH_MAX], log[PATH_MAX], head[CL_AUDIT_HEAD];
    struct cl_verify verify;
    struct cl_err err = CL_ERR_INIT;

    if (asked->url && ask_service(asked, head, &err) < 0)
        return cl_verb_fail(CL_EXIT_UNREACHABLE, "%s", err.text);
    if (asked->url)
        asked->heads[asked->head_count++] = head;
    use_default_files(asked, before, log);
    cl_verify_init(&verify);
    memcpy(verify.anchors, asked->heads, sizeof(verify.anchors));
    for (size_t i = 0; i < asked->file_count; i++) {
        if (read_file(&verify, asked->files[i], &err) < 0)
            return print_broken(asked, asked->files[i], &err);
    }
    if (check_heads(&verify, &err) < 0)
        return print_broken(asked, "", &err);
    print_good(asked, &verify);
    return CL_EXIT_OK;
}

/* ---------------------------------------------------------------------------------------- show */

static bool has(const char *line, size_t length, const char *name, const char *value)
{
    char member[256];
    const int size = snprintf(member, sizeof(member), "\"%s\":\"%s\"", name, value);

    return size > 0 && (size_t)size < sizeof(member) &&
           memmem(line, length, member, (size_t)size) != NULL;
}

/* Quotes inside texts are escaped, so that a member is found where there is one and nowhere else. */
static void show_line(void *self, const char *line, size_t length)
{
    static const char time[] = "\"time\":\"";
    const struct asked *asked = self;
    const char *when = memmem(line, length, time, sizeof(time) - 1);

    if ((asked->tenant && !has(line, length, "tenant", asked->tenant)) ||
        (asked->event && !has(line, length, "event", asked->event)) ||
        (asked->verdict && !has(line, length, "verdict", asked->verdict)) ||
        (asked->since &&
         strncmp(when + sizeof(time) - 1, asked->since, asked->since_length) < 0))
        return;
    printf("%.*s\n", (int)length, line);
}

static int show_files(struct asked *asked)
{
    char before[PATH_MAX], log[PATH_MAX];
    struct cl_verify verify;
    struct cl_err err = CL_ERR_INIT;

    use_default_files(asked, before, log);
    cl_verify_init(&verify);
    verify.on_line = show_line;
    verify.self = asked;
    for (size_t i = 0; i < asked->file_count; i++) {
        if (read_file(&verify, asked->files[i], &err) < 0)
            return print_broken(asked, asked->files[i], &err);
    }
    return CL_EXIT_OK;
}

/* --------------------------------------------------------------------------------------- verbs */

static int run(const struct verb *verb, int (*then)(struct asked *asked), int argc, char **argv)
{
    struct asked asked = { 0 };
    struct cl_err err = CL_ERR_INIT;

    if (sodium_init() < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "libsodium does not start");
    if (read_words(verb, argc, argv, &asked, &err) < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "audit %s: %s", verb->name, err.text);
    if (asked.wants_help) {
        print_usage(verb, stdout);
        return CL_EXIT_OK;
    }
    return then(&asked);
}

static int run_verify(int argc, char **argv)
{
    return run(&verify_verb, verify_files, argc, argv);
}

static int run_show(int argc, char **argv)
{
    return run(&show_verb, show_files, argc, argv);
}

static const struct cl_verb verb_verify = {
    .name = "audit verify",
    .operands = "[FILE]...",
    .summary = "Check that no line of the audit log was changed, dropped, added or moved.",
    .run_words = run_verify,
};

static const struct cl_verb verb_show = {
    .name = "audit show",
    .operands = "[FILE]...",
    .summary = "Print lines of the audit log.",
    .run_words = run_show,
};

static const struct cl_verb *const verbs[] = { &verb_verify, &verb_show };

static int run_words(int argc, char **argv)
{
    return cl_verb_of_verbs(&cl_verb_audit, verbs, CL_COUNT(verbs), argc, argv);
}

const struct cl_verb cl_verb_audit = {
    .name = "audit",
    .operands = "VERB",
    .summary = "Check the audit log, and show lines of it (`cloche audit --help`).",
    .run_words = run_words,
};
