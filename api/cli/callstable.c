/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns that are as wide as what stands in them.
 * Runs in: cloche.
 * Trusts: checked JSON; its texts are shown with control bytes made visible.
 */
#include "api/cli/callstable.h"

#include <stdlib.h>
#include <string.h>

#include "api/cli/json.h"
#include "sandbox/base/own.h"

enum { CELL_MAX = 64 };

static const struct {
    const char *member, *title;
} columns[] = {
    { "id", "ID" },
    { "status", "STATUS" },
    { "verdict", "VERDICT" },
    { "created", "CREATED" },
    { "priority", "PRIORITY" },
    { "policy", "POLICY" },
    { "function", "FUNCTION" },
};

enum { COLUMNS = CL_COUNT(columns) };

struct row {
    char cells[COLUMNS][CELL_MAX];
};

/* The member as text; "-" for none. */
static void read_cell(struct cl_json call, const char *name, char *cell)
{
    const struct cl_json value = cl_json_member(call, name);
    struct cl_buf text CL_AUTO(cl_buf_fini) = CL_BUF_INIT(1 << 16);
    const enum cl_json_kind kind = cl_json_kind(value);
    size_t length;

    strcpy(cell, "-");
    if (kind == CL_JSON_NONE || kind == CL_JSON_NULL)
        return;
    cl_json_plain(value, &text);
    length = text.length < CELL_MAX ? text.length
                                    : cl_json_utf8_prefix((char *)text.bytes, CELL_MAX - 1);
    memcpy(cell, text.bytes, length);
    cell[length] = '\0';
    for (char *c = cell; *c; c++)
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
}

static void widen(size_t *widths, const struct row *row)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        const size_t width = strlen(row->cells[i]);

        widths[i] = width > widths[i] ? width : widths[i];
    }
}

static void print_row(const struct row *row, const size_t *widths, FILE *to)
{
    for (size_t i = 0; i + 1 < COLUMNS; i++)
        fprintf(to, "%-*s  ", (int)widths[i], row->cells[i]);
    fprintf(to, "%s\n", row->cells[COLUMNS - 1]);
}

void cl_callstable_print(struct cl_json answer, FILE *to)
{
    const struct cl_json calls = cl_json_member(answer, "calls");
    const struct cl_json next = cl_json_member(answer, "next");
    struct row titles = { 0 };
    struct row *rows = NULL;
    size_t widths[COLUMNS] = { 0 };
    size_t count = 0, cursor = 0;
    struct cl_json key, call;

    for (size_t i = 0; i < COLUMNS; i++)
        strcpy(titles.cells[i], columns[i].title);
    widen(widths, &titles);
    while (cl_json_kind(calls) == CL_JSON_ARRAY && cl_json_next(calls, &cursor, &key, &call)) {
        struct row *more = reallocarray(rows, count + 1, sizeof(*rows));

        CL_CHECK(more);
        rows = more;
        for (size_t i = 0; i < COLUMNS; i++)
            read_cell(call, columns[i].member, rows[count].cells[i]);
        widen(widths, &rows[count++]);
    }
    if (count == 0)
        fputs("no calls\n", to);
    else
        print_row(&titles, widths, to);
    for (size_t i = 0; i < count; i++)
        print_row(&rows[i], widths, to);
    if (cl_json_kind(next) == CL_JSON_STRING)
        fprintf(to, "\nmore: --cursor %.*s\n", (int)next.length - 2, next.text + 1);
    free(rows);
}

void cl_callstable_print_one(struct cl_json call, FILE *to)
{
    static const char *const facts[] = { "id",       "status",   "verdict",
                                         "function", "priority", "attempts",
                                         "created",  "started",  "ended" };
    const struct cl_json result = cl_json_member(call, "result");
    struct cl_buf text CL_AUTO(cl_buf_fini) = CL_BUF_INIT(64 << 20);
    struct cl_err err = CL_ERR_INIT;

    for (size_t i = 0; i < CL_COUNT(facts); i++) {
        char cell[CELL_MAX];

        read_cell(call, facts[i], cell);
        if (strcmp(cell, "-") != 0)
            fprintf(to, "%-9s %s\n", facts[i], cell);
    }
    if (cl_json_kind(result) == CL_JSON_NONE || cl_json_pretty(result, &text, &err) < 0)
        return;
    fputs("result    ", to);
    cl_json_show((const char *)text.bytes, text.length, to);
    fputc('\n', to);
}
