/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of calls: every key, every way to get it wrong, what becomes of a good one.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <sodium.h>
#include <string.h>

#include "api/calls/request.h"
#include "sandbox/base/own.h"
#include "tests/support/policy_sample.h"

#define SRC "\"source\":\"def main(): pass\""

static struct policy_sample sample;

static unsigned denied_at; /* this allocation from now on fails; 0: none */

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_realloc(void *old, size_t size)
{
    return denied_at > 0 && --denied_at == 0 ? NULL : __real_realloc(old, size);
}

static int setup(void **state)
{
    (void)state;
    policy_sample_init(&sample);
    return sodium_init() >= 0 ? 0 : -1;
}

static int parse(struct cl_request *request, const char *text, struct cl_refusal *refusal)
{
    *request = (struct cl_request){ 0 };
    *refusal = (struct cl_refusal)CL_REFUSAL_INIT;
    return cl_request_parse(request, text, strlen(text), refusal);
}

/* The payload of the `n`th frame of this type; NULL if there is none. */
static const uint8_t *frame(const struct cl_request *request, uint32_t type, unsigned n,
                            size_t *length)
{
    size_t at = 0;

    while (at < request->frames.length) {
        struct cl_frame head;

        assert_true(request->frames.length - at >= sizeof(head));
        memcpy(&head, request->frames.bytes + at, sizeof(head));
        assert_int_equal(head.magic, CL_FRAME_MAGIC);
        at += sizeof(head);
        assert_true(request->frames.length - at >= head.length);
        if (head.type == type && n-- == 0) {
            *length = head.length;
            return request->frames.bytes + at;
        }
        at += head.length;
    }
    return NULL;
}

static void expect_frame(const struct cl_request *request, uint32_t type, const char *text,
                         size_t length)
{
    size_t got = 0;
    const uint8_t *bytes = frame(request, type, 0, &got);

    assert_non_null(bytes);
    assert_int_equal(got, length);
    assert_memory_equal(bytes, text, length);
}

static void source_alone_is_a_call(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request;
    struct cl_refusal refusal;
    size_t length = 0;
    struct cl_frame_call call;

    (void)state;
    assert_int_equal(parse(&request, "{" SRC "}", &refusal), 0);
    assert_int_equal(cl_request_seal(&request, &sample.head, CL_CALL_STREAM, &refusal), 0);
    expect_frame(&request, CL_F_SOURCE, "def main(): pass", 16);
    memcpy(&call, frame(&request, CL_F_CALL, 0, &length), sizeof(call));
    assert_int_equal(length, sizeof(call));
    assert_int_equal(call.flags, CL_CALL_STREAM);
    assert_int_equal(call.depth, CL_DEPTH_MAX);
    assert_int_equal(call.output_bytes, 1 << 20);
    assert_int_equal(call.result_bytes, 1 << 20);
    assert_int_equal(call.files_bytes, 0);
    assert_non_null(frame(&request, CL_F_GO, 0, &length));
    assert_null(frame(&request, CL_F_GO, 1, &length));
    const struct cl_frame go = { CL_FRAME_MAGIC, CL_F_GO, 0 };
    assert_memory_equal(request.frames.bytes + request.frames.length - sizeof(go), &go,
                        sizeof(go));
}

static const char every_key[] =
    " { \"source\" : \"a\\n\\u00e9\\u2028\" , \"entry\":\"A.b\",\"args\": [ 1e400, 10 ],"
    "\"kwargs\":{\"k\": 0.10},\"stdin\":\"in\\u0000put\",\"policy\":\"default\","
    "\"files\":[{\"path\":\"in.csv\",\"text\":\"a,b\"},{\"path\":\"d/"
    "x\",\"base64\":\"AAE=\"}],"
    "\"artifacts\":[\"out/*.png\"],\"metadata\":{\"n\": 1.0}}";

/* It has no fault of its own, and may come again: a stored call does. */
static void without_memory_nothing_is_held_against_the_request(void **state)
{
    unsigned refused = 0;

    (void)state;
    for (unsigned at = 1;; at++) {
        struct cl_request CL_AUTO(cl_request_fini) request;
        struct cl_refusal refusal;
        int outcome;

        denied_at = at;
        outcome = parse(&request, every_key, &refusal);
        if (outcome == 0)
            outcome = cl_request_seal(&request, &sample.head, CL_CALL_STREAM, &refusal);
        if (denied_at > 0)
            break; /* it took fewer */
        assert_int_equal(outcome, -1);
        assert_int_equal(refusal.kind, CL_R_NO_MEMORY);
        assert_int_equal(cl_refusal_row(refusal.kind)->status, 503);
        refused++;
    }
    denied_at = 0;
    assert_in_range(refused, 2, 100);
}

