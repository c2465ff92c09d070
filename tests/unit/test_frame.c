/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the job socket (frame.c): who may send which, and how long.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include "sandbox/base/frame.h"
#include "sandbox/base/own.h"

/* The contract again, written down apart from the code: a change of either must be seen. */
static const struct {
    enum cl_frame_type type;
    bool from_worker;
    bool is_final;
    uint32_t least;
    uint32_t most;
} frames[] = {
    { CL_F_CALL, false, false, 32, 32 },
    { CL_F_SOURCE, false, false, 0, 16777216 },
    { CL_F_ENTRY, false, false, 1, 4096 },
    { CL_F_ARGS, false, false, 2, 16777216 },
    { CL_F_KWARGS, false, false, 2, 16777216 },
    { CL_F_STDIN, false, false, 0, 16777216 },
    { CL_F_FILE, false, false, 8, 16777216 },
    { CL_F_ARTIFACT, false, false, 1, 4096 },
    { CL_F_ENV, false, false, 2, 131072 },
    { CL_F_GO, false, false, 0, 0 },
    { CL_F_PROBE, false, false, sizeof(struct cl_frame_probe), sizeof(struct cl_frame_probe) },
    { CL_F_MODULE, false, false, 13, 16777216 },
    { CL_F_NUMBER, false, false, 4, 4 },
    { CL_F_READY, true, false, 0, 0 },
    { CL_F_STDOUT, true, false, 0, 65536 },
    { CL_F_STDERR, true, false, 0, 65536 },
    { CL_F_LOG, true, false, 4, 516 },
    { CL_F_PROGRESS, true, false, 2, 65536 },
    { CL_F_ITEM, true, false, 1, 16777216 },
    { CL_F_FILE_OUT, true, false, 8, 16777216 },
    { CL_F_PROBED, true, false, sizeof(struct cl_frame_probed),
      sizeof(struct cl_frame_probed) },
    { CL_F_RESULT, true, true, 1, 16777216 },
    { CL_F_ERROR, true, true, 20, 20 + 262144 },
    { CL_F_DENIED, true, true, 20, 20 + 262144 },
    { CL_F_LIMIT, true, true, 32, 32 + 262144 },
    { CL_F_FAILED, true, true, 256, 256 },
};

static void every_frame_works_from_its_side_within_its_lengths(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(frames); i++) {
        struct cl_frame frame = cl_frame_make(frames[i].type, frames[i].least);
        assert_int_equal(frame.magic, 0x4c43);
        assert_works(cl_frame_check(&frame, frames[i].from_worker, &err), &err);
        frame = cl_frame_make(frames[i].type, frames[i].most);
        assert_works(cl_frame_check(&frame, frames[i].from_worker, &err), &err);
        assert_int_equal(frame.length, frames[i].most);
        assert_int_equal(cl_frame_is_final(frame.type), frames[i].is_final);
    }
}

static void every_frame_is_lost_from_the_other_side_or_outside_its_lengths(void **state)
{
    struct cl_err err = CL_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(frames); i++) {
        bool from_worker = frames[i].from_worker;
        struct cl_frame frame = cl_frame_make(frames[i].type, frames[i].most);

        assert_fails(cl_frame_check(&frame, !from_worker, &err), &err, CL_E_LOST);
        frame.length++;
        assert_fails(cl_frame_check(&frame, from_worker, &err), &err, CL_E_LOST);
        frame.length = frames[i].least - 1; /* of 0: the largest there is */
        assert_fails(cl_frame_check(&frame, from_worker, &err), &err, CL_E_LOST);
    }
}

static void frames_of_no_type_or_a_wrong_magic_are_lost(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    unsigned known = 0;

    (void)state;
    for (uint32_t type = 0; type <= UINT16_MAX; type++) {
        struct cl_frame frame = { CL_FRAME_MAGIC, (uint16_t)type, 32 };
        struct cl_frame empty = { CL_FRAME_MAGIC, (uint16_t)type, 0 };
        known +=
            cl_frame_check(&frame, true, &err) == 0 || cl_frame_check(&empty, true, &err) == 0;
    }
    /* All of the worker's but those of another fixed size. */
    assert_in_range(known, 9, 13);

    struct cl_frame frame = cl_frame_make(CL_F_READY, 0);
    frame.magic++;
    assert_fails(cl_frame_check(&frame, true, &err), &err, CL_E_LOST);
    assert_false(cl_frame_is_final(0));
    assert_false(cl_frame_is_final(CL_F_FAILED + 1));
}

