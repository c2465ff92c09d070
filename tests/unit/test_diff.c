/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one policy opens and closes, compared with another: every kind of key in both directions.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "policies/diff.h"
#include "policies/table.h"
#include "sandbox/base/own.h"
#include "tests/support/policy_case.h"

#define V "version: 1\n"

/* One line for a change: mark, key, text and, where there is one, the risk. */
static void join(const struct cl_changes *changes, bool with_risks, char *text, size_t size)
{
    static const char marks[] = "+-~";
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < changes->count; i++) {
        const struct cl_change *row = &changes->rows[i];
        used += (size_t)snprintf(text + used, size - used, "%c%s: %s\n", marks[row->side],
                                 row->what, row->text);
        if (with_risks && row->risk)
            used += (size_t)snprintf(text + used, size - used, "!%s\n", row->risk);
        assert_true(used < size);
    }
}

static void diff(const char *a, const char *b, bool with_risks, char *text, size_t size)
{
    struct policy_case one, two;
    struct cl_changes changes = { NULL, 0 };

    policy_case_open(&one, a);
    policy_case_open(&two, b);
    if (!one.spec || !two.spec)
        fail_msg("%s%s", one.first, two.first);
    cl_diff_run(one.spec, two.spec, &changes);
    join(&changes, with_risks, text, size);
    cl_changes_fini(&changes);
    policy_case_fini(&one);
    policy_case_fini(&two);
}

static const struct {
    const char *a, *b; /* what is behind the version */
    const char *there, *back;
} rows[] = {
    /* written differently, granted alike */
    { "limits: {wall: 60s}\n", "limits: {wall: 1m}\n", "", "" },
    { "description: one\n", "description: two\n", "", "" },
    { "python: {modules: [json, math]}\n", "python:\n  modules: [math, json]\n", "", "" },
    { "", "syscalls: {tiers: [time, compute]}\n", "", "" },
    { "", "syscalls: {allow: [getpid]}\nreason: {syscalls.allow.getpid: \"for no use\"}\n", "",
      "" },

    { "", "python: {modules: [json, math]}\n", "+python.modules: json math\n",
      "-python.modules: json math\n" },
    { "python: {modules: [uuid]}\n",
      "python: {modules: [uuid], names: {uuid: [UUID, uuid4]}}\n",
      "-names of uuid: all but those listed\n",
      "+names of uuid: all, not only those listed\n" },
    { "python: {modules: [uuid], names: {uuid: [UUID, uuid1]}}\n",
      "python: {modules: [uuid], names: {uuid: [UUID, uuid4]}}\n",
      "+names of uuid: uuid4\n-names of uuid: uuid1\n",
      "+names of uuid: uuid1\n-names of uuid: uuid4\n" },
    { "python: {modules: [uuid], preload: [uuid]}\n",
      "python: {modules: [uuid], preload: all}\n",
      "~python.preload: a list -> all\n~python.preload: -uuid\n",
      "~python.preload: all -> a list\n~python.preload: +uuid\n" },
    { "python: {transitive: listed}\n", "", "+python.transitive: listed -> allow\n",
      "-python.transitive: allow -> listed\n" },
    { "", "python: {eval: true}\n", "+python.eval: false -> true\n",
      "-python.eval: true -> false\n" },
    { "python: {register: false}\n", "", "+python.register: false -> true\n",
      "-python.register: true -> false\n" },
    { "", "python: {builtins: {remove: [open]}}\n", "+built-in names: input breakpoint\n",
      "-built-in names: input breakpoint\n" },
    { "", "limits: {wall: 6s, memory: 64Mi}\n",
      "+limits.wall: 5s -> 6s\n-limits.memory: 128Mi -> 64Mi\n",
      "-limits.wall: 6s -> 5s\n+limits.memory: 64Mi -> 128Mi\n" },
    { "", "cpu: {max: 2}\npool: {min: 1}\n", "+cpu.max: 1.0 -> 2.0\n~pool.min: 2 -> 1\n",
      "-cpu.max: 2.0 -> 1.0\n~pool.min: 1 -> 2\n" },
    { "files: {read_only: [{source: /srv/a, target: /a}]}\n",
      "files: {read_only: [{source: /srv/b, target: /a}]}\n",
      "-files.read_only: /srv/a, seen as /a\n+files.read_only: /srv/b, seen as /a\n",
      "-files.read_only: /srv/b, seen as /a\n+files.read_only: /srv/a, seen as /a\n" },
    { "", "sessions: {allow: true}\nisolation: policy\n",
      "+sessions.allow: false -> true\n+isolation: tenant -> policy\n",
      "-sessions.allow: true -> false\n-isolation: policy -> tenant\n" },

    /* one call, by whatever key */
    { "syscalls: {tiers: [compute]}\n", "",
      "+syscalls.tiers: time: clocks, sleeping, entropy\n"
      "+system call clock_gettime: clocks of process and thread\n"
      "+system call clock_nanosleep: sleeps within the wall limit\n"
      "+system call getrandom: entropy\n",
      "-syscalls.tiers: time: clocks, sleeping, entropy\n"
      "-system call clock_gettime: clocks of process and thread\n"
      "-system call clock_nanosleep: sleeps within the wall limit\n"
      "-system call getrandom: entropy\n" },
    { "syscalls: {deny: [sched_yield]}\n", "", "+system call sched_yield: gives time away\n",
      "-system call sched_yield: gives time away\n" },
    { "", "syscalls: {allow: [getcpu]}\n", "+system call getcpu: with any argument\n",
      "-system call getcpu: with any argument\n" },
    /* from some arguments to any */
    { "", "syscalls: {allow: [madvise]}\nreason: {syscalls.allow.madvise: \"so it goes\"}\n",
      "+system call madvise: with any argument; reason: so it goes\n",
      "-system call madvise: with any argument; reason: so it goes\n" },
};

