/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line and the caret below it, whatever stands before the place; and colours only for people.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policies/caret.h"
#include "policies/load.h"
#include "sandbox/base/own.h"

static const struct cl_paint plain = { "", "", "", "", "", "", "" };

static const struct {
    const char *text;
    unsigned column, width;
    const char *line, *caret; /* behind the "    1 | " of both */
} rows[] = {
    { "a: b\n", 1, 1, "a: b", "^" },
    { "a: bcd\n", 4, 3, "a: bcd", "   ^~~" },
    { "a: \t b\n", 6, 1, "a: \t b", "   \t ^" },
    { "{\ta:\tb}\n", 6, 1, "{\ta:\tb}", " \t  \t^" },
    /* two columns each */
    { "\"\u6f22\u5b57\": x\n", 7, 1, "\"\u6f22\u5b57\": x", "        ^" },
    { "a: \"\U0001f512\U0001f512\"\n", 4, 4, "a: \"\U0001f512\U0001f512\"", "   ^~~~~~" },
    /* e with an accent of its own: two characters, one column */
    { "e\u0301: x\n", 5, 1, "e\u0301: x", "   ^" },
    { "\u00e9: x\n", 4, 1, "\u00e9: x", "   ^" },
    /* behind the end of the line */
    { "a: b\n", 5, 1, "a: b", "    ^" },
    { "a: b\n", 90, 9, "a: b", "    ^" },
};

static char shown[4096];

static void show(const struct cl_place *place)
{
    cl_free_auto char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    cl_caret_print(place, &plain, out);
    assert_int_equal(fclose(out), 0);
    assert_true(size < sizeof(shown));
    memcpy(shown, text, size + 1);
}

static struct cl_doc *doc_of(const char *text)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_doc *doc = cl_load_parse("p", "p.yaml", text, strlen(text), &report);

    cl_report_fini(&report);
    return doc;
}

static void caret_stands_under_its_text(void **state)
{
    char wanted[256];

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        struct cl_doc *doc = doc_of(rows[i].text);
        show(&(struct cl_place){ doc, 1, rows[i].column, rows[i].width });
        snprintf(wanted, sizeof(wanted), "    1 | %s\n      | %s\n", rows[i].line,
                 rows[i].caret);
        assert_string_equal(shown, wanted);
        cl_doc_free(doc);
    }
}

/* The same whatever the user's locale is. */
static void long_line_is_cut_around_the_place(void **state)
{
    char text[2001], caret[200];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[1000] = 'H';
    text[2000] = '\0';
    struct cl_doc *doc = doc_of(text);
    show(&(struct cl_place){ doc, 1, 1001, 1 });
    const char *place = strchr(shown, 'H');
    const char *end = strchr(shown, '\n');
    assert_true(place && end && end - shown < 200);
    assert_memory_equal(shown, "    1 | ...xxx", 14);
    assert_memory_equal(end - 4, "x...", 4);
    snprintf(caret, sizeof(caret), "\n      | %*s^\n", (int)(place - shown) - 8, "");
    assert_string_equal(end, caret);
    cl_doc_free(doc);
}

static void nothing_is_shown_without_a_line(void **state)
{
    (void)state;
    struct cl_doc *doc = doc_of("a: b\n");
    const struct cl_place places[] = { { NULL, 1, 1, 1 }, { doc, 0, 0, 0 }, { doc, 7, 1, 1 } };
    for (size_t i = 0; i < CL_COUNT(places); i++) {
        show(&places[i]);
        assert_string_equal(shown, "");
    }
    cl_doc_free(doc);

    doc = doc_of("a: \xff\n");
    show(&(struct cl_place){ doc, 1, 1, 1 });
    assert_string_equal(shown, "");
    cl_doc_free(doc);
}

static void colours_are_for_terminals_that_want_them(void **state)
{
    int master = -1, slave = -1;

    (void)state;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    FILE *terminal = fdopen(slave, "w");
    cl_fclose_auto FILE *file = tmpfile();
    assert_true(terminal && file);

    assert_int_equal(unsetenv("NO_COLOR"), 0);
    assert_int_equal(setenv("TERM", "xterm", 1), 0);
    assert_string_equal(cl_paint_of(terminal)->error, "\033[1;31m");
    assert_string_equal(cl_paint_of(file)->error, "");
    assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
    assert_string_equal(cl_paint_of(terminal)->error, "");
    assert_int_equal(setenv("NO_COLOR", "", 1), 0);
    assert_string_equal(cl_paint_of(terminal)->off, "\033[0m");
    assert_int_equal(setenv("TERM", "dumb", 1), 0);
    assert_string_equal(cl_paint_of(terminal)->error, "");
    fclose(terminal);
    close(master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caret_stands_under_its_text),
        cmocka_unit_test(long_line_is_cut_around_the_place),
        cmocka_unit_test(nothing_is_shown_without_a_line),
        cmocka_unit_test(colours_are_for_terminals_that_want_them),
    };

    return cmocka_run_group_tests_name("caret", tests, NULL, NULL);
}