static void every_key_becomes_its_frame(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request;
    struct cl_refusal refusal;
    struct cl_frame_file file;
    size_t length = 0;
    const uint8_t *bytes;

    (void)state;
    assert_int_equal(parse(&request, every_key, &refusal), 0);
    expect_frame(&request, CL_F_SOURCE, "a\n\xc3\xa9\xe2\x80\xa8", 7);
    expect_frame(&request, CL_F_ENTRY, "A.b", 3);
    expect_frame(&request, CL_F_ARGS, "[ 1e400, 10 ]", 13);
    expect_frame(&request, CL_F_KWARGS, "{\"k\": 0.10}", 11);
    expect_frame(&request, CL_F_STDIN, "in\0put", 6);
    expect_frame(&request, CL_F_ARTIFACT, "out/*.png", 9);
    bytes = frame(&request, CL_F_FILE, 1, &length);
    memcpy(&file, bytes, sizeof(file));
    assert_int_equal(length, sizeof(file) + 3 + 2);
    assert_int_equal(file.path_length, 3);
    assert_memory_equal(bytes + sizeof(file), "d/x\0\1", 5);
    assert_true(request.needs_files);
    assert_int_equal(request.files_bytes, 5);
    assert_string_equal(request.policy, "default");
    assert_int_equal(request.metadata.length, 10);
    assert_memory_equal(request.metadata.bytes, "{\"n\": 1.0}", 10);
}

struct bad {
    const char *body, *pointer;
};

static void expect_malformed(const struct bad *row)
{
    struct cl_request CL_AUTO(cl_request_fini) request;
    struct cl_refusal refusal;

    if (parse(&request, row->body, &refusal) == 0)
        fail_msg("taken: %s", row->body);
    if (refusal.kind != CL_R_MALFORMED || strcmp(refusal.pointer, row->pointer) != 0)
        fail_msg("%s: kind %d at \"%s\" (%s)", row->body, refusal.kind, refusal.pointer,
                 refusal.detail);
    assert_true(refusal.detail[0] != '\0');
}

