/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arenas of the zygote and, after it closed them, of its workers.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <string.h>

#include "runtime/arena.h"
#include "runtime/pyref.h"

enum { ARENA = 1 << 20, HUGE = 2 << 20, REGION = 256 << 20 };

static PyObjectArenaAllocator allocator;

static int open_arenas(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    if (cl_arena_open(&err) < 0)
        return -1;
    PyObject_GetArenaAllocator(&allocator);
    return 0;
}

static int close_arenas(void **state)
{
    (void)state;
    cl_arena_close();
    return 0;
}

static char *take(void)
{
    char *arena = allocator.alloc(allocator.ctx, ARENA);

    assert_non_null(arena);
    arena[0] = arena[ARENA - 1] = 1; /* it is memory */
    return arena;
}

static void arenas_lie_side_by_side_from_a_huge_page_on(void **state)
{
    char *first = take();

    (void)state;
    assert_int_equal((uintptr_t)first % HUGE, 0);
    assert_ptr_equal(take(), first + ARENA);
    assert_ptr_equal(take(), first + 2 * ARENA);
}

static void arena_that_is_put_back_is_empty_and_stays_mapped(void **state)
{
    char *first = take();

    (void)state;
    allocator.free(allocator.ctx, first, ARENA);
    assert_int_equal(first[0], 0);
    assert_ptr_equal(take(), first + ARENA);
}

static void closed_region_serves_arenas_from_elsewhere(void **state)
{
    char *first = take();

    (void)state;
    cl_arena_close();
    char *later = take();
    assert_true(later < first || later >= first + HUGE);
    assert_int_equal(first[0], 1);
    allocator.free(allocator.ctx, later, ARENA);
}

static void full_region_serves_arenas_from_elsewhere(void **state)
{
    char *first = allocator.alloc(allocator.ctx, REGION);
    char *later = take();

    (void)state;
    assert_non_null(first);
    assert_true(later < first || later >= first + REGION);
    allocator.free(allocator.ctx, later, ARENA);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(arenas_lie_side_by_side_from_a_huge_page_on,
                                        open_arenas, close_arenas),
        cmocka_unit_test_setup_teardown(arena_that_is_put_back_is_empty_and_stays_mapped,
                                        open_arenas, close_arenas),
        cmocka_unit_test_setup_teardown(closed_region_serves_arenas_from_elsewhere, open_arenas,
                                        close_arenas),
        cmocka_unit_test_setup_teardown(full_region_serves_arenas_from_elsewhere, open_arenas,
                                        close_arenas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
