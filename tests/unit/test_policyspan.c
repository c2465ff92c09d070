/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans of compiled policies (policyview.c): inside, aligned, of their count, and made of good
 * texts.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/base/own.h"
#include "sandbox/base/policyview.h"
#include "tests/support/policy_sample.h"

static struct policy_sample sample;

static int init(void **state)
{
    (void)state;
    policy_sample_init(&sample);
    return 0;
}

static int check(struct cl_err *err)
{
    return cl_policyview_check(&sample, sizeof(sample), err);
}

static struct cl_policy_span *const spans[] = {
    &sample.head.modules,          &sample.head.preload,  &sample.head.names,
    &sample.head.builtins_removed, &sample.head.binds,    &sample.head.filter,
    &sample.head.filter_zygote,    &sample.head.syscalls, &sample.head.description,
};

static void every_span_stays_inside_aligned_and_of_its_count(void **state)
{
    static const struct {
        uint32_t offset, length, count, reserved; /* added to what is right */
    } changes[] = {
        { 0, 0, 0, 1 },                            /* reserved is used */
        { 1, 0, 0, 0 },                            /* not aligned */
        { 4, 0, 0, 0 },                            /* not aligned */
        { 0x80000000, 0, 0, 0 },                   /* outside */
        { 0, 0x80000000, 0, 0 },                   /* too long */
        { 0, 0xffffff00, 0, 0 },                   /* wraps around */
        { 0, 0, 1, 0 },                            /* count too high */
        { 0, 0, (uint32_t)-1, 0 },                 /* count too low */
        { 0, 0, 0x20000000, 0 },                   /* count * 8 wraps around */
        { sizeof(struct policy_sample), 0, 0, 0 }, /* behind the end */
    };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(spans); i++) {
        for (size_t j = 0; j < CL_COUNT(changes); j++) {
            policy_sample_init(&sample);
            spans[i]->offset += changes[j].offset;
            spans[i]->length += changes[j].length;
            spans[i]->count += changes[j].count;
            spans[i]->reserved += changes[j].reserved;
            assert_fails(check(&err), &err, CL_E_INPUT);
        }
        policy_sample_init(&sample);
        spans[i]->offset = 0; /* the head itself */
        assert_fails(check(&err), &err, CL_E_INPUT);
    }
}

static void every_span_but_the_filter_of_workers_may_be_empty(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(spans); i++) {
        policy_sample_init(&sample);
        memset(spans[i], 0, sizeof(*spans[i]));
        if (spans[i] == &sample.head.filter)
            assert_fails(check(&err), &err, CL_E_INPUT);
        else
            assert_works(check(&err), &err);
        assert_true(spans[i] == &sample.head.filter ||
                    !cl_policyview_text(&sample.head, spans[i], NULL));
    }
}

static void text_without_an_end_is_refused(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    sample.head.preload.length--;
    assert_fails(check(&err), &err, CL_E_INPUT);
    assert_string_equal(err.text, "preload has no end");
}

/* Puts one text into a span of at most POLICY_SAMPLE_TEXT bytes. */
static int check_text(struct cl_policy_span *span, const char *text, uint32_t count,
                      struct cl_err *err)
{
    memcpy((char *)&sample + span->offset, text, strlen(text) + 1);
    span->length = (uint32_t)strlen(text) + 1;
    span->count = count;
    return check(err);
}

static void lists_hold_lines_only(void **state)
{
    static const char *const wrong[] = { "", "a\nb", "\x7f", "a\tb", "\x1f" };
    struct cl_policy_span *const lists[] = { &sample.head.modules, &sample.head.preload,
                                             &sample.head.builtins_removed };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(lists); i++) {
        for (size_t j = 0; j < CL_COUNT(wrong); j++) {
            policy_sample_init(&sample);
            assert_fails(check_text(lists[i], wrong[j], 1, &err), &err, CL_E_INPUT);
        }
        assert_works(check_text(lists[i], "a \xc3\xbc~", 1, &err), &err);
    }
}

static void public_names_are_pairs(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(check_text(&sample.head.names, "uuid=", 1, &err), &err);
    assert_fails(check_text(&sample.head.names, "uuid", 1, &err), &err, CL_E_INPUT);
    assert_fails(check_text(&sample.head.names, "=UUID", 1, &err), &err, CL_E_INPUT);
    assert_fails(check_text(&sample.head.names, "uuid=\n", 1, &err), &err, CL_E_INPUT);
}

static void binds_are_pairs_of_plain_absolute_paths(void **state)
{
    static const char *const wrong[] = { "",     "a/b",    "/a/../b", "/..",   "/./a",
                                         "/a/.", "/a\n/b", "../a",    "/a/..", "." };
    static const char *const right[] = { "/a", "/a/b/", "/a//b", "/a/...", "/.a/..b", "/" };
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_fails(check_text(&sample.head.binds, "/alone", 1, &err), &err, CL_E_INPUT);
    assert_string_equal(err.text, "a bind has no target");
    for (size_t i = 0; i < CL_COUNT(wrong); i++) {
        assert_fails(check_text(&sample.head.binds, wrong[i], 1, &err), &err, CL_E_INPUT);
        assert_memory_equal(err.text, "binds", 5);
    }
    for (size_t i = 0; i < CL_COUNT(right); i++) {
        assert_fails(check_text(&sample.head.binds, right[i], 1, &err), &err, CL_E_INPUT);
        assert_string_equal(err.text, "a bind has no target");
    }
}

static void description_is_one_prose_text(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    assert_works(check_text(&sample.head.description, "", 1, &err), &err);
    assert_works(check_text(&sample.head.description, "a\n\tb \xc3\xbc", 1, &err), &err);
    assert_fails(check_text(&sample.head.description, "a\x1b[0m", 1, &err), &err, CL_E_INPUT);
    assert_fails(check_text(&sample.head.description, "a\x7f", 1, &err), &err, CL_E_INPUT);
    memcpy(sample.description, "a\0b", 4);
    sample.head.description.length = 4;
    sample.head.description.count = 2;
    assert_fails(check(&err), &err, CL_E_INPUT);
}

#define sample_test(name) cmocka_unit_test_setup(name, init)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        sample_test(every_span_stays_inside_aligned_and_of_its_count),
        sample_test(every_span_but_the_filter_of_workers_may_be_empty),
        sample_test(text_without_an_end_is_refused),
        sample_test(lists_hold_lines_only),
        sample_test(public_names_are_pairs),
        sample_test(binds_are_pairs_of_plain_absolute_paths),
        sample_test(description_is_one_prose_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
