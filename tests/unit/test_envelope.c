/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope of every verdict, member by member.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <signal.h>
#include <sodium.h>
#include <string.h>

#include "api/calls/envelope.h"
#include "sandbox/base/own.h"

static struct cl_stream stream;
static struct cl_keep output[2];
static struct cl_buf artifacts, metadata, out;
static struct cl_msg_end end;
static struct cl_verdict verdict;
static struct cl_envelope envelope;

static int setup(void **state)
{
    static const uint64_t limits[CL_LIMIT_COUNT_] = { 0 };

    (void)state;
    cl_stream_init(&stream, limits, NULL, NULL);
    output[0] = output[1] = (struct cl_keep)CL_KEEP_INIT;
    artifacts = metadata = out = (struct cl_buf)CL_BUF_INIT(1 << 20);
    end = (struct cl_msg_end){ .wall_us = 410, .cpu_us = 380, .memory_peak_bytes = 1441792 };
    verdict = (struct cl_verdict){ .kind = CL_V_OK };
    envelope = (struct cl_envelope){
        .id = "01J",
        .verdict = &verdict,
        .stream = &stream,
        .output = output,
        .artifacts = &artifacts,
        .metadata = &metadata,
        .end = &end,
        .queue_us = 12,
        .policy = "default",
        .generation = 3,
    };
    return sodium_init() >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    cl_stream_fini(&stream);
    cl_keep_fini(&output[0]);
    cl_keep_fini(&output[1]);
    cl_buf_fini(&artifacts);
    cl_buf_fini(&metadata);
    cl_buf_fini(&out);
    return 0;
}

/* The envelope as text; it is always good JSON. */
static const char *format(void)
{
    const struct cl_json_caps caps = CL_JSON_CAPS(1 << 20);
    struct cl_err err = CL_ERR_INIT;
    size_t at = 0;

    cl_buf_clear(&out);
    assert_works(cl_buf_put(&out, "{", 1, &err), &err);
    assert_works(cl_envelope_format(&envelope, &out, &err), &err);
    assert_works(cl_buf_put(&out, "}", 1, &err), &err);
    assert_works(cl_json_check((const char *)out.bytes, out.length, &caps, NULL, &at, &err),
                 &err);
    assert_works(cl_buf_put(&out, "", 1, &err), &err);
    return (const char *)out.bytes;
}

static void put(struct cl_buf *buf, const void *bytes, size_t length)
{
    struct cl_err err = CL_ERR_INIT;

    assert_works(cl_buf_put(buf, bytes, length, &err), &err);
}

static void put_texts(const struct cl_frame_error *head, const char *texts, size_t length)
{
    put(&stream.final, head, sizeof(*head));
    put(&stream.final, texts, length);
}

static void ok_is_exactly_this(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    put(&stream.final, "4.20", 4);
    put(&metadata, "{\"order\": \"17\"}", 15);
    stream.output_bytes[0] = 4;
    assert_works(cl_keep_put(&output[0], "out\n", 4, &err), &err);
    assert_string_equal(
        format(),
        "{\"id\":\"01J\",\"verdict\":\"ok\",\"result\":4.20,\"stdout\":\"out\\n\",\"stderr\":"
        "\"\","
        "\"stdout_bytes\":4,\"stderr_bytes\":0,\"stdout_truncated\":false,"
        "\"stderr_truncated\":false,\"artifacts\":[],\"usage\":{\"queue_us\":12,\"wall_us\":"
        "410,"
        "\"cpu_us\":380,\"memory_peak_bytes\":1441792},\"policy\":{\"name\":\"default\","
        "\"generation\":3},\"metadata\":{\"order\": \"17\"}}");
}

static void a_streamed_one_has_no_output(void **state)
{
    const char *text;

    (void)state;
    put(&stream.final, "null", 4);
    envelope.output = NULL;
    stream.output_bytes[1] = 9;
    text = format();
    assert_null(strstr(text, "\"stdout\":"));
    assert_null(strstr(text, "\"stderr\":"));
    assert_non_null(strstr(text, "\"stderr_bytes\":9"));
    assert_non_null(strstr(text, "\"metadata\":null"));
}

static void error_carries_its_texts_and_place(void **state)
{
    static const struct cl_frame_error head = { 3, 0, 3, 5, 2 };

    (void)state;
    verdict.kind = CL_V_ERROR;
    put_texts(&head, "E\"xme\xff\nstb", 10);
    assert_non_null(strstr(format(),
                           "\"verdict\":\"error\",\"error\":{\"type\":\"E\\\"x\",\"message\":"
                           "\"me\xef\xbf\xbd\\ns\",\"traceback\":\"tb\",\"line\":3,"
                           "\"column\":null},"));
}

static void long_texts_are_cut(void **state)
{
    static const struct cl_frame_error head = { 0, 0, 5000, 0, 0 };
    char name[5000];

    (void)state;
    verdict.kind = CL_V_ERROR;
    memset(name, 'x', sizeof(name));
    put_texts(&head, name, sizeof(name));
    assert_true(strlen(format()) < 1000);
}

