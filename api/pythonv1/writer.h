/* SPDX-License-Identifier: Apache-2.0 */
/* One answer of python/v1 while it is written: its shapes (answer.c) and its causes (verdict.c). */
#ifndef CL_API_PYTHONV1_WRITER_H
#define CL_API_PYTHONV1_WRITER_H

#include "api/pythonv1/answer.h"

struct cl_v1_writer {
    struct cl_v1_outcome *outcome;
    const struct cl_v1_plan *plan;
    const char *task;
    const struct cl_errand_end *end;
    uint64_t wall_us; /* from its worker to its end */
    struct cl_err err;
};

/* Why a function, an expression or code has no value. Plain text. */
struct cl_v1_failure {
    struct cl_json error, type, traceback;
};

/* Each ends the outcome: an error object; a failure in the shape of the operation; a result. */
void cl_v1_write_fault(struct cl_v1_writer *w, int32_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void cl_v1_write_failure(struct cl_v1_writer *w, const struct cl_v1_failure *why);
void cl_v1_write_result(struct cl_v1_writer *w, struct cl_json result, bool is_nonfinite);

#endif
