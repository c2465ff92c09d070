/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a verb of the `cloche` command is: a row of main.c's table, with a table of options of its
 * own. A verb prints its own errors and returns an exit code; everything it borrows from argv
 * lives as long as the process.
 */
#ifndef CL_CLI_VERB_H
#define CL_CLI_VERB_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/base/err.h"

enum cl_exit {
    CL_EXIT_OK = 0,
    CL_EXIT_FAILED = 1,      /* the code failed */
    CL_EXIT_USAGE = 2,       /* wrong options or bad input */
    CL_EXIT_DENIED = 3,      /* a rule of the policy */
    CL_EXIT_LIMIT = 4,       /* a limit ended it */
    CL_EXIT_LOST = 5,        /* crashed, cancelled or lost */
    CL_EXIT_UNREACHABLE = 6, /* the service does not answer, or has no room */
};

enum { CL_TEXTS_MAX = 256, CL_OPTIONS_MAX = 32 };

struct cl_texts {
    const char *items[CL_TEXTS_MAX];
    size_t count;
};

/* Every option of every verb; a verb reads those that its own table has rows for. */
struct cl_args {
    const char *operand; /* NULL when there is none */
    const char *url, *token_file, *output;
    const char *entry, *policy, *stdin_file, *context;
    struct cl_texts args, kwargs, limits;
    bool is_streamed, is_dangerous;
    const char *idempotency_key, *status, *function, *limit, *cursor, *after; /* of calls */
    const char *state, *listen;
    const char *session; /* of a call */
    const char *version; /* of a module */
    bool is_async, prunes;
    const char *tenant, *id, *scopes, *file;                     /* of `token` */
    const char *params, *protocol, *method, *priority, *timeout; /* of workflows and tasks */
    struct cl_texts depends_on;
    bool is_waiting, is_watching, is_dry, is_json;
};

enum cl_option_kind { CL_OPTION_TEXT, CL_OPTION_FLAG, CL_OPTION_TEXTS };

struct cl_option {
    const char *name;  /* without "--" */
    const char *value; /* what stands for its value in the help; NULL for a flag */
    const char *help;
    size_t offset; /* into struct cl_args */
    enum cl_option_kind kind;
    char letter; /* 0: none */
};

struct cl_verb {
    const char *name;
    const char *operands; /* as the help shows them; "" for none */
    const char *summary;
    const struct cl_option *options;
    size_t option_count;
    int (*run)(const struct cl_args *args);
    /* Instead of `run`: gets the words as they are, its own name first; `options` is empty. */
    int (*run_words)(int argc, char **argv);
    bool needs_operand;
    bool is_hidden;
};

#define CL_OPTION_OUTPUT                                                                       \
    {                                                                                          \
        "output", "json|text", "how to print (text)", offsetof(struct cl_args, output),        \
            CL_OPTION_TEXT, 'o'                                                                \
    }

extern const struct cl_verb cl_verb_run, cl_verb_calls, cl_verb_eval, cl_verb_policy,
    cl_verb_doctor, cl_verb_tour, cl_verb_version, cl_verb_workflow, cl_verb_task,
    cl_verb_token, cl_verb_sessions, cl_verb_push, cl_verb_modules, cl_verb_functions,
    cl_verb_call, cl_verb_audit;

/* "cloche: <text>" on stderr; returns `code`. */
int cl_verb_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether --output asks for JSON. -1 (err filled) when it names neither. */
int cl_verb_wants_json(const struct cl_args *args, struct cl_err *err);

/* For a verb of verbs (`cloche calls list`): run_words of `parent` hands its words on. Each of
 * `verbs` is named with its parent: "calls list". */
int cl_verb_of_verbs(const struct cl_verb *parent, const struct cl_verb *const *verbs,
                     size_t count, int argc, char **argv);

#endif
