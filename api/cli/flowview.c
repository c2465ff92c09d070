/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks of a workflow as lines: "  completed  load             604 ms".
 * Runs in: cloche.
 * Trusts: nothing; names come from documents, control bytes in them are shown as such.
 */
#include "api/cli/flowview.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "sandbox/base/own.h"

#define PLAIN  "\033[0m"
#define DIM    "\033[2m"
#define RED    "\033[31m"
#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define BLUE   "\033[34m"

enum {
    TEXT_MAX = 1 << 20,
    SHOWN_MAX = 12, /* tasks that run and have a line */
    WORD = 9,       /* columns */
    NAME = 28,
    TIME = 8,
    REST = 2 + WORD + 2 + TIME + 4, /* of a line but for the name */
};

struct cl_flowview_task {
    struct cl_flowview_task *next;
    struct cl_buf name;
    uint64_t attempt;
};

static const struct word {
    const char *event;
    const char *shown; /* no wider than WORD */
    const char *colour;
    bool is_end, has_reason;
} words[] = {
    { "task:started", "started", BLUE, false, false },
    { "task:retry_scheduled", "retry", YELLOW, false, true },
    { "task:completed", "completed", GREEN, true, false },
    { "task:failed", "failed", RED, true, true },
    { "task:timeout", "timeout", RED, true, true },
    { "task:cancelled", "cancelled", YELLOW, true, true },
    { "task:skipped", "skipped", DIM, true, true },
};

