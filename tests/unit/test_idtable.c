/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids to pointers.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include "api/idtable.h"

static int values[20000];

static void what_was_put_is_found_until_taken(void **state)
{
    struct cl_idtable table = { NULL, 0, 0 };

    (void)state;
    assert_null(cl_idtable_get(&table, 1));
    assert_null(cl_idtable_take(&table, 1));
    cl_idtable_put(&table, 1, &values[1]);
    assert_ptr_equal(cl_idtable_get(&table, 1), &values[1]);
    assert_null(cl_idtable_get(&table, 2));
    assert_null(cl_idtable_get(&table, 0));
    assert_ptr_equal(cl_idtable_take(&table, 1), &values[1]);
    assert_null(cl_idtable_get(&table, 1));
    assert_int_equal(table.count, 0);
    cl_idtable_fini(&table);
}

/* Ids come in order and go in any: gaps must not hide what lies behind them. */
static void ids_come_and_go_in_any_order(void **state)
{
    struct cl_idtable table = { NULL, 0, 0 };
    const uint64_t window = 700;

    (void)state;
    for (uint64_t id = 1; id < 20000; id++) {
        cl_idtable_put(&table, id, &values[id]);
        if (id > window) {
            const uint64_t old = id - window + (id * 7919) % window;
            const int *value = cl_idtable_take(&table, old);

            assert_true(value == NULL || value == &values[old]);
            assert_null(cl_idtable_get(&table, old));
        }
    }
    size_t left = 0;
    for (uint64_t id = 1; id < 20000; id++) {
        const int *value = cl_idtable_get(&table, id);

        assert_true(value == NULL || value == &values[id]);
        left += value != NULL;
    }
    assert_int_equal(left, table.count);
    for (uint64_t id = 1; id < 20000; id++)
        cl_idtable_take(&table, id);
    assert_int_equal(table.count, 0);
    cl_idtable_fini(&table);
}

static void put_twice(void)
{
    struct cl_idtable table = { NULL, 0, 0 };

    cl_idtable_put(&table, 5, &values[0]);
    cl_idtable_put(&table, 5, &values[1]);
}

static void an_id_twice_is_a_bug(void **state)
{
    (void)state;
    assert_aborts(put_twice);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_until_taken),
        cmocka_unit_test(ids_come_and_go_in_any_order),
        cmocka_unit_test(an_id_twice_is_a_bug),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
