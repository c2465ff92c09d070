/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloche-begin SELF [OPTION [VALUE]]...: reads the command line and cloche.yaml for cloched, checks
 * both, and starts it again with every option spelled out. So the process that stays has no default,
 * no help text and no file of settings to read.
 * Runs in: cloche-begin, in cloched's place and with all that it was given, until it execs cloched.
 * Trusts: the command line; root's files; of the compiled cloche.yaml what cl_settings_open checks.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/base/log.h"
#include "sandbox/base/own.h"
#include "sandbox/base/version.h"
#include "sandbox/base/wire.h"
#include "sandbox/begin/begin.h"
#include "sandbox/begin/listen.h"
#include "sandbox/begin/oneshot.h"
#include "sandbox/load/settings.h"

enum { USAGE = 2, JAILS_MAX = 4096 };

/* In the order in which they are printed. */
enum option_index {
    CONFIG,
    STATE,
    LISTEN,
    PLAIN,
    DRAIN,
    LOG,
    AUDIT,
    JAILS,
    QUEUE_WAIT,
    BUFFERS,
    KEEP,
    STORE,
    SELF_TEST,
    PROVE,
    LEARN,
    VERSION,
    HELP,
    OPTION_COUNT
};

static const struct option {
    const char *name;
    const char *value; /* what it is called; NULL: it wants none */
    const char *otherwise;
    const char *key; /* of cloche.yaml; NULL: only here */
    const char *does;
} options[OPTION_COUNT] = {
    [CONFIG] = { "--config", "DIR", NULL, NULL,
                 "cloche.yaml, tenants.yaml and policies/*.yaml of this directory" },
    [STATE] = { "--state", "DIR", "/var/lib/cloche", NULL, "lock, store and local token" },
    [LISTEN] = { "--listen", "ADDR:PORT", "127.0.0.1:8420", "listen", "port 0 picks one" },
    [PLAIN] = { "--plain-text-beyond-loopback", NULL, NULL, "plain_text_beyond_loopback",
                "let others on the way read and change everything" },
    [DRAIN] = { "--drain", "TIME", "30s", "drain", "what running calls get after SIGTERM" },
    [LOG] = { "--log", "LEVEL", "info", "log", "error, warn, info, debug; or as info,json" },
    [AUDIT] = { "--audit", "MODE", "on", "audit", "of the audit log: on, required or off" },
    [JAILS] = { "--jails", "NUMBER", "4096", "jails", "at once, if memory allows as many" },
    [QUEUE_WAIT] = { "--queue-wait", "TIME", "10s", "queue_wait",
                     "what a call waits for a jail" },
    [BUFFERS] = { "--buffers", "SIZE", "256Mi", "buffers",
                  "for bodies and answers of all requests" },
    [KEEP] = { "--keep", "TIME,CALLS", "168h,100000", "keep",
               "how long, and how many, ended calls" },
    [STORE] = { "--store", "SIZE,SIZE", "16Gi,4Gi", "store",
                "what may be stored, in all and of one tenant" },
    [SELF_TEST] = { "--self-test", NULL, NULL, NULL,
                    "prove the jail, print what was seen, exit" },
    [PROVE] = { "--prove", "POLICY", NULL, NULL,
                "with --self-test: of this policy, every system call" },
    [LEARN] = { "--learn", NULL, NULL, NULL,
                "workers note what is refused (cloche policy learn uses it)" },
    [VERSION] = { "--version", NULL, NULL, NULL, "print the version" },
    [HELP] = { "--help", NULL, NULL, NULL, "print this" },
};

static const char *given[OPTION_COUNT];
static struct cl_listen place;

static void print_usage(void)
{
    puts("usage: cloched [OPTION [VALUE]]...");
    for (size_t i = 0; i < OPTION_COUNT; i++)
        printf("  %-12s %-10s  %s%s%s\n", options[i].name,
               options[i].value ? options[i].value : "", options[i].does,
               options[i].otherwise ? "; default " : "",
               options[i].otherwise ? options[i].otherwise : "");
}

/* -------------------------------------------------------------------------- the command line */

