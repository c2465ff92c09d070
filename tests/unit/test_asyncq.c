/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns of tenants and lanes.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "api/async/queue.h"
#include "sandbox/base/own.h"

enum { ITEMS = 400 };

struct item {
    struct cl_asyncq_item item;
    char tenant;
    bool may;
};

static struct cl_asyncq *queue;
static struct item items[ITEMS];
static size_t used;

static int setup(void **state)
{
    static const struct cl_asyncq_caps caps = { 200, 100, 40 };

    (void)state;
    memset(items, 0, sizeof(items));
    used = 0;
    queue = cl_asyncq_new(&caps);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cl_asyncq_free(queue);
    return 0;
}

static struct item *put(char tenant, unsigned lane)
{
    const char name[2] = { tenant, '\0' };
    struct item *item = &items[used++];

    item->tenant = tenant;
    item->may = true;
    cl_asyncq_put(queue, name, &item->item, lane, false);
    return item;
}

static bool may(void *self, struct cl_asyncq_item *item)
{
    (void)self;
    return cl_list_entry(item, struct item, item)->may;
}

static struct item *take(void)
{
    struct cl_asyncq_item *item = cl_asyncq_take(queue, may, NULL);

    return item ? cl_list_entry(item, struct item, item) : NULL;
}

/* The next `count` starts by tenant ('.': none) or lane. */
static const char *taken(size_t count, bool by_lane)
{
    static char text[ITEMS + 1];

    for (size_t i = 0; i < count; i++) {
        const struct item *item = take();

        text[i] = (char)(!item ? '.' : by_lane ? '0' + (int)item->item.lane : item->tenant);
    }
    text[count] = '\0';
    return text;
}

static void first_in_is_first_out(void **state)
{
    struct item *first = put('a', 1);
    struct item *second = put('a', 1);

    (void)state;
    assert_ptr_equal(take(), first);
    assert_ptr_equal(take(), second);
    assert_null(take());
    assert_int_equal(cl_asyncq_running(queue), 2);
    cl_asyncq_put(queue, "a", &first->item, 1, false);
    cl_asyncq_put(queue, "a", &second->item, 1, true);
    assert_int_equal(cl_asyncq_running(queue), 0);
    assert_ptr_equal(take(), second);
}

static void tenants_take_turns_whoever_came_first(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        put('a', 1);
    for (int i = 0; i < 3; i++)
        put('b', 1);
    assert_string_equal(taken(8, false), "abababaa");
}

static void idling_saves_nothing_up(void **state)
{
    (void)state;
    put('b', 1);
    for (int i = 0; i < 20; i++)
        put('a', 1);
    assert_string_equal(taken(12, false), "baaaaaaaaaaa");
    for (int i = 0; i < 5; i++)
        put('b', 1);
    assert_string_equal(taken(6, false),
                        "bbabab"); /* who comes is no later than who was last */
}

static void weight_is_a_share(void **state)
{
    unsigned a = 0;

    (void)state;
    put('a', 1);
    put('b', 1);
    cl_asyncq_weigh(queue, "a", 300);
    cl_asyncq_weigh(queue, "nobody", 300);
    taken(2, false);
    for (int i = 0; i < 30; i++)
        put('a', 1), put('b', 1);
    for (const char *at = taken(40, false); *at; at++)
        a += *at == 'a';
    assert_in_range(a, 29, 31);
    cl_asyncq_weigh(queue, "a", 0); /* no division by it */
    assert_non_null(take());
}

static void high_goes_first_and_low_is_not_starved(void **state)
{
    (void)state;
    for (int i = 0; i < 14; i++)
        put('a', 2);
    for (int i = 0; i < 14; i++)
        put('a', 1);
    for (int i = 0; i < 14; i++)
        put('a', 0);
    assert_string_equal(taken(14, true), "01020100102010");
    put('b', 9); /* lower than low is low */
    assert_string_equal(taken(1, true), "2");
}

static void an_empty_lane_gives_its_turn_to_the_highest(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++)
        put('a', 2), put('a', 1);
    assert_string_equal(taken(7, true), "1112111");
}

static void caps_hold_for_one_and_for_all(void **state)
{
    struct cl_asyncq_item *more = NULL;

    (void)state;
    for (int i = 0; i < 120; i++)
        put('a', 1);
    taken(120, false);
    assert_int_equal(cl_asyncq_running(queue), 100);
    for (int i = 0; i < 120; i++)
        put('b', 1), put('c', 1);
    taken(240, false);
    assert_int_equal(cl_asyncq_running(queue), 200);
    assert_null(take());
    for (size_t i = 0; i < used && !more; i++)
        more = items[i].item.is_counted && items[i].tenant == 'b' ? &items[i].item : NULL;
    cl_asyncq_remove(queue, more);
    cl_asyncq_remove(queue, more);
    assert_non_null(take());
    assert_null(take());
}

static void one_that_may_not_start_lets_others_go(void **state)
{
    struct item *stuck = put('a', 1);
    struct item *free_one = put('b', 1);

    (void)state;
    put('c', 1);
    stuck->may = false;
    assert_ptr_equal(take(), free_one);
    assert_string_equal(taken(2, false), "c.");
    stuck->may = true;
    assert_ptr_equal(take(), stuck);
}

static void room_is_shared_once_half_is_used(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++)
        put('a', 1);
    assert_true(cl_asyncq_has_room(queue, "a"));
    assert_true(cl_asyncq_has_room(queue, "b"));
    put('b', 1);
    assert_false(cl_asyncq_has_room(queue, "a")); /* 30 of 40, two wait */
    assert_true(cl_asyncq_has_room(queue, "b"));
    for (int i = 0; i < 9; i++)
        put('b', 1);
    assert_false(cl_asyncq_has_room(queue, "b"));
    assert_false(cl_asyncq_has_room(queue, "c"));
}

static void what_never_waited_is_counted_too(void **state)
{
    struct item item = { .tenant = 'a' };

    (void)state;
    cl_asyncq_count(queue, "a", &item.item);
    assert_int_equal(cl_asyncq_running(queue), 1);
    cl_asyncq_remove(queue, &item.item);
    assert_int_equal(cl_asyncq_running(queue), 0);
}

static void a_removed_one_does_not_start(void **state)
{
    struct item *first = put('a', 0);
    struct item *second = put('a', 0);

    (void)state;
    cl_asyncq_remove(queue, &first->item);
    cl_asyncq_remove(queue, &first->item);
    assert_int_equal(cl_asyncq_waiting(queue), 1);
    assert_ptr_equal(take(), second);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(first_in_is_first_out),
        CASE(tenants_take_turns_whoever_came_first),
        CASE(idling_saves_nothing_up),
        CASE(weight_is_a_share),
        CASE(high_goes_first_and_low_is_not_starved),
        CASE(an_empty_lane_gives_its_turn_to_the_highest),
        CASE(caps_hold_for_one_and_for_all),
        CASE(one_that_may_not_start_lets_others_go),
        CASE(room_is_shared_once_half_is_used),
        CASE(what_never_waited_is_counted_too),
        CASE(a_removed_one_does_not_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
