/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes one event per line to stderr, in one write(2) if that takes it, with no lock, heap or
 * time zone file.
 * Runs in: every process.
 * Trusts: the format strings; no byte that they print.
 */
#include "sandbox/base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/base/logline.h"
#include "sandbox/base/own.h"
#include "sandbox/base/utc.h"

enum { SENTENCE_MAX = 1024, TRIES = 4 };

static const char *const level_names[] = { "error", "warn", "info", "debug" };

static const char *log_process = "cloche";
static enum cl_log_level log_most = CL_INFO;
static bool log_is_json;
static unsigned lines_lost; /* since the last that was written */
static bool line_is_torn;   /* the last that was begun */

void cl_log_open(const char *process, enum cl_log_level most)
{
    log_process = process;
    log_most = most & CL_DEBUG;
    log_is_json = (most & CL_LOG_JSON) != 0;
}

/* A reader that stalls costs lines, never time: deadlines are kept by who writes here. A line is
 * shorter than PIPE_BUF, so a pipe that is writable at all takes it whole; a file or a stream may
 * take a part, and any call may be interrupted. */
static size_t send_some(const char *bytes, size_t length)
{
    struct pollfd log = { .fd = STDERR_FILENO, .events = POLLOUT };
    size_t sent = 0;

    for (int tries = 0; tries < TRIES && sent < length; tries++) {
        if (poll(&log, 1, 0) != 1 || !(log.revents & POLLOUT))
            continue;
        ssize_t more = write(STDERR_FILENO, bytes + sent, length - sent);
        sent += more > 0 ? (size_t)more : 0;
    }
    return sent;
}

/* What follows a part of a line begins on one of its own. */
static bool send_line(const struct cl_logline *line)
{
    size_t sent;

    if (line_is_torn && send_some("\n", 1) < 1)
        return false;
    sent = send_some(line->bytes, line->length);
    line_is_torn = sent > 0 && sent < line->length;
    return sent == line->length;
}

static void write_line(enum cl_log_level level, const char *event, const char *format,
                       va_list args)
{
    struct cl_logline line = { .is_json = log_is_json };
    char time[CL_UTC_SIZE];

    cl_utc_text(cl_utc_us(), 3, time);
    cl_logline_head(&line, "time", strcat(time, "Z"));
    cl_logline_head(&line, "level", level_names[level]);
    cl_logline_head(&line, "process", log_process);
    cl_logline_head(&line, "event", event);
    cl_logline_put(&line, format, args);
    if (lines_lost > 0)
        cl_logline_count(&line, "lines_lost", lines_lost);
    cl_logline_end(&line);

    /* A log that cannot be written has nowhere else to complain. */
    lines_lost = send_line(&line) ? 0 : lines_lost + 1;
}

void cl_log(enum cl_log_level level, const char *event, const char *format, ...)
{
    const int saved = errno;
    va_list args;

    if (!cl_log_has(level))
        return;
    va_start(args, format);
    write_line(level, event, format, args);
    va_end(args);
    errno = saved;
}

bool cl_log_has(enum cl_log_level level)
{
    return level <= log_most;
}

/* Whatever the highest level is. */
static void write_said(enum cl_log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_line(level, "said", format, args);
    va_end(args);
}

void cl_log_say(enum cl_log_level level, const char *format, ...)
{
    char sentence[SENTENCE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    if (log_is_json)
        write_said(level, "what=\"%s\"", sentence);
    else
        fprintf(stderr, "%s: %s\n", log_process, sentence);
}

int cl_log_level_parse(const char *text)
{
    static const char *const forms[] = { "", ",text", ",json" };

    if (strcmp(text, "json") == 0)
        return CL_INFO | CL_LOG_JSON;
    for (size_t i = 0; i < CL_COUNT(level_names); i++) {
        const size_t length = strlen(level_names[i]);

        for (size_t form = 0; form < CL_COUNT(forms); form++) {
            if (strncmp(text, level_names[i], length) == 0 &&
                strcmp(text + length, forms[form]) == 0)
                return (int)i | (form == 2 ? CL_LOG_JSON : 0);
        }
    }
    return -1;
}