/* Returns how many words that took. */
static int set_named(const char *name, const char *value, struct cl_err *err)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &options[i];
        if (strcmp(option->name, name) != 0)
            continue;
        if (option->value && (!value || value[0] == '\0'))
            return cl_fail(err, CL_E_INPUT, "%s wants %s", name, option->value);
        given[i] = option->value ? value : name;
        return option->value ? 2 : 1;
    }
    return cl_fail(err, CL_E_INPUT, "there is no option %s (--help names them)", name);
}

/* A reload opens it again, long after chdir. Links stay: they may lead elsewhere by then. */
static int make_absolute(const char **path, struct cl_err *err)
{
    cl_free_auto char *here = getcwd(NULL, 0);
    char *full = NULL;

    if (!here || access(*path, F_OK) < 0)
        return cl_fail(err, CL_E_SYS, "--config %s", *path);
    CL_CHECK(asprintf(&full, "%s/%s", *path[0] == '/' ? "" : here, *path + strspn(*path, "/")) >
             0);
    for (size_t end = strlen(full); end > 1 && full[end - 1] == '/'; end--)
        full[end - 1] = '\0';
    *path = full;
    return 0;
}

/* What the command line does not say. */
static void settle(const struct cl_settings_file *settings)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *text = options[i].key ? cl_settings_text(settings, options[i].key) : "";

        if (given[i])
            continue;
        if (*text && options[i].value)
            given[i] = text;
        else if (strcmp(text, "true") == 0)
            given[i] = options[i].name;
        else
            given[i] = options[i].otherwise;
    }
}

/* ---------------------------------------------------------------------------------- checks */

/* "30s": a number and ms, s, m or h; as milliseconds. */
static int check_drain(struct cl_err *err)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
    const size_t digits = strspn(given[DRAIN], "0123456789");
    char *ms = NULL;

    for (size_t i = 0; digits > 0 && digits <= 9 && i < CL_COUNT(units); i++) {
        if (strcmp(given[DRAIN] + digits, units[i].name) != 0)
            continue;
        CL_CHECK(asprintf(&ms, "%" PRIu64, (uint64_t)atoi(given[DRAIN]) * units[i].ms) > 0);
        given[DRAIN] = ms;
        return 0;
    }
    return cl_fail(err, CL_E_INPUT, "--drain %s: a time like 30s or 500ms is wanted",
                   given[DRAIN]);
}

/* What the API alone reads it judges, too, and says by itself why not. */
static int check_api(struct cl_err *err)
{
    static const int theirs[] = { QUEUE_WAIT, BUFFERS, KEEP, STORE };
    const char *words[3 + 2 * CL_COUNT(theirs)] = { "cloche-api", "--check" };
    size_t count = 2;
    pid_t pid = -1;
    char none;

    for (size_t i = 0; i < CL_COUNT(theirs); i++) {
        if (given[theirs[i]] == options[theirs[i]].otherwise)
            continue;
        words[count++] = options[theirs[i]].name;
        words[count++] = given[theirs[i]];
    }
    if (count == 2 || geteuid() != 0)
        return 0;
    cl_close_auto int child = cl_oneshot_start(words, &pid, err);
    const bool has_ended = child >= 0 && recv(child, &none, sizeof(none), 0) == 0;
    const int status = cl_oneshot_end(pid);
    if (has_ended && status == 0)
        return 0;
    if (has_ended && status == USAGE)
        return cl_fail(err, CL_E_INPUT, "%s", "");
    return cl_fail(err, CL_E_LOST, "the options could not be checked");
}

