/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored calls as bytes, and as callers read them.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "api/async/impl.h"
#include "sandbox/base/own.h"

static struct cl_err err;

static const char *text_of(struct cl_buf *buf)
{
    assert_int_equal(cl_buf_put(buf, "", 1, &err), 0);
    buf->length--;
    return (const char *)buf->bytes;
}

static void what_was_sent_comes_back(void **state)
{
    static const struct cl_call_sent rows[] = {
        { .kind = CL_CALL_KIND_CALL, .function = "", .trace = NULL, .body = "{}", .length = 2 },
        { .kind = CL_CALL_KIND_EVAL,
          .function = "",
          .trace = "00-ab",
          .body = "",
          .length = 0 },
        { .kind = CL_CALL_KIND_CALL,
          .function = "prices.net",
          .trace = "t",
          .body = "a\n\0b\n",
          .length = 5 },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        struct cl_buf CL_AUTO(cl_buf_fini) bytes = CL_BUF_INIT(4096);
        struct cl_call_sent sent;

        assert_works(cl_async_pack(&rows[i], &bytes, &err), &err);
        assert_works(cl_async_unpack((char *)bytes.bytes, bytes.length, &sent, &err), &err);
        assert_int_equal(sent.kind, rows[i].kind);
        assert_string_equal(sent.function, rows[i].function);
        assert_string_equal(sent.trace, rows[i].trace ? rows[i].trace : "");
        assert_int_equal(sent.length, rows[i].length);
        assert_memory_equal(sent.body, rows[i].body, sent.length);
    }
}

static void fields_that_would_end_a_line_are_refused(void **state)
{
    struct cl_buf CL_AUTO(cl_buf_fini) bytes = CL_BUF_INIT(4096);
    struct cl_call_sent sent = { .function = "a\nb", .body = "" };

    (void)state;
    assert_fails(cl_async_pack(&sent, &bytes, &err), &err, CL_E_INPUT);
    sent.function = "";
    sent.trace = "x\r";
    assert_fails(cl_async_pack(&sent, &bytes, &err), &err, CL_E_INPUT);
}

static void damage_is_told(void **state)
{
    static const struct {
        const char *text;
        size_t length;
    } rows[] = {
        { "", 0 },
        { "1\ncall\n\n", 8 },
        { "2\ncall\n\n\n{}", 11 },
        { "1\ncalls\n\n\n{}", 12 },
        { "1\nca\0l\n\n\n{}", 11 },
        { "\n\n\n\n", 4 },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        char bytes[32];
        struct cl_call_sent sent;

        memcpy(bytes, rows[i].text, rows[i].length);
        assert_fails(cl_async_unpack(bytes, rows[i].length, &sent, &err), &err, CL_E_LOST);
    }
}

static struct cl_store_call call;

static int setup(void **state)
{
    (void)state;
    call = (struct cl_store_call){
        .id = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        .tenant = "local",
        .function = "",
        .policy = "default",
        .verdict = "",
        .created_us = 1700000000123456,
    };
    return 0;
}

static void a_call_that_waits_says_so(void **state)
{
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(4096);

    (void)state;
    call.priority = cl_async_stored_priority(2);
    assert_works(cl_async_show(&call, &out, &err), &err);
    assert_string_equal(
        text_of(&out),
        "{\"id\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"status\":\"queued\",\"function\":null,"
        "\"priority\":\"low\",\"attempts\":0,\"created\":\"2023-11-14T22:13:20.123Z\","
        "\"started\":null,\"ended\":null}");
}

static void one_that_is_done_has_its_envelope(void **state)
{
    static const char envelope[] =
        "{\"id\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"verdict\":\"ok\",\"result\":1}";
    struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(4096);

    (void)state;
    call.state = CL_STORE_DONE;
    call.function = "a\"b";
    call.verdict = "ok";
    call.envelope = (struct cl_blob){ envelope, sizeof(envelope) - 1 };
    assert_works(cl_async_show(&call, &out, &err), &err);
    assert_non_null(strstr(text_of(&out), "\"status\":\"done\",\"function\":\"a\\\"b\""));
    assert_non_null(strstr(text_of(&out), "\"ended\":null,\"verdict\":\"ok\",\"result\":1}"));
    cl_buf_clear(&out);
    assert_works(cl_async_show_row(&call, &out, &err), &err);
    assert_non_null(strstr(text_of(&out), "\"policy\":\"default\",\"verdict\":\"ok\"}"));
}

static void an_envelope_of_another_call_is_damage(void **state)
{
    static const char *const wrong[] = {
        "", "{", "{\"id\":\"01ARZ3NDEKTSV4RRFFQ69G5FAX\",\"verdict\":\"ok\"}", "[]"
    };

    (void)state;
    call.state = CL_STORE_DONE;
    for (size_t i = 0; i < CL_COUNT(wrong); i++) {
        struct cl_buf CL_AUTO(cl_buf_fini) out = CL_BUF_INIT(4096);

        call.envelope = (struct cl_blob){ wrong[i], strlen(wrong[i]) };
        assert_fails(cl_async_show(&call, &out, &err), &err, CL_E_LOST);
    }
}

static void priorities_keep_their_order(void **state)
{
    (void)state;
    for (unsigned lane = 0; lane < CL_ASYNCQ_LANES; lane++) {
        assert_int_equal(cl_async_lane(cl_async_stored_priority(lane)), lane);
        assert_true(lane == 0 ||
                    cl_async_stored_priority(lane) < cl_async_stored_priority(lane - 1));
    }
}

static void ids_have_one_form(void **state)
{
    static const char *const wrong[] = { "",
                                         "01ARZ3NDEKTSV4RRFFQ69G5FA",
                                         "01ARZ3NDEKTSV4RRFFQ69G5FAVV",
                                         "01arz3ndektsv4rrffq69g5fav",
                                         "01ARZ3NDEKTSV4RRFFQ69G5FAU",
                                         "01ARZ3NDEKTSV4RRFFQ69G5F/V" };

    (void)state;
    assert_true(cl_async_is_id("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
    for (size_t i = 0; i < CL_COUNT(wrong); i++)
        assert_false(cl_async_is_id(wrong[i]));
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(what_was_sent_comes_back),
        CASE(fields_that_would_end_a_line_are_refused),
        CASE(damage_is_told),
        CASE(a_call_that_waits_says_so),
        CASE(one_that_is_done_has_its_envelope),
        CASE(an_envelope_of_another_call_is_damage),
        CASE(priorities_keep_their_order),
        CASE(ids_have_one_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
