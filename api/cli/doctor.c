/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cloche doctor`: is this host fit for jails, and what would make it better. As root it also runs
 * `cloched --self-test`, which proves the jail itself.
 * Runs in: cloche.
 * Trusts: the kernel, and cloched.
 */
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/cli/facts.h"
#include "api/cli/install.h"
#include "api/cli/verb.h"
#include "sandbox/base/own.h"

struct report {
    json_object *root;  /* owned; NULL when printing text */
    json_object *lines; /* borrowed from root: the self-test's */
    bool has_failed;
};

static void put(json_object *object, const char *key, const char *text)
{
    json_object_object_add(object, key, text ? json_object_new_string(text) : NULL);
}

static void report_fact(struct report *report, const char *name, const struct cl_fact *fact)
{
    json_object *row;

    report->has_failed |= fact->level == CL_FACT_FAIL;
    if (!report->root) {
        printf("%-4s  %-20s %s\n", cl_fact_level_name(fact->level), name, fact->seen);
        if (fact->advice)
            printf("      %-20s -> %s\n", "", fact->advice);
        return;
    }
    row = json_object_new_object();
    put(row, "fact", name);
    put(row, "level", cl_fact_level_name(fact->level));
    put(row, "seen", fact->seen);
    put(row, "advice", fact->advice);
    json_object_array_add(json_object_object_get(report->root, "facts"), row);
}

static void report_facts(struct report *report)
{
    for (size_t i = 0; i < cl_fact_count; i++) {
        struct cl_fact fact = { 0 };

        cl_fact_rows[i].look(&fact);
        report_fact(report, cl_fact_rows[i].name, &fact);
    }
}

/* Its own log would stand between the lines: only errors of it are wanted. */
static pid_t start_self_test(const char *path, int *output)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        execl(path, path, "--self-test", "--log", "error", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *output = ends[0];
    return pid;
}

/* "ok openat: EACCES" becomes a row; anything else is shown as it is. */
static void report_line(struct report *report, char *line)
{
    const bool is_row = strncmp(line, "ok ", 3) == 0 || strncmp(line, "FAIL ", 5) == 0;
    char *probe = strchr(line, ' ');
    char *seen = is_row ? strstr(probe, ": ") : NULL;
    json_object *row;

    if (report->lines && !seen) {
        json_object_array_add(report->lines, json_object_new_string(line));
        return;
    }
    if (!seen) {
        printf("%s\n", line);
        return;
    }
    *probe++ = '\0';
    *seen = '\0';
    if (!report->lines) {
        printf("%-4s  %-20s %s\n", line, probe, seen + 2);
        return;
    }
    row = json_object_new_object();
    put(row, "level", line);
    put(row, "probe", probe);
    put(row, "seen", seen + 2);
    json_object_array_add(report->lines, row);
}

static void report_lines(struct report *report, FILE *from)
{
    char line[1024];

    while (fgets(line, sizeof(line), from)) {
        line[strcspn(line, "\n")] = '\0';
        report_line(report, line);
    }
}

static void report_self_test(struct report *report)
{
    struct cl_fact fact = { 0 };
    char path[PATH_MAX];
    cl_fclose_auto FILE *from = NULL;
    int output = -1;
    int status = 0;
    pid_t pid;

    if (cl_install_find("cloched", path) < 0)
        return; /* the fact "programs" has said so */
    if (geteuid() != 0) {
        cl_fact_set(&fact, CL_FACT_NOTE, "run `cloche doctor` as root to prove the jail itself",
                    "not run");
        report_fact(report, "self-test", &fact);
        return;
    }
    if (!report->root)
        printf("\ncloched --self-test\n");
    pid = start_self_test(path, &output);
    from = pid > 0 ? fdopen(output, "r") : NULL;
    if (from)
        report_lines(report, from);
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        cl_fact_set(&fact, CL_FACT_OK, NULL, "passed");
    else
        cl_fact_set(&fact, CL_FACT_FAIL, "its lines tell which proof failed", "failed");
    report_fact(report, "self-test", &fact);
}

static int run(const struct cl_args *args)
{
    struct report report = { NULL, NULL, false };
    struct cl_err err = CL_ERR_INIT;
    const int as_json = cl_verb_wants_json(args, &err);

    if (as_json < 0)
        return cl_verb_fail(CL_EXIT_USAGE, "%s", err.text);
    if (as_json) {
        report.root = json_object_new_object();
        report.lines = json_object_new_array();
        json_object_object_add(report.root, "facts", json_object_new_array());
        json_object_object_add(report.root, "self_test", report.lines);
    }
    report_facts(&report);
    report_self_test(&report);
    if (report.root) {
        json_object_object_add(report.root, "fit", json_object_new_boolean(!report.has_failed));
        puts(json_object_to_json_string_ext(report.root, JSON_C_TO_STRING_PRETTY |
                                                             JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(report.root);
    }
    return report.has_failed ? CL_EXIT_FAILED : CL_EXIT_OK;
}

static const struct cl_option options[] = { CL_OPTION_OUTPUT };

const struct cl_verb cl_verb_doctor = {
    .name = "doctor",
    .operands = "",
    .summary = "Say whether this host is fit for jails, and what would make it better.",
    .options = options,
    .option_count = CL_COUNT(options),
    .run = run,
};
