/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One structured line per event on stderr: `<time> <level> <process> <event> key=value ...`.
 * Written with a single write(2); every byte that is not printable ASCII or valid UTF-8 above
 * U+009F is escaped as \xNN, so no caller's text can forge a line. Never log payloads, tokens,
 * source code or environment.
 */
#ifndef CL_BASE_LOG_H
#define CL_BASE_LOG_H

enum cl_log_level { CL_ERROR = 0, CL_WARN, CL_INFO, CL_DEBUG };

/* Name of the process in every line ("cloched", "api", ...), and the highest level shown. The
 * string is borrowed and must live for ever. */
void cl_log_open(const char *process, enum cl_log_level most);

/* `event` is a fixed dotted name ("pool.refill"); `format` makes the key=value part. */
void cl_log(enum cl_log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The level named by text ("error".."debug"); -1 if it names none. */
int cl_log_level_parse(const char *text);

#endif
