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

#include "sandbox/base/own.h"

enum {
    EVENT_MAX = 2048, /* bytes of "event key=value ..." before escaping */
    LINE_MAX_ = 4096, /* PIPE_BUF: a write of this size is never interleaved */
    END_BYTES = 4,    /* "...\n" */
};

static const char *const level_names[] = { "error", "warn", "info", "debug" };

static const char *log_process = "cloche";
static enum cl_log_level log_most = CL_INFO;
static unsigned lines_lost; /* since the last that was written */

struct line {
    char bytes[LINE_MAX_];
    size_t length;
    bool is_cut;
};

void cl_log_open(const char *process, enum cl_log_level most)
{
    log_process = process;
    log_most = most;
}

/* gmtime_r may read /etc/localtime; this is Howard Hinnant's civil-from-days instead. */
static void put_time(struct line *line)
{
    struct timespec now;
    int wrote;

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

    wrote = snprintf(line->bytes, sizeof(line->bytes), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ ",
                     (int)year, (int)month,
                     (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
                     (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60),
                     (int)(now.tv_nsec / 1000000));
    line->length = wrote > 0 ? (size_t)wrote : 0;
    line->is_cut = false;
}

static bool is_continuation(const unsigned char *at, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return false;
    }
    return true;
}

/* Length of the character that may be shown as it is, 0 if its first byte must be escaped. A
 * terminated text: a sequence that is cut off meets the NUL, which is no continuation. */
static size_t shown_length(const unsigned char *at)
{
    if (at[0] >= 0x20 && at[0] <= 0x7e)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf && is_continuation(at + 1, 1))
        return at[0] == 0xc2 && at[1] < 0xa0 ? 0 : 2; /* U+0080..U+009F are controls */
    if (at[0] >= 0xe0 && at[0] <= 0xef && is_continuation(at + 1, 2)) {
        bool is_overlong = at[0] == 0xe0 && at[1] < 0xa0;
        bool is_surrogate = at[0] == 0xed && at[1] > 0x9f;
        return is_overlong || is_surrogate ? 0 : 3;
    }
    if (at[0] >= 0xf0 && at[0] <= 0xf4 && is_continuation(at + 1, 3)) {
        bool is_overlong = at[0] == 0xf0 && at[1] < 0x90;
        bool is_too_large = at[0] == 0xf4 && at[1] > 0x8f;
        return is_overlong || is_too_large ? 0 : 4;
    }

    return 0;
}

/* Keeps room for the end of the line; what does not fit is left out, and all that follows it. */
static void put_escaped(struct line *line, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at && !line->is_cut) {
        size_t shown = shown_length(at);
        size_t needed = shown ? shown : 4;

        if (line->length + needed > sizeof(line->bytes) - END_BYTES) {
            line->is_cut = true;
            return;
        }
        if (shown)
            memcpy(line->bytes + line->length, at, shown);
        else
            snprintf(line->bytes + line->length, 5, "\\x%02x", *at);
        line->length += needed;
        at += shown ? shown : 1;
    }
}

static void put_end(struct line *line)
{
    const char *end = line->is_cut ? "...\n" : "\n";

    memcpy(line->bytes + line->length, end, strlen(end));
    line->length += strlen(end);
}

/* A reader that stalls costs lines, never time: deadlines are kept by who writes here. A line is
 * shorter than PIPE_BUF, so a pipe that is writable at all takes it whole. */
static bool send_line(const struct line *line)
{
    struct pollfd log = { .fd = STDERR_FILENO, .events = POLLOUT };

    return poll(&log, 1, 0) == 1 && (log.revents & POLLOUT) &&
           write(STDERR_FILENO, line->bytes, line->length) >= 0;
}

void cl_log(enum cl_log_level level, const char *event, const char *format, ...)
{
    int saved = errno;
    struct line line;
    char text[EVENT_MAX] = "";
    va_list args;

    if (level > log_most)
        return;

    put_time(&line);
    put_escaped(&line, level_names[level]);
    put_escaped(&line, " ");
    put_escaped(&line, log_process);
    put_escaped(&line, " ");
    put_escaped(&line, event);

    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length > 0)
        put_escaped(&line, " ");
    put_escaped(&line, text);
    line.is_cut = line.is_cut || length >= (int)sizeof(text);
    if (lines_lost > 0) {
        snprintf(text, sizeof(text), " lines_lost=%u", lines_lost);
        put_escaped(&line, text);
    }
    put_end(&line);

    /* A log that cannot be written has nowhere else to complain. */
    lines_lost = send_line(&line) ? 0 : lines_lost + 1;
    errno = saved;
}

int cl_log_level_parse(const char *text)
{
    for (size_t i = 0; i < CL_COUNT(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0)
            return (int)i;
    }
    return -1;
}
