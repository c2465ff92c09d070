/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored events, read from anywhere in any form.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/async/replay.h"
#include "sandbox/base/own.h"

#define LINE_1 "{\"seq\":1,\"event\":\"started\",\"id\":\"x\"}\n"
#define LINE_2 "{\"seq\":2,\"event\":\"stdout\",\"text\":\"a\\n,\\\"seq\\\":9\"}\n"
#define LINE_3 "{\"seq\":3,\"event\":\"end\",\"id\":\"x\"}\n"

static struct cl_buf out = CL_BUF_INIT(1 << 20);
static struct cl_err err;

static const char *text(void)
{
    assert_int_equal(cl_buf_put(&out, "", 1, &err), 0);
    out.length--;
    return (const char *)out.bytes;
}

static int put(struct cl_replay *replay, const char *stored)
{
    cl_buf_clear(&out);
    return cl_replay_put(replay, stored, strlen(stored), &out, &err);
}

static void a_client_gets_what_it_does_not_have(void **state)
{
    (void)state;
    for (uint64_t after = 0; after < 4; after++) {
        static const char *const rest[] = { LINE_1 LINE_2 LINE_3, LINE_2 LINE_3, LINE_3, "" };
        struct cl_replay replay = { .after = after };

        assert_int_equal(put(&replay, LINE_1 LINE_2 LINE_3), 0);
        assert_string_equal(text(), rest[after]);
        assert_int_equal(replay.is_at_end, after < 3);
        assert_int_equal(replay.after, 3);
    }
}

static void pieces_make_the_same_whole(void **state)
{
    struct cl_replay replay = { .form = CL_EVENTS_SSE };

    (void)state;
    assert_int_equal(put(&replay, LINE_1), 0);
    assert_string_equal(text(), "id: 1\nevent: started\ndata: {\"seq\":1,\"event\":\"started\","
                                "\"id\":\"x\"}\n\n");
    assert_int_equal(put(&replay, LINE_1 LINE_2), 0);
    assert_ptr_equal(strstr(text(), "id: 2\nevent: stdout\n"), text());
    assert_false(replay.is_at_end);
    assert_int_equal(put(&replay, LINE_3), 0);
    assert_true(replay.is_at_end);
    assert_int_equal(put(&replay, "{\"seq\":4,\"event\":\"x\"}\n"), 0);
    assert_string_equal(text(), ""); /* nothing comes behind the end */
}

static void what_is_no_event_is_damage(void **state)
{
    static const char *const wrong[] = {
        "x\n",
        "{\"seq\":1,\"event\":\"a\"}", /* no end of the line */
        "{\"seq\":,\"event\":\"a\"}\n",
        "{\"seq\":0,\"event\":\"a\"}\n",
        "{\"seq\":03,\"event\":\"a\"}\n",
        "{\"seq\":-1,\"event\":\"a\"}\n",
        "{\"seq\":99999999999999999999,\"event\":\"a\"}\n",
        "{\"seq\":1,\"event\":\"\"}\n",
        "{\"seq\":1,\"event\":\"a}\n",
        "{\"seq\":1,\"event\":\"a\"\n",
        "{\"seq\":1}\n",
        "\n",
        "{\"seq\":1,\"event\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}\n",
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(wrong); i++) {
        struct cl_replay replay = { 0 };

        err = (struct cl_err)CL_ERR_INIT;
        assert_int_equal(put(&replay, wrong[i]), -1);
        assert_int_equal(err.kind, CL_E_LOST);
        assert_string_equal(text(), "");
    }
}

static void a_second_run_goes_on_counting(void **state)
{
    uint64_t last = 0;

    (void)state;
    cl_buf_clear(&out);
    assert_int_equal(
        cl_replay_renumber(LINE_1 LINE_2, strlen(LINE_1 LINE_2), 40, &last, &out, &err), 0);
    assert_int_equal(last, 42);
    assert_string_equal(text(), "{\"seq\":41,\"event\":\"started\",\"id\":\"x\"}\n{\"seq\":42,"
                                "\"event\":\"stdout\",\"text\":\"a\\n,\\\"seq\\\":9\"}\n");
    assert_int_equal(cl_replay_renumber("x", 1, 1, &last, &out, &err), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_gets_what_it_does_not_have),
        cmocka_unit_test(pieces_make_the_same_whole),
        cmocka_unit_test(what_is_no_event_is_damage),
        cmocka_unit_test(a_second_run_goes_on_counting),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);

    cl_buf_fini(&out);
    return failed;
}