static const struct bad bad_rows[] = {
    { "", "" },
    { " ", "" },
    { "[]", "" },
    { "null", "" },
    { "\"x\"", "" },
    { "{", "" },
    { "{" SRC "} x", "" },
    { "{" SRC "," SRC "}", "" },
    { "{" SRC ",\"metadata\":{\"a\":NaN}}", "" },
    { "\xef\xbb\xbf{" SRC "}", "" },
    { "{}", "/source" },
    { "{\"source\":1}", "/source" },
    { "{\"source\":null}", "/source" },
    { "{" SRC ",\"sorce\":1}", "/sorce" },
    { "{" SRC ",\"a/b~\":1}", "/a~1b~0" },
    { "{" SRC ",\"function\":\"a.b\"}", "/function" },
    { "{" SRC ",\"version\":\"1\"}", "/version" },
    { "{\"function\":5}", "/function" },
    { "{\"function\":\"a b\"}", "/function" },
    { "{\"function\":\"a.b\",\"version\":\"ab\"}", "/version" },
    { "{\"function\":\"a.b\",\"version\":\"0123456789AB\"}", "/version" },
    { "{\"function\":\"a.b\",\"entry\":\"f\"}", "/entry" },
    { "{" SRC ",\"entry\":\"\"}", "/entry" },
    { "{" SRC ",\"entry\":\"a b\"}", "/entry" },
    { "{" SRC ",\"entry\":\"1a\"}", "/entry" },
    { "{" SRC ",\"entry\":\"a.\"}", "/entry" },
    { "{" SRC ",\"entry\":\".a\"}", "/entry" },
    { "{" SRC ",\"entry\":\"a..b\"}", "/entry" },
    { "{" SRC ",\"entry\":\"a\\u0000\"}", "/entry" },
    { "{" SRC ",\"entry\":\"a23456789012345678901234567890123456789012345678901234567890123"
      "4\"}",
      "/entry" },
    { "{" SRC ",\"args\":{}}", "/args" },
    { "{" SRC ",\"kwargs\":[]}", "/kwargs" },
    { "{" SRC ",\"stdin\":1}", "/stdin" },
    { "{" SRC ",\"policy\":5}", "/policy" },
    { "{" SRC ",\"metadata\":[]}", "/metadata" },
    { "{" SRC ",\"limits\":[]}", "/limits" },
    { "{" SRC ",\"limits\":{\"wal\":\"1s\"}}", "/limits/wal" },
    { "{" SRC ",\"limits\":{\"wall\":1}}", "/limits/wall" },
    { "{" SRC ",\"limits\":{\"wall\":\"1 parsec\"}}", "/limits/wall" },
    { "{" SRC ",\"limits\":{\"wall\":\"0s\"}}", "/limits/wall" },
    { "{" SRC ",\"limits\":{\"memory\":\"64MB\"}}", "/limits/memory" },
    { "{" SRC ",\"limits\":{\"memory\":\"0\"}}", "/limits/memory" },
    { "{" SRC ",\"limits\":{\"processes\":\"1\"}}", "/limits/processes" },
    { "{" SRC ",\"limits\":{\"processes\":0}}", "/limits/processes" },
    { "{" SRC ",\"limits\":{\"processes\":1.5}}", "/limits/processes" },
    { "{" SRC ",\"limits\":{\"processes\":4294967296}}", "/limits/processes" },
    { "{" SRC ",\"limits\":{\"depth\":3}}", "/limits/depth" },
    { "{" SRC ",\"files\":{}}", "/files" },
    { "{" SRC ",\"files\":[1]}", "/files/0" },
    { "{" SRC ",\"files\":[{\"path\":\"x\"}]}", "/files/0" },
    { "{" SRC ",\"files\":[{\"text\":\"x\"}]}", "/files/0" },
    { "{" SRC ",\"files\":[{\"path\":\"x\",\"text\":\"\",\"base64\":\"\"}]}", "/files/0" },
    { "{" SRC ",\"files\":[{\"path\":\"x\",\"text\":\"\",\"mode\":1}]}", "/files/0" },
    { "{" SRC ",\"files\":[{\"path\":\"a\",\"text\":\"\"},{\"path\":\"../x\",\"text\":\"\"}]}",
      "/files/1/path" },
    { "{" SRC ",\"files\":[{\"path\":5,\"text\":\"\"}]}", "/files/0/path" },
    { "{" SRC ",\"files\":[{\"path\":\"x\",\"text\":5}]}", "/files/0/text" },
    { "{" SRC ",\"files\":[{\"path\":\"x\",\"base64\":\"?\"}]}", "/files/0/base64" },
    { "{" SRC ",\"files\":[{\"path\":\"x\",\"base64\":\"AAE\"}]}", "/files/0/base64" },
    { "{" SRC ",\"files\":[{\"path\":\"x\",\"base64\":\"AA E=\"}]}", "/files/0/base64" },
    { "{" SRC ",\"files\":[{\"path\":\"x\",\"base64\":\"AAF=\"}]}", "/files/0/base64" },
    { "{" SRC ",\"artifacts\":[\"../*\"]}", "/artifacts/0" },
    { "{" SRC ",\"artifacts\":[5]}", "/artifacts/0" },
};

static void mistakes_are_named_by_pointer(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(bad_rows); i++)
        expect_malformed(&bad_rows[i]);
}

static void unknown_keys_name_the_nearest(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request;
    struct cl_refusal refusal;

    (void)state;
    assert_int_equal(parse(&request, "{" SRC ",\"limits\":{\"wal\":\"1s\"}}", &refusal), -1);
    assert_non_null(strstr(refusal.detail, "\"wall\""));
}

static void functions_are_named_and_their_frames_come_later(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request;
    struct cl_refusal refusal;

    (void)state;
    assert_int_equal(parse(&request,
                           "{\"function\":\"prices.net\",\"version\":\"0123456789ab\","
                           "\"args\":[1]}",
                           &refusal),
                     0);
    assert_string_equal(request.function, "prices.net");
    assert_string_equal(request.version, "0123456789ab");
}

static void a_path_names_the_function_alone(void **state)
{
    static const char *const bodies[] = { "{\"function\":\"a.b\"}", "{\"source\":\"x\"}",
                                          "{\"entry\":\"f\"}" };
    static const char *const pointers[] = { "/function", "/source", "/entry" };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(bodies); i++) {
        struct cl_request CL_AUTO(cl_request_fini) request = { .function = "prices.net" };
        struct cl_refusal refusal = CL_REFUSAL_INIT;

        assert_int_equal(cl_request_parse(&request, bodies[i], strlen(bodies[i]), &refusal),
                         -1);
        assert_int_equal(refusal.kind, CL_R_MALFORMED);
        assert_string_equal(refusal.pointer, pointers[i]);
    }
    struct cl_request CL_AUTO(cl_request_fini) request = { .function = "prices.net" };
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    assert_int_equal(cl_request_parse(&request, "{\"args\":[1]}", 12, &refusal), 0);
}

