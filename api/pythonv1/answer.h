/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call of python/v1 is answered: from the end of its errand to `result` or `error`. Pure.
 */
#ifndef CL_API_PYTHONV1_ANSWER_H
#define CL_API_PYTHONV1_ANSWER_H

#include "api/errand.h"
#include "api/pythonv1/plan.h"

enum { CL_V1_ANSWER_MAX = 64 << 20 };

struct cl_v1_outcome {
    struct cl_buf json; /* of `result`, or the error object */
    bool is_error;
    bool is_failed;
    int32_t code;
    char exception[128]; /* plain, "": none */
};

#define CL_V1_OUTCOME_INIT                                                                     \
    {                                                                                          \
        .json = CL_BUF_INIT(CL_V1_ANSWER_MAX)                                                  \
    }

void cl_v1_outcome_fini(struct cl_v1_outcome *outcome);

/* An error object. */
void cl_v1_outcome_fail(struct cl_v1_outcome *outcome, const struct cl_v1_fault *fault);

/* What an errand came to, for the operations that have their own shape: execute, eval, code. Of
 * the others, and of register's check, the bare `result` of the worker. `task` names the call, which
 * had a worker for `wall_us`. */
void cl_v1_outcome_end(struct cl_v1_outcome *outcome, const struct cl_v1_plan *plan,
                       const char *task, uint64_t wall_us, const struct cl_errand_end *end);

#endif
