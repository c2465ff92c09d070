/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a document: a bounded list of sentences. */
#ifndef CL_WORKFLOW_PROBLEMS_H
#define CL_WORKFLOW_PROBLEMS_H

#include <stdbool.h>

#include "sandbox/base/buf.h"

enum { CL_PROBLEMS_MAX = 100, CL_PROBLEM_BYTES = 1024 };

struct cl_problems {
    struct cl_buf list;  /* JSON strings with commas between them */
    struct cl_buf first; /* sentences in a row, as far as they fit */
    size_t count;        /* of all, told or not */
    size_t cycles;
};

void cl_problems_init(struct cl_problems *problems);
void cl_problems_fini(struct cl_problems *problems);

/* A sentence; what is too long is cut. Always -1. */
int cl_problems_add(struct cl_problems *problems, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
