/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored lines to what a client reads.
 * Runs in: cloche-api.
 * Trusts: that the lines are those of events.c, checked anew as far as it reads them.
 */
#include "api/async/replay.h"

#include <inttypes.h>
#include <string.h>

static const char head[] = "{\"seq\":";
static const char name[] = ",\"event\":\"";

enum { DIGITS_MAX = 19, EVENT_MAX = 32 };

/* Whether `text` at *at goes on with `what`; moves behind it. */
static bool skip(const char *text, size_t length, size_t *at, const char *what, size_t size)
{
    if (length - *at < size || memcmp(text + *at, what, size) != 0)
        return false;
    *at += size;
    return true;
}

static bool read_seq(const char *text, size_t length, size_t *at, uint64_t *seq)
{
    const size_t start = *at;

    *seq = 0;
    for (; *at < length && text[*at] >= '0' && text[*at] <= '9'; ++*at) {
        if (*at - start >= DIGITS_MAX)
            return false;
        *seq = *seq * 10 + (uint64_t)(text[*at] - '0');
    }
    return *at > start && text[start] != '0';
}

bool cl_replay_next(const char *text, size_t length, size_t *at, struct cl_replay_line *line)
{
    const char *start;
    const char *end;
    const char *quote;
    size_t i = 0;

    if (*at >= length)
        return false;
    start = text + *at;
    end = memchr(start, '\n', length - *at);
    if (!end)
        return false;
    line->text = start;
    line->length = (size_t)(end - start);
    if (!skip(start, line->length, &i, head, sizeof(head) - 1) ||
        !read_seq(start, line->length, &i, &line->seq) ||
        !skip(start, line->length, &i, name, sizeof(name) - 1))
        return false;
    quote = memchr(start + i, '"', line->length - i);
    if (!quote || quote == start + i || quote - (start + i) > EVENT_MAX || end[-1] != '}')
        return false;
    line->event = start + i;
    line->event_length = (size_t)(quote - line->event);
    *at += line->length + 1;
    return true;
}

static int put_line(const struct cl_replay_line *line, enum cl_events_form form,
                    struct cl_buf *out, struct cl_err *err)
{
    if (form == CL_EVENTS_SSE &&
        cl_buf_format(out, err, "id: %" PRIu64 "\nevent: %.*s\ndata: ", line->seq,
                      (int)line->event_length, line->event) < 0)
        return -1;
    if (cl_buf_put(out, line->text, line->length, err) < 0)
        return -1;
    return cl_buf_put_text(out, form == CL_EVENTS_SSE ? "\n\n" : "\n", err);
}

int cl_replay_put(struct cl_replay *replay, const char *text, size_t length, struct cl_buf *out,
                  struct cl_err *err)
{
    struct cl_replay_line line;
    size_t at = 0;

    while (!replay->is_at_end && cl_replay_next(text, length, &at, &line)) {
        if (line.seq <= replay->after)
            continue;
        if (put_line(&line, replay->form, out, err) < 0)
            return -1;
        replay->after = line.seq;
        replay->is_at_end = line.event_length == 3 && memcmp(line.event, "end", 3) == 0;
    }
    if (at < length && !replay->is_at_end)
        return cl_fail(err, CL_E_LOST, "stored events are damaged behind %" PRIu64,
                       replay->after);
    return 0;
}

int cl_replay_renumber(const char *text, size_t length, uint64_t base, uint64_t *last,
                       struct cl_buf *out, struct cl_err *err)
{
    struct cl_replay_line line;
    size_t at = 0;

    while (cl_replay_next(text, length, &at, &line)) {
        const char *rest = memchr(line.text, ',', line.length);

        *last = line.seq + base;
        if (cl_buf_format(out, err, "%s%" PRIu64, head, *last) < 0 ||
            cl_buf_put(out, rest, line.length - (size_t)(rest - line.text), err) < 0 ||
            cl_buf_put(out, "\n", 1, err) < 0)
            return -1;
    }
    return at < length ? cl_fail(err, CL_E_LOST, "no line of events") : 0;
}
