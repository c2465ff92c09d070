/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole policy texts: what each key does, and every refusal with its place and its words.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "sandbox/base/own.h"
#include "tests/support/policy_case.h"

#define V "version: 1\n"

/* The first problem of the text, which stands alone as p.yaml. */
static const struct {
    const char *text;
    const char *says;
} refused[] = {
    { "limits: {wall: 5s}\n", "p.yaml: error: the key 'version' is missing" },
    { "version: 2\n", "p.yaml:1:10: error: version: 2 is out of range" },
    { "version: \"1\"\n", "p.yaml:1:10: error: version: found the text '1', expected a whole" },
    { V "limits: {wall: 5s, wall: 5s}\n",
      "p.yaml:2:20: error: duplicate key 'wall', first on line 2" },
    { "version:\n", "p.yaml:1:9: error: version: found nothing, expected a whole number: 1" },

    { V "limit: {wall: 5s}\n",
      "p.yaml:2:1: error: unknown key 'limit'; did you mean 'limits'?" },
    { V "limits: {wal: 5s}\n", "p.yaml:2:10: error: unknown key 'wal' in 'limits'; did you "
                               "mean 'wall'? allowed: wall, cpu," },
    { V "wall: 5s\n", "p.yaml:2:1: error: unknown key 'wall'; did you mean 'limits.wall'?" },
    { V "limits.wall: 5s\n", "p.yaml:2:1: error: unknown key 'limits.wall'" },
    { V "python: {builtins: {add: [x]}}\n", "unknown key 'add' in 'python.builtins'" },
    { V "\"\": 1\n", "p.yaml:2:1: error: unknown key ''" },
    { V "limits: [wall]\n", "p.yaml:2:9: error: limits: found a list, expected a mapping" },
    { V "limits: 5s\n", "p.yaml:2:9: error: limits: found 5s, expected a mapping" },

    { V "limits: {wall: 5}\n", "limits.wall: found 5, expected a time with its unit" },
    { V "limits: {wall: 25h}\n", "limits.wall: 25h is out of range, expected a time" },
    { V "limits: {wall: 0s}\n", "limits.wall: 0ms is out of range" },
    { V "limits: {memory: 64MB}\n",
      "limits.memory: found 64MB, expected a size with its unit" },
    { V "limits: {memory: 64}\n", "limits.memory: 64 is out of range" },
    { V "limits: {processes: many}\n",
      "limits.processes: found many, expected a whole number" },
    { V "limits: {processes: 1.5}\n", "found 1.5, expected a whole number" },
    { V "limits: {calls_per_worker: 2}\n", "limits.calls_per_worker: 2 is out of range" },
    { V "cpu: {max: 0}\n", "cpu.max: 0.0 is out of range" },
    { V "cpu: {max: fast}\n", "cpu.max: found fast, expected a number of cores" },
    { V "python: {eval: yes}\n", "python.eval: found yes, expected one of: false true" },
    { V "python: {eval: 'true'}\n", "python.eval: found the text 'true'" },
    { V "isolation: tennant\n", "isolation: found tennant, expected one of: tenant policy" },
    { V "syscalls: {on_violation: die}\n", "found die, expected one of: kill errno" },
    { V "description: [a]\n", "description: found a list, expected one line of text" },
    { V "description: |\n  two\n  lines\n", "expected one line of text" },
    { V "network: {allow: [\"api.example.com:443\"]}\n",
      "p.yaml:2:10: error: network: found a mapping, expected one of: none; a jail has no "
      "network" },
    { V "network: host\n",
      "network: found host, expected one of: none; a jail has no network" },

    { V "python: {modules: math}\n", "python.modules: found math, expected a list" },
    { V "python: {modules: [os.]}\n",
      "p.yaml:2:20: error: python.modules: 'os.' is no dotted" },
    { V "python: {modules: ['os; x']}\n", "'os; x' is no dotted module name" },
    { V "python: {modules: ['*']}\n", "'*' is no dotted module name" },
    { V "python: {modules: [[os]]}\n", "found a list, expected a name" },
    { V "python: {modules: [os, math, os]}\n",
      "p.yaml:2:30: error: python.modules: 'os' stands" },
    { V "python: {modules: {ad: [os]}}\n", "unknown key 'ad'; allowed: add, remove" },
    { V "python: {modules: {add: os}}\n", "python.modules.add: expected a list" },
    { V "python:\n  modules: -[os]\n",
      "p.yaml:3:14: error: python.modules: cannot remove 'os'" },
    { V "python: {builtins: {remove: [a.b]}}\n", "'a.b' is no Python name" },
    { V "python: {preload: everything}\n",
      "python.preload: unknown 'everything'; allowed: none all" },
    { V "python: {preload: nonne}\n", "did you mean 'none'?" },
    { V "python: {preload: [json]}\n", "p.yaml:2:20: error: python.preload: 'json' is not in" },
    { V "python: {names: [uuid]}\n", "python.names: found a list, expected a mapping" },
    { V "python: {modules: [uuid], names: {uuid: UUID}}\n",
      "found UUID, expected a list of names" },
    { V "python: {modules: [uuid], names: {uuid: [a-b]}}\n", "'a-b' is no Python name" },
    { V "python: {modules: [uuid], names: {uuid: [a, a]}}\n", "'a' stands twice" },
    { V "python: {names: {uuid: [UUID]}}\n", "python.names: 'uuid' is not in python.modules" },
    { V "python: {names: {'u=v': [UUID]}}\n", "'u=v' is no dotted module name" },

    { V "syscalls: {tiers: [compute, thread]}\n",
      "p.yaml:2:29: error: syscalls.tiers: unknown 'thread'; did you mean 'threads'? "
      "allowed:" },
    { V "syscalls: {tiers: []}\n", "no worker runs without 'compute'" },
    { V "syscalls: {tiers: [time]}\n", "no worker runs without 'compute'" },
    { V "syscalls: {tiers: [compute, tmp_files]}\n", "'tmp_files' needs limits.files above 0" },
    { V "limits: {files: 1Mi}\n", "limits.files: a /tmp needs the tier 'tmp_files'" },
    { V "syscalls: {tiers: [compute, threads]}\n", "'threads' needs limits.processes above 1" },
    { V "syscalls: {allow: [memfdcreate]}\n",
      "no system call is called 'memfdcreate'; did you mean 'memfd_create'?" },
    { V "syscalls: {allow: [memfd_create]}\n",
      "p.yaml:2:20: error: syscalls.allow: 'memfd_create' is risky:" },
    { V "syscalls: {allow: [ptrace]}\nreason: {syscalls.allow.ptrace: \"I want it so much\"}\n",
      "syscalls.allow: 'ptrace' is never granted" },
    { V "syscalls: {allow: [rt_sigaction]}\n", "'rt_sigaction' is never granted" },
    { V "syscalls: {allow: [swapcontext]}\n", "no system call is called 'swapcontext'" },
    { V "syscalls: {allow: [getuid], deny: [getuid]}\n",
      "'getuid' is under syscalls.deny, too" },
    { V "syscalls: {deny: [write]}\n", "syscalls.deny: no worker runs without 'write'" },
    { V "syscalls: {deny: [nothing]}\n", "no system call is called 'nothing'" },

    { V "reason: {syscalls.allow.memfd_create: \"arrow needs it\"}\n",
      "p.yaml:2:10: error: reason: 'memfd_create' is not in syscalls.allow" },
    { V "reason: {memfd_create: \"arrow needs it\"}\n", "'memfd_create' names no list item" },
    { V "syscalls: {allow: [memfd_create]}\nreason: {syscalls.allow.memfd_create: \"x\"}\n",
      "one line that says why" },
    { V "reason: [a]\n", "reason: found a list, expected a mapping" },

    { V "files: {read_only: {source: /a, target: /b}}\n", "expected a list of up to 64" },
    { V "files: {read_only: [{source: /a}]}\n",
      "expected {source: /on/host, target: /inside}" },
    { V "files: {read_only: [{source: /a, target: /b, mode: rw}]}\n", "expected {source" },
    { V "files: {read_only: [{source: a, target: /b}]}\n",
      "source: expected an absolute path" },
    { V "files: {read_only: [{source: /a/../b, target: /b}]}\n",
      "source: expected an absolute" },
    { V "files: {read_only: [{source: /a/./b, target: /b}]}\n",
      "source: expected an absolute" },
    { V "files: {read_only: [{source: /a//b, target: /b}]}\n", "source: expected an absolute" },
    { V "files: {read_only: [{source: /a/, target: /b}]}\n", "source: expected an absolute" },
    { V "files: {read_only: [{source: /, target: /b}]}\n", "source: expected an absolute" },
    { V "files: {read_only: [{source: /proc/1, target: /b}]}\n", "source: not /proc" },
    { V "files: {read_only: [{source: /run, target: /b}]}\n", "source: not /run" },
    { V "files: {read_only: [{source: /a, target: /tmp/x}]}\n", "target: not /tmp" },
    { V "files: {read_only: [{source: /a, target: /proc}]}\n", "target: not /proc" },
    { V "files: {read_only: [{source: /a, target: /b}, {source: /c, target: /b/d}]}\n",
      "target: overlaps with /b" },
    { V "files: {read_only: [{source: /a, target: /b/c}, {source: /c, target: /b}]}\n",
      "target: overlaps with /b/c" },

    { V "pool: {min: 3, max: 2}\n", "p.yaml:2:8: error: pool.min is greater than pool.max" },
    { V "sessions: {idle: 5h}\n", "sessions.idle is greater than sessions.max" },
    { V "sessions: {default: token}\n", "'token' needs sessions.allow: true" },
    { V "extends: [default]\n", "extends: found a list, expected the name of one policy" },
    { V "extends: ../default\n", "extends: found ../default, expected the name of one policy" },
};

