/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a call's event stream, one row per event.
 * Runs in: cloche.
 * Trusts: nothing; each line is checked as JSON before it is read.
 */
#include "api/cli/follow.h"

#include <string.h>
#include <unistd.h>

#include "api/cli/outcome.h"
#include "api/cli/verb.h"
#include "sandbox/base/own.h"

static void show_text(struct cl_json value, FILE *to)
{
    struct cl_buf text CL_AUTO(cl_buf_fini) = CL_BUF_INIT(CL_FOLLOW_LINE_MAX);

    cl_json_plain(value, &text);
    cl_json_show((const char *)text.bytes, text.length, to);
    fflush(to);
}

static void on_started(struct cl_follow *follow, struct cl_json event)
{
    (void)follow;
    (void)event;
}

static void on_stdout(struct cl_follow *follow, struct cl_json event)
{
    (void)follow;
    show_text(cl_json_member(event, "text"), stdout);
}

static void on_stderr(struct cl_follow *follow, struct cl_json event)
{
    (void)follow;
    show_text(cl_json_member(event, "text"), stderr);
}

static void on_log(struct cl_follow *follow, struct cl_json event)
{
    (void)follow;
    fputs("log ", stderr);
    show_text(cl_json_member(event, "level"), stderr);
    fputs(": ", stderr);
    show_text(cl_json_member(event, "message"), stderr);
    fputc('\n', stderr);
}

/* On a terminal one line is rewritten; in a file every step is a line. */
static void on_progress(struct cl_follow *follow, struct cl_json event)
{
    const bool is_terminal = isatty(STDERR_FILENO);
    const struct cl_json total = cl_json_member(event, "total");
    const struct cl_json message = cl_json_member(event, "message");

    fputs(is_terminal ? "\r\033[K" : "", stderr);
    show_text(cl_json_member(event, "value"), stderr);
    if (total.text && cl_json_kind(total) != CL_JSON_NULL) {
        fputs(" of ", stderr);
        show_text(total, stderr);
    }
    if (message.text && cl_json_kind(message) == CL_JSON_STRING) {
        fputs(" ", stderr);
        show_text(message, stderr);
    }
    if (!is_terminal)
        fputc('\n', stderr);
    follow->has_progress = is_terminal;
}

static void on_item(struct cl_follow *follow, struct cl_json event)
{
    const struct cl_json value = cl_json_member(event, "value");

    follow->has_items = true;
    if (value.text && cl_json_kind(value) == CL_JSON_NULL)
        fputs("null\n", stdout);
    else
        cl_outcome_value(value);
    fflush(stdout);
}

static void on_end(struct cl_follow *follow, struct cl_json event)
{
    follow->has_ended = true;
    follow->code = cl_outcome_show(event, follow->has_items);
}

static const struct {
    const char *name;
    void (*on)(struct cl_follow *follow, struct cl_json event);
} events[] = {
    { "started", on_started }, { "stdout", on_stdout },     { "stderr", on_stderr },
    { "log", on_log },         { "progress", on_progress }, { "item", on_item },
    { "end", on_end },
};

static void dispatch(struct cl_follow *follow, struct cl_json event)
{
    const struct cl_json name = cl_json_member(event, "event");

    for (size_t i = 0; i < CL_COUNT(events); i++) {
        if (!cl_json_has_text(name, events[i].name))
            continue;
        if (follow->has_progress)
            fputs("\r\033[K", stderr);
        follow->has_progress = false;
        events[i].on(follow, event);
        return;
    }
}

static int on_line(struct cl_follow *follow, struct cl_err *err)
{
    struct cl_json event;

    if (follow->line.length == 0)
        return 0;
    if (cl_json_root(&follow->line, &event, err) < 0)
        return -1;
    if (!follow->as_json) {
        dispatch(follow, event);
        return 0;
    }
    fwrite(follow->line.bytes, 1, follow->line.length, stdout);
    fputc('\n', stdout);
    fflush(stdout);
    if (cl_json_has_text(cl_json_member(event, "event"), "end")) {
        follow->has_ended = true;
        follow->code = cl_outcome_exit(event);
    }
    return 0;
}

int cl_follow_take(void *user, const char *bytes, size_t length, struct cl_err *err)
{
    struct cl_follow *follow = user;

    while (length > 0) {
        const char *end = memchr(bytes, '\n', length);
        const size_t part = end ? (size_t)(end - bytes) : length;

        if (cl_buf_put(&follow->line, bytes, part, err) < 0)
            return -1;
        bytes += part + (end ? 1 : 0);
        length -= part + (end ? 1 : 0);
        if (!end)
            continue;
        if (on_line(follow, err) < 0)
            return -1;
        if (ferror(stdout) && !follow->has_ended)
            return cl_fail(err, CL_E_INPUT, "standard output: write failed");
        cl_buf_clear(&follow->line);
    }
    return 0;
}

void cl_follow_fini(struct cl_follow *follow)
{
    cl_buf_fini(&follow->line);
}
