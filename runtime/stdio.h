/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sys.stdout, sys.stderr and sys.stdin of the caller's code. Output is UTF-8 (what is not valid
 * is written with backslashes), leaves at every newline, flush and 32 KiB, and never through a
 * file descriptor: it becomes frames.
 */
#ifndef CL_RUNTIME_STDIO_H
#define CL_RUNTIME_STDIO_H

#include "runtime/pyref.h"
#include "sandbox/base/err.h"

/* In the zygote: puts the streams into sys. */
int cl_stdio_prepare(struct cl_err *err);

/* A pair of streams of one call in a session. */
struct cl_stdio_pair;

struct cl_stdio_pair *cl_stdio_pair_new(void); /* from malloc; NULL without memory */
/* From now on output goes to the pair that `find` names for whoever writes, which also says for
 * which call this thread speaks; NULL: it is dropped. */
void cl_stdio_share(struct cl_stdio_pair *(*find)(void));

/* A text stream over a copy of `text`; owned. */
PyObject *cl_stdio_input(const char *text, size_t length);

/* Text for sys.stdin; -1 with an exception set. */
int cl_stdio_feed(const char *text, size_t length);

/* Sends what is still buffered; needs the GIL. */
void cl_stdio_flush(void);

/* Forgets what is buffered (of a warm-up). */
void cl_stdio_drop(void);

#endif
