/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of verdicts, row by row, and which row wins.
 * Runs in: tests only.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <signal.h>
#include <string.h>

#include "api/calls/verdict.h"
#include "sandbox/base/own.h"

static const uint64_t limits[CL_LIMIT_COUNT_] = {
    [CL_LIMIT_WALL] = 5000,   [CL_LIMIT_CPU] = 2000,   [CL_LIMIT_MEMORY] = 1 << 20,
    [CL_LIMIT_PROCESSES] = 3, [CL_LIMIT_OUTPUT] = 100, [CL_LIMIT_RESULT] = 200,
    [CL_LIMIT_FILES] = 300,   [CL_LIMIT_DEPTH] = 64,
};

struct row {
    const char *what;
    struct cl_verdict_seen seen;
    struct cl_msg_end end;
    struct cl_verdict wanted;
};

#define SEEN(...) .seen = { __VA_ARGS__ }
#define END(...)  .end = { __VA_ARGS__ }
#define IS(...)   .wanted = { __VA_ARGS__ }

static const struct row rows[] = {
    { "result and FINISHED", SEEN(.final = CL_F_RESULT), END(.cause = CL_END_FINISHED),
      IS(.kind = CL_V_OK) },
    { "result and exit 0", SEEN(.final = CL_F_RESULT), END(.cause = CL_END_EXITED),
      IS(.kind = CL_V_OK) },
    { "result before the zygote died", SEEN(.final = CL_F_RESULT), END(.cause = CL_END_LOST),
      IS(.kind = CL_V_OK) },
    { "result before the cancellation", SEEN(.final = CL_F_RESULT),
      END(.cause = CL_END_KILLED, .reason = CL_KILL_CANCELLED), IS(.kind = CL_V_OK) },
    { "result, then exit 3", SEEN(.final = CL_F_RESULT),
      END(.cause = CL_END_EXITED, .status = 3), IS(.kind = CL_V_CRASHED, .status = 3) },
    { "result, then a signal", SEEN(.final = CL_F_RESULT),
      END(.cause = CL_END_SIGNALLED, .status = SIGSEGV),
      IS(.kind = CL_V_CRASHED, .signal = SIGSEGV) },
    { "result too late", SEEN(.final = CL_F_RESULT),
      END(.cause = CL_END_LIMIT, .limit = CL_LIMIT_WALL, .value = 5000, .used = 5001),
      IS(.kind = CL_V_LIMIT, .limit = CL_LIMIT_WALL, .value = 5000, .used = 5001) },

    { "error", SEEN(.final = CL_F_ERROR), END(.cause = CL_END_FINISHED),
      IS(.kind = CL_V_ERROR) },
    { "error and exit 1", SEEN(.final = CL_F_ERROR), END(.cause = CL_END_EXITED, .status = 1),
      IS(.kind = CL_V_ERROR) },
    { "error because a task was refused", SEEN(.final = CL_F_ERROR),
      END(.cause = CL_END_FINISHED, .pids_refused = 2),
      IS(.kind = CL_V_LIMIT, .limit = CL_LIMIT_PROCESSES, .value = 3, .used = 4) },
    { "ok although a task was refused", SEEN(.final = CL_F_RESULT),
      END(.cause = CL_END_FINISHED, .pids_refused = 2), IS(.kind = CL_V_OK) },
    { "denied", SEEN(.final = CL_F_DENIED), END(.cause = CL_END_FINISHED),
      IS(.kind = CL_V_DENIED) },
    { "denied although a task was refused", SEEN(.final = CL_F_DENIED),
      END(.cause = CL_END_FINISHED, .pids_refused = 1), IS(.kind = CL_V_DENIED) },
    { "limit of the worker's own",
      SEEN(.final = CL_F_LIMIT, .own = { .limit = CL_LIMIT_DEPTH, .value = 9, .used = 65 }),
      END(.cause = CL_END_FINISHED),
      IS(.kind = CL_V_LIMIT, .limit = CL_LIMIT_DEPTH, .value = 9, .used = 65, .is_own = true) },
    { "limit of the worker's own, wider than the call's",
      SEEN(.final = CL_F_LIMIT,
           .own = { .limit = CL_LIMIT_RESULT, .value = UINT64_MAX, .used = 65 }),
      END(.cause = CL_END_FINISHED),
      IS(.kind = CL_V_LIMIT, .limit = CL_LIMIT_RESULT, .value = 200, .used = 65,
         .is_own = true) },
    { "could not serve", SEEN(.final = CL_F_FAILED), END(.cause = CL_END_FINISHED),
      IS(.kind = CL_V_LOST, .message = "the worker could not serve") },

    { "limit without a frame", SEEN(.final = 0),
      END(.cause = CL_END_LIMIT, .limit = CL_LIMIT_CPU, .value = 2000, .used = 2010),
      IS(.kind = CL_V_LIMIT, .limit = CL_LIMIT_CPU, .value = 2000, .used = 2010) },
    { "half a frame when the deadline came", SEEN(.has_partial = true),
      END(.cause = CL_END_LIMIT, .limit = CL_LIMIT_CPU, .value = 2000, .used = 2010),
      IS(.kind = CL_V_LIMIT, .limit = CL_LIMIT_CPU, .value = 2000, .used = 2010) },
    { "killed for memory", SEEN(.final = 0),
      END(.cause = CL_END_SIGNALLED, .status = SIGKILL, .oom_kills = 1,
          .memory_peak_bytes = 1048000),
      IS(.kind = CL_V_LIMIT, .limit = CL_LIMIT_MEMORY, .value = 1 << 20, .used = 1048000) },
    { "filtered", SEEN(.final = 0), END(.cause = CL_END_SIGNALLED, .status = SIGSYS),
      IS(.kind = CL_V_DENIED, .is_syscall = true) },
    { "filtered, but it said what", SEEN(.final = CL_F_DENIED),
      END(.cause = CL_END_SIGNALLED, .status = SIGSYS), IS(.kind = CL_V_DENIED) },
    { "segfault", SEEN(.final = 0), END(.cause = CL_END_SIGNALLED, .status = SIGSEGV),
      IS(.kind = CL_V_CRASHED, .signal = SIGSEGV) },
    { "exit without a frame", SEEN(.final = 0), END(.cause = CL_END_EXITED, .status = 0),
      IS(.kind = CL_V_CRASHED) },
    { "exit 64 of the code's own", SEEN(.final = 0), END(.cause = CL_END_EXITED, .status = 64),
      IS(.kind = CL_V_CRASHED, .status = 64) },
    { "cancelled", SEEN(.final = 0), END(.cause = CL_END_KILLED, .reason = CL_KILL_CANCELLED),
      IS(.kind = CL_V_CANCELLED) },
    { "zygote died", SEEN(.final = 0), END(.cause = CL_END_LOST),
      IS(.kind = CL_V_LOST, .message = "the jail was taken down by the service") },
    { "FINISHED without a frame", SEEN(.final = 0), END(.cause = CL_END_FINISHED),
      IS(.kind = CL_V_LOST, .message = "the end of the call is not known") },
    { "a limit that nobody knows", SEEN(.final = 0), END(.cause = CL_END_LIMIT, .limit = 99),
      IS(.kind = CL_V_LOST, .message = "the end of the call is not known") },

    { "too much output", SEEN(.over = CL_LIMIT_OUTPUT, .over_used = 101),
      END(.cause = CL_END_KILLED, .reason = CL_KILL_LIMIT, .limit = CL_LIMIT_OUTPUT),
      IS(.kind = CL_V_LIMIT, .limit = CL_LIMIT_OUTPUT, .value = 100, .used = 101) },
    { "too much output, and it was gone already",
      SEEN(.over = CL_LIMIT_OUTPUT, .over_used = 101), END(.cause = CL_END_EXITED),
      IS(.kind = CL_V_LIMIT, .limit = CL_LIMIT_OUTPUT, .value = 100, .used = 101) },
    { "broken protocol", SEEN(.broke_protocol = true),
      END(.cause = CL_END_KILLED, .reason = CL_KILL_PROTOCOL),
      IS(.kind = CL_V_ERROR, .is_protocol = true) },
    { "broken protocol behind a result", SEEN(.broke_protocol = true, .final = CL_F_RESULT),
      END(.cause = CL_END_FINISHED), IS(.kind = CL_V_ERROR, .is_protocol = true) },
    { "no memory of ours for the answer", SEEN(.is_starved = true, .broke_protocol = true),
      END(.cause = CL_END_KILLED, .reason = CL_KILL_PROTOCOL),
      IS(.kind = CL_V_LOST, .message = "the service had no memory for its answer") },
    { "half a frame and exit 0", SEEN(.has_partial = true), END(.cause = CL_END_EXITED),
      IS(.kind = CL_V_ERROR, .is_protocol = true) },
    { "half a frame and a segfault", SEEN(.has_partial = true),
      END(.cause = CL_END_SIGNALLED, .status = SIGSEGV),
      IS(.kind = CL_V_CRASHED, .signal = SIGSEGV) },
};

