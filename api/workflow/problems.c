/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sentences about a document, and the answer that refuses it.
 * Runs in: cloche-api, cloche.
 * Trusts: nothing; texts of the document are cut and escaped.
 */
#include "api/workflow/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/json/scan.h"
#include "api/workflow/plan.h"

enum { LIST_BYTES = 1 << 20, FIRST_BYTES = 8 << 10 };

void cl_problems_init(struct cl_problems *problems)
{
    *problems = (struct cl_problems){ .list = CL_BUF_INIT(LIST_BYTES),
                                      .first = CL_BUF_INIT(FIRST_BYTES) };
}

void cl_problems_fini(struct cl_problems *problems)
{
    cl_buf_fini(&problems->list);
    cl_buf_fini(&problems->first);
}

int cl_problems_add(struct cl_problems *problems, const char *format, ...)
{
    struct cl_err err = CL_ERR_INIT;
    char text[CL_PROBLEM_BYTES];
    va_list args;

    if (problems->count++ >= CL_PROBLEMS_MAX)
        return -1;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const size_t length = cl_json_utf8_prefix(text, strlen(text));
    if (problems->count > 1)
        cl_buf_put(&problems->list, ",", 1, &err);
    cl_json_put_string(&problems->list, text, length, &err);
    if (problems->first.length + length + 2 > FIRST_BYTES)
        return -1;
    if (problems->count > 1)
        cl_buf_put_text(&problems->first, "; ", &err);
    cl_buf_put(&problems->first, text, length, &err);
    return -1;
}

int cl_plan_format_error(const struct cl_problems *problems, struct cl_buf *out,
                         struct cl_err *err)
{
    const bool is_circular = problems->cycles > 0 && problems->cycles == problems->count;

    if (cl_buf_format(out, err, "{\"error\":{\"code\":%d,\"message\":",
                      is_circular ? CL_PLAN_CIRCULAR : CL_PLAN_INVALID) < 0 ||
        cl_json_put_string(out, (const char *)problems->first.bytes, problems->first.length,
                           err) < 0 ||
        cl_buf_put_text(out, ",\"data\":{\"errors\":[", err) < 0 ||
        cl_buf_put(out, problems->list.bytes, problems->list.length, err) < 0)
        return -1;
    if (problems->count > CL_PROBLEMS_MAX &&
        cl_buf_format(out, err, ",\"... and %zu more\"", problems->count - CL_PROBLEMS_MAX) < 0)
        return -1;
    return cl_buf_put_text(out, "]}}}", err);
}
