/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problems found in policy files, each with its place. Not struct cl_err: an admin wants all of
 * them at once, with line, column and room to say what is allowed. A function that found one
 * returns -1, as everywhere.
 */
#ifndef CL_POLICIES_REPORT_H
#define CL_POLICIES_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct cl_doc;

enum { CL_REPORT_FILE_MAX = 64, CL_PROBLEM_TEXT = 840 };

/* Where in a file; doc NULL: nowhere (built in). */
struct cl_place {
    const struct cl_doc *doc; /* borrowed */
    unsigned line, column;    /* from 1, in characters; 0: the file as a whole */
    unsigned width;           /* characters to underline */
};

struct cl_problem {
    struct cl_place place;
    bool is_warning;
    size_t rank; /* of the file: the place of its first problem among all */
    char text[CL_PROBLEM_TEXT];
};

struct cl_report {
    struct cl_problem *problems; /* owned, in the order found */
    size_t count;
    size_t errors; /* all of them, kept or not */
    size_t unkept; /* beyond CL_REPORT_FILE_MAX of one file */
};

#define CL_REPORT_INIT                                                                         \
    {                                                                                          \
        NULL, 0, 0, 0                                                                          \
    }

void cl_report_fini(struct cl_report *report);

/* Always returns -1. */
int cl_report_add(struct cl_report *report, struct cl_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void cl_report_warn(struct cl_report *report, struct cl_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* By file, in the order in which they first had a problem, and place; problems of one place stay
 * in any order. */
void cl_report_sort(struct cl_report *report);

/* "file:line:column: error: text"; the line and column are left out when there are none. */
void cl_report_format(const struct cl_problem *problem, char *text, size_t size);

/* Like a compiler: the message, the line, a caret under the place; in colour on a terminal. */
void cl_report_print(const struct cl_report *report, FILE *out);

#endif
