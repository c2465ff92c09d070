/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs `workflow` and `task` share: submitting, following events, showing records. Their
 * exit codes are those of python/v1, not those of the other verbs.
 */
#ifndef CL_CLI_FLOW_H
#define CL_CLI_FLOW_H

#include "api/cli/json.h"
#include "api/cli/service.h"

enum cl_flow_exit {
    CL_FLOW_COMPLETED = 0,
    CL_FLOW_FAILED = 1, /* or cancelled, or timed out */
    CL_FLOW_REFUSED = 2,
    CL_FLOW_UNREACHABLE = 3,
};

/* A request that did not get through, or was refused: says so, returns the exit code. */
int cl_flow_fail(const struct cl_err *err);
int cl_flow_problem(const struct cl_answer *answer);

/* GETs a record: path and id. 0, or an exit code with everything said. */
int cl_flow_get(struct cl_service *service, const char *path, const char *id,
                struct cl_answer *answer, struct cl_json *record);

/* Follows a workflow's events until it is over, showing progress on stderr if asked to, of `total`
 * tasks (0: nobody knows). A service
 * that goes away is given half a minute to come back. 0 or an exit code. */
int cl_flow_follow(struct cl_service *service, const char *id, bool shows, unsigned total);

/* Why tasks of a record did not complete, with their tracebacks, on stderr. */
void cl_flow_show_failures(struct cl_json record);
void cl_flow_show_failure(struct cl_json task);

/* A value as json.dumps(.., indent=2) lays it out, and a line feed. */
int cl_flow_print(struct cl_json value);

/* Whether a status is "completed", as an exit code. */
int cl_flow_exit(struct cl_json record);

/* Words of `workflow` and `task` in one of the tables of options. */
#define CL_FLOW_OPTIONS_SERVICE                                                                \
    { "url",                                                                                   \
      "URL",                                                                                   \
      "the service (CLOCHE_URL, or " CL_SERVICE_URL ")",                                       \
      offsetof(struct cl_args, url),                                                           \
      CL_OPTION_TEXT,                                                                          \
      0 },                                                                                     \
    {                                                                                          \
        "token-file", "FILE", "its token (CLOCHE_TOKEN, or " CL_SERVICE_STATE "/local.token)", \
            offsetof(struct cl_args, token_file), CL_OPTION_TEXT, 0                            \
    }

#endif
