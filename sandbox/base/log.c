/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes one event per line to stderr, in one write(2), with no lock, heap or time zone file.
 * Runs in: every process.
 * Trusts: the format strings; no byte that they print.
 */
#include "sandbox/base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/base/logline.h"
#include "sandbox/base/own.h"

enum { TIME_BYTES = 80, SENTENCE_MAX = 1024 };

static const char *const level_names[] = { "error", "warn", "info", "debug" };

static const char *log_process = "cloche";
static enum cl_log_level log_most = CL_INFO;
static bool log_is_json;
static unsigned lines_lost; /* since the last that was written */

void cl_log_open(const char *process, enum cl_log_level most)
{
    log_process = process;
    log_most = most & CL_DEBUG;
    log_is_json = (most & CL_LOG_JSON) != 0;
}

/* gmtime_r may read /etc/localtime; this is Howard Hinnant's civil-from-days instead. */
static void format_time(char text[TIME_BYTES])
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    int64_t second = now.tv_sec % 86400;
    int64_t days = now.tv_sec / 86400 + 719468;
    int64_t era = days / 146097;
    int64_t day_of_era = days % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);

    snprintf(text, TIME_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)year, (int)month,
             (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1), (int)(second / 3600),
             (int)(second / 60 % 60), (int)(second % 60), (int)(now.tv_nsec / 1000000));
}

/* A reader that stalls costs lines, never time: deadlines are kept by who writes here. A line is
 * shorter than PIPE_BUF, so a pipe that is writable at all takes it whole. */
static bool send_line(const struct cl_logline *line)
{
    struct pollfd log = { .fd = STDERR_FILENO, .events = POLLOUT };

    return poll(&log, 1, 0) == 1 && (log.revents & POLLOUT) &&
           write(STDERR_FILENO, line->bytes, line->length) >= 0;
}

void cl_log(enum cl_log_level level, const char *event, const char *format, ...)
{
    int saved = errno;
    struct cl_logline line;
    char time[TIME_BYTES];
    va_list args;

    if (level > log_most)
        return;

    line.length = 0;
    line.is_json = log_is_json;
    line.is_cut = false;
    format_time(time);
    cl_logline_head(&line, "time", time);
    cl_logline_head(&line, "level", level_names[level]);
    cl_logline_head(&line, "process", log_process);
    cl_logline_head(&line, "event", event);
    va_start(args, format);
    cl_logline_put(&line, format, args);
    va_end(args);
    if (lines_lost > 0)
        cl_logline_count(&line, "lines_lost", lines_lost);
    cl_logline_end(&line);

    /* A log that cannot be written has nowhere else to complain. */
    lines_lost = send_line(&line) ? 0 : lines_lost + 1;
    errno = saved;
}

bool cl_log_has(enum cl_log_level level)
{
    return level <= log_most;
}

void cl_log_say(enum cl_log_level level, const char *format, ...)
{
    const enum cl_log_level most = log_most;
    char sentence[SENTENCE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    if (!log_is_json) {
        fprintf(stderr, "%s: %s\n", log_process, sentence);
        return;
    }
    log_most = CL_DEBUG;
    cl_log(level, "said", "what=\"%s\"", sentence);
    log_most = most;
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
