/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The intrusive list and the take helpers.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "sandbox/base/clock.h"
#include "sandbox/base/list.h"
#include "sandbox/base/own.h"

struct item {
    int number;
    struct cl_list node;
};

static void append_keeps_order(void **state)
{
    struct item items[3] = { { .number = 1 }, { .number = 2 }, { .number = 3 } };
    struct cl_list head;
    int sum = 0;

    (void)state;
    cl_list_init(&head);
    assert_true(cl_list_is_empty(&head));
    for (size_t i = 0; i < 3; i++)
        cl_list_append(&head, &items[i].node);
    assert_false(cl_list_is_empty(&head));
    cl_list_each (node, keep, &head) {
        sum = sum * 10 + cl_list_entry(node, struct item, node)->number;
    }
    assert_int_equal(sum, 123);
}

static void unlink_twice_is_harmless(void **state)
{
    struct item items[2] = { { .number = 1 }, { .number = 2 } };
    struct cl_list head;

    (void)state;
    cl_list_init(&head);
    cl_list_append(&head, &items[0].node);
    cl_list_append(&head, &items[1].node);
    cl_list_unlink(&items[0].node);
    cl_list_unlink(&items[0].node);
    assert_ptr_equal(head.next, &items[1].node);
    assert_ptr_equal(head.previous, &items[1].node);
    assert_true(cl_list_is_empty(&items[0].node));
}

static void each_may_free_its_node(void **state)
{
    struct cl_list head;
    int count = 0;

    (void)state;
    cl_list_init(&head);
    for (int i = 0; i < 4; i++) {
        struct item *item = calloc(1, sizeof(*item));
        assert_non_null(item);
        cl_list_append(&head, &item->node);
    }
    cl_list_each (node, keep, &head) {
        cl_list_unlink(node);
        free(cl_list_entry(node, struct item, node));
        count++;
    }
    assert_int_equal(count, 4);
    assert_true(cl_list_is_empty(&head));
}

static int open_and_maybe_keep(int keeps)
{
    cl_close_auto int fd = -1;

    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return keeps ? cl_take_fd(&fd) : fd;
}

static void taken_fd_survives_its_scope_and_another_does_not(void **state)
{
    (void)state;
    int kept = open_and_maybe_keep(1);
    assert_true(fcntl(kept, F_GETFD) >= 0);
    close(kept);
    int closed = open_and_maybe_keep(0);
    assert_int_equal(fcntl(closed, F_GETFD), -1);
}

static void taken_pointer_leaves_null(void **state)
{
    cl_free_auto char *source = malloc(1);
    cl_free_auto char *taken = cl_take_ptr(&source);

    (void)state;
    assert_null(source);
    assert_non_null(taken);
}

static void file_closes_with_its_scope(void **state)
{
    int fd;

    (void)state;
    {
        cl_fclose_auto FILE *file = fopen("/dev/null", "re");
        cl_fclose_auto FILE *none = NULL;
        assert_non_null(file);
        assert_null(none);
        fd = fileno(file);
    }
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void clock_moves_forward(void **state)
{
    uint64_t start = cl_clock_us();
    struct timespec pause = { 0, 2000000 };

    (void)state;
    nanosleep(&pause, NULL);
    uint64_t passed = cl_clock_us() - start;
    assert_true(passed >= 2000 && passed < 60000000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_keeps_order),
        cmocka_unit_test(unlink_twice_is_harmless),
        cmocka_unit_test(each_may_free_its_node),
        cmocka_unit_test(taken_fd_survives_its_scope_and_another_does_not),
        cmocka_unit_test(taken_pointer_leaves_null),
        cmocka_unit_test(file_closes_with_its_scope),
        cmocka_unit_test(clock_moves_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
