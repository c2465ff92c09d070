/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp profiles as Docker writes them: what is carried over, what is told of, what is refused,
 * and that the outcome is a policy that never opens more than the profile.
 * Runs in: the unit tests, from the top of the tree.
 * Trusts: -
 */
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "policies/load.h"
#include "policies/oci.h"
#include "policies/openness.h"
#include "policies/profile.h"
#include "sandbox/base/file.h"
#include "sandbox/base/own.h"
#include "tests/support/policy_case.h"

static char yaml[64 << 10], notes[64 << 10], problem[1200];

static void read_back(FILE *from, char *text, size_t size)
{
    rewind(from);
    size_t length = fread(text, 1, size - 1, from);
    text[length] = '\0';
}

static int import(const char *json)
{
    struct cl_report report = CL_REPORT_INIT;
    struct cl_doc *doc = cl_load_parse("", "p.json", json, strlen(json), &report);
    cl_fclose_auto FILE *out = tmpfile();
    cl_fclose_auto FILE *told = tmpfile();

    assert_true(out && told);
    int done = cl_oci_import(doc, out, told, &report);
    read_back(out, yaml, sizeof(yaml));
    read_back(told, notes, sizeof(notes));
    problem[0] = '\0';
    if (report.count > 0)
        cl_report_format(&report.problems[0], problem, sizeof(problem));
    cl_report_fini(&report);
    cl_doc_free(doc);
    return done;
}

#define ALL                                                                                    \
    "\"read\",\"write\",\"exit_group\",\"brk\",\"munmap\",\"mremap\",\"rt_sigreturn\","        \
    "\"close\",\"lseek\",\"fstat\",\"exit\",\"getpid\",\"gettid\",\"uname\","                  \
    "\"rt_sigprocmask\",\"sigaltstack\",\"sched_yield\",\"restart_syscall\",\"mmap\","         \
    "\"mprotect\",\"rt_sigaction\",\"futex\",\"madvise\",\"clock_gettime\""
#define RULE(names, more) "{\"names\":[" names "],\"action\":\"SCMP_ACT_ALLOW\"" more "}"
#define PROFILE(rules)    "{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[" rules "]}"
#define ARGS              ",\"args\":[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]"

static const struct {
    const char *json;
    const char *tiers, *allow, *deny, *end;
    const char *note; /* NULL: of nothing but argument rules */
} rows[] = {
    { PROFILE(RULE(ALL, "")), "[compute]", "[]", "[]", "kill", NULL },
    { PROFILE(RULE(ALL ",\"getcpu\"", "")), "[compute]", "[getcpu]", "[]", "kill", NULL },
    { PROFILE(RULE(ALL ",\"clock_nanosleep\",\"getrandom\"", "")), "[compute, time]", "[]",
      "[]", "kill", NULL },
    /* one of three is too little for a tier, and harmless by itself or not */
    { PROFILE(RULE(ALL ",\"nanosleep\",\"getrandom\"", "")), "[compute]", "[nanosleep]", "[]",
      "kill", "p.json:1:" },
    { PROFILE(RULE(ALL ",\"ptrace\"", "")), "[compute]", "[]", "[]", "kill",
      "'ptrace' is never granted: reaches into other processes" },
    { PROFILE(RULE(ALL ",\"socket\"", "")), "[compute]", "[]", "[]", "kill",
      "'socket' is risky and left out:" },
    { PROFILE(RULE(ALL ",\"stat64\"", "")), "[compute]", "[]", "[]", "kill",
      "'stat64' is no system call of x86_64" },
    { PROFILE(RULE(ALL, "") "," RULE("\"getcpu\"", ARGS)), "[compute]", "[]", "[]", "kill",
      "'getcpu': rules on arguments are not carried over, it stays shut" },
    { PROFILE(RULE(ALL, "") "," RULE("\"getcpu\"", ",\"includes\":{\"caps\":[\"CAP_BPF\"]}")),
      "[compute]", "[]", "[]", "kill", "a rule for processes with CAP_BPF" },
    { PROFILE(RULE(ALL, "") "," RULE("\"getcpu\"", ",\"includes\":{\"arches\":[\"arm\"]}")),
      "[compute]", "[]", "[]", "kill", "a rule for other architectures than x86_64" },
    { PROFILE(RULE(ALL, "") "," RULE("\"getcpu\"", ",\"excludes\":{\"arches\":[\"amd64\"]}")),
      "[compute]", "[]", "[]", "kill", "a rule for other architectures than x86_64" },
    { PROFILE(RULE(ALL, "") "," RULE("\"getcpu\"", ",\"includes\":{\"arches\":[\"amd64\"],"
                                                   "\"minKernel\":\"4.8\"},"
                                                   "\"excludes\":{\"caps\":[\"CAP_BPF\"]}")),
      "[compute]", "[getcpu]", "[]", "kill", NULL },
    /* what the profile shuts is shut, whatever order its rules have */
    { PROFILE("{\"names\":[\"uname\"],\"action\":\"SCMP_ACT_ERRNO\"}," RULE(ALL, "")),
      "[compute]", "[]", "[uname]", "kill", NULL },
    { PROFILE("{\"name\":\"close\",\"action\":\"SCMP_ACT_TRAP\"}," RULE(ALL, "")), "[compute]",
      "[]", "[close]", "kill", NULL },
    { PROFILE(RULE("\"getcpu\"", "")), "[compute]", "[getcpu]",
      "[close, lseek, fstat, exit, getpid, gettid, uname, rt_sigprocmask, sigaltstack,\n"
      "         sched_yield, restart_syscall, mmap, mprotect, futex, madvise, clock_gettime]",
      "kill", "'read': stays open, no worker runs without it" },
    { "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"getrandom\"],"
      "\"action\":\"SCMP_ACT_ERRNO\"}]}",
      "[compute, time]", "[]", "[getrandom]", "kill", "opens what is not named" },
    { "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"flags\":[\"X\"],\"more\":1,\"syscalls\":[" RULE(
          ALL, "") "]}",
      "[compute]", "[]", "[]", "errno", "'more': no key that is known here" },
};

