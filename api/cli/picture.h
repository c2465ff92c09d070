/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boxes with lines of text, 80 columns wide, on a terminal in colour. Counts columns of UTF-8,
 * not bytes.
 */
#ifndef CL_CLI_PICTURE_H
#define CL_CLI_PICTURE_H

#include <stdbool.h>
#include <stdio.h>

enum { CL_PICTURE_WIDTH = 80 };

struct cl_picture {
    FILE *to;
    bool has_colour;
};

/* Colour only on a terminal, and not under NO_COLOR. */
struct cl_picture cl_picture_of(FILE *to);

/* The top edge (is_first), or an edge between two parts, with a title in it. */
void cl_picture_edge(const struct cl_picture *picture, bool is_first, const char *title);
void cl_picture_close(const struct cl_picture *picture);

/* One line: a label, then text that is cut at the right edge. */
void cl_picture_line(const struct cl_picture *picture, const char *label, const char *format,
                     ...) __attribute__((format(printf, 3, 4)));

#endif