static void broken_protocol_is_an_error_of_its_own(void **state)
{
    (void)state;
    verdict = (struct cl_verdict){ .kind = CL_V_ERROR, .is_protocol = true };
    assert_non_null(strstr(format(), "\"error\":{\"type\":\"ProtocolError\","));
}

static void denied_names_rule_and_name(void **state)
{
    static const struct cl_frame_error head = { 1, 1, 7, 6, 1 };

    (void)state;
    verdict.kind = CL_V_DENIED;
    put_texts(&head, "modulessocketm", 14);
    assert_non_null(strstr(format(), "\"denied\":{\"rule\":\"modules\",\"name\":\"socket\","
                                     "\"message\":\"m\",\"line\":1,\"column\":1},"));
}

static void a_filtered_call_is_denied_without_a_frame(void **state)
{
    (void)state;
    verdict = (struct cl_verdict){ .kind = CL_V_DENIED, .is_syscall = true };
    assert_non_null(strstr(format(), "\"denied\":{\"rule\":\"syscall\",\"name\":null,"));
    assert_non_null(strstr(format(), "\"line\":null,\"column\":null},"));
}

static void limit_has_value_unit_and_used(void **state)
{
    (void)state;
    verdict = (struct cl_verdict){
        .kind = CL_V_LIMIT, .limit = CL_LIMIT_CPU, .value = 2000, .used = 2010
    };
    assert_non_null(strstr(format(),
                           "\"limit\":{\"name\":\"cpu\",\"value\":2000,\"unit\":\"ms\","
                           "\"used\":2010},"));
}

static void a_limit_that_the_worker_keeps_names_the_place(void **state)
{
    static const struct cl_frame_limit at = { .limit = CL_LIMIT_MEMORY,
                                              .line = 2,
                                              .column = 9 };
    static const struct cl_frame_limit nowhere = { .limit = CL_LIMIT_MEMORY };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    verdict = (struct cl_verdict){
        .kind = CL_V_LIMIT, .limit = CL_LIMIT_MEMORY, .value = 8, .used = 9, .is_own = true
    };
    cl_buf_put(&stream.final, &at, sizeof(at), &err);
    cl_buf_put(&stream.final, "a\"b", 3, &err);
    assert_non_null(strstr(format(), "\"used\":9,\"line\":2,\"column\":9,"
                                     "\"message\":\"a\\\"b\"},"));
    cl_buf_clear(&stream.final);
    cl_buf_put(&stream.final, &nowhere, sizeof(nowhere), &err);
    assert_non_null(strstr(format(), "\"used\":9},"));
}

static void crash_is_a_signal_or_a_status(void **state)
{
    (void)state;
    verdict = (struct cl_verdict){ .kind = CL_V_CRASHED, .signal = SIGSEGV };
    assert_non_null(
        strstr(format(), "\"crash\":{\"signal\":\"SIGSEGV\",\"exit_status\":null},"));
    verdict = (struct cl_verdict){ .kind = CL_V_CRASHED, .status = 7 };
    assert_non_null(strstr(format(), "\"crash\":{\"signal\":null,\"exit_status\":7},"));
}

static void cancelled_carries_nothing_and_lost_a_message(void **state)
{
    (void)state;
    verdict = (struct cl_verdict){ .kind = CL_V_CANCELLED };
    assert_non_null(strstr(format(), "\"verdict\":\"cancelled\",\"stdout\":"));
    verdict = (struct cl_verdict){ .kind = CL_V_LOST, .message = "why" };
    assert_non_null(strstr(format(), "\"verdict\":\"lost\",\"message\":\"why\","));
}

static void artifacts_are_base64(void **state)
{
    const struct cl_json path = { "out/\"a", 6 };
    const struct cl_json content = { "\0\1\0\1", 4 };
    const struct cl_json none = { "", 0 };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    put(&stream.final, "1", 1);
    assert_works(cl_envelope_put_artifact(&artifacts, path, content, &err), &err);
    assert_works(cl_envelope_put_artifact(&artifacts, path, none, &err), &err);
    assert_non_null(strstr(
        format(), "\"artifacts\":[{\"path\":\"out/\\\"a\",\"size\":4,\"base64\":\"AAEAAQ==\"},"
                  "{\"path\":\"out/\\\"a\",\"size\":0,\"base64\":\"\"}],"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(ok_is_exactly_this),
        CASE(a_streamed_one_has_no_output),
        CASE(error_carries_its_texts_and_place),
        CASE(long_texts_are_cut),
        CASE(broken_protocol_is_an_error_of_its_own),
        CASE(denied_names_rule_and_name),
        CASE(a_limit_that_the_worker_keeps_names_the_place),
        CASE(a_filtered_call_is_denied_without_a_frame),
        CASE(limit_has_value_unit_and_used),
        CASE(crash_is_a_signal_or_a_status),
        CASE(cancelled_carries_nothing_and_lost_a_message),
        CASE(artifacts_are_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
