/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows the NDJSON stream of a call: in text mode output, items, log and progress are shown as
 * they come; in JSON mode the lines pass as they are. Feed it pieces of any size.
 */
#ifndef CL_CLI_FOLLOW_H
#define CL_CLI_FOLLOW_H

#include <stdbool.h>

#include "sandbox/base/buf.h"

struct cl_follow {
    struct cl_buf line; /* the unfinished last line */
    bool as_json;
    bool has_items;    /* items were shown, so the result is not shown once more */
    bool has_progress; /* a progress line stands on the terminal */
    bool has_ended;
    int code; /* exit code, once has_ended */
};

enum { CL_FOLLOW_LINE_MAX = 64 << 20 };

#define CL_FOLLOW_INIT(is_json)                                                                \
    {                                                                                          \
        CL_BUF_INIT(CL_FOLLOW_LINE_MAX), (is_json), false, false, false, 0                     \
    }

/* The `take` of a struct cl_sink. CL_E_INPUT when what it shows can not be written. */
int cl_follow_take(void *follow, const char *bytes, size_t length, struct cl_err *err);
void cl_follow_fini(struct cl_follow *follow);

#endif
