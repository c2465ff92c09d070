/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects problems with their places and prints them like a compiler does.
 * Runs in: cloche-policyc.
 * Trusts: nothing of the file; control bytes were refused when it was loaded or are not shown.
 */
#include "policies/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "policies/node.h"
#include "sandbox/base/err.h"

__attribute__((format(printf, 4, 0))) static void put(struct cl_report *report,
                                                      struct cl_place place, bool is_warning,
                                                      const char *format, va_list args)
{
    if (!is_warning)
        report->errors++;
    if (report->count == CL_REPORT_MAX)
        return;
    if (!report->problems)
        report->problems = calloc(CL_REPORT_MAX, sizeof(*report->problems));
    CL_CHECK(report->problems);

    struct cl_problem *problem = &report->problems[report->count++];
    problem->place = place;
    problem->is_warning = is_warning;
    vsnprintf(problem->text, sizeof(problem->text), format, args);
}

void cl_report_fini(struct cl_report *report)
{
    free(report->problems);
    *report = (struct cl_report)CL_REPORT_INIT;
}

int cl_report_add(struct cl_report *report, struct cl_place place, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put(report, place, false, format, args);
    va_end(args);
    return -1;
}

void cl_report_warn(struct cl_report *report, struct cl_place place, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put(report, place, true, format, args);
    va_end(args);
}

void cl_report_format(const struct cl_problem *problem, char *text, size_t size)
{
    const struct cl_place *place = &problem->place;
    const char *path = place->doc ? place->doc->path : "built in";
    const char *kind = problem->is_warning ? "warning" : "error";

    if (place->line == 0)
        snprintf(text, size, "%s: %s: %s", path, kind, problem->text);
    else
        snprintf(text, size, "%s:%u:%u: %s: %s", path, place->line, place->column, kind,
                 problem->text);
}

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* Files in the order in which they first had a problem, places in the order of the file. */
static size_t rank(const struct cl_report *report, const struct cl_problem *problem)
{
    size_t first = 0;

    while (report->problems[first].place.doc != problem->place.doc)
        first++;
    return first;
}

static int compare(const void *left, const void *right, void *report)
{
    const struct cl_problem *a = left, *b = right;
    size_t rank_a = rank(report, a), rank_b = rank(report, b);

    if (rank_a != rank_b)
        return rank_a < rank_b ? -1 : 1;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    return (a->place.column > b->place.column) - (a->place.column < b->place.column);
}

void cl_report_sort(struct cl_report *report)
{
    struct cl_report before = { NULL, report->count, report->errors };

    if (report->count < 2)
        return;
    /* Ranks are asked of a copy that stands still while the other is being sorted. */
    before.problems = malloc(report->count * sizeof(*before.problems));
    CL_CHECK(before.problems);
    memcpy(before.problems, report->problems, report->count * sizeof(*before.problems));
    qsort_r(report->problems, report->count, sizeof(*report->problems), compare, &before);
    free(before.problems);
}

/* Tabs stay tabs and a character is one column, so that the caret stands under its text. */
static void print_caret(const char *line, size_t length, const struct cl_place *place,
                        FILE *out)
{
    size_t at = 0;

    fputs("    | ", out);
    for (unsigned column = 1; column < place->column && at < length; column++) {
        fputc(line[at] == '\t' ? '\t' : ' ', out);
        for (at++; at < length && is_continuation(line[at]); at++)
            ;
    }
    fputc('^', out);
    for (unsigned i = 1; i < place->width; i++)
        fputc('~', out);
    fputc('\n', out);
}

static void print_source(const struct cl_place *place, FILE *out)
{
    size_t length = 0;
    const char *line = cl_doc_line(place->doc, place->line, &length);

    if (!line || length > 400)
        return;
    fprintf(out, "%4u| %.*s\n", place->line, (int)length, line);
    print_caret(line, length, place, out);
}

void cl_report_print(const struct cl_report *report, FILE *out)
{
    char text[CL_PROBLEM_TEXT + 512];

    for (size_t i = 0; i < report->count; i++) {
        const struct cl_problem *problem = &report->problems[i];
        cl_report_format(problem, text, sizeof(text));
        fprintf(out, "%s\n", text);
        if (problem->place.doc && problem->place.line && !problem->place.doc->is_unreadable)
            print_source(&problem->place, out);
    }
}
