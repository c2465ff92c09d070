/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event streams, fed in pieces.
 * Runs in: the unit tests.
 * Trusts: nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/cli/follow.h"
#include "api/cli/verb.h"
#include "sandbox/base/own.h"

#define END_OK "{\"seq\":9,\"event\":\"end\",\"verdict\":\"ok\",\"result\":[1,2]}\n"
#define END_DENY                                                                               \
    "{\"event\":\"end\",\"verdict\":\"denied\",\"denied\":{\"rule\":\"modules\"}}\n"

struct outcome {
    int result; /* of the last feed */
    struct cl_follow follow;
    char output[512];
};

/* Feeds `text` in pieces of `piece` bytes and keeps what went to stdout. */
static struct outcome fed(const char *text, size_t piece, bool as_json)
{
    struct outcome outcome = { 0, CL_FOLLOW_INIT(as_json), { 0 } };
    struct cl_err err = CL_ERR_INIT;
    const int keep = dup(STDOUT_FILENO);
    FILE *file = tmpfile();
    size_t length = strlen(text);

    assert_non_null(file);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    while (length > 0 && outcome.result == 0) {
        const size_t part = length < piece ? length : piece;

        outcome.result = cl_follow_take(&outcome.follow, text, part, &err);
        text += part;
        length -= part;
    }
    fflush(stdout);
    dup2(keep, STDOUT_FILENO);
    close(keep);
    rewind(file);
    (void)!fread(outcome.output, 1, sizeof(outcome.output) - 1, file);
    fclose(file);
    cl_follow_fini(&outcome.follow);
    return outcome;
}

static void follow_shows_output_whatever_the_pieces(void **state)
{
    static const char text[] = "{\"event\":\"started\",\"id\":\"x\"}\n\n"
                               "{\"event\":\"stdout\",\"text\":\"a\\nb\"}\n" END_OK;

    (void)state;
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        const struct outcome outcome = fed(text, piece, false);

        assert_int_equal(outcome.result, 0);
        assert_true(outcome.follow.has_ended);
        assert_int_equal(outcome.follow.code, CL_EXIT_OK);
        assert_string_equal(outcome.output, "a\nb[1, 2]\n");
    }
}

static void follow_shows_items_once(void **state)
{
    const struct outcome outcome = fed("{\"event\":\"item\",\"value\":1e400}\n"
                                       "{\"event\":\"item\",\"value\":null}\n" END_OK,
                                       1000, false);

    (void)state;
    assert_string_equal(outcome.output, "1e400\nnull\n");
}

static void follow_passes_lines_on_as_json(void **state)
{
    const struct outcome outcome = fed("{\"event\":\"later\"}\n" END_DENY, 7, true);

    (void)state;
    assert_string_equal(outcome.output, "{\"event\":\"later\"}\n" END_DENY);
    assert_true(outcome.follow.has_ended);
    assert_int_equal(outcome.follow.code, CL_EXIT_DENIED);
}

static void follow_ignores_events_of_a_later_version(void **state)
{
    const struct outcome outcome =
        fed("{\"event\":\"later\",\"text\":\"x\"}\n{}\n" END_OK, 99, false);

    (void)state;
    assert_int_equal(outcome.result, 0);
    assert_string_equal(outcome.output, "[1, 2]\n");
}

static void follow_knows_when_the_end_is_missing(void **state)
{
    const struct outcome outcome =
        fed("{\"event\":\"stdout\",\"text\":\"a\"}\n{\"event\":\"end\"", 99, false);

    (void)state;
    assert_int_equal(outcome.result, 0);
    assert_false(outcome.follow.has_ended);
}

static void follow_refuses_a_line_that_is_not_json(void **state)
{
    (void)state;
    assert_int_equal(fed("{\"event\":\"stdout\"\n", 99, false).result, -1);
    assert_int_equal(fed("[]\n", 99, true).result, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follow_shows_output_whatever_the_pieces),
        cmocka_unit_test(follow_shows_items_once),
        cmocka_unit_test(follow_passes_lines_on_as_json),
        cmocka_unit_test(follow_ignores_events_of_a_later_version),
        cmocka_unit_test(follow_knows_when_the_end_is_missing),
        cmocka_unit_test(follow_refuses_a_line_that_is_not_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
