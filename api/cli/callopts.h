/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of option tables that several verbs share: where the service is, what a call is given. */
#ifndef CL_CLI_CALLOPTS_H
#define CL_CLI_CALLOPTS_H

#include "api/cli/service.h"

/* clang-format off */
#define CL_OPTION_URL                                                                          \
    { "url", "URL", "the service (CLOCHE_URL, or " CL_SERVICE_URL ")",                         \
      offsetof(struct cl_args, url), CL_OPTION_TEXT, 0 }
#define CL_OPTION_TOKEN_FILE                                                                   \
    { "token-file", "FILE", "its token (CLOCHE_TOKEN, or " CL_SERVICE_STATE "/local.token)",   \
      offsetof(struct cl_args, token_file), CL_OPTION_TEXT, 0 }
#define CL_OPTION_ENTRY                                                                        \
    { "entry", "NAME", "the function to call (main)", offsetof(struct cl_args, entry),         \
      CL_OPTION_TEXT, 'e' }
#define CL_OPTION_ARG                                                                          \
    { "arg", "JSON", "a positional argument; may come again", offsetof(struct cl_args, args),  \
      CL_OPTION_TEXTS, 'a' }
#define CL_OPTION_KWARG                                                                        \
    { "kwarg", "NAME=JSON", "a keyword argument; may come again",                              \
      offsetof(struct cl_args, kwargs), CL_OPTION_TEXTS, 'k' }
#define CL_OPTION_STDIN                                                                        \
    { "stdin", "FILE", "what the program reads from its standard input",                       \
      offsetof(struct cl_args, stdin_file), CL_OPTION_TEXT, 0 }
#define CL_OPTION_LIMIT                                                                        \
    { "limit", "NAME=VALUE", "narrow a limit (wall=2s, memory=64Mi); may come again",          \
      offsetof(struct cl_args, limits), CL_OPTION_TEXTS, 0 }
#define CL_OPTION_STREAM                                                                       \
    { "stream", NULL, "show output while it runs", offsetof(struct cl_args, is_streamed),      \
      CL_OPTION_FLAG, 0 }
#define CL_OPTION_ASYNC                                                                        \
    { "async", NULL, "do not wait: print the call's id (`cloche calls`)",                      \
      offsetof(struct cl_args, is_async), CL_OPTION_FLAG, 0 }
#define CL_OPTION_PRIORITY                                                                     \
    { "priority", "high|normal|low", "among your calls that wait (normal)",                    \
      offsetof(struct cl_args, priority), CL_OPTION_TEXT, 0 }
#define CL_OPTION_KEY                                                                          \
    { "idempotency-key", "TEXT", "asked again with this key: the first answer once more",      \
      offsetof(struct cl_args, idempotency_key), CL_OPTION_TEXT, 0 }
#define CL_OPTION_SESSION                                                                      \
    { "session", "ID", "run it in the jail of this session (`cloche sessions`)",              \
      offsetof(struct cl_args, session), CL_OPTION_TEXT, 0 }
/* Whose policy it is unless one is named. */
#define CL_OPTION_POLICY(otherwise)                                                            \
    { "policy", "NAME", "the policy to run under (" otherwise ")",                             \
      offsetof(struct cl_args, policy), CL_OPTION_TEXT, 'p' }
/* clang-format on */

#endif
