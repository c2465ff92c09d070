/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathers what a learning worker writes down, line by line of its call's event stream.
 * Runs in: cloche.
 * Trusts: nothing of the notes: a program that forges them forges a proposal.
 */
#include <stdlib.h>
#include <string.h>

#include "api/cli/learn.h"
#include "sandbox/base/own.h"

enum { WORDS_MAX = 2048, WORD_MAX = 200, LINE_MAX_ = 64 << 20 };

struct watch {
    struct cl_learned *seen;
    struct cl_buf line;
    bool has_ended;
};

/* ------------------------------------------------------------------------------------- words */

bool cl_words_has(const struct cl_words *words, const char *text)
{
    for (size_t i = 0; i < words->count; i++) {
        if (strcmp(words->items[i], text) == 0)
            return true;
    }
    return false;
}

/* Names of Python alone: they are written into a policy. */
static bool is_name(const char *text, size_t length)
{
    static const char good[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";

    for (size_t i = 0; i < length; i++) {
        if (!memchr(good, text[i], sizeof(good) - 1))
            return false;
    }
    return length > 0 && length <= WORD_MAX;
}

void cl_words_add(struct cl_words *words, const char *text, size_t length)
{
    char name[WORD_MAX + 1];

    if (!is_name(text, length) || words->count == WORDS_MAX)
        return;
    memcpy(name, text, length);
    name[length] = '\0';
    if (cl_words_has(words, name))
        return;
    words->items = reallocarray(words->items, words->count + 1, sizeof(*words->items));
    CL_CHECK(words->items);
    words->items[words->count] = strdup(name);
    CL_CHECK(words->items[words->count]);
    words->count++;
}

void cl_words_fini(struct cl_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->items[i]);
    free(words->items);
    *words = (struct cl_words){ NULL, 0 };
}

void cl_learned_fini(struct cl_learned *seen)
{
    cl_words_fini(&seen->imports);
    cl_words_fini(&seen->refused);
    cl_words_fini(&seen->events);
}

/* ------------------------------------------------------------------------------------- notes */

static void note_number(bool *numbers, const char *text)
{
    const unsigned long number = strtoul(text, NULL, 10);

    if (number < CL_LEARN_SYSCALLS)
        numbers[number] = true;
}

/* "learn KIND NAME". */
static void take_note(struct cl_learned *seen, const char *text, size_t length)
{
    const struct {
        const char *prefix;
        struct cl_words *words;
        bool *numbers;
    } rows[] = {
        { "learn import ", &seen->imports, NULL }, { "learn refused ", &seen->refused, NULL },
        { "learn event ", &seen->events, NULL },   { "learn syscall ", NULL, seen->hard },
        { "learn polite ", NULL, seen->polite },
    };
    char digits[16];

    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        const size_t skip = strlen(rows[i].prefix);
        if (length <= skip || memcmp(text, rows[i].prefix, skip) != 0)
            continue;
        if (rows[i].words)
            cl_words_add(rows[i].words, text + skip, length - skip);
        snprintf(digits, sizeof(digits), "%.*s", (int)(length - skip), text + skip);
        if (rows[i].numbers)
            note_number(rows[i].numbers, digits);
    }
}

/* Texts in `value` that are short, without its quotes; "" for none. */
static void copy_text(struct cl_json value, char *text, size_t size)
{
    struct cl_buf CL_AUTO(cl_buf_fini) plain = CL_BUF_INIT(LINE_MAX_);

    *text = '\0';
    if (cl_json_kind(value) != CL_JSON_STRING)
        return;
    cl_json_plain(value, &plain);
    snprintf(text, size, "%.*s", (int)plain.length, (const char *)plain.bytes);
    for (char *at = text; *at; at++)
        *at = *at >= ' ' && *at < 127 ? *at : ' ';
}

