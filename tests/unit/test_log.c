/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines: one write, one line, and no text that can forge another one.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/base/log.h"

static int stderr_copy;
static int ends[2];
static int interrupted;     /* so many writes, from the next on */
static size_t taken = 4096; /* of each write at most */

ssize_t __real_write(int fd, const void *from, size_t length);
ssize_t __wrap_write(int fd, const void *from, size_t length);

ssize_t __wrap_write(int fd, const void *from, size_t length)
{
    if (interrupted > 0) {
        interrupted--;
        errno = EINTR;
        return -1;
    }
    return __real_write(fd, from, length < taken ? length : taken);
}

static int catch_stderr(void **state)
{
    (void)state;
    stderr_copy = dup(STDERR_FILENO);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    return dup2(ends[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int release_stderr(void **state)
{
    (void)state;
    interrupted = 0;
    taken = 4096;
    dup2(stderr_copy, STDERR_FILENO);
    close(stderr_copy);
    close(ends[0]);
    close(ends[1]);
    cl_log_open("cloche", CL_INFO);
    return 0;
}

/* What was written since the last call. */
static char *caught(void)
{
    static char text[8192];
    ssize_t length = read(ends[0], text, sizeof(text) - 1);

    text[length > 0 ? length : 0] = '\0';
    return text;
}

/* The line behind its time. */
static const char *caught_event(void)
{
    char *line = caught();

    return strlen(line) > 25 ? line + 25 : line;
}

/* Not time(2): its clock is some milliseconds behind. */
static time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec;
}

static void line_has_time_level_process_event_and_pairs(void **state)
{
    struct tm parts = { 0 };

    (void)state;
    cl_log_open("api", CL_INFO);
    time_t before = now();
    cl_log(CL_WARN, "pool.refill", "policy=%s ready=%d", "default", 3);
    time_t after = now();
    char *line = caught();

    char *rest = strptime(line, "%Y-%m-%dT%H:%M:%S.", &parts);
    assert_non_null(rest);
    time_t shown = timegm(&parts);
    assert_true(shown >= before && shown <= after);
    assert_int_equal(strspn(rest, "0123456789"), 3);
    assert_string_equal(rest + 3, "Z warn api pool.refill policy=default ready=3\n");
}

static void every_level_has_its_word(void **state)
{
    (void)state;
    cl_log_open("p", CL_DEBUG);
    cl_log(CL_ERROR, "e", "a=1");
    assert_string_equal(caught_event(), "error p e a=1\n");
    cl_log(CL_INFO, "e", "a=1");
    assert_string_equal(caught_event(), "info p e a=1\n");
    cl_log(CL_DEBUG, "e", "a=1");
    assert_string_equal(caught_event(), "debug p e a=1\n");
}

static void levels_above_the_highest_are_not_written(void **state)
{
    (void)state;
    cl_log_open("p", CL_WARN);
    cl_log(CL_INFO, "e", "a=1");
    assert_string_equal(caught(), "");
    cl_log(CL_WARN, "e", "a=1");
    assert_string_equal(caught_event(), "warn p e a=1\n");
}

static void event_without_pairs_ends_without_a_space(void **state)
{
    (void)state;
    cl_log(CL_INFO, "start", "name=%s", "");
    assert_string_equal(caught_event(), "info cloche start\n");
}

static void hostile_bytes_are_escaped(void **state)
{
    static const struct {
        const char *text;
        const char *shown;
    } cases[] = {
        { "a\nb\r\t\x1b[2J\x7f", "a\\x0ab\\x0d\\x09\\x1b[2J\\x7f" },
        { "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x94",
          "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x94" },
        { "\xc2\x9f\xc2\xa0", "\\xc2\\x9f\xc2\xa0" },   /* C1 control, then not */
        { "\xc0\xaf\xc1\xbf", "\\xc0\\xaf\\xc1\\xbf" }, /* overlong, 2 bytes */
        { "\xe0\x9f\xbf\xe0\xa0\x80", "\\xe0\\x9f\\xbf\xe0\xa0\x80" }, /* overlong, 3 bytes */
        { "\xed\xa0\x80\xed\x9f\xbf", "\\xed\\xa0\\x80\xed\x9f\xbf" }, /* surrogate, then not */
        { "\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf" },                /* overlong, 4 bytes */
        { "\xf4\x8f\xbf\xbf\xf4\x90\x80\x80", "\xf4\x8f\xbf\xbf\\xf4\\x90\\x80\\x80" },
        { "\xf5\x80\x80\x80\xff", "\\xf5\\x80\\x80\\x80\\xff" },
        { "\xe2\x82", "\\xe2\\x82" }, /* cut off */
        { "\xf0\x9f\x94", "\\xf0\\x9f\\x94" },
        { "\xc3", "\\xc3" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char wanted[256];
        cl_log(CL_INFO, "e", "what=\"%s\"", cases[i].text);
        snprintf(wanted, sizeof(wanted), "info cloche e what=\"%s\"\n", cases[i].shown);
        assert_string_equal(caught_event(), wanted);
    }
}

static void long_text_is_cut_and_says_so(void **state)
{
    char text[6000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    cl_log(CL_INFO, "e", "what=\"%s\"", text);
    const char *line = caught();
    assert_true(strlen(line) < 2200);
    assert_string_equal(line + strlen(line) - 6, "x\"...\n");

    memset(text, '\1', sizeof(text) - 1); /* four bytes each when escaped */
    cl_log(CL_INFO, "e", "what=\"%s\"", text);
    line = caught();
    assert_true(strlen(line) <= 4096 && strlen(line) > 4070);
    assert_string_equal(line + strlen(line) - 8, "\\x01...\n");
}

static void errno_survives_and_a_dead_stderr_is_harmless(void **state)
{
    (void)state;
    close(STDERR_FILENO);
    errno = ENOENT;
    cl_log(CL_INFO, "e", "a=1");
    assert_int_equal(errno, ENOENT);
}

/* Both ends blocking: a write into the full pipe would never come back. */
static void stalled_reader_costs_lines_and_no_time(void **state)
{
    static char rest[1 << 17];
    char fill[1024] = { 0 };

    (void)state;
    while (write(ends[1], fill, sizeof(fill)) > 0)
        ;
    fcntl(ends[1], F_SETFL, 0);
    cl_log(CL_INFO, "first", "name=%s", "");
    cl_log(CL_INFO, "second", "name=%s", "");
    while (read(ends[0], rest, sizeof(rest)) > 0)
        ;
    cl_log(CL_INFO, "third", "name=%s", "");
    assert_string_equal(caught_event(), "info cloche third lines_lost=2\n");
    cl_log(CL_INFO, "fourth", "name=%s", "");
    assert_string_equal(caught_event(), "info cloche fourth\n");
}

static void a_line_survives_an_interruption_and_a_short_write(void **state)
{
    (void)state;
    interrupted = 2;
    cl_log(CL_INFO, "first", "name=%s", "x");
    assert_string_equal(caught_event(), "info cloche first name=x\n");
    taken = 16; /* three writes for this line */
    cl_log(CL_INFO, "second", "n=%d", 2);
    assert_string_equal(caught_event(), "info cloche second n=2\n");
}

/* An end that never came must not make two events one. */
static void what_follows_a_part_of_a_line_is_a_line(void **state)
{
    char *line;

    (void)state;
    taken = 8;
    cl_log(CL_INFO, "first", "n=%d", 1);
    line = caught();
    assert_int_equal(strlen(line), 32); /* of four writes */
    taken = 4096;
    cl_log(CL_INFO, "second", "n=%d", 2);
    line = caught();
    assert_int_equal(line[0], '\n');
    assert_string_equal(line + 26, "info cloche second n=2 lines_lost=1\n");
    cl_log(CL_INFO, "third", "n=%d", 3);
    assert_string_equal(caught_event(), "info cloche third n=3\n");
}

/* What a caller could wish to be read as a key, a value's end or a line of its own. */
static const char hostile[] = "x\" tenant=other \\\n{\"event\":1} \xff";

static void no_text_ends_its_value_or_begins_a_key(void **state)
{
    (void)state;
    cl_log(CL_INFO, "e", "what=\"%s\" n=%d", hostile, 1);
    assert_string_equal(
        caught_event(),
        "info cloche e what=\"x\\\" tenant=other \\\\\\x0a{\\\"event\\\":1} \\xff\" n=1\n");
    cl_log(CL_INFO, "e", "name=%s n=%d", hostile, 1);
    assert_string_equal(caught_event(),
                        "info cloche e name=x\\x22\\x20tenant=other\\x20\\x5c\\x0a{"
                        "\\x22event\\x22:1}\\x20\\xff n=1\n");
}

static void json_has_the_same_with_types(void **state)
{
    (void)state;
    cl_log_open("api", CL_INFO | CL_LOG_JSON);
    cl_log(CL_WARN, "e", "id=%s trace=%s n=%d big=%llu size=%zu one=1 at=%s:%u what=\"%.3s\"",
           "42", "", -7, 1ull << 63, (size_t)9, "a b", 5u, "abcdef");
    char *line = caught();
    assert_memory_equal(line, "{\"time\":\"20", 11);
    assert_string_equal(line + 34,
                        ",\"level\":\"warn\",\"process\":\"api\",\"event\":\"e\",\"id\":\"42\","
                        "\"n\":-7,\"big\":9223372036854775808,\"size\":9,\"one\":1,"
                        "\"at\":\"a b:5\",\"what\":\"abc\"}\n");
}

static void json_escapes_what_is_hostile(void **state)
{
    (void)state;
    cl_log_open("api", CL_INFO | CL_LOG_JSON);
    cl_log(CL_INFO, "e", "what=\"%s\" name=%s", hostile, hostile);
    assert_string_equal(
        strstr(caught(), ",\"what\""),
        ",\"what\":\"x\\\" tenant=other \\\\\\u000a{\\\"event\\\":1} \\ufffd\","
        "\"name\":\"x\\\" tenant=other \\\\\\u000a{\\\"event\\\":1} \\ufffd\"}\n");
}

/* Texts end, and no comma or colon is without what belongs behind it. */
static bool is_object(const char *line)
{
    bool in_text = false;
    char last = '\0';

    for (; *line && *line != '\n'; line++) {
        if (in_text && *line == '\\') {
            line++;
            continue;
        }
        in_text = in_text != (*line == '"');
        if ((*line == '}' || *line == ',') && !in_text && strchr(",:{", last))
            return false;
        last = *line;
    }
    return !in_text && last == '}' && strcmp(line, "\n") == 0;
}

/* Wherever the end of the room falls. */
static void json_that_is_cut_is_still_json(void **state)
{
    char text[1400];
    int cut = 0;

    (void)state;
    cl_log_open("api", CL_INFO | CL_LOG_JSON);
    for (size_t length = 900; length < sizeof(text) - 1; length++) {
        memset(text, '"', length);
        text[length] = '\0';
        cl_log(CL_INFO, "e", "a=%s b=%d c=%s d=%u e=%s", text, 12345, text, 67890u, "z");
        const char *line = caught();
        assert_true(strlen(line) <= 4096);
        assert_true(is_object(line));
        cut += strstr(line, ",\"cut\":true}\n") != NULL;
        assert_true(strstr(line, ",\"cut\":true}") ||
                    strstr(line, ",\"d\":67890,\"e\":\"z\"}"));
    }
    assert_in_range(cut, 300, 450);
}

static void a_sentence_is_shown_at_every_level(void **state)
{
    (void)state;
    cl_log_open("cloched", CL_ERROR);
    cl_log_say(CL_INFO, "ready on %s", "http://h");
    assert_string_equal(caught(), "cloched: ready on http://h\n");
    cl_log_open("cloched", CL_ERROR | CL_LOG_JSON);
    cl_log_say(CL_INFO, "ready on %s", "http://h");
    assert_non_null(strstr(caught(),
                           "\"level\":\"info\",\"process\":\"cloched\",\"event\":\"said\","
                           "\"what\":\"ready on http://h\"}\n"));
    cl_log(CL_INFO, "e", "a=1");
    assert_string_equal(caught(), "");
}

static void levels_are_parsed_by_name(void **state)
{
    (void)state;
    assert_int_equal(cl_log_level_parse("error"), CL_ERROR);
    assert_int_equal(cl_log_level_parse("warn"), CL_WARN);
    assert_int_equal(cl_log_level_parse("info"), CL_INFO);
    assert_int_equal(cl_log_level_parse("debug"), CL_DEBUG);
    assert_int_equal(cl_log_level_parse("warn,json"), CL_WARN | CL_LOG_JSON);
    assert_int_equal(cl_log_level_parse("warn,text"), CL_WARN);
    assert_int_equal(cl_log_level_parse("json"), CL_INFO | CL_LOG_JSON);
    assert_int_equal(cl_log_level_parse("warn,"), -1);
    assert_int_equal(cl_log_level_parse("json,warn"), -1);
    assert_int_equal(cl_log_level_parse("Error"), -1);
    assert_int_equal(cl_log_level_parse(""), -1);
}

#define caught_test(name) cmocka_unit_test_setup_teardown(name, catch_stderr, release_stderr)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        caught_test(line_has_time_level_process_event_and_pairs),
        caught_test(every_level_has_its_word),
        caught_test(levels_above_the_highest_are_not_written),
        caught_test(event_without_pairs_ends_without_a_space),
        caught_test(hostile_bytes_are_escaped),
        caught_test(long_text_is_cut_and_says_so),
        caught_test(no_text_ends_its_value_or_begins_a_key),
        caught_test(json_has_the_same_with_types),
        caught_test(json_escapes_what_is_hostile),
        caught_test(json_that_is_cut_is_still_json),
        caught_test(a_sentence_is_shown_at_every_level),
        caught_test(stalled_reader_costs_lines_and_no_time),
        caught_test(a_line_survives_an_interruption_and_a_short_write),
        caught_test(what_follows_a_part_of_a_line_is_a_line),
        caught_test(errno_survives_and_a_dead_stderr_is_harmless),
        cmocka_unit_test(levels_are_parsed_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
