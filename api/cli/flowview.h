/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the tasks of a workflow are shown on stderr while it runs. On a terminal the tasks that run
 * have a line each, redrawn with every event, and what happened stays above them; elsewhere every
 * event is a line.
 */
#ifndef CL_CLI_FLOWVIEW_H
#define CL_CLI_FLOWVIEW_H

#include "api/cli/json.h"
#include "api/cli/picture.h"

struct cl_flowview_task;

struct cl_flowview {
    struct cl_picture picture;
    bool shows, is_terminal;
    unsigned total, ended, running;
    unsigned drawn; /* lines above the cursor that the next event replaces */
    struct cl_flowview_task *first;
};

/* `total`: how many tasks there are, 0 when that is not known. */
void cl_flowview_init(struct cl_flowview *view, bool shows, unsigned total);
void cl_flowview_fini(struct cl_flowview *view);

/* One event of a task, checked JSON; others are left out. */
void cl_flowview_put(struct cl_flowview *view, struct cl_json event);

#endif
