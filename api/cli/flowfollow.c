/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress of a workflow, event by event. On a terminal the tasks that run have a line each, which
 * is redrawn, and what ended stays above them; elsewhere every event is a line.
 * Runs in: cloche.
 * Trusts: nothing; each line is checked as JSON before it is read.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/cli/flow.h"
#include "sandbox/base/own.h"

enum { LINE_MAX_BYTES = 1 << 20, SHOWN_MAX = 12, PATIENCE_S = 30 };

struct running {
    char *id;
    struct running *next;
};

struct follow {
    struct cl_buf line;
    bool shows, is_terminal, is_over;
    uint64_t seq; /* of the last event */
    struct running *running;
    unsigned drawn; /* lines below the cursor's first */
    unsigned count, ended;
};

/* --------------------------------------------------------------------------------- drawing */

static void clear(struct follow *follow)
{
    if (follow->drawn > 0)
        fprintf(stderr, "\033[%uA\033[J", follow->drawn);
    follow->drawn = 0;
}

static void draw(struct follow *follow)
{
    unsigned shown = 0;

    for (const struct running *at = follow->running; at && shown < SHOWN_MAX; at = at->next) {
        fputs("  executing  ", stderr);
        cl_json_show(at->id, strlen(at->id), stderr);
        fputc('\n', stderr);
        shown++;
    }
    fprintf(stderr, "  %u ended, %u running\n", follow->ended, follow->count);
    follow->drawn = shown + 1;
}

static void put(struct cl_json value)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(LINE_MAX_BYTES);

    cl_json_plain(value, &text);
    cl_json_show((const char *)text.bytes, text.length, stderr);
}

/* "  completed  load  (12 ms)" */
static void say(struct cl_json event, const char *word)
{
    const struct cl_json code = cl_json_member(event, "error_code");
    const struct cl_json took = cl_json_member(event, "duration_ms");

    fprintf(stderr, "  %s  ", word);
    put(cl_json_member(event, "task_id"));
    if (took.length > 0)
        fprintf(stderr, "  (%" PRIu64 " ms)", cl_json_number(took));
    if (code.length > 0) {
        fputs("  ", stderr);
        put(code);
    }
    fputc('\n', stderr);
}

/* ---------------------------------------------------------------------------------- events */

static void add(struct follow *follow, struct cl_json id)
{
    struct cl_buf text = CL_BUF_INIT(LINE_MAX_BYTES);
    struct running **at = &follow->running;
    struct running *made = calloc(1, sizeof(*made));
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(made);
    cl_json_plain(id, &text);
    CL_CHECK(cl_buf_put(&text, "", 1, &err) == 0);
    made->id = (char *)text.bytes;
    while (*at)
        at = &(*at)->next;
    *at = made;
    follow->count++;
}

static void take_out(struct follow *follow, struct cl_json id)
{
    for (struct running **at = &follow->running; *at; at = &(*at)->next) {
        struct running *found = *at;
        if (!cl_json_has_text(id, found->id))
            continue;
        *at = found->next;
        free(found->id);
        free(found);
        follow->count--;
        return;
    }
}

/* The word of an event "task:WORD", NULL for others. */
static const char *word_of(struct cl_json event)
{
    static const char *const words[] = { "started", "completed", "failed",          "cancelled",
                                         "skipped", "timeout",   "retry_scheduled", "queued" };
    const struct cl_json name = cl_json_member(event, "event");
    char text[64];

    for (size_t i = 0; i < CL_COUNT(words); i++) {
        snprintf(text, sizeof(text), "task:%s", words[i]);
        if (cl_json_has_text(name, text))
            return words[i];
    }
    return NULL;
}

static bool is_end(struct cl_json event)
{
    static const char *const names[] = { "workflow:completed", "workflow:failed",
                                         "workflow:cancelled", "workflow:timeout" };

    for (size_t i = 0; i < CL_COUNT(names); i++) {
        if (cl_json_has_text(cl_json_member(event, "event"), names[i]))
            return true;
    }
    return false;
}

static void on_task(struct follow *follow, struct cl_json event, const char *word)
{
    const struct cl_json id = cl_json_member(event, "task_id");
    const bool is_start = strcmp(word, "started") == 0;

    if (strcmp(word, "queued") == 0)
        return;
    if (is_start)
        add(follow, id);
    else
        take_out(follow, id);
    follow->ended += !is_start && strcmp(word, "retry_scheduled") != 0;
    if (follow->shows && (!is_start || !follow->is_terminal))
        say(event, word);
}

static int on_line(struct follow *follow, struct cl_err *err)
{
    struct cl_json event;

    if (follow->line.length == 0)
        return 0;
    if (cl_json_root(&follow->line, &event, err) < 0)
        return -1;
    follow->seq = cl_json_number(cl_json_member(event, "seq"));
    follow->is_over = is_end(event);
    if (follow->is_terminal)
        clear(follow);
    if (word_of(event))
        on_task(follow, event, word_of(event));
    if (follow->is_terminal && !follow->is_over)
        draw(follow);
    return 0;
}

static int take(void *user, const char *bytes, size_t length, struct cl_err *err)
{
    struct follow *follow = user;

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
        cl_buf_clear(&follow->line);
    }
    return 0;
}

/* One connection. 1: it broke off; come again. */
static int follow_once(struct cl_service *service, const char *path, struct follow *follow)
{
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;
    const struct cl_sink sink = { take, follow };
    struct cl_err err = CL_ERR_INIT;
    struct cl_sending sending = { .method = "GET", .path = path };
    char after[32];

    snprintf(after, sizeof(after), "%" PRIu64, follow->seq);
    sending.fields[0].name = "Last-Event-ID";
    sending.fields[0].value = after;
    cl_buf_clear(&follow->line);
    if (cl_service_send(service, &sending, &sink, &answer, &err) < 0)
        return err.kind == CL_E_LOST ? 1 : -cl_flow_fail(&err);
    if (answer.status >= 500)
        return 1;
    if (answer.status != 200)
        return -cl_flow_problem(&answer);
    return follow->is_over ? 0 : 1;
}

int cl_flow_follow(struct cl_service *service, const char *id, bool shows)
{
    struct cl_buf CL_AUTO(cl_buf_fini) path = CL_BUF_INIT(1 << 12);
    struct follow follow = { .line = CL_BUF_INIT(LINE_MAX_BYTES),
                             .shows = shows,
                             .is_terminal = shows && isatty(STDERR_FILENO) };
    const struct timespec pause = { .tv_sec = 1 };
    struct cl_err err = CL_ERR_INIT;
    int done = 1;

    if (cl_buf_put_text(&path, "/v1/workflows/", &err) < 0 ||
        cl_service_escape(&path, id, &err) < 0 || cl_buf_put_text(&path, "/events", &err) < 0 ||
        cl_buf_put(&path, "", 1, &err) < 0)
        return cl_flow_fail(&err);
    for (unsigned tries = 0; done == 1 && tries < PATIENCE_S; tries++) {
        const uint64_t before = follow.seq;
        if (tries > 0)
            nanosleep(&pause, NULL);
        done = follow_once(service, (const char *)path.bytes, &follow);
        tries = follow.seq > before ? 0 : tries;
    }
    for (struct running *next; follow.running; follow.running = next) {
        next = follow.running->next;
        free(follow.running->id);
        free(follow.running);
    }
    cl_buf_fini(&follow.line);
    return done == 1 ? cl_verb_fail(CL_FLOW_UNREACHABLE, "the service went away") : -done;
}
