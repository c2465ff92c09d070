/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cloched of our own in the foreground: started, waited for, and ended with us. Its stderr goes
 * through us, so that what it says does not run into what we draw.
 */
#ifndef CL_CLI_SERVED_H
#define CL_CLI_SERVED_H

#include <stdbool.h>
#include <sys/types.h>

#include "sandbox/base/err.h"

struct cl_served {
    pid_t pid;               /* 0: not running */
    int pidfd, log, signals; /* owned */
    char url[256];           /* as it said when it was ready */
    const char *config;      /* borrowed; NULL: the built-in policies alone */
    bool learns;             /* its workers write down what is refused */
    char line[4096];         /* what came of a log line so far */
    size_t line_length;
};

#define CL_SERVED_INIT                                                                         \
    {                                                                                          \
        .pidfd = -1, .log = -1, .signals = -1                                                  \
    }

/* Blocks SIGINT, SIGTERM and SIGHUP in this process from now on; cl_served_wait passes them on. */
int cl_served_start(struct cl_served *served, const char *state, const char *listen,
                    struct cl_err *err);

/* Until it is ready. Returns 1, or 0 when it ended before. */
int cl_served_wait_ready(struct cl_served *served);

/* Until it ends: asked to by a signal that we get, or by itself. Returns its exit status; one
 * that a signal ended is 128 + the signal. */
int cl_served_wait(struct cl_served *served);

/* Ends it if it still runs. */
void cl_served_fini(struct cl_served *served);

#endif