static void every_row_has_exactly_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        struct cl_verdict_seen seen = rows[i].seen;
        const struct cl_verdict *wanted = &rows[i].wanted;

        seen.limits = limits;
        const struct cl_verdict got = cl_verdict_join(&seen, &rows[i].end);
        if (got.kind != wanted->kind)
            fail_msg("%s: %s instead of %s", rows[i].what, cl_verdict_name(got.kind),
                     cl_verdict_name(wanted->kind));
        if (got.is_protocol != wanted->is_protocol || got.is_syscall != wanted->is_syscall ||
            got.is_own != wanted->is_own || got.limit != wanted->limit ||
            got.value != wanted->value || got.used != wanted->used ||
            got.signal != wanted->signal || got.status != wanted->status)
            fail_msg("%s: right verdict, wrong particulars", rows[i].what);
        assert_true(!wanted->message == !got.message);
        if (wanted->message)
            assert_string_equal(got.message, wanted->message);
    }
}

static void every_end_has_a_verdict_with_a_name(void **state)
{
    static const uint32_t finals[] = { 0,           CL_F_RESULT, CL_F_ERROR,
                                       CL_F_DENIED, CL_F_LIMIT,  CL_F_FAILED };

    (void)state;
    for (uint32_t cause = 0; cause <= CL_END_LOST + 1; cause++) {
        for (size_t i = 0; i < CL_COUNT(finals); i++) {
            const struct cl_verdict_seen seen = { .final = finals[i],
                                                  .own = { .limit = CL_LIMIT_DEPTH },
                                                  .limits = limits };
            const struct cl_msg_end end = { .cause = cause, .limit = CL_LIMIT_WALL };
            const struct cl_verdict got = cl_verdict_join(&seen, &end);

            assert_non_null(cl_verdict_name(got.kind));
            assert_true(got.kind != CL_V_LOST || got.message);
        }
    }
}

static void signals_have_names(void **state)
{
    char room[16];

    (void)state;
    assert_string_equal(cl_verdict_signal(SIGSEGV, room), "SIGSEGV");
    assert_string_equal(cl_verdict_signal(SIGKILL, room), "SIGKILL");
    assert_string_equal(cl_verdict_signal(42, room), "SIG42");
    assert_string_equal(cl_verdict_signal(-2000000000, room), "SIG0");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_exactly_its_verdict),
        cmocka_unit_test(every_end_has_a_verdict_with_a_name),
        cmocka_unit_test(signals_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
