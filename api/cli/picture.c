/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws boxes.
 * Runs in: cloche.
 * Trusts: its callers for text without control bytes.
 */
#include "api/cli/picture.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIM   "\033[2m"
#define BOLD  "\033[1m"
#define LABEL "\033[36m"
#define PLAIN "\033[0m"

enum { LABEL_WIDTH = 12, TEXT_WIDTH = CL_PICTURE_WIDTH - LABEL_WIDTH - 6 };

struct cl_picture cl_picture_of(FILE *to)
{
    const char *no_colour = getenv("NO_COLOR");

    return (struct cl_picture){ to, isatty(fileno(to)) && !(no_colour && *no_colour) };
}

static const char *colour(const struct cl_picture *picture, const char *code)
{
    return picture->has_colour ? code : "";
}

static bool starts_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t columns(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += starts_character(*text);
    return count;
}

/* Bytes of the longest start of `text` that fits into `most` columns. */
static size_t fitting(const char *text, size_t most)
{
    size_t length = 0;

    for (size_t count = 0; text[length]; length++) {
        count += starts_character(text[length]);
        if (count > most)
            break;
    }
    return length;
}

void cl_picture_edge(const struct cl_picture *picture, bool is_first, const char *title)
{
    fprintf(picture->to, "%s%s─ %s%s%s%s ", colour(picture, DIM), is_first ? "╭" : "├",
            colour(picture, PLAIN), colour(picture, BOLD), title, colour(picture, PLAIN));
    fputs(colour(picture, DIM), picture->to);
    for (size_t at = columns(title) + 4; at < CL_PICTURE_WIDTH - 1; at++)
        fputs("─", picture->to);
    fprintf(picture->to, "%s%s\n", is_first ? "╮" : "┤", colour(picture, PLAIN));
}

void cl_picture_close(const struct cl_picture *picture)
{
    fputs(colour(picture, DIM), picture->to);
    fputs("╰", picture->to);
    for (size_t at = 1; at < CL_PICTURE_WIDTH - 1; at++)
        fputs("─", picture->to);
    fprintf(picture->to, "╯%s\n", colour(picture, PLAIN));
}

void cl_picture_line(const struct cl_picture *picture, const char *label, const char *format,
                     ...)
{
    char text[512];
    size_t length;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    length = fitting(text, TEXT_WIDTH);
    text[length] = '\0';
    fprintf(picture->to, "%s│%s  %s%-*s%s%s%*s %s│%s\n", colour(picture, DIM),
            colour(picture, PLAIN), colour(picture, LABEL), LABEL_WIDTH, label,
            colour(picture, PLAIN), text, (int)(TEXT_WIDTH - columns(text) + 1), "",
            colour(picture, DIM), colour(picture, PLAIN));
}
