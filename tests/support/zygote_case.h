/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Python half of a worker without a jail around it: a process that prepares itself as a
 * zygote does, and forks for every call. Calls go in and frames come out over a real job socket.
 */
#ifndef CL_TESTS_ZYGOTE_CASE_H
#define CL_TESTS_ZYGOTE_CASE_H

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/run.h"
#include "sandbox/base/buf.h"
#include "sandbox/base/wire.h"

/* Lists are separated by spaces; NULL is empty. */
struct case_policy {
    const char *name;
    const char *modules;
    const char *preload;
    const char *names; /* "module=a,b module=c" */
    const char *builtins_removed;
    uint32_t flags;
    uint32_t tiers;
    uint32_t processes;
    uint64_t files_bytes;
};

struct case_zygote {
    pid_t pid;
    int control;
    struct cl_run_loaded loaded;
};

/* -1 and why the preparation failed. */
int case_zygote_start(struct case_zygote *zygote, const struct case_policy *policy,
                      struct cl_err *err);
void case_zygote_stop(struct case_zygote *zygote);

/* A module that comes with a call. */
struct case_module {
    const char *name, *source;
    const void *code; /* NULL: none */
    size_t code_length;
};

enum { CASE_MODULES_MAX = 8 };

struct case_call {
    const char *source; /* NULL: no SOURCE */
    const char *entry, *args, *kwargs, *stdin_text;
    const char *file_path, *file_content; /* one file in */
    const char *artifact;                 /* one glob */
    const char *env;
    struct case_module modules[CASE_MODULES_MAX];
    size_t source_length; /* 0: strlen */
    uint32_t flags;
    uint32_t depth;        /* 0: 64 */
    uint64_t result_bytes; /* 0: 1 MiB */
    uint64_t output_bytes; /* 0: 1 MiB */
};

struct case_end {
    uint32_t type;                      /* the final frame, 0 when there was none */
    struct cl_buf body;                 /* its payload */
    struct cl_buf out, err_out, events; /* stdout, stderr; "log|progress|item|file text\n" */
    int status;                         /* of wait(2) */
    /* the texts of ERROR (type, message, traceback) or DENIED (rule, name, message) */
    char *text[3];
    int line, column;
    struct cl_frame_limit limit;
};

/* Runs one call to its end. Aborts the test when the harness itself fails. */
void case_run(const struct case_zygote *zygote, const struct case_call *call,
              struct case_end *end);
void case_end_fini(struct case_end *end);

/* Starts a worker that is parked and nothing else; returns its job socket. For measuring. */
int case_park(const struct case_zygote *zygote);

#endif
