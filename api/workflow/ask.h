/* SPDX-License-Identifier: Apache-2.0 */
/* From the body of a request to a plan, or to the answer that names all that is wrong. */
#ifndef CL_API_WORKFLOWPLAN_H
#define CL_API_WORKFLOWPLAN_H

#include "api/visit.h"
#include "api/workflow/plan.h"

/* The plan is to be ended with cl_plan_fini whatever comes. 1: the problems are answered. A task
 * becomes a workflow of one, whose id is the task's. */
int cl_workflow_plan(struct cl_visit *visit, const char *body, size_t length, bool is_task,
                     struct cl_plan *plan);

/* 422 with one problem. Always 0. */
int cl_workflow_answer_problem(struct cl_visit *visit, const char *what);
void cl_workflow_answer(struct cl_visit *visit, int status, const struct cl_buf *json);

#endif
