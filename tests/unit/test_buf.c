/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers that keep to their cap, readers that keep to their end.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/buf.h"
#include "sandbox/base/own.h"

static void put_appends(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(1000);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(cl_buf_put(&buf, "ab", 2, &err), &err);
    assert_works(cl_buf_put_text(&buf, "cd", &err), &err);
    assert_works(cl_buf_format(&buf, &err, "-%d-%s", 42, "x"), &err);
    assert_works(cl_buf_put(&buf, NULL, 0, &err), &err);
    assert_int_equal(buf.length, 9);
    assert_memory_equal(buf.bytes, "abcd-42-x", 9);
}

static void put_grows_over_many_sizes(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(1 << 20);
    struct cl_err err = CL_ERR_INIT;
    char piece[999];

    (void)state;
    memset(piece, 'p', sizeof(piece));
    for (int i = 0; i < 1000; i++)
        assert_works(cl_buf_put(&buf, piece, sizeof(piece), &err), &err);
    assert_int_equal(buf.length, 999000);
    assert_int_equal(buf.bytes[998999], 'p');
    assert_true(buf.capacity <= buf.limit);
}

static void put_works_at_the_cap_and_fails_limit_one_past(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(100);
    struct cl_err err = CL_ERR_INIT;
    char bytes[101] = { 0 };

    (void)state;
    assert_fails(cl_buf_put(&buf, bytes, 101, &err), &err, CL_E_LIMIT);
    assert_int_equal(buf.length, 0);
    assert_works(cl_buf_put(&buf, bytes, 100, &err), &err);
    assert_fails(cl_buf_put(&buf, bytes, 1, &err), &err, CL_E_LIMIT);
    assert_fails(cl_buf_put(&buf, bytes, SIZE_MAX, &err), &err, CL_E_LIMIT);
    assert_fails(cl_buf_put_text(&buf, "x", &err), &err, CL_E_LIMIT);
    assert_fails(cl_buf_format(&buf, &err, "%d", 1), &err, CL_E_LIMIT);
    assert_int_equal(buf.length, 100);
    assert_int_equal(buf.capacity, 100);
}

static void format_fills_to_the_very_cap(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(5);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(cl_buf_format(&buf, &err, "%s", "12345"), &err);
    assert_memory_equal(buf.bytes, "12345", 5);
}

static void format_fails_sys_on_text_that_has_no_bytes(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(100);
    struct cl_err err = CL_ERR_INIT;
    const wchar_t surrogate[] = { 0xd800, 0 };

    (void)state;
    assert_fails(cl_buf_format(&buf, &err, "%ls", surrogate), &err, CL_E_SYS);
    assert_int_equal(buf.length, 0);
}

static void room_is_for_the_caller_to_fill(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(10);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    uint8_t *room = cl_buf_room(&buf, 10, &err);
    assert_non_null(room);
    memset(room, 'r', 10);
    assert_int_equal(buf.length, 0);
    buf.length += 10;
    assert_null(cl_buf_room(&buf, 1, &err));
    assert_int_equal(err.kind, CL_E_LIMIT);
    assert_non_null(cl_buf_room(&buf, 0, &err));
}

static void empty_buffer_has_room_for_nothing(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(0);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_non_null(cl_buf_room(&buf, 0, &err));
    assert_null(cl_buf_room(&buf, 1, &err));
}

static void lengths_no_memory_can_hold_fail(void **state)
{
    struct cl_buf buf = CL_BUF_INIT(SIZE_MAX);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_null(cl_buf_room(&buf, SIZE_MAX, &err));
    assert_int_equal(err.kind, CL_E_LIMIT);
    assert_null(buf.bytes);
}

static void allocation_that_fails_is_an_error(void **state)
{
    struct cl_buf buf = CL_BUF_INIT(SIZE_MAX);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_null(cl_buf_room(&buf, SIZE_MAX / 2 - 1, &err)); /* more than any address space */
    assert_int_equal(err.kind, CL_E_SYS);
    assert_null(buf.bytes);
}