static void take_why(struct cl_learned *seen, struct cl_json event)
{
    static const char *const places[][2] = {
        { "denied", "message" },
        { "error", "message" },
        { "limit", "name" },
        { "crash", "signal" },
    };

    seen->why[0] = '\0';
    for (size_t i = 0; i < CL_COUNT(places) && !seen->why[0]; i++)
        copy_text(cl_json_member(cl_json_member(event, places[i][0]), places[i][1]), seen->why,
                  sizeof(seen->why));
}

/* A library imports when it is called, and so the program needs it as if it were its own. */
static void take_denied(struct cl_learned *seen, struct cl_json denied)
{
    char name[256];

    if (!cl_json_has_text(cl_json_member(denied, "rule"), "modules"))
        return;
    copy_text(cl_json_member(denied, "name"), name, sizeof(name));
    cl_words_add(&seen->refused, name, strlen(name));
    if (cl_learn_exists(name))
        cl_words_add(&seen->imports, name, strlen(name));
}

static void take_end(struct watch *watch, struct cl_json event)
{
    const struct cl_json usage = cl_json_member(event, "usage");
    struct cl_learned *seen = watch->seen;

    watch->has_ended = true;
    copy_text(cl_json_member(event, "verdict"), seen->verdict, sizeof(seen->verdict));
    take_why(seen, event);
    take_denied(seen, cl_json_member(event, "denied"));
    seen->wall_ms = cl_json_number(cl_json_member(usage, "wall_us")) / 1000;
    seen->cpu_ms = cl_json_number(cl_json_member(usage, "cpu_us")) / 1000;
    seen->memory_bytes = cl_json_number(cl_json_member(usage, "memory_peak_bytes"));
    seen->result_bytes = cl_json_member(event, "result").length;
}

static void take_event(struct watch *watch, struct cl_json event)
{
    const struct cl_json kind = cl_json_member(event, "event");
    const struct cl_json message = cl_json_member(event, "message");
    char text[600];

    if (cl_json_has_text(kind, "log")) {
        copy_text(message, text, sizeof(text));
        take_note(watch->seen, text, strlen(text));
    } else if (cl_json_has_text(kind, "stdout") || cl_json_has_text(kind, "stderr")) {
        watch->seen->output_bytes += cl_json_member(event, "text").length;
    } else if (cl_json_kind(cl_json_member(event, "verdict")) == CL_JSON_STRING) {
        take_end(watch, event);
    }
}

/* -------------------------------------------------------------------------------------- lines */

static int take(void *user, const char *bytes, size_t length, struct cl_err *err)
{
    struct watch *watch = user;
    struct cl_json event;

    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != '\n') {
            if (cl_buf_put(&watch->line, &bytes[i], 1, err) < 0)
                return -1;
            continue;
        }
        if (watch->line.length > 0) {
            if (cl_json_root(&watch->line, &event, err) < 0)
                return -1;
            take_event(watch, event);
        }
        cl_buf_clear(&watch->line);
    }
    return 0;
}

static void fini(struct watch *watch)
{
    cl_buf_fini(&watch->line);
}

int cl_learn_watch(struct cl_private *own, const struct cl_buf *body, struct cl_learned *seen,
                   struct cl_err *err)
{
    struct watch CL_AUTO(fini) watch = { .seen = seen, .line = CL_BUF_INIT(LINE_MAX_) };
    const struct cl_sink sink = { take, &watch };
    struct cl_answer CL_AUTO(cl_answer_fini) answer = CL_ANSWER_INIT;

    seen->output_bytes = 0;
    if (cl_service_post(&own->service, "/v1/calls", body, &sink, &answer, err) < 0)
        return -1;
    if (answer.status != 200) {
        cl_service_problem(&answer);
        return cl_fail(err, CL_E_INPUT, "the service refused the call");
    }
    if (!watch.has_ended)
        return cl_fail(err, CL_E_LOST, "the stream broke off before the call's end");
    return 0;
}
