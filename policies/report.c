/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects problems with their places and prints them like a compiler does.
 * Runs in: cloche-policyc.
 * Trusts: nothing of the file; control bytes were refused when it was loaded or are not shown.
 */
#include "policies/report.h"

#include <stdarg.h>
#include <stdlib.h>

#include "policies/caret.h"
#include "policies/node.h"
#include "policies/paint.h"
#include "sandbox/base/err.h"

enum { PLACE_SIZE = 512 };

/* Doubles: at 0, 1, 2, 4, ... there is no room left. */
static struct cl_problem *grow(struct cl_report *report)
{
    if ((report->count & (report->count - 1)) == 0) {
        size_t room = report->count ? 2 * report->count : 1;
        report->problems = reallocarray(report->problems, room, sizeof(*report->problems));
        CL_CHECK(report->problems);
    }
    return &report->problems[report->count++];
}

__attribute__((format(printf, 4, 0))) static void put(struct cl_report *report,
                                                      struct cl_place place, bool is_warning,
                                                      const char *format, va_list args)
{
    size_t of_file = 0, rank = report->count;

    if (!is_warning)
        report->errors++;
    for (size_t i = report->count; i-- > 0;) {
        if (report->problems[i].place.doc != place.doc)
            continue;
        rank = report->problems[i].rank;
        of_file++;
    }
    if (of_file == CL_REPORT_FILE_MAX) {
        report->unkept++;
        return;
    }

    struct cl_problem *problem = grow(report);
    problem->rank = rank;
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

static const char *kind_of(const struct cl_problem *problem)
{
    return problem->is_warning ? "warning" : "error";
}

static void format_place(const struct cl_place *place, char *text, size_t size)
{
    if (!place->doc)
        *text = '\0'; /* of the command line: its words name what they are about */
    else if (place->line == 0)
        snprintf(text, size, "%s: ", place->doc->path);
    else
        snprintf(text, size, "%s:%u:%u: ", place->doc->path, place->line, place->column);
}

void cl_report_format(const struct cl_problem *problem, char *text, size_t size)
{
    char where[PLACE_SIZE];

    format_place(&problem->place, where, sizeof(where));
    snprintf(text, size, "%s%s: %s", where, kind_of(problem), problem->text);
}

static int compare(const void *left, const void *right)
{
    const struct cl_problem *a = left, *b = right;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    return (a->place.column > b->place.column) - (a->place.column < b->place.column);
}

void cl_report_sort(struct cl_report *report)
{
    if (report->count > 1)
        qsort(report->problems, report->count, sizeof(*report->problems), compare);
}

static void print_problem(const struct cl_problem *problem, const struct cl_paint *paint,
                          FILE *out)
{
    char where[PLACE_SIZE];

    format_place(&problem->place, where, sizeof(where));
    fprintf(out, "%s%s%s%s%s:%s %s\n", paint->place, where, paint->off,
            problem->is_warning ? paint->warning : paint->error, kind_of(problem), paint->off,
            problem->text);
    cl_caret_print(&problem->place, paint, out);
}

void cl_report_print(const struct cl_report *report, FILE *out)
{
    const struct cl_paint *paint = cl_paint_of(out);

    for (size_t i = 0; i < report->count; i++)
        print_problem(&report->problems[i], paint, out);
    if (report->unkept > 0)
        fprintf(out, "%zu more problems are not shown, %d of a file at most\n", report->unkept,
                CL_REPORT_FILE_MAX);
}
