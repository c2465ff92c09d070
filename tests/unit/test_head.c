/* SPDX-License-Identifier: Apache-2.0 */
/* What request heads are taken, and with which status the others are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/http1/head.h"
#include "api/http1/target.h"
#include "sandbox/base/own.h"

static const struct cl_head_caps caps = { 16384, 64 };

/* A head as test text; lengths matter because NUL bytes do. */
struct sample {
    const char *text;
    size_t length;
    int status;
};

#define SAMPLE(text, status)                                                                   \
    {                                                                                          \
        (text), sizeof(text) - 1, (status)                                                     \
    }
#define LINE "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"

static const struct sample refused[] = {
    /* the request line */
    SAMPLE("\r\n" LINE HOST "\r\n", 400),
    SAMPLE(" " LINE HOST "\r\n", 400),
    SAMPLE("\x16\x03\x01\x02", 400),
    SAMPLE("GET  / HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /  HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET / HTTP/1.1 \r\n" HOST "\r\n", 400),
    SAMPLE("GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET / HTTP/1.1\n" HOST "\r\n", 400),
    SAMPLE("GET /\r\n" HOST "\r\n", 400),
    SAMPLE("GET\r\n" HOST "\r\n", 400),
    SAMPLE("GET / http/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET / HTTP/1.1a\r\n" HOST "\r\n", 400),
    SAMPLE("GET / HTTP/01.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET / HTTX/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET / HTTP/ .1\r\n" HOST "\r\n", 400),
    SAMPLE("GET / HTTP/!.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET / HTTP/a.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET / HTTP/1,1\r\n" HOST "\r\n", 400),
    SAMPLE("GET / HTTP/1.!\r\n" HOST "\r\n", 400),
    SAMPLE("GET / HTTP/1.x\r\n" HOST "\r\n", 400),
    SAMPLE("GET / HTTP/1.2\r\n" HOST "\r\n", 505),
    SAMPLE("GET / HTTP/2.0\r\n" HOST "\r\n", 505),
    SAMPLE("GET / HTTP/0.9\r\n" HOST "\r\n", 505),
    SAMPLE("PRI * HTTP/2.0\r\n\r\n", 505),
    SAMPLE("get / HTTP/1.1\r\n" HOST "\r\n", 501),
    SAMPLE("BREW / HTTP/1.1\r\n" HOST "\r\n", 501),
    SAMPLE("CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", 501),
    SAMPLE("TRACE / HTTP/1.1\r\n" HOST "\r\n", 501),
    SAMPLE("G\0T / HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("G\x7fT / HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("G(T / HTTP/1.1\r\n" HOST "\r\n", 400),
    /* the target */
    SAMPLE("GET http://b/ HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET * HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET a HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET //b HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a//b HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /./a HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a/.. HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a/../b HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /%2e%2e/b HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /.%2E/b HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a%2fb HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a%2Fb HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a%5cb HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a\\b HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a%00 HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a%0a HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a%7f HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a%c3%a9 HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a%4 HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a% HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a%4z HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a%zz HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a%%41 HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a\0b HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a\x01 HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /?a=%g0 HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /?a=\"b\" HTTP/1.1\r\n" HOST "\r\n", 400),
    SAMPLE("GET /?a=\xff HTTP/1.1\r\n" HOST "\r\n", 400),
    /* fields */
    SAMPLE(LINE "\r\n", 400),
    SAMPLE(LINE HOST HOST "\r\n", 400),
    SAMPLE(LINE "Host:\r\n\r\n", 400),
    SAMPLE(LINE "Host: a/b\r\n\r\n", 400),
    SAMPLE(LINE "Host: u@a\r\n\r\n", 400),
    SAMPLE(LINE "Host: a:b\r\n\r\n", 400),
    SAMPLE(LINE "Host: a:\r\n\r\n", 400),
    SAMPLE(LINE "Host: a:65536\r\n\r\n", 400),
    SAMPLE(LINE "Host: a:123456\r\n\r\n", 400),
    SAMPLE(LINE "Host: [::1\r\n\r\n", 400),
    SAMPLE(LINE "Host: []\r\n\r\n", 400),
    SAMPLE(LINE "Host: [::1]x\r\n\r\n", 400),
    SAMPLE(LINE "Host: a:80x\r\n\r\n", 400),
    SAMPLE(LINE "Host: [::1]:80x\r\n\r\n", 400),
    SAMPLE(LINE "Host: a, b\r\n\r\n", 400),
    SAMPLE("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400),
    SAMPLE(LINE HOST "X : a\r\n\r\n", 400),
    SAMPLE(LINE HOST ": a\r\n\r\n", 400),
    SAMPLE(LINE HOST "X\r\n\r\n", 400),
    SAMPLE(LINE HOST "X: a\r\n b\r\n\r\n", 400),
    SAMPLE(LINE HOST "X: a\r\n\tb\r\n\r\n", 400),
    SAMPLE(LINE " Host: a\r\n\r\n", 400),
    SAMPLE(LINE HOST "X(y): a\r\n\r\n", 400),
    SAMPLE(LINE HOST "X\0: a\r\n\r\n", 400),
    SAMPLE(LINE HOST "X\xe9: a\r\n\r\n", 400),
    SAMPLE(LINE HOST "X: a\0b\r\n\r\n", 400),
    SAMPLE(LINE HOST "X: a\x01\r\n\r\n", 400),
    SAMPLE(LINE HOST "X: a\x0b\r\n\r\n", 400),
    SAMPLE(LINE HOST "X: a\x7f\r\n\r\n", 400),
    SAMPLE(LINE HOST "X: \xc3\xa9\r\n\r\n", 400),
    SAMPLE(LINE HOST "X: a\rb\r\n\r\n", 400),
    SAMPLE(LINE HOST "X: a\r\r\n\r\n", 400),
    SAMPLE(LINE HOST "X: a\n\r\n", 400),
    SAMPLE(LINE HOST "X: a\n\n", 400),
    SAMPLE(LINE HOST "Authorization: a\r\nAuthorization: a\r\n\r\n", 400),
    SAMPLE(LINE HOST "Authorization: Bearer a\0b\r\n\r\n", 400),
    SAMPLE(LINE HOST "Content-Type: a\r\ncontent-type: a\r\n\r\n", 400),
    SAMPLE(LINE HOST "Accept: a\r\nACCEPT: b\r\n\r\n", 400),
    SAMPLE(LINE HOST "Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n", 400),
    SAMPLE(LINE HOST "Prefer: a\r\nPrefer: b\r\n\r\n", 400),
    /* framing */
    SAMPLE(LINE HOST "Content-Length: 27\r\nContent-Length: 28\r\n\r\n", 400),
    SAMPLE(LINE HOST "Content-Length: 27\r\nContent-Length: 27\r\n\r\n", 400),
    SAMPLE(LINE HOST "Content-Length: 27, 27\r\n\r\n", 400),
    SAMPLE(LINE HOST "Content-Length: +27\r\n\r\n", 400),
    SAMPLE(LINE HOST "Content-Length: -1\r\n\r\n", 400),
    SAMPLE(LINE HOST "Content-Length: 0x1b\r\n\r\n", 400),
    SAMPLE(LINE HOST "Content-Length: 2 7\r\n\r\n", 400),
    SAMPLE(LINE HOST "Content-Length: 27\t\r\n\r\n", 400),
    SAMPLE(LINE HOST "Content-Length: 27 \t \r\n\r\n", 400),
    SAMPLE(LINE HOST "Content-Length:\r\n\r\n", 400),
    SAMPLE(LINE HOST "Content-Length : 27\r\n\r\n", 400),
    SAMPLE(LINE HOST "Content-Length: 1000000000000000\r\n\r\n", 413),
    SAMPLE(LINE HOST "Content-Length: 18446744073709551617\r\n\r\n", 413),
    SAMPLE(LINE HOST "Transfer-Encoding: xchunked\r\n\r\n", 501),
    SAMPLE(LINE HOST "Transfer-Encoding: chunked\x0b\r\n\r\n", 400),
    SAMPLE(LINE HOST "Transfer-Encoding: \0chunked\r\n\r\n", 400),
    SAMPLE(LINE HOST "Transfer-Encoding : chunked\r\n\r\n", 400),
    SAMPLE(LINE HOST "Transfer-Encoding: Chunked;q=1\r\n\r\n", 501),
    SAMPLE(LINE HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    SAMPLE(LINE HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", 501),
    SAMPLE(LINE HOST "Transfer-Encoding: identity\r\n\r\n", 501),
    SAMPLE(LINE HOST "Transfer-Encoding:\r\n\r\n", 501),
    SAMPLE(LINE HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    SAMPLE(LINE HOST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400),
    SAMPLE(LINE HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    SAMPLE("GET / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 400),
    SAMPLE(LINE HOST "Expect: 200-ok\r\n\r\n", 417),
    SAMPLE(LINE HOST "Expect: 100-continue, x\r\n\r\n", 417),
    SAMPLE(LINE HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 501),
    SAMPLE(LINE HOST "Content-Encoding: gzip\r\n\r\n", 415),
};

/* Scan, then parse a copy, as conn.c does. Returns 0 or the status of the fault. */
static int take(const char *bytes, size_t length, char *text, struct cl_http_head *head,
                struct cl_http_field *fields)
{
    struct cl_head_scan scan = CL_HEAD_SCAN_INIT;
    struct cl_http_fault fault = { 0, NULL };
    ssize_t end = cl_head_scan(&scan, bytes, length, &caps, &fault);

    if (end == 0)
        return -1;
    if (end < 0)
        return fault.status;
    memcpy(text, bytes, (size_t)end);
    if (cl_head_parse(text, (size_t)end, &caps, head, fields, &fault) < 0) {
        assert_non_null(fault.detail);
        return fault.status;
    }
    return 0;
}

static int status_of(const char *bytes, size_t length)
{
    struct cl_http_field fields[64];
    struct cl_http_head head;
    cl_free_auto char *text = malloc(length + 1);

    return take(bytes, length, text, &head, fields);
}

static void head_refuses_what_two_readers_could_take_differently(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(refused); i++) {
        int status = status_of(refused[i].text, refused[i].length);
        if (status != refused[i].status)
            fail_msg("%d instead of %d for: %s", status, refused[i].status, refused[i].text);
    }
}

/* The parser must not lean on the scanner's checks. */
static void head_parser_alone_refuses_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(refused); i++) {
        struct cl_http_field fields[64];
        struct cl_http_head head;
        struct cl_http_fault fault = { 0, NULL };
        cl_free_auto char *text = malloc(refused[i].length);
        memcpy(text, refused[i].text, refused[i].length);
        if (cl_head_parse(text, refused[i].length, &caps, &head, fields, &fault) == 0)
            fail_msg("taken: %s", refused[i].text);
    }
}

static void head_is_cut_into_its_parts(void **state)
{
    static const char bytes[] = "POST /v1/a%20b%25c/?x=1&y=%20 HTTP/1.1\r\n"
                                "Host: example.org:8420\r\n"
                                "X-One:\t one two \t\r\n"
                                "x-empty:\r\n"
                                "Content-Length: 007\r\n"
                                "Expect: 100-Continue\r\n"
                                "\r\nrest";
    struct cl_http_field fields[64];
    struct cl_http_head head;
    char text[sizeof(bytes)];

    (void)state;
    assert_int_equal(take(bytes, sizeof(bytes) - 1, text, &head, fields), 0);
    assert_string_equal(head.method, "POST");
    assert_string_equal(head.path, "/v1/a b%c/");
    assert_string_equal(head.query, "x=1&y=%20");
    assert_int_equal(head.field_count, 5);
    assert_string_equal(cl_head_field(&head, "x-one"), "one two");
    assert_string_equal(cl_head_field(&head, "x-empty"), "");
    assert_null(cl_head_field(&head, "x-two"));
    assert_int_equal(head.content_length, 7);
    assert_true(head.has_body);
    assert_false(head.is_chunked);
    assert_true(head.expects_continue);
    assert_true(head.keep_alive);
    assert_false(head.is_http10);
}

static void head_without_query_has_an_empty_one(void **state)
{
    static const char bytes[] = LINE HOST "\r\n";
    struct cl_http_field fields[64];
    struct cl_http_head head;
    char text[sizeof(bytes)];

    (void)state;
    assert_int_equal(take(bytes, sizeof(bytes) - 1, text, &head, fields), 0);
    assert_string_equal(head.query, "");
    assert_false(head.has_body);
}

static void head_field_that_came_twice_has_no_one_value(void **state)
{
    static const char bytes[] = LINE HOST "X-A: 1\r\nx-a: 2\r\n\r\n";
    struct cl_http_field fields[64];
    struct cl_http_head head;
    char text[sizeof(bytes)];

    (void)state;
    assert_int_equal(take(bytes, sizeof(bytes) - 1, text, &head, fields), 0);
    assert_null(cl_head_field(&head, "x-a"));
}

static void head_persistence_follows_version_and_connection(void **state)
{
    static const struct {
        const char *bytes;
        bool keep_alive;
    } samples[] = {
        { LINE HOST "\r\n", true },
        { LINE HOST "Connection: close\r\n\r\n", false },
        { LINE HOST "Connection: foo , CLOSE\r\n\r\n", false },
        { LINE HOST "Connection: keep-alive\r\nConnection: close\r\n\r\n", false },
        { LINE HOST "Connection: closed\r\n\r\n", true },
        { "GET / HTTP/1.0\r\n\r\n", false },
        { "POST / HTTP/1.1\r\n" HOST "\r\n", false }, /* what follows may be meant as a body */
        { "PATCH / HTTP/1.1\r\n" HOST "\r\n", false },
        { "DELETE / HTTP/1.1\r\n" HOST "\r\n", true },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", true },
        { "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", true },
        { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true },
    };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(samples); i++) {
        struct cl_http_field fields[64];
        struct cl_http_head head;
        char text[256];
        assert_int_equal(take(samples[i].bytes, strlen(samples[i].bytes), text, &head, fields),
                         0);
        if (head.keep_alive != samples[i].keep_alive)
            fail_msg("wrong persistence of: %s", samples[i].bytes);
    }
}

static void head_takes_addresses_as_host(void **state)
{
    static const char *const hosts[] = { "a", "a.b-c_d.example", "127.0.0.1:0", "[::1]:65535",
                                         "[::ffff:1.2.3.4]" };

    (void)state;
    for (size_t i = 0; i < CL_COUNT(hosts); i++) {
        struct cl_http_fault fault = { 0, NULL };
        assert_int_equal(cl_target_check_host(hosts[i], &fault), 0);
    }
}

static void head_takes_chunked_in_any_case(void **state)
{
    static const char bytes[] = LINE HOST "Transfer-Encoding: CHUNKED\r\n\r\n";
    struct cl_http_field fields[64];
    struct cl_http_head head;
    char text[sizeof(bytes)];

    (void)state;
    assert_int_equal(take(bytes, sizeof(bytes) - 1, text, &head, fields), 0);
    assert_true(head.is_chunked && head.has_body);
    assert_int_equal(head.content_length, 0);
}

/* "GET /aaa... HTTP/1.1" with a target of `length` bytes. */
static int status_of_target(size_t length)
{
    cl_free_auto char *text = malloc(length + 64);

    memcpy(text, "GET /", 5);
    memset(text + 5, 'a', length - 1);
    strcpy(text + 4 + length, " HTTP/1.1\r\n" HOST "\r\n");
    return status_of(text, strlen(text));
}

static void head_target_is_capped_at_8_kib(void **state)
{
    (void)state;
    assert_int_equal(status_of_target(8192), 0);
    assert_int_equal(status_of_target(8193), 414);
    assert_int_equal(status_of_target(12000), 414);
}

/* One field that makes the head exactly `length` bytes long. */
static int status_of_size(size_t length)
{
    static const char front[] = LINE HOST "X: ";
    cl_free_auto char *text = malloc(length + 1);

    memcpy(text, front, sizeof(front) - 1);
    memset(text + sizeof(front) - 1, 'a', length - sizeof(front) + 1);
    memcpy(text + length - 4, "\r\n\r\n", 4);
    return status_of(text, length);
}

static void head_is_capped_at_16_kib(void **state)
{
    (void)state;
    assert_int_equal(status_of_size(16384), 0);
    assert_int_equal(status_of_size(16385), 431);
}

static void head_that_never_ends_is_refused_at_the_cap(void **state)
{
    struct cl_head_scan scan = CL_HEAD_SCAN_INIT;
    struct cl_http_fault fault = { 0, NULL };
    cl_free_auto char *text = malloc(16384);

    (void)state;
    memset(text, 'a', 16384);
    memcpy(text, LINE, sizeof(LINE) - 1);
    assert_int_equal(cl_head_scan(&scan, text, 16383, &caps, &fault), 0);
    assert_int_equal(cl_head_scan(&scan, text, 16384, &caps, &fault), -1);
    assert_int_equal(fault.status, 431);
}

static int status_of_fields(unsigned count)
{
    char text[4096] = LINE HOST;

    for (unsigned i = 1; i < count; i++)
        strcat(text, "X: a\r\n");
    strcat(text, "\r\n");
    return status_of(text, strlen(text));
}

static void head_fields_are_capped_at_64(void **state)
{
    (void)state;
    assert_int_equal(status_of_fields(64), 0);
    assert_int_equal(status_of_fields(65), 431);
}

static void head_scan_finds_the_end_in_pieces_of_any_size(void **state)
{
    static const char bytes[] = "GET /abc HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\nGET";
    const size_t end = sizeof(bytes) - 1 - 3;

    (void)state;
    for (size_t step = 1; step < sizeof(bytes); step++) {
        struct cl_head_scan scan = CL_HEAD_SCAN_INIT;
        struct cl_http_fault fault = { 0, NULL };
        ssize_t found = 0;
        for (size_t length = 0; !found && length <= sizeof(bytes) - 1; length += step)
            found = cl_head_scan(&scan, bytes, length, &caps, &fault);
        if (!found)
            found = cl_head_scan(&scan, bytes, sizeof(bytes) - 1, &caps, &fault);
        assert_int_equal(found, end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_refuses_what_two_readers_could_take_differently),
        cmocka_unit_test(head_parser_alone_refuses_the_same),
        cmocka_unit_test(head_is_cut_into_its_parts),
        cmocka_unit_test(head_without_query_has_an_empty_one),
        cmocka_unit_test(head_field_that_came_twice_has_no_one_value),
        cmocka_unit_test(head_persistence_follows_version_and_connection),
        cmocka_unit_test(head_takes_addresses_as_host),
        cmocka_unit_test(head_takes_chunked_in_any_case),
        cmocka_unit_test(head_target_is_capped_at_8_kib),
        cmocka_unit_test(head_is_capped_at_16_kib),
        cmocka_unit_test(head_that_never_ends_is_refused_at_the_cap),
        cmocka_unit_test(head_fields_are_capped_at_64),
        cmocka_unit_test(head_scan_finds_the_end_in_pieces_of_any_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