static const struct word *word_of(struct cl_json event)
{
    for (size_t i = 0; i < CL_COUNT(words); i++) {
        if (cl_json_has_text(cl_json_member(event, "event"), words[i].event))
            return &words[i];
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------ columns */

/* Of the character at `text`; its length goes to `length`. Not bare: a byte that is shown as
 * \xNN. */
static size_t width_of(const char *text, size_t left, size_t *length, bool *is_bare)
{
    wchar_t letter = 0;
    mbstate_t state = { 0 };
    const size_t got = mbrtowc(&letter, text, left, &state);
    const int width = got > 0 && got <= left ? wcwidth(letter) : -1;

    *is_bare = width >= 0;
    *length = *is_bare ? got : 1;
    return *is_bare ? (size_t)width : strlen("\\xNN");
}

/* What fits into `most` columns, and "…" where there was more. Returns its columns. */
static size_t put_text(const struct cl_buf *text, size_t most, FILE *to)
{
    const char *bytes = (const char *)text->bytes;
    size_t whole = 0, columns = 0, length;
    bool is_bare;

    for (size_t at = 0; at < text->length; at += length)
        whole += width_of(bytes + at, text->length - at, &length, &is_bare);
    for (size_t at = 0; at < text->length; at += length) {
        const size_t width = width_of(bytes + at, text->length - at, &length, &is_bare);
        if (whole > most && columns + width > most - 1) {
            fputs("…", to);
            return columns + 1;
        }
        columns += width;
        if (is_bare)
            fwrite(bytes + at, 1, length, to);
        else
            fprintf(to, "\\x%02x", (unsigned char)bytes[at]);
    }
    return columns;
}

static size_t terminal_columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* ------------------------------------------------------------------------------------ drawing */

static const char *colour(const struct cl_flowview *view, const char *code)
{
    return view->picture.has_colour ? code : "";
}

static void put_word(const struct cl_flowview *view, const char *word, const char *code,
                     FILE *to)
{
    fprintf(to, "  %s%-*s%s  ", colour(view, code), WORD, word, colour(view, PLAIN));
}

static void clear(struct cl_flowview *view, FILE *to)
{
    if (view->drawn > 0)
        fprintf(to, "\033[%uA\033[J", view->drawn);
    view->drawn = 0;
}

/* A line that wraps would not be found again: names are cut to what the terminal has. */
static void draw(struct cl_flowview *view, FILE *to)
{
    const size_t columns = terminal_columns();
    const size_t most = columns > REST + 8 ? columns - REST : 8;

    for (const struct cl_flowview_task *at = view->first; at && view->drawn < SHOWN_MAX;
         at = at->next) {
        put_word(view, "executing", BLUE, to);
        put_text(&at->name, most, to);
        if (at->attempt > 1)
            fprintf(to, "  %s#%" PRIu64 "%s", colour(view, DIM), at->attempt,
                    colour(view, PLAIN));
        fputc('\n', to);
        view->drawn++;
    }
    fprintf(to, "  %s%u", colour(view, DIM), view->ended);
    if (view->total > 0)
        fprintf(to, " of %u", view->total);
    fprintf(to, " ended, %u running%s\n", view->running, colour(view, PLAIN));
    view->drawn++;
}

/* Behind the name: the time it took, why, or which attempt it is. */
static void put_rest(const struct word *word, struct cl_json event, FILE *to)
{
    const struct cl_json took = cl_json_member(event, "duration_ms");
    const struct cl_json code = cl_json_member(event, "error_code");
    const uint64_t ms = cl_json_number(took);
    const uint64_t attempt = cl_json_number(cl_json_member(event, "attempts"));
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(TEXT_MAX);

    if (took.length > 0 && ms < 10000)
        fprintf(to, "%*" PRIu64 " ms", TIME - 3, ms);
    else if (took.length > 0)
        fprintf(to, "%*.1f s", TIME - 2, (double)ms / 1000);
    if (word->has_reason && code.length > strlen("\"\"")) {
        cl_json_plain(code, &text);
        fprintf(to, "%*s", took.length > 0 ? 2 : TIME + 2, "");
        put_text(&text, TEXT_MAX, to);
    }
    if (!word->is_end && !word->has_reason && attempt > 1)
        fprintf(to, "attempt %" PRIu64, attempt);
}

static void put_event(const struct cl_flowview *view, const struct word *word,
                      const struct cl_buf *name, struct cl_json event, FILE *to)
{
    char *rest = NULL;
    size_t length = 0, columns;
    FILE *behind = open_memstream(&rest, &length);

    CL_CHECK(behind);
    put_rest(word, event, behind);
    fclose(behind);
    put_word(view, word->shown, word->colour, to);
    columns = put_text(name, view->is_terminal ? NAME : TEXT_MAX, to);
    if (length > 0)
        fprintf(to, "%*s %s", columns < NAME ? (int)(NAME - columns) : 0, "", rest);
    fputc('\n', to);
    free(rest);
}

/* -------------------------------------------------------------------------------------- tasks */

static void task_free(struct cl_flowview_task *task)
{
    cl_buf_fini(&task->name);
    free(task);
}

static void take_out(struct cl_flowview *view, const struct cl_buf *name)
{
    for (struct cl_flowview_task **at = &view->first; *at; at = &(*at)->next) {
        struct cl_flowview_task *found = *at;
        if (found->name.length != name->length ||
            (name->length && memcmp(found->name.bytes, name->bytes, name->length) != 0))
            continue;
        *at = found->next;
        task_free(found);
        view->running--;
        return;
    }
}

/* Behind the others. */
static void add(struct cl_flowview *view, const struct cl_buf *name, uint64_t attempt)
{
    struct cl_flowview_task **at = &view->first;
    struct cl_flowview_task *made = calloc(1, sizeof(*made));
    struct cl_err err = CL_ERR_INIT;

    CL_CHECK(made);
    made->attempt = attempt;
    made->name.limit = TEXT_MAX;
    if (name->length)
        CL_CHECK(cl_buf_put(&made->name, name->bytes, name->length, &err) == 0);
    while (*at)
        at = &(*at)->next;
    *at = made;
    view->running++;
}

void cl_flowview_init(struct cl_flowview *view, bool shows, unsigned total)
{
    *view = (struct cl_flowview){
        .picture = cl_picture_of(stderr),
        .shows = shows,
        .is_terminal = shows && isatty(STDERR_FILENO),
        .total = total,
    };
}

void cl_flowview_fini(struct cl_flowview *view)
{
    clear(view, stderr);
    while (view->first) {
        struct cl_flowview_task *gone = view->first;

        view->first = gone->next;
        task_free(gone);
    }
}

/* In one write: a terminal that shows it half done flickers. */
static void show(struct cl_flowview *view, const struct word *word, const struct cl_buf *name,
                 struct cl_json event)
{
    const bool is_start = strcmp(word->event, "task:started") == 0;
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);

    CL_CHECK(to);
    clear(view, to);
    if (!view->is_terminal || !is_start)
        put_event(view, word, name, event, to);
    if (view->is_terminal)
        draw(view, to);
    fclose(to);
    fwrite(text, 1, length, stderr);
    free(text);
}

void cl_flowview_put(struct cl_flowview *view, struct cl_json event)
{
    const struct word *word = word_of(event);
    struct cl_buf CL_AUTO(cl_buf_fini) name = CL_BUF_INIT(TEXT_MAX);

    if (!word || !view->shows)
        return;
    cl_json_plain(cl_json_member(event, "task_id"), &name);
    take_out(view, &name);
    if (strcmp(word->event, "task:started") == 0)
        add(view, &name, cl_json_number(cl_json_member(event, "attempts")));
    view->ended += word->is_end;
    show(view, word, &name, event);
}