static void each_profile_gives_its_block(void **state)
{
    char wanted[2048];

    (void)state;
    for (size_t i = 0; i < CL_COUNT(rows); i++) {
        if (import(rows[i].json) < 0)
            fail_msg("row %zu: %s", i, problem);
        snprintf(wanted, sizeof(wanted),
                 "# imported from p.json; what was not carried over is told on standard error\n"
                 "syscalls:\n  tiers: %s\n  allow: %s\n  deny: %s\n  on_violation: %s\n",
                 rows[i].tiers, rows[i].allow, rows[i].deny, rows[i].end);
        assert_string_equal(yaml, wanted);
        if (rows[i].note && !strstr(notes, rows[i].note))
            fail_msg("row %zu says:\n%s", i, notes);
        for (const char *at = notes; !rows[i].note && *at; at = strchr(at, '\n') + 1) {
            if (strncmp(at, "p.json:1:", 9) != 0 || !strstr(at, "the tiers' own rules"))
                fail_msg("row %zu says:\n%s", i, notes);
        }
    }
}

static const struct {
    const char *json, *says;
} refused[] = {
    { "", "p.json: error: an empty file" },
    { "[]", "p.json:1:1: error: expected an object" },
    { "{}", "p.json: error: no seccomp profile: the key 'defaultAction' is missing" },
    { "{\"defaultAction\": \"SCMP_ACT_ALOW\"}",
      "p.json:1:19: error: defaultAction: found the text 'SCMP_ACT_ALOW', expected an action" },
    { "{\"defaultAction\": 1}", "p.json:1:19: error: defaultAction: found 1" },
    { "{\"defaultAction\": \"SCMP_ACT_KILL\", \"syscalls\": {}}",
      "p.json:1:48: error: syscalls: found a mapping, expected a list of rules" },
    { PROFILE("1"), "syscalls: found 1, expected a mapping" },
    { PROFILE("{}"), "action: found a mapping, expected an action" },
    { PROFILE("{\"action\": \"SCMP_ACT_ALLOW\"}"), "a rule without 'names'" },
    { PROFILE(RULE("1, {}", "")),
      "names: found a mapping, expected the name of a system call" },
    { "{\"defaultAction\": \"SCMP_ACT_KILL\", \"defaultAction\": \"SCMP_ACT_ALLOW\"}",
      "p.json:1:36: error: duplicate key 'defaultAction'" },
    { "{\"defaultAction\": \"SCMP_ACT_KILL\"", "error: not JSON" },
};

static void what_is_no_profile_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < CL_COUNT(refused); i++) {
        if (import(refused[i].json) == 0)
            fail_msg("row %zu was taken: %s", i, yaml);
        assert_string_equal(yaml, "");
        if (!strstr(problem, refused[i].says))
            fail_msg("row %zu says %s", i, problem);
    }
}

/* Of a call that the profile does not let through whole, the policy opens no more. */
static void assert_not_wider(const struct cl_spec *spec, const struct cl_profile *profile,
                             const char *name)
{
    const struct cl_profile_call *call = cl_profile_find(profile, name);
    enum cl_openness open = call && !call->is_denied ? call->open : CL_OPEN_NOT;

    if (cl_openness_of(spec, name) > open)
        fail_msg("%s is wider than in the profile", name);
}

static void outcome_is_a_policy_that_opens_no_more(void **state)
{
    static char json[16 << 10], policy[80 << 10];
    struct cl_report report = CL_REPORT_INIT;
    struct cl_err err = CL_ERR_INIT;
    struct policy_case made;

    (void)state;
    assert_works(
        cl_file_get(AT_FDCWD, "tests/golden/policies/profile.json", json, sizeof(json), &err),
        &err);
    assert_int_equal(import(json), 0);
    snprintf(policy, sizeof(policy), "version: 1\n%s", yaml);
    policy_case_open(&made, policy);
    if (!made.spec)
        fail_msg("%s", made.first);

    cl_fclose_auto FILE *told = tmpfile();
    struct cl_doc *doc = cl_load_parse("", "p.json", json, strlen(json), &report);
    struct cl_profile profile = { .doc = doc, .notes = told };
    assert_int_equal(cl_profile_parse(&profile, &report), 0);
    for (size_t i = 0; i < cl_rules_count; i++) {
        if (!cl_rules[i].is_needed)
            assert_not_wider(made.spec, &profile, cl_rules[i].name);
    }
    for (size_t i = 0; i < made.spec->allow.count; i++)
        assert_not_wider(made.spec, &profile, made.spec->allow.items[i].text);
    cl_profile_fini(&profile);
    cl_doc_free(doc);
    cl_report_fini(&report);
    policy_case_fini(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_profile_gives_its_block),
        cmocka_unit_test(what_is_no_profile_is_refused_with_its_place),
        cmocka_unit_test(outcome_is_a_policy_that_opens_no_more),
    };

    return cmocka_run_group_tests_name("oci", tests, NULL, NULL);
}