static int count_files(unsigned count, const char *key, const char *element)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(1 << 20);
    struct cl_request CL_AUTO(cl_request_fini) request = { 0 };
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    struct cl_err err = CL_ERR_INIT;

    assert_works(cl_buf_format(&text, &err, "{" SRC ",\"%s\":[", key), &err);
    for (unsigned i = 0; i < count; i++)
        assert_works(cl_buf_format(&text, &err, "%s%s", i ? "," : "", element), &err);
    assert_works(cl_buf_put_text(&text, "]}", &err), &err);
    return cl_request_parse(&request, (const char *)text.bytes, text.length, &refusal);
}

static void counts_are_capped(void **state)
{
    static const char file[] = "{\"path\":\"x\",\"text\":\"\"}";

    (void)state;
    assert_int_equal(count_files(CL_REQUEST_FILES_MAX, "files", file), 0);
    assert_int_equal(count_files(CL_REQUEST_FILES_MAX + 1, "files", file), -1);
    assert_int_equal(count_files(CL_REQUEST_ARTIFACTS_MAX, "artifacts", "\"x\""), 0);
    assert_int_equal(count_files(CL_REQUEST_ARTIFACTS_MAX + 1, "artifacts", "\"x\""), -1);
}

static int with_metadata(size_t length)
{
    struct cl_buf CL_AUTO(cl_buf_fini) text = CL_BUF_INIT(1 << 20);
    struct cl_request CL_AUTO(cl_request_fini) request = { 0 };
    struct cl_refusal refusal = CL_REFUSAL_INIT;
    struct cl_err err = CL_ERR_INIT;

    assert_works(cl_buf_put_text(&text, "{" SRC ",\"metadata\":{\"a\":\"", &err), &err);
    for (size_t i = 8; i < length; i++)
        assert_works(cl_buf_put(&text, "x", 1, &err), &err);
    assert_works(cl_buf_put_text(&text, "\"}}", &err), &err);
    return cl_request_parse(&request, (const char *)text.bytes, text.length, &refusal);
}

static void metadata_is_capped(void **state)
{
    (void)state;
    assert_int_equal(with_metadata(CL_REQUEST_METADATA_MAX), 0);
    assert_int_equal(with_metadata(CL_REQUEST_METADATA_MAX + 1), -1);
}

struct narrow {
    const char *limits;
    enum cl_limit limit;
    uint64_t value;
    bool is_wider;
};

static void limits_may_only_be_narrowed(void **state)
{
    static const struct narrow rows[] = {
        { "\"wall\":\"5s\"", CL_LIMIT_WALL, 5000, false },
        { "\"wall\":\"5001ms\"", CL_LIMIT_WALL, 0, true },
        { "\"cpu\":\"100ms\"", CL_LIMIT_CPU, 100, false },
        { "\"cpu\":\"1h\"", CL_LIMIT_CPU, 0, true },
        { "\"memory\":\"20Mi\"", CL_LIMIT_MEMORY, 20 << 20, false },
        { "\"memory\":\"1Gi\"", CL_LIMIT_MEMORY, 0, true },
        { "\"processes\":1", CL_LIMIT_PROCESSES, 1, false },
        { "\"processes\":2", CL_LIMIT_PROCESSES, 0, true },
        { "\"output\":\"0\"", CL_LIMIT_OUTPUT, 0, false },
        { "\"output\":\"1025Ki\"", CL_LIMIT_OUTPUT, 0, true },
        { "\"result\":\"1Mi\"", CL_LIMIT_RESULT, 1 << 20, false },
        { "\"result\":\"2Mi\"", CL_LIMIT_RESULT, 0, true },
        { "\"files\":\"0\"", CL_LIMIT_FILES, 0, false },
        { "\"files\":\"1\"", CL_LIMIT_FILES, 0, true },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        struct cl_request CL_AUTO(cl_request_fini) request;
        struct cl_refusal refusal;
        char body[256];

        snprintf(body, sizeof(body), "{" SRC ",\"limits\":{%s}}", rows[i].limits);
        assert_int_equal(parse(&request, body, &refusal), 0);
        assert_int_equal(cl_request_seal(&request, &sample.head, 0, &refusal),
                         rows[i].is_wider ? -1 : 0);
        if (rows[i].is_wider) {
            assert_int_equal(refusal.kind, CL_R_LIMIT_WIDENED);
            assert_non_null(strstr(refusal.detail, cl_limit_name(rows[i].limit)));
            assert_string_equal(refusal.pointer + 8, cl_limit_name(rows[i].limit));
        } else {
            assert_int_equal(request.limits.value[rows[i].limit], rows[i].value);
        }
    }
}