static void each_difference_is_told_once_in_both_directions(void **state)
{
    char a[1000], b[1000], text[8192];

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        snprintf(a, sizeof(a), V "%s", rows[i].a);
        snprintf(b, sizeof(b), V "%s", rows[i].b);
        diff(a, b, false, text, sizeof(text));
        assert_string_equal(text, rows[i].there);
        diff(b, a, false, text, sizeof(text));
        assert_string_equal(text, rows[i].back);
        diff(b, b, false, text, sizeof(text));
        assert_string_equal(text, "");
    }
}

static void risk_is_told_of_what_opens_only(void **state)
{
    static const char risky[] = V "python: {modules: [ctypes, json]}\n"
                                  "isolation: policy\n"
                                  "syscalls: {allow: [memfd_create]}\n"
                                  "reason: {syscalls.allow.memfd_create: \"arrow does\"}\n";
    char text[8192];

    (void)state;
    diff(V, risky, true, text, sizeof(text));
    assert_string_equal(text,
                        "+python.modules: ctypes\n"
                        "!calls any function of the C library: native code\n"
                        "+python.modules: json\n"
                        "+isolation: tenant -> policy\n"
                        "!tenants share an address layout and a hash seed\n"
                        "+system call memfd_create: with any argument; reason: arrow does\n"
                        "!makes files that can be mapped as code, outside of /tmp\n");
    diff(risky, V, true, text, sizeof(text));
    assert_null(strchr(text, '!'));
}

static void every_key_of_the_schema_has_a_direction(void **state)
{
    (void)state;
    for (size_t i = 0; i < cl_table_count; i++) {
        if (cl_table[i].type != CL_KEY_SECTION && !cl_diff_knows(cl_table[i].path))
            fail_msg("diff does not know %s", cl_table[i].path);
    }
    assert_false(cl_diff_knows("limits.memry"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_difference_is_told_once_in_both_directions),
        cmocka_unit_test(risk_is_told_of_what_opens_only),
        cmocka_unit_test(every_key_of_the_schema_has_a_direction),
    };

    return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
