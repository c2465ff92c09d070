/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the bodies of POST /v1/calls and /v1/eval from a command line. */
#ifndef CL_CLI_BODY_H
#define CL_CLI_BODY_H

#include "api/cli/verb.h"
#include "sandbox/base/buf.h"

enum { CL_BODY_MAX = 64 << 20 };

/* -a and -k values go in as the text that was typed, once it is known to be JSON. */
int cl_body_make(struct cl_buf *body, const struct cl_args *args, struct cl_err *err);

/* The operand is the function. */
int cl_body_make_function(struct cl_buf *body, const struct cl_args *args, struct cl_err *err);

/* Appends a Python file as a JSON string; not UTF-8 is CL_E_INPUT. */
int cl_body_put_source(struct cl_buf *body, const char *name, struct cl_err *err);

/* The operand is the expression, -c the context. */
int cl_body_make_eval(struct cl_buf *body, const struct cl_args *args, struct cl_err *err);

#endif