static void only_what_is_narrower_is_told(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request;
    struct cl_refusal refusal;

    (void)state;
    assert_int_equal(
        parse(&request, "{" SRC ",\"limits\":{\"wall\":\"1s\",\"cpu\":\"2s\"}}", &refusal), 0);
    assert_int_equal(cl_request_seal(&request, &sample.head, 0, &refusal), 0);
    assert_int_equal(cl_request_narrowed(&request, &sample.head, CL_LIMIT_WALL), 1000);
    assert_int_equal(cl_request_narrowed(&request, &sample.head, CL_LIMIT_CPU), 0);
    assert_int_equal(cl_request_narrowed(&request, &sample.head, CL_LIMIT_MEMORY), 0);
}

static void files_need_a_grant(void **state)
{
    static const char *const bodies[] = {
        "{" SRC ",\"files\":[{\"path\":\"a\",\"text\":\"bcd\"}]}",
        "{" SRC ",\"artifacts\":[\"a\"]}",
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(bodies); i++) {
        struct cl_request CL_AUTO(cl_request_fini) request;
        struct cl_refusal refusal;

        sample.head.files_bytes = 0;
        assert_int_equal(parse(&request, bodies[i], &refusal), 0);
        assert_int_equal(cl_request_seal(&request, &sample.head, 0, &refusal), -1);
        assert_int_equal(refusal.kind, CL_R_FILES_NOT_GRANTED);
        sample.head.files_bytes = 2;
        assert_int_equal(cl_request_seal(&request, &sample.head, 0, &refusal), i == 0 ? -1 : 0);
        sample.head.files_bytes = 3;
        assert_int_equal(cl_request_seal(&request, &sample.head, 0, &refusal), 0);
    }
}

static void empty_lists_of_files_need_none(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request;
    struct cl_refusal refusal;

    (void)state;
    assert_int_equal(parse(&request, "{" SRC ",\"files\":[],\"artifacts\":[]}", &refusal), 0);
    assert_int_equal(cl_request_seal(&request, &sample.head, 0, &refusal), 0);
}

static void sealing_again_fits_another_policy(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request;
    struct cl_refusal refusal;
    struct cl_frame_call call;
    size_t length = 0;

    (void)state;
    assert_int_equal(parse(&request, "{" SRC "}", &refusal), 0);
    assert_int_equal(cl_request_seal(&request, &sample.head, 0, &refusal), 0);
    sample.head.output_bytes = 77;
    assert_int_equal(cl_request_seal(&request, &sample.head, 0, &refusal), 0);
    memcpy(&call, frame(&request, CL_F_CALL, 0, &length), sizeof(call));
    assert_int_equal(call.output_bytes, 77);
    assert_null(frame(&request, CL_F_GO, 1, &length));
}

static void environment_is_a_frame(void **state)
{
    struct cl_request CL_AUTO(cl_request_fini) request;
    struct cl_refusal refusal;

    (void)state;
    assert_int_equal(parse(&request, "{" SRC "}", &refusal), 0);
    assert_int_equal(cl_request_put_env(&request, "TRACEPARENT", "00-ab", &refusal), 0);
    expect_frame(&request, CL_F_ENV, "TRACEPARENT=00-ab", 17);
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(source_alone_is_a_call),
        CASE(every_key_becomes_its_frame),
        CASE(without_memory_nothing_is_held_against_the_request),
        CASE(mistakes_are_named_by_pointer),
        CASE(unknown_keys_name_the_nearest),
        CASE(functions_are_named_and_their_frames_come_later),
        CASE(a_path_names_the_function_alone),
        CASE(counts_are_capped),
        CASE(metadata_is_capped),
        CASE(limits_may_only_be_narrowed),
        CASE(only_what_is_narrower_is_told),
        CASE(files_need_a_grant),
        CASE(empty_lists_of_files_need_none),
        CASE(sealing_again_fits_another_policy),
        CASE(environment_is_a_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
