/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as lines that nobody else can end.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/calls/events.h"
#include "sandbox/base/own.h"

static struct cl_events events;

static int setup(void **state)
{
    (void)state;
    events = (struct cl_events){ CL_EVENTS_NDJSON, 0, CL_BUF_INIT(1 << 16) };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cl_buf_fini(&events.out);
    return 0;
}

static struct cl_json json(const char *text)
{
    return (struct cl_json){ text, strlen(text) };
}

static void expect(const char *wanted)
{
    assert_int_equal(events.out.length, strlen(wanted));
    assert_memory_equal(events.out.bytes, wanted, strlen(wanted));
}

static void ndjson_is_an_object_a_line(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(cl_events_open(&events, "stdout", &err), &err);
    assert_works(cl_events_put_text(&events, "text", "a\nb", 3, &err), &err);
    assert_works(cl_events_close(&events, &err), &err);
    assert_works(cl_events_open(&events, "item", &err), &err);
    assert_works(cl_events_put_json(&events, "value", json("10e400"), &err), &err);
    assert_works(cl_events_close(&events, &err), &err);
    expect("{\"seq\":1,\"event\":\"stdout\",\"text\":\"a\\nb\"}\n"
           "{\"seq\":2,\"event\":\"item\",\"value\":10e400}\n");
}

static void sse_is_one_data_line_an_event(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    events.form = CL_EVENTS_SSE;
    assert_works(cl_events_open(&events, "started", &err), &err);
    assert_works(cl_events_put_text(&events, "id", "X", 1, &err), &err);
    assert_works(cl_events_close(&events, &err), &err);
    expect("id: 1\nevent: started\ndata: {\"seq\":1,\"event\":\"started\",\"id\":\"X\"}\n\n");
}

static void spliced_json_cannot_end_a_line(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(cl_events_open(&events, "item", &err), &err);
    assert_works(cl_events_put_json(
                     &events, "value",
                     json("[1,\r\n\t2,\"\xe2\x80\xa8\xe2\x80\xa9\xc2\x85\xc3\xa9\"\n]"), &err),
                 &err);
    assert_works(cl_events_close(&events, &err), &err);
    expect("{\"seq\":1,\"event\":\"item\",\"value\":[1,   2,\"\\u2028\\u2029\\u0085\xc3\xa9\" "
           "]}\n");
}

static void members_are_put_in_line(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(cl_events_open(&events, "progress", &err), &err);
    assert_works(cl_events_put_members(&events, json("{ \"value\":1,\n\"total\":2}"), &err),
                 &err);
    assert_works(cl_events_put_members(&events, json("{ }"), &err), &err);
    assert_works(cl_events_splice(&events, "\"a\":\n1", 6, &err), &err);
    assert_works(cl_events_close(&events, &err), &err);
    expect("{\"seq\":1,\"event\":\"progress\", \"value\":1, \"total\":2,\"a\": 1}\n");
}

static void a_full_buffer_is_an_error(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    events.out.limit = 10;
    assert_fails(cl_events_open(&events, "progress", &err), &err, CL_E_LIMIT);
}

static void forms_have_their_types(void **state)
{
    (void)state;
    assert_string_equal(cl_events_type(CL_EVENTS_SSE), "text/event-stream");
    assert_string_equal(cl_events_type(CL_EVENTS_NDJSON), "application/x-ndjson");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(ndjson_is_an_object_a_line),     CASE(sse_is_one_data_line_an_event),
        CASE(spliced_json_cannot_end_a_line), CASE(members_are_put_in_line),
        CASE(a_full_buffer_is_an_error),      CASE(forms_have_their_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
