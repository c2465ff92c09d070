/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows where a problem is, as compilers do.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: the loader to have refused control characters and what is no UTF-8.
 */
#include "policies/caret.h"

#include <locale.h>
#include <wchar.h>

#include "policies/node.h"
#include "sandbox/base/err.h"

enum { BEFORE_MAX = 100, AFTER_MAX = 60 }; /* characters around the place */

struct line {
    const char *text;
    size_t length;
};

/* One character of a text: its bytes (at least one), and how many columns a terminal gives it. */
static size_t character(const struct line *line, size_t at, int *columns)
{
    mbstate_t state = { 0 };
    wchar_t wide = 0;
    size_t bytes = mbrtowc(&wide, line->text + at, line->length - at, &state);

    if (bytes == 0 || bytes > line->length - at) {
        *columns = 1; /* broken or cut: cannot come from the loader */
        return 1;
    }
    *columns = wcwidth(wide) < 0 ? 1 : wcwidth(wide);
    return bytes;
}

/* The byte `count` characters after `at`, or the end. */
static size_t forward(const struct line *line, size_t at, unsigned count)
{
    int columns = 0;

    for (; count > 0 && at < line->length; count--)
        at += character(line, at, &columns);
    return at;
}

/* Blanks as wide as the text: a tab for a tab, so that both lines meet the same tab stops. */
static void print_blank(const struct line *line, size_t from, size_t to, FILE *out)
{
    int columns = 0;

    while (from < to) {
        bool is_tab = line->text[from] == '\t';
        from += character(line, from, &columns);
        if (is_tab)
            fputc('\t', out);
        else
            fprintf(out, "%*s", columns, "");
    }
}

static void print_mark(const struct line *line, size_t from, size_t to, FILE *out)
{
    int columns = 0, all = 0;

    while (from < to) {
        from += character(line, from, &columns);
        all += columns;
    }
    fputc('^', out);
    for (int i = 1; i < all; i++)
        fputc('~', out);
}

static void print(const struct line *line, const struct cl_place *place,
                  const struct cl_paint *paint, FILE *out)
{
    unsigned before = place->column - 1;
    unsigned skipped = before > BEFORE_MAX ? before - BEFORE_MAX : 0;
    size_t start = forward(line, 0, skipped);
    size_t from = forward(line, 0, before);
    size_t to = forward(line, from, place->width > AFTER_MAX ? AFTER_MAX : place->width);
    size_t end = forward(line, to, AFTER_MAX);
    const char *left = start > 0 ? "..." : "";

    fprintf(out, "%5u | %s%.*s%s\n", place->line, left, (int)(end - start), line->text + start,
            end < line->length ? "..." : "");
    fprintf(out, "%5s | %*s", "", start > 0 ? 3 : 0, "");
    print_blank(line, start, from, out);
    fputs(paint->caret, out);
    print_mark(line, from, to, out);
    fprintf(out, "%s\n", paint->off);
}

void cl_caret_print(const struct cl_place *place, const struct cl_paint *paint, FILE *out)
{
    struct line line = { NULL, 0 };

    if (!place->doc || place->line == 0 || place->doc->is_unreadable)
        return;
    line.text = cl_doc_line(place->doc, place->line, &line.length);
    if (!line.text)
        return;

    /* Whatever the admin's locale is, the files are UTF-8. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t old = utf8 ? uselocale(utf8) : (locale_t)0;
    print(&line, place, paint, out);
    if (!utf8)
        return;
    uselocale(old);
    freelocale(utf8);
}
