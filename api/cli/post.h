/* SPDX-License-Identifier: Apache-2.0 */
/* One request whose answer is an envelope, and how it is shown. */
#ifndef CL_CLI_POST_H
#define CL_CLI_POST_H

#include "api/cli/service.h"

/* Posts, shows the outcome (or the envelope as it came), returns the exit code. */
int cl_post_whole(struct cl_service *service, const char *path, const struct cl_buf *body,
                  bool as_json);

/* The exit code of a request that did not come through; the reason is printed. */
int cl_post_fail(const struct cl_err *err);

/* A call as run and call make it: whole, as it comes, or later, with what its options add. */
int cl_post_call(struct cl_service *service, const char *path, const struct cl_buf *body,
                 const struct cl_args *args);

#endif
