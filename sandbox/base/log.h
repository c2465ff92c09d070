/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One structured line per event on stderr: `<time> <level> <process> <event> key=value ...`, or
 * one object of JSON with the same. Written at once, the rest of a line that was taken in part
 * right behind; what a conversion prints is escaped (logline.h), so no caller's text can forge a
 * line, or a key in one. Never log payloads, tokens, source code or environment.
 */
#ifndef CL_BASE_LOG_H
#define CL_BASE_LOG_H

#include <stdbool.h>

enum cl_log_level {
    CL_ERROR = 0,
    CL_WARN,
    CL_INFO,
    CL_DEBUG,
    CL_LOG_JSON = 16, /* beside the highest level: lines are JSON */
};

/* Name of the process in every line ("cloched", "api", ...), and the highest level shown. The
 * string is borrowed and must live for ever. */
void cl_log_open(const char *process, enum cl_log_level most);

/* `event` is a fixed dotted name ("pool.refill"), listed in docs/log.md; `format` is key=value
 * pairs only: texts that are not ours, or that may have a blank, as key="%s". */
void cl_log(enum cl_log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether lines of this level are shown: for what is not worth to be put together otherwise. */
bool cl_log_has(enum cl_log_level level);

/* A sentence for the person who started this, shown whatever the highest level is: `<process>:
 * <sentence>`, or the event "said". */
void cl_log_say(enum cl_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "error".."debug", alone or with ",text" or ",json" behind it; "json" is "info,json". -1: none of
 * these. */
int cl_log_level_parse(const char *text);

#endif
