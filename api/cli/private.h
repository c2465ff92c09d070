/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service of our own for one policy: a temporary folder with the policy and those that it
 * extends, a cloched on a free port of this machine. Everything is gone with cl_private_fini.
 */
#ifndef CL_CLI_PRIVATE_H
#define CL_CLI_PRIVATE_H

#include "api/cli/json.h"
#include "api/cli/served.h"
#include "api/cli/service.h"
#include "policies/policy.h"

enum { CL_PRIVATE_CALL_MAX = 96 << 20 };

struct cl_private {
    char dir[64];                  /* "" until it is made */
    char config[80], state[80];    /* in it */
    char name[CL_POLICY_NAME_MAX]; /* of the policy */
    char token_file[128];
    struct cl_buf compiled; /* struct cl_policy, checked */
    struct cl_served served;
    struct cl_service service;
    struct {
        const char *name; /* NULL: none */
        char value[CL_POLICY_NAME_MAX];
    } field; /* of the head of what is posted */
};

#define CL_PRIVATE_INIT                                                                        \
    {                                                                                          \
        .compiled = CL_BUF_INIT(CL_POLICY_BYTES_MAX), .served = CL_SERVED_INIT,                \
        .service = CL_SERVICE_INIT                                                             \
    }

/* Needs root. Makes the folder; nothing is in it. */
int cl_private_open(struct cl_private *own, struct cl_err *err);
/* Copies a policy (a NAME or a FILE) and its ancestors, and compiles it. CL_E_INPUT with no text
 * when cloche-policyc has said what is wrong. */
int cl_private_take(struct cl_private *own, const char *arg, struct cl_err *err);
const struct cl_policy *cl_private_policy(const struct cl_private *own);
/* Starts the service and waits until it is ready. */
int cl_private_serve(struct cl_private *own, struct cl_err *err);
void cl_private_stop(struct cl_private *own);
/* One request; the answer is restored first. */
int cl_private_post(struct cl_private *own, const char *path, const struct cl_buf *body,
                    struct cl_answer *answer, struct cl_err *err);
void cl_private_fini(struct cl_private *own);

/* Runs a program of ours with its output on a pipe, which the caller closes. -1: err. */
int cl_private_run(const char *program, char *const *argv, pid_t *pid, struct cl_err *err);
/* Its exit status; 128 + the signal that ended it. */
int cl_private_reap(pid_t pid);

#endif