static void numbered_frames_follow_the_rules_of_plain_ones(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_frame_of of = { { CL_FRAME_MAGIC_OF, CL_F_RESULT, 4 }, 1 };

    (void)state;
    assert_works(cl_frame_check_of(&of, &err), &err);
    of.head.length = 0;
    assert_fails(cl_frame_check_of(&of, &err), &err, CL_E_LOST);
    of.head = (struct cl_frame){ CL_FRAME_MAGIC_OF, CL_F_GO, 0 };
    assert_fails(cl_frame_check_of(&of, &err), &err, CL_E_LOST);
}

static void numbered_frames_need_a_number_their_magic_and_a_call(void **state)
{
    struct cl_err err = CL_ERR_INIT;
    struct cl_frame_of of = { { CL_FRAME_MAGIC_OF, CL_F_RESULT, 4 }, 0 };

    (void)state;
    assert_fails(cl_frame_check_of(&of, &err), &err, CL_E_LOST);
    of.call = 1;
    of.head.magic = CL_FRAME_MAGIC;
    assert_fails(cl_frame_check_of(&of, &err), &err, CL_E_LOST);
    of.head = (struct cl_frame){ CL_FRAME_MAGIC_OF, CL_F_READY, 0 };
    assert_fails(cl_frame_check_of(&of, &err), &err, CL_E_LOST);
    of.head =
        (struct cl_frame){ CL_FRAME_MAGIC_OF, CL_F_PROBED, sizeof(struct cl_frame_probed) };
    assert_fails(cl_frame_check_of(&of, &err), &err, CL_E_LOST);
    of.head = (struct cl_frame){ CL_FRAME_MAGIC, CL_F_RESULT, 4 };
    assert_fails(cl_frame_check_of(&of, &err), &err, CL_E_LOST);
}

static void limits_have_names_and_units(void **state)
{
    static const char *const names[] = { "wall",   "cpu",    "memory", "processes",
                                         "output", "result", "files",  "depth" };

    (void)state;
    for (uint32_t limit = CL_LIMIT_WALL; limit < CL_LIMIT_COUNT_; limit++)
        assert_string_equal(cl_limit_name(limit), names[limit - CL_LIMIT_WALL]);
    assert_string_equal(cl_limit_unit(CL_LIMIT_CPU), "ms");
    assert_string_equal(cl_limit_unit(CL_LIMIT_MEMORY), "bytes");
    assert_string_equal(cl_limit_unit(CL_LIMIT_PROCESSES), "count");
    assert_string_equal(cl_limit_unit(CL_LIMIT_DEPTH), "levels");
    assert_null(cl_limit_name(CL_LIMIT_NONE));
    assert_null(cl_limit_unit(CL_LIMIT_NONE));
    assert_null(cl_limit_name(CL_LIMIT_COUNT_));
    assert_null(cl_limit_unit(CL_LIMIT_COUNT_));
}

static void make_unknown_frame(void)
{
    cl_frame_make((enum cl_frame_type)99, 0);
}

static void make_short_frame(void)
{
    cl_frame_make(CL_F_CALL, 1);
}

static void make_long_frame(void)
{
    cl_frame_make(CL_F_READY, 1);
}

static void makers_of_nonsense_abort(void **state)
{
    (void)state;
    assert_aborts(make_unknown_frame);
    assert_aborts(make_short_frame);
    assert_aborts(make_long_frame);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_works_from_its_side_within_its_lengths),
        cmocka_unit_test(every_frame_is_lost_from_the_other_side_or_outside_its_lengths),
        cmocka_unit_test(frames_of_no_type_or_a_wrong_magic_are_lost),
        cmocka_unit_test(numbered_frames_follow_the_rules_of_plain_ones),
        cmocka_unit_test(numbered_frames_need_a_number_their_magic_and_a_call),
        cmocka_unit_test(limits_have_names_and_units),
        cmocka_unit_test(makers_of_nonsense_abort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