static void every_mistake_is_refused_with_its_place(void **state)
{
    struct policy_case made;

    (void)state;
    for (size_t i = 0; i < CL_COUNT(refused); i++) {
        policy_case_open(&made, refused[i].text);
        if (made.spec || !strstr(made.first, refused[i].says))
            fail_msg("%sgives %s\nnot  %s", refused[i].text, made.first, refused[i].says);
        policy_case_fini(&made);
    }
}

static void all_mistakes_of_a_file_are_reported_at_once(void **state)
{
    struct policy_case made;

    (void)state;
    policy_case_open(&made, V "limits: {wal: 5s, cpu: 3, memory: 1}\nisolation: none\nx: 1\n");
    assert_null(made.spec);
    assert_int_equal(made.report.errors, 5);
    policy_case_fini(&made);
}

static void whole_schema_is_taken(void **state)
{
    static const char text[] = V
        "description: Numbers.\n"
        "python:\n"
        "  modules: [math, json, urllib.parse, uuid]\n"
        "  names: {uuid: [UUID, uuid4], math: []}\n"
        "  preload: [json]\n"
        "  transitive: listed\n"
        "  eval: true\n"
        "  builtins: {remove: [open]}\n"
        "limits: {wall: 1.5s, cpu: 700ms, memory: 64Mi, processes: 4, output: 0, result: 2Ki,\n"
        "         request: 1Mi, files: 16Mi, inodes: 64, calls_per_worker: 1}\n"
        "cpu: {weight: 50, max: 0.25}\n"
        "network: none\n"
        "files: {read_only: [{source: /srv/models, target: /models}]}\n"
        "syscalls:\n"
        "  tiers: [compute, threads, tmp_files]\n"
        "  allow: [getppid, memfd_create]\n"
        "  deny: [sched_yield]\n"
        "  on_violation: errno\n"
        "sessions: {allow: true, default: token, idle: 1m, max: 1h, threads: 2}\n"
        "isolation: policy\n"
        "pool: {min: 0, max: 8, recycle_calls: 5, recycle_after: 1h}\n"
        "reason: {syscalls.allow.memfd_create: \"arrow needs it\"}\n";
    struct policy_case made;

    (void)state;
    policy_case_open(&made, text);
    if (!made.spec)
        fail_msg("%s", made.first);
    assert_int_equal(made.report.errors, 0);
    assert_int_equal(made.report.count, 0);
    assert_int_equal(made.spec->wall_ms, 1500);
    assert_int_equal(made.spec->cpu_max_milli, 250);
    assert_int_equal(made.spec->modules.count, 4);
    assert_string_equal(made.spec->names.items[0].text, "uuid=UUID,uuid4");
    assert_string_equal(made.spec->names.items[1].text, "math=");
    assert_string_equal(made.spec->binds.items[1].text, "/models");
    assert_int_equal(made.spec->session_default, 1);
    assert_int_equal(made.spec->output_bytes, 0);
    assert_int_equal(cl_spec_tiers(made.spec), 1 | 4 | 32);
    policy_case_fini(&made);
}

