/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of the log, from the format of a cl_log and its arguments: as text, or as one object of
 * JSON. The format is `key=value key="value" ...`, all of it ours but for what its conversions
 * print, which can neither end its value nor begin another key. Pure; no heap.
 */
#ifndef CL_BASE_LOGLINE_H
#define CL_BASE_LOGLINE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum { CL_LOGLINE_MAX = 4096 }; /* PIPE_BUF: a write of this size is never interleaved */

struct cl_logline {
    char bytes[CL_LOGLINE_MAX];
    size_t length;
    bool is_json;
    bool is_cut; /* something did not fit, and nothing follows it */
};

/* What stands in front: in text without a key. */
void cl_logline_head(struct cl_logline *line, const char *key, const char *value);
/* Conversions are those of printf with %d %i %u (with l, ll, z) and %s (with a precision). A value
 * without quotes that is empty is left out with its key. */
void cl_logline_put(struct cl_logline *line, const char *format, va_list args);
/* One more number. */
void cl_logline_count(struct cl_logline *line, const char *key, unsigned value);
void cl_logline_end(struct cl_logline *line);

#endif
