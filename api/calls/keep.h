/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of a call that is answered in one piece: the first and the last half MiB are kept,
 * what lies between is counted. Grows with what arrives, up to 1 MiB.
 */
#ifndef CL_API_KEEP_H
#define CL_API_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/base/buf.h"

enum { CL_KEEP_HALF = 512 << 10 };

struct cl_keep {
    struct cl_buf text; /* the second half is a ring once `total` is more than both halves */
    uint64_t total;
};

#define CL_KEEP_INIT                                                                           \
    {                                                                                          \
        CL_BUF_INIT(2 * CL_KEEP_HALF), 0                                                       \
    }

int cl_keep_put(struct cl_keep *keep, const char *text, size_t length, struct cl_err *err);
bool cl_keep_is_truncated(const struct cl_keep *keep);
/* Appends it as one JSON string; a cut never splits a character and is marked by a line of its
 * own. */
int cl_keep_format(const struct cl_keep *keep, struct cl_buf *out, struct cl_err *err);
void cl_keep_fini(struct cl_keep *keep);

#endif