static void file_that_says_nothing_grants_nothing(void **state)
{
    struct policy_case made;

    (void)state;
    policy_case_open(&made, V);
    assert_non_null(made.spec);
    assert_int_equal(made.spec->modules.count, 0);
    assert_int_equal(made.spec->files_bytes, 0);
    assert_int_equal(made.spec->processes, 1);
    assert_int_equal(made.spec->allow.count, 0);
    assert_int_equal(made.spec->on_violation, 0);
    assert_int_equal(made.spec->builtins_removed.count, 3);
    policy_case_fini(&made);
}

static void risky_modules_warn_until_a_reason_is_given(void **state)
{
    struct policy_case made;

    (void)state;
    policy_case_open(&made, V "python: {modules: [math, ctypes]}\n");
    assert_non_null(made.spec);
    assert_int_equal(made.report.errors, 0);
    assert_non_null(strstr(made.first, "p.yaml:2:26: warning: python.modules: 'ctypes' calls"));
    policy_case_fini(&made);

    policy_case_open(&made, V "python: {modules: [ctypes]}\n"
                              "reason: {python.modules.ctypes: \"to attack the jail\"}\n");
    assert_non_null(made.spec);
    assert_int_equal(made.report.count, 0);
    policy_case_fini(&made);
}

/* `head`, `count` numbered items with commas between, `tail`. */
static void open_many(struct policy_case *made, const char *head, int count, const char *tail)
{
    static char text[200000];
    int used = snprintf(text, sizeof(text), "%s", head);

    for (int i = 0; i < count; i++)
        used += snprintf(text + used, sizeof(text) - (size_t)used, "%sm%d", i ? ", " : "", i);
    snprintf(text + used, sizeof(text) - (size_t)used, "%s", tail);
    policy_case_open(made, text);
}

static void lists_are_capped_after_merging(void **state)
{
    struct policy_case made;

    (void)state;
    open_many(&made, V "python: {modules: [", 2048, "]}\n");
    assert_non_null(made.spec);
    policy_case_fini(&made);
    open_many(&made, V "python: {modules: [", 2049, "]}\n");
    assert_null(made.spec);
    assert_non_null(strstr(made.first, "python.modules: more than 2048 entries"));
    policy_case_fini(&made);
    open_many(&made, V "python: {modules: [uuid], names: {uuid: [", 1000, "]}}\n");
    assert_null(made.spec);
    assert_non_null(strstr(made.first, "python.names: more than 4096 bytes of names"));
    policy_case_fini(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mistake_is_refused_with_its_place),
        cmocka_unit_test(all_mistakes_of_a_file_are_reported_at_once),
        cmocka_unit_test(whole_schema_is_taken),
        cmocka_unit_test(file_that_says_nothing_grants_nothing),
        cmocka_unit_test(risky_modules_warn_until_a_reason_is_given),
        cmocka_unit_test(lists_are_capped_after_merging),
    };

    return cmocka_run_group_tests_name("apply", tests, NULL, NULL);
}