static void drop_keeps_the_rest(void **state)
{
    CL_AUTO(cl_buf_fini) struct cl_buf buf = CL_BUF_INIT(100);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    cl_buf_drop(&buf, 0);
    assert_works(cl_buf_put_text(&buf, "abcdef", &err), &err);
    cl_buf_drop(&buf, 2);
    assert_int_equal(buf.length, 4);
    assert_memory_equal(buf.bytes, "cdef", 4);
    cl_buf_drop(&buf, 4);
    assert_int_equal(buf.length, 0);
}

static void clear_and_fini_empty_it_and_keep_the_cap(void **state)
{
    struct cl_buf buf = CL_BUF_INIT(50);
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(cl_buf_put_text(&buf, "abc", &err), &err);
    cl_buf_clear(&buf);
    assert_int_equal(buf.length, 0);
    assert_works(cl_buf_put_text(&buf, "abc", &err), &err);
    cl_buf_fini(&buf);
    assert_null(buf.bytes);
    assert_int_equal(buf.length + buf.capacity, 0);
    assert_int_equal(buf.limit, 50);
    cl_buf_fini(&buf);
}

static void reader_yields_little_endian_numbers_and_views(void **state)
{
    static const uint8_t bytes[] = { 1, 2, 3, 4, 8, 7, 6, 5, 4, 3, 2, 0xf1, 'x', 'y' };
    struct cl_reader reader = cl_reader_of(bytes, sizeof(bytes));

    (void)state;
    assert_int_equal(cl_reader_u32(&reader), 0x04030201);
    assert_true(cl_reader_u64(&reader) == 0xf102030405060708u);
    assert_ptr_equal(cl_reader_bytes(&reader, 2), bytes + 12);
    assert_false(reader.failed);
    assert_int_equal(reader.left, 0);
    assert_ptr_equal(cl_reader_bytes(&reader, 0), bytes + 14);
    assert_false(reader.failed);
}

static void reader_that_ran_short_stays_failed(void **state)
{
    static const uint8_t bytes[] = { 1, 2, 3, 4, 5 };
    struct cl_reader reader = cl_reader_of(bytes, sizeof(bytes));

    (void)state;
    assert_true(cl_reader_u64(&reader) == 0);
    assert_true(reader.failed);
    assert_int_equal(cl_reader_u32(&reader), 0); /* it would fit */
    assert_null(cl_reader_bytes(&reader, 1));

    reader = cl_reader_of(bytes, sizeof(bytes));
    assert_null(cl_reader_bytes(&reader, SIZE_MAX));
    assert_true(reader.failed);
}

static void reader_of_nothing_reads_nothing(void **state)
{
    struct cl_reader reader = cl_reader_of(NULL, 0);

    (void)state;
    assert_null(cl_reader_bytes(&reader, 0));
    assert_false(reader.failed);
    assert_int_equal(cl_reader_u32(&reader), 0);
    assert_true(reader.failed);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_appends),
        cmocka_unit_test(put_grows_over_many_sizes),
        cmocka_unit_test(put_works_at_the_cap_and_fails_limit_one_past),
        cmocka_unit_test(format_fills_to_the_very_cap),
        cmocka_unit_test(format_fails_sys_on_text_that_has_no_bytes),
        cmocka_unit_test(room_is_for_the_caller_to_fill),
        cmocka_unit_test(empty_buffer_has_room_for_nothing),
        cmocka_unit_test(lengths_no_memory_can_hold_fail),
        cmocka_unit_test(allocation_that_fails_is_an_error),
        cmocka_unit_test(drop_keeps_the_rest),
        cmocka_unit_test(clear_and_fini_empty_it_and_keep_the_cap),
        cmocka_unit_test(reader_yields_little_endian_numbers_and_views),
        cmocka_unit_test(reader_that_ran_short_stays_failed),
        cmocka_unit_test(reader_of_nothing_reads_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