static int check(bool has_tls, struct cl_err *err)
{
    const char *jails = given[JAILS], *audit = given[AUDIT];

    if (cl_listen_parse(given[LISTEN], &place, err) < 0)
        return -1;
    if (cl_log_level_parse(given[LOG]) < 0)
        return cl_fail(err, CL_E_INPUT, "--log %s: error, warn, info, debug, or info,json",
                       given[LOG]);
    if (strspn(jails, "0123456789") != strlen(jails) || strlen(jails) > 4 || atoi(jails) < 1 ||
        atoi(jails) > JAILS_MAX)
        return cl_fail(err, CL_E_INPUT, "--jails %s: a number from 1 to %d", jails, JAILS_MAX);
    if (strcmp(audit, "on") != 0 && strcmp(audit, "required") != 0 && strcmp(audit, "off") != 0)
        return cl_fail(err, CL_E_INPUT, "--audit %s: on, required or off", audit);
    if (!has_tls && !given[PLAIN] && !given[SELF_TEST] && !cl_listen_is_loopback(&place))
        return cl_fail(err, CL_E_DENIED,
                       "--listen %s: beyond this machine only with tls in cloche.yaml, or with "
                       "%s: tokens and code are there for all to read",
                       given[LISTEN], options[PLAIN].name);
    return check_drain(err) < 0 ? -1 : check_api(err);
}

/* ----------------------------------------------------------------------------------- start */

/* What waits for cloched at its descriptor, and nothing else may: the socket, so that cloched reads
 * no address. Who is not root is told so by cloched, first of all. */
static int leave_listener(struct cl_err *err)
{
    cl_close_auto int made = -1;

    if (given[SELF_TEST] || geteuid() != 0) {
        close(CL_BEGUN_FD);
        return 0;
    }
    made = cl_listen_open(given[LISTEN], &place, err);
    if (made < 0)
        return -1;
    given[LISTEN] = place.text;
    /* To the same number dup2 would leave it to be closed by exec. */
    cl_close_auto int moved = fcntl(made, F_DUPFD_CLOEXEC, CL_BEGUN_FD + 1);
    if (moved < 0 || dup2(moved, CL_BEGUN_FD) < 0)
        return cl_fail(err, CL_E_SYS, "keep the socket for cloched");
    if (made == CL_BEGUN_FD)
        cl_take_fd(&made);
    return 0;
}

/* Pairs of name and value; --begun first, so that cloched does not come back here. */
static int start_cloched(const char *self, bool has_tls, struct cl_err *err)
{
    const char *words[4 + 2 * OPTION_COUNT] = { "cloched", "--begun", has_tls ? "on" : "off" };
    char link[32], path[PATH_MAX];
    size_t count = 3;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", atoi(self));
    const ssize_t length = readlink(link, path, sizeof(path) - 1);
    if (length <= 0)
        return cl_fail(err, CL_E_INPUT, "cloche-begin is started by cloched");
    path[length] = '\0';
    close(atoi(self));
    if (leave_listener(err) < 0)
        return -1;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (!given[i] || i == PLAIN)
            continue;
        words[count++] = options[i].name;
        words[count++] = given[i];
    }
    execve(path, (char *const *)(uintptr_t)words, environ);
    return cl_fail(err, CL_E_SYS, "start %s", path);
}

static int begin(const char *self, struct cl_err *err)
{
    const struct cl_settings_file *settings = NULL;

    if (given[CONFIG] && make_absolute(&given[CONFIG], err) < 0)
        return -1;
    /* Who is not root gets no further than cloched's first look at itself. */
    if (given[CONFIG] && geteuid() == 0 && cl_settle_read(given[CONFIG], &settings, err) < 0)
        return -1;
    settle(settings);
    if (check(cl_settings_has_tls(settings), err) < 0)
        return -1;
    if (cl_settings_has_tls(settings) && !given[SELF_TEST] &&
        cl_settle_check_pair(settings, err) < 0)
        return -1;
    return start_cloched(self, cl_settings_has_tls(settings), err);
}

int main(int count, char **args)
{
    struct cl_err err = CL_ERR_INIT;

    for (int i = 1, words; i < count; i += words) {
        words = set_named(args[i], args[i + 1], &err);
        if (words > 0)
            continue;
        fprintf(stderr, "cloched: %s\n", err.text);
        return USAGE;
    }
    if (given[HELP])
        print_usage();
    if (given[VERSION])
        puts("cloched " CL_VERSION);
    if (given[HELP] || given[VERSION])
        return 0;
    begin(args[0], &err);
    if (err.text[0])
        fprintf(stderr, "cloched: %s\n", err.text);
    return err.kind == CL_E_INPUT ? USAGE : 1;
}
