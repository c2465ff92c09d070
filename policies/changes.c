/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects the differences of two policies and prints them.
 * Runs in: cloche-policyc, as the admin.
 * Trusts: the loader to have refused control characters in names and texts.
 */
#include "policies/changes.h"

#include <stdlib.h>
#include <string.h>

#include "policies/paint.h"
#include "sandbox/base/err.h"

enum { WHAT_COLUMN = 30, RIGHT_COLUMN = 96 };

static char *copy(const char *text)
{
    char *made = strdup(text);

    CL_CHECK(made);
    return made;
}

void cl_changes_add(struct cl_changes *changes, enum cl_side side, const char *what,
                    const char *text, const char *risk)
{
    /* Doubles: at 0, 1, 2, 4, ... there is no room left. */
    if ((changes->count & (changes->count - 1)) == 0) {
        size_t room = changes->count ? 2 * changes->count : 1;
        changes->rows = reallocarray(changes->rows, room, sizeof(*changes->rows));
        CL_CHECK(changes->rows);
    }
    changes->rows[changes->count++] =
        (struct cl_change){ side, copy(what), copy(text), risk ? copy(risk) : NULL };
}

void cl_changes_fini(struct cl_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        free(changes->rows[i].what);
        free(changes->rows[i].text);
        free(changes->rows[i].risk);
    }
    free(changes->rows);
    *changes = (struct cl_changes){ NULL, 0 };
}

/* Breaks at blanks; what follows stands below what came first. */
static void print_wrapped(const char *text, FILE *out)
{
    size_t column = WHAT_COLUMN + 4;

    for (const char *at = text; *at;) {
        size_t length = strcspn(at, " ");
        if (at != text && column + length + 1 > RIGHT_COLUMN) {
            fprintf(out, "\n%*s", WHAT_COLUMN + 4, "");
            column = WHAT_COLUMN + 4;
        } else if (at != text) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)length, at);
        column += length;
        at += length + strspn(at + length, " ");
    }
    fputc('\n', out);
}

static void print_change(const struct cl_change *change, const char *mark, FILE *out)
{
    fprintf(out, "  %s %-*s ", mark, WHAT_COLUMN - 1, change->what);
    print_wrapped(change->text, out);
    if (!change->risk)
        return;
    fprintf(out, "%*s", WHAT_COLUMN + 4, "");
    fputs("risk: ", out);
    print_wrapped(change->risk, out);
}

void cl_changes_print(const struct cl_changes *changes, FILE *out)
{
    const struct cl_paint *paint = cl_paint_of(out);
    const struct {
        const char *title, *mark, *colour;
    } sides[CL_SIDES] = {
        [CL_SIDE_OPENS] = { "opens", "+", paint->opened },
        [CL_SIDE_CLOSES] = { "closes", "-", paint->closed },
        [CL_SIDE_OTHER] = { "neither opens nor closes", "~", "" },
    };

    for (size_t side = 0; side < CL_SIDES; side++) {
        size_t printed = 0;
        for (size_t i = 0; i < changes->count; i++) {
            if (changes->rows[i].side != side)
                continue;
            if (printed++ == 0)
                fprintf(out, "%s%s\n", sides[side].colour, sides[side].title);
            print_change(&changes->rows[i], sides[side].mark, out);
        }
        if (printed > 0 && *sides[side].colour)
            fputs(paint->off, out);
    }
}
