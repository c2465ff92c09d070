/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What explain says of an attacker follows what the policy grants, and names no more.
 * Runs in: the unit tests.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "policies/residue.h"
#include "sandbox/base/own.h"
#include "tests/support/policy_case.h"

#define V "version: 1\n"

static char shown[16 << 10];

/* Line breaks are taken out: where they are is of no interest here. */
static void show(const char *policy)
{
    struct policy_case made;
    cl_fclose_auto FILE *out = tmpfile();
    size_t length;

    assert_non_null(out);
    policy_case_open(&made, policy);
    if (!made.spec)
        fail_msg("%s", made.first);
    cl_residue_print(made.spec, 27, out);
    rewind(out);
    length = fread(shown, 1, sizeof(shown) - 1, out);
    shown[length] = '\0';
    for (char *at = shown; (at = strstr(at, "\n    "));)
        memmove(at, at + 4, strlen(at + 4) + 1);
    policy_case_fini(&made);
}

static const struct {
    const char *policy, *says;
} rows[] = {
    { V "limits: {wall: 7s, cpu: 3s, memory: 32Mi}\ncpu: {max: 0.5}\n",
      "for 7s, with 3s of processor time on up to 0.5 cores, and fill 32Mi of memory" },
    { V "limits: {result: 5Ki, output: 6Ki}\n", "up to 5Ki of result, 6Ki of output" },
    { V "syscalls: {tiers: [compute]}\n", "time stamp counter" },
    { V "syscalls: {on_violation: errno}\n", "Try every other system call" },
    { V "syscalls: {tiers: [compute, threads]}\nlimits: {processes: 5}\n",
      "Run 5 tasks at once" },
    { V "syscalls: {tiers: [compute, asyncio]}\n", "Make socket pairs and epoll instances" },
    { V "syscalls: {tiers: [compute, late_imports]}\n", "List and read the jail's tree" },
    { V "syscalls: {tiers: [compute, tmp_files]}\nlimits: {files: 3Mi, inodes: 77}\n",
      "Write 3Mi into 77 files" },
    { V "isolation: policy\n", "workers of other tenants" },
    { V "sessions: {allow: true, max: 2h}\n", "the same session, for up to 2h" },
    { V "files: {read_only: [{source: /srv/a, target: /b}]}\n",
      "Read everything below /srv/a that its owner lets all read (it is /b inside)" },
    { V "syscalls: {allow: [getcpu]}\n", "Call getcpu with any argument." },
    { V "syscalls: {allow: [memfd_create]}\n"
        "reason: {syscalls.allow.memfd_create: \"arrow does\"}\n",
      "Call memfd_create with any argument: makes files that can be mapped as code" },
};

static void each_grant_is_told_and_only_then(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        show(rows[i].policy);
        if (!strstr(shown, rows[i].says))
            fail_msg("row %zu says:\n%s", i, shown);
        assert_null(strpbrk(shown, "{}"));
        show(V);
        if (strstr(shown, rows[i].says))
            fail_msg("row %zu is said of the default, too", i);
    }
    assert_non_null(strstr(shown, "through the 27 open system calls"));
    assert_non_null(strstr(shown, "Measure that with the kernel's clocks."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_grant_is_told_and_only_then),
    };

    return cmocka_run_group_tests_name("residue", tests, NULL, NULL);
}
